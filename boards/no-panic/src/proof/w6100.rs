//! The controller behind SPI, over a bus that reads as anything.
//!
//! It waits for its bus in async functions, and each of these has a panic of the
//! compiler's own, for one who polls it after its end. `.await` never does, but the
//! optimiser does not see that everywhere. So this part is no part of the link that
//! proves the rest: `cargo xtask proof` reads what it calls out of an image.

use core::future::Future;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use magpie_w6100::{BUFFER, W6100};

use super::opaque;

/// SPI, reset line and delay that answer at once, with anything.
struct Anything;

impl ErrorType for Anything {
    type Error = ErrorKind;
}

impl SpiDevice for Anything {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        for operation in operations {
            match operation {
                Operation::Read(octets) | Operation::TransferInPlace(octets) => {
                    black_box(octets);
                }
                Operation::Write(octets) => {
                    black_box(octets);
                }
                Operation::Transfer(..) | Operation::DelayNs(_) => {}
            }
        }
        opaque(Ok(()))
    }
}

impl PinErrorType for Anything {
    type Error = embedded_hal::digital::ErrorKind;
}

impl OutputPin for Anything {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        opaque(Ok(()))
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        opaque(Ok(()))
    }
}

impl DelayNs for Anything {
    async fn delay_ns(&mut self, ns: u32) {
        black_box(ns);
    }
}

/// What a future that never waits comes to.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[inline(never)]
pub(super) fn all() {
    let mut chip = W6100::new(Anything, Anything, Anything);
    let mut room = opaque([0; BUFFER]);
    black_box(&mut chip);
    black_box(now(chip.receive(&mut room)).is_some());
    black_box(&mut chip);
    black_box(now(chip.acknowledge()).is_some());
    black_box(&mut chip);
    black_box(now(chip.look()).is_some());
    black_box((chip.missed(), chip.is_running()));
}
