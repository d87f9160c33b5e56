//! The system clock at 50 MHz, and clocks and pins of what is used (LM3S6965
//! data sheet, chapters "System Control" and "GPIOs").

use magpie_mmio::{Mmio, Registers};

const RIS: u32 = 0x050;
const RCC: u32 = 0x060;
const RCGC1: u32 = 0x104;
const RCGC2: u32 = 0x108;
const WINDOW: u32 = 0x200;

const RIS_PLLLRIS: u32 = 1 << 6;
const RCC_SYSDIV: u32 = 0xf << 23;
/// 200 MHz / (3 + 1).
const RCC_SYSDIV_50_MHZ: u32 = 3 << 23;
const RCC_USESYSDIV: u32 = 1 << 22;
const RCC_PWRDN: u32 = 1 << 13;
const RCC_BYPASS: u32 = 1 << 11;
const RCC_XTAL: u32 = 0xf << 6;
/// The board's crystal.
const RCC_XTAL_8_MHZ: u32 = 0xe << 6;
const RCC_OSCSRC: u32 = 0x3 << 4;
const RCC_MOSCDIS: u32 = 1 << 0;

const RCGC1_TIMER0: u32 = 1 << 16;
const RCGC1_UART0: u32 = 1 << 0;
const RCGC2_EPHY0: u32 = 1 << 30;
const RCGC2_EMAC0: u32 = 1 << 28;
const RCGC2_GPIOA: u32 = 1 << 0;

/// U0RX and U0TX.
const PORT_A_UART0: u32 = 0b11;
const GPIOAFSEL: u32 = 0x420;
const GPIODEN: u32 = 0x51c;

/// How often the PLL is asked whether it has locked (0.5 ms at most).
const PATIENCE: u32 = 100_000;

/// Sets everything up; without a lock of the PLL the clock stays slow, which
/// the host sees as a clock that is.
pub(crate) fn start() {
    // SAFETY: system control is at this address (data sheet, table 2-1), does
    // no DMA, and only this function looks at it.
    #[allow(unsafe_code)]
    let mut system = unsafe { Mmio::new(0x400f_e000, WINDOW) };
    // From reset to crystal and PLL, in the order of "Initialization and
    // Configuration": bypass first, divider last.
    system.modify(RCC, |rcc| (rcc | RCC_BYPASS) & !RCC_USESYSDIV);
    system.modify(RCC, |rcc| {
        rcc & !(RCC_XTAL | RCC_OSCSRC | RCC_PWRDN | RCC_MOSCDIS) | RCC_XTAL_8_MHZ
    });
    system.modify(RCC, |rcc| {
        rcc & !RCC_SYSDIV | RCC_SYSDIV_50_MHZ | RCC_USESYSDIV
    });
    for _ in 0..PATIENCE {
        if system.read(RIS) & RIS_PLLLRIS != 0 {
            system.modify(RCC, |rcc| rcc & !RCC_BYPASS);
            break;
        }
    }
    system.modify(RCGC1, |on| on | RCGC1_TIMER0 | RCGC1_UART0);
    system.modify(RCGC2, |on| on | RCGC2_EPHY0 | RCGC2_EMAC0 | RCGC2_GPIOA);
    // A module may be touched a few cycles after its clock came: this read
    // takes longer.
    system.read(RCGC2);

    // SAFETY: port A is at this address (data sheet, table 2-1); as above.
    #[allow(unsafe_code)]
    let mut port_a = unsafe { Mmio::new(0x4000_4000, 0x1000) };
    port_a.modify(GPIOAFSEL, |pins| pins | PORT_A_UART0);
    port_a.modify(GPIODEN, |pins| pins | PORT_A_UART0);
}
