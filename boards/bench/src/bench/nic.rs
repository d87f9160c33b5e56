//! What the driver takes to hand out one frame, without the sensor.
//!
//! Frames come from the port itself: it sends, and QEMU's wire leads back to
//! it (`-netdev socket,udp=…`). How long that takes does not count.

use magpie_mmio::Mmio;

use super::frame::{ACK, Frame, Pair, Segment};
use super::run::Bench;
use super::sum::Sum;

#[cfg(lm3s6965evb)]
type Nic = magpie_stellaris_eth::StellarisEthernet<Mmio>;
#[cfg(not(lm3s6965evb))]
type Nic = magpie_lan9118::Lan9118<Mmio>;

const FRAMES: u32 = 64;
/// How often it is asked for a frame that was sent.
const PATIENCE: u32 = 100_000_000;

#[cfg(lm3s6965evb)]
fn start() -> Nic {
    // SAFETY: the Ethernet controller is at this address (data sheet, table
    // 2-1), does no DMA, and only this module looks at it.
    #[allow(unsafe_code)]
    let registers = unsafe { Mmio::new(0x4004_8000, magpie_stellaris_eth::WINDOW) };
    let mut nic = Nic::new(registers);
    nic.start_speaking();
    nic
}

#[cfg(not(lm3s6965evb))]
fn start() -> Nic {
    // SAFETY: the LAN9118 of the AN386 is at this address (QEMU's model of
    // the machine), does no DMA, and only this module looks at it.
    #[allow(unsafe_code)]
    let registers = unsafe { Mmio::new(0x4020_0000, magpie_lan9118::WINDOW) };
    let mut nic = Nic::new(registers);
    nic.start_speaking().expect("the LAN9118 starts");
    nic
}

/// What is counted: the octets of a frame, or none.
#[inline(never)]
fn receive(nic: &mut Nic, buffer: &mut [u8]) -> Option<usize> {
    nic.poll_receive(buffer)?.ok()
}

/// Plays `nic`, frames of 64 octets, and `nic1514`.
pub(crate) fn all(bench: &mut Bench) {
    let mut nic = start();
    for (name, payload) in [("nic", 0), ("nic1514", 1460)] {
        let (counter, buffers) = bench.parts();
        let segment = Segment {
            flags: ACK,
            seq: 1,
            ack: 1,
            payload,
        };
        let mut sum = Sum::NONE;
        for _ in 0..FRAMES {
            let frame = Frame::new(buffers.scratch).tcp(&[], Pair::client(0, 443), segment);
            let len = frame.len();
            assert!(nic.transmit(frame).is_ok(), "{name}: not sent");
            buffers.scratch[..len].fill(0);
            let mut patience = PATIENCE;
            let instructions = loop {
                let (instructions, received) = counter.count(|| receive(&mut nic, buffers.scratch));
                if let Some(received) = received {
                    assert_eq!(received, len, "{name}: another length");
                    break instructions;
                }
                patience -= 1;
                assert!(patience > 0, "{name}: what was sent did not come back");
            };
            sum.add(instructions);
        }
        sum.print(name);
    }
}
