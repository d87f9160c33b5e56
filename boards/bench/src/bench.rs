//! One case after the other; results go out by semihosting, a line each.
//!
//! A line is `case NAME FRAMES TOTAL MIN MAX`, in frames and instructions, or
//! `sequence INSTRUCTIONS` where a file of sequences was given; the last line is
//! `done`. An assertion that fails (a case that is not what
//! its name says) ends QEMU with an error.

mod captures;
mod cases;
mod change;
mod counter;
mod filter;
mod frame;
#[cfg_attr(lm3s6965evb, allow(dead_code))]
mod lines;
mod nic;
mod run;
mod sum;
mod uplink;
mod worst;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::{debug, hprintln};

// The tables of the boards themselves: what is counted is what they do.
#[cfg(lm3s6965evb)]
#[path = "../../qemu-lm3s6965evb/src/clocks.rs"]
mod clocks;
#[cfg(lm3s6965evb)]
#[path = "../../qemu-lm3s6965evb/src/storage.rs"]
mod storage;
#[cfg(not(lm3s6965evb))]
#[path = "../../qemu-mps2-an386/src/storage.rs"]
mod storage;

#[cortex_m_rt::entry]
fn main() -> ! {
    magpie_cortex_m::guard::below_stack();
    #[cfg(lm3s6965evb)]
    clocks::start();
    if let Some(core) = cortex_m::Peripherals::take() {
        let counter = counter::Counter::start(core.SYST);
        let mut bench = run::Bench::new(counter, storage::sensor(), storage::buffers());
        if !worst::asked_for(&mut bench) {
            cases::all(&mut bench);
            uplink::all(&mut bench);
            filter::all(&mut bench);
            nic::all(&mut bench);
            #[cfg(not(lm3s6965evb))] // it stands for no board with a cache
            cases::lines(bench, core.SCB);
        }
        hprintln!("done");
        debug::exit(debug::EXIT_SUCCESS);
    }
    stand_still()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    stand_still()
}

#[exception]
#[allow(unsafe_code)] // the form of the handler; it does nothing unsafe
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("hard fault at {:#x}", frame.pc());
    debug::exit(debug::EXIT_FAILURE);
    stand_still()
}

fn stand_still() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
