//! The node's turn, over a port and a line that do anything.

use core::hint::black_box;
use core::sync::atomic::AtomicU32;

use magpie_link::{Overflow, Sender};
use magpie_node::{Buffers, Clock, FrameReceiver, Lost, Node, Pace, Uart};
use magpie_protocol::Losses;
use magpie_sensor::Sensor;

use super::{opaque, opaque_buffer};

/// A port that claims anything about what it wrote and what it lost.
struct Port;

impl FrameReceiver for Port {
    #[inline(never)]
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>> {
        black_box(buffer);
        opaque(Some(Ok(0)))
    }

    fn age_us(&self) -> u32 {
        opaque(0)
    }

    fn collect_losses(&mut self, losses: &mut Losses) {
        *losses = opaque(*losses);
    }

    fn arm(&mut self) {}
}

/// A line that claims anything about what it took and gave.
struct Line;

impl Uart for Line {
    #[inline(never)]
    fn read(&mut self, octets: &mut [u8]) -> usize {
        black_box(octets);
        opaque(0)
    }

    #[inline(never)]
    fn write(&mut self, octets: &[u8]) -> usize {
        black_box(octets);
        opaque(0)
    }
}

static READ: AtomicU32 = AtomicU32::new(0);

#[inline(never)]
pub(super) fn all(sensor: Sensor<'static>) {
    let sender = Sender::new(opaque(1), opaque_buffer(), opaque(Overflow::Hold));
    let buffers = Buffers {
        scratch: opaque_buffer(),
        framed: opaque_buffer(),
    };
    let mut node = Node::new(
        sensor,
        sender,
        opaque(Clock::STAMPED),
        opaque(Pace::Hold),
        opaque(Losses::default()),
        &READ,
        buffers,
    );
    black_box(&mut node);
    black_box(node.turn(|| opaque(0), &mut Port, &mut Line));
    black_box((node.sensor().boot_id(), node.health()));
}
