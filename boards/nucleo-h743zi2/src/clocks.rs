//! 480 MHz from the 8 MHz that the ST-LINK gives.

use embassy_stm32::Config;
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, Hse, HseMode, Hsi48Config, Pll, PllDiv, PllMul, PllPreDiv,
    PllSource, Sysclk, VoltageScale, mux,
};
use embassy_stm32::time::Hertz;

/// The bus of the Ethernet controller: half of the core's 480 MHz.
pub(crate) const HCLK_HZ: u32 = 240_000_000;

/// 8 MHz * 120 / 2 = 480 MHz, at voltage scale 0 (data sheet DS12110, "General
/// operating conditions": revision V of the chip). The ST-LINK's clock (UM2407,
/// "OSC clock supply") is exact to a crystal's 20 ppm or so; the time stamps
/// come from it, too.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    let rcc = &mut config.rcc;
    rcc.hse = Some(Hse {
        freq: Hertz(8_000_000),
        mode: HseMode::Bypass,
    });
    rcc.pll1 = Some(Pll {
        source: PllSource::HSE,
        prediv: PllPreDiv::DIV1,
        mul: PllMul::MUL120,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    rcc.sys = Sysclk::PLL1_P;
    rcc.ahb_pre = AHBPrescaler::DIV2;
    rcc.apb1_pre = APBPrescaler::DIV2;
    rcc.apb2_pre = APBPrescaler::DIV2;
    rcc.apb3_pre = APBPrescaler::DIV2;
    rcc.apb4_pre = APBPrescaler::DIV2;
    rcc.voltage_scale = VoltageScale::Scale0;
    // For the random number generator, and for USB, whose host trims it.
    rcc.hsi48 = Some(Hsi48Config {
        sync_from_usb: true,
    });
    rcc.mux.usbsel = mux::Usbsel::HSI48;
    config
}
