//! Ethernet controllers: every call over registers and DMA memory that read as
//! anything, and what was read out of the one behind SPI.

use core::hint::black_box;

use magpie_lan9118::Lan9118;
use magpie_mmio::Registers;
use magpie_stellaris_eth::StellarisEthernet;
use magpie_stm32h7_eth::{
    DmaMemory, DmaRing, DmaTransmit, Ethernet, Memory, Ring, Setup, Stamp, TransmitBuffers,
    TransmitMemory, TransmitRing, Word,
};
use magpie_w6100::frame_at;

use super::{opaque, opaque_buffer, opaque_octets};

pub(super) fn all() {
    lan9118();
    stellaris();
    receive_ring();
    transmit_ring();
    stm32h7();
    w6100();
}

/// Registers that read as anything and take anything.
struct Anything;

impl Registers for Anything {
    fn read(&self, offset: u32) -> u32 {
        opaque(offset)
    }

    fn write(&mut self, offset: u32, value: u32) {
        black_box((offset, value));
    }
}

#[inline(never)]
fn lan9118() {
    let mut chip = Lan9118::new(Anything);
    black_box(chip.start().is_ok());
    black_box(chip.start_speaking().is_ok());
    // In between the state is anyone's: no call may rest on an earlier one.
    black_box(&mut chip);
    black_box(chip.poll_receive(opaque_buffer()).is_some());
    black_box(&mut chip);
    black_box(chip.transmit(opaque_octets()).is_ok());
    black_box(chip.address().is_ok());
    chip.acknowledge();
    chip.enable_interrupt(opaque(true));
}

#[inline(never)]
fn stellaris() {
    let mut chip = StellarisEthernet::new(Anything);
    chip.start();
    chip.start_speaking();
    black_box(&mut chip);
    black_box(chip.poll_receive(opaque_buffer()).is_some());
    black_box(&mut chip);
    black_box(chip.transmit(opaque_octets()).is_ok());
    black_box((chip.address(), chip.take_faults()));
    chip.acknowledge();
    chip.enable_interrupt(opaque(true));
}

/// Descriptors of which there is any number, with buffers of any length, that
/// say anything.
struct Descriptors;

impl Memory for Descriptors {
    fn descriptors(&self) -> usize {
        opaque(2)
    }

    fn buffer_octets(&self) -> usize {
        opaque(512)
    }

    fn status(&self, index: usize) -> u32 {
        black_box(index);
        opaque(0)
    }

    fn word(&self, index: usize, word: Word) -> u32 {
        black_box((index, word));
        opaque(0)
    }

    fn copy(&self, index: usize, octets: &mut [u8]) {
        black_box((index, octets));
    }

    fn give(&mut self, index: usize) {
        black_box(index);
    }
}

impl TransmitMemory for Descriptors {
    fn descriptors(&self) -> usize {
        opaque(2)
    }

    fn buffer_octets(&self) -> usize {
        opaque(1_520)
    }

    fn status(&self, index: usize) -> u32 {
        black_box(index);
        opaque(0)
    }

    fn take(&mut self, index: usize) {
        black_box(index);
    }

    fn put(&mut self, index: usize, octets: &[u8]) {
        black_box((index, octets));
    }

    fn give(&mut self, index: usize, octets: usize) {
        black_box((index, octets));
    }
}

#[inline(never)]
fn receive_ring() {
    let mut ring = Ring::new(Descriptors);
    black_box(&mut ring);
    black_box(ring.pop(opaque_buffer()).is_some());
    black_box(ring.booked());
}

#[inline(never)]
fn transmit_ring() {
    let mut ring = TransmitRing::new(Descriptors);
    black_box(&mut ring);
    black_box(ring.push(opaque_octets()).is_ok());
    black_box(&mut ring);
    ring.book();
    black_box((ring.booked(), ring.waiting()));
}

static RECEIVED: DmaRing<8> = DmaRing::new();
static SENT: TransmitBuffers<2> = TransmitBuffers::new();

/// The whole controller, over memory as a board has it; that is static, and as
/// good as unknown to the optimiser once its address was exposed.
#[inline(never)]
fn stm32h7() {
    let setup = opaque(Setup {
        hclk_hz: 240_000_000,
        phy: 0,
        stamps: true,
    });
    // SAFETY: the image is linked, never run.
    let (memory, transmit) = unsafe { (DmaMemory::new(&RECEIVED), DmaTransmit::new(&SENT)) };
    let memory = opaque(memory);
    let Ok(mut port) = Ethernet::start_speaking(Anything, memory, opaque(transmit), setup) else {
        return;
    };
    black_box(&mut port);
    if let Some(Ok(frame)) = port.poll_receive(opaque_buffer()) {
        black_box(frame);
    }
    black_box(&mut port);
    black_box(port.service().is_ok());
    black_box(&mut port);
    black_box(port.transmit(opaque_octets()).is_ok());
    black_box((port.transmitted(), port.booked()));
    black_box(&mut port);
    black_box(port.follow_link().is_ok());
    let stamp = opaque(Stamp {
        seconds: 0,
        nanoseconds: 0,
    });
    black_box(port.age_ns(stamp));
    port.acknowledge();
}

#[inline(never)]
fn w6100() {
    if let Some((frame, next)) = frame_at(opaque_octets(), opaque(0)) {
        black_box((frame, next));
    }
}
