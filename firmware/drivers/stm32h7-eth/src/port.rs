//! The controller as one port.

use magpie_mmio::Registers;

use crate::counters::{Counters, Missed};
use crate::dma_transmit::DmaTransmit;
use crate::mac::{Mac, Setup, StartError, behind};
use crate::memory::DmaMemory;
use crate::phy::{self, Link};
use crate::registers::{
    DMA_AI, DMA_FBE, DMA_NI, DMA_RBU, DMA_RI, DMACMFCR, DMACRXDTPR, DMACSR, DMACTXDTPR,
    MTLRXQMPOCR, RX_CRC_ERROR_PACKETS,
};
use crate::ring::{Booked, Frame, Loss, Memory, Ring, Stamp};
use crate::transmit::{Refused, TransmitMemory, TransmitRing, Transmitted};

/// Frames of 64 octets that the queue of 2 KB can hold.
const IN_QUEUE: u64 = 32;

/// The controller cannot go on; only a new start helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The DMA met a bus error and has stopped (DMACSR.FBE).
    Bus,
}

/// An Ethernet port: receive-only, unless started to speak.
pub struct Ethernet<R, M = DmaMemory, T = DmaTransmit> {
    mac: Mac<R>,
    ring: Ring<M>,
    /// With its tail pointer; none in a silent port.
    transmit: Option<(TransmitRing<T>, u32)>,
    counters: Counters,
    /// Tail pointer, see `mac::behind`.
    tail: u32,
    link: Link,
}

impl<R: Registers> Ethernet<R, DmaMemory> {
    /// Starts the controller with a ring of this memory. Needs the PHY's
    /// reference clock; frames sent before are lost.
    pub fn start(registers: R, memory: DmaMemory, setup: Setup) -> Result<Self, StartError> {
        let address = memory.descriptors_address();
        Self::start_at(registers, memory, address, setup)
    }

    /// The same with the transmitter on, and a ring for what is sent.
    pub fn start_speaking(
        registers: R,
        memory: DmaMemory,
        transmit: DmaTransmit,
        setup: Setup,
    ) -> Result<Self, StartError> {
        let mut port = Self::start(registers, memory, setup)?;
        let address = transmit.descriptors_address();
        port.start_transmitter_at(transmit, address);
        Ok(port)
    }
}

impl<R: Registers, M: Memory, T: TransmitMemory> Ethernet<R, M, T> {
    /// The same with the address at which the DMA finds the descriptors.
    pub(crate) fn start_at(
        registers: R,
        memory: M,
        address: u32,
        setup: Setup,
    ) -> Result<Self, StartError> {
        let mut mac = Mac::new(registers, setup);
        mac.reset()?;
        phy::start(&mut mac)?;
        let (descriptors, octets) = (memory.descriptors(), memory.buffer_octets());
        // Reset has stopped the DMA: the ring is ours until it starts.
        let ring = Ring::new(memory);
        mac.start(address, descriptors, octets)?;
        Ok(Self {
            mac,
            ring,
            transmit: None,
            counters: Counters::default(),
            tail: behind(address, descriptors),
            link: Link::Down,
        })
    }

    /// Turns the transmitter on, with the address at which the DMA finds its
    /// descriptors.
    pub(crate) fn start_transmitter_at(&mut self, memory: T, address: u32) {
        let descriptors = memory.descriptors();
        // Reset has stopped the DMA: the ring is ours.
        let ring = TransmitRing::new(memory);
        self.mac.start_transmitter(address, descriptors);
        self.transmit = Some((ring, behind(address, descriptors)));
    }

    /// Takes a frame to be sent, from its destination address on and without
    /// FCS; the MAC pads a short one. Whole or not at all.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), Refused> {
        let (ring, tail) = self.transmit.as_mut().ok_or(Refused::Silent)?;
        let taken = ring.push(frame);
        // Also when it is full: should the DMA sleep over it, it wakes.
        self.mac.registers.write(DMACTXDTPR, *tail);
        taken
    }

    /// What became of the frames to be sent; nothing in a silent port.
    pub fn transmitted(&mut self) -> Transmitted {
        self.transmit
            .as_mut()
            .map_or_else(Transmitted::default, |(ring, _)| {
                ring.book();
                ring.booked()
            })
    }

    /// The next frame, copied into `out` as far as that reaches, or why it is
    /// lost. `None` when none is complete.
    pub fn poll_receive(&mut self, out: &mut [u8]) -> Option<Result<Frame, Loss>> {
        let before = self.ring.booked().descriptors;
        let outcome = self.ring.pop(out);
        if self.ring.booked().descriptors != before {
            self.wake_dma();
        }
        outcome
    }

    /// There are descriptors again, should the DMA wait for one.
    fn wake_dma(&mut self) {
        self.mac.registers.write(DMACRXDTPR, self.tail);
    }

    /// How long ago a stamp was, in nanoseconds. `None` if it lies ahead, or
    /// more than 4 s back: no frame waits that long.
    pub fn age_ns(&self, stamp: Stamp) -> Option<u32> {
        const SECOND_NS: u64 = 1_000_000_000;
        let now = self.mac.time();
        let ns = |s: Stamp| {
            u64::from(s.seconds)
                .saturating_mul(SECOND_NS)
                .saturating_add(u64::from(s.nanoseconds))
        };
        u32::try_from(ns(now).checked_sub(ns(stamp))?).ok()
    }

    /// Reads the counters of missed frames; to be called every 5 ms at least.
    /// What was missed since the start.
    pub fn service(&mut self) -> Result<Missed, Fault> {
        // A descriptor may have been given, and the DMA woken, while it was about
        // to fall asleep over that very one: without this it would not wake.
        self.wake_dma();
        if let Some((_, tail)) = &self.transmit {
            self.mac.registers.write(DMACTXDTPR, *tail);
        }
        let r = &self.mac.registers;
        if r.read(DMACSR) & DMA_FBE != 0 {
            return Err(Fault::Bus);
        }
        let (mtl, dma) = (r.read(MTLRXQMPOCR), r.read(DMACMFCR));
        let fcs = r.read(RX_CRC_ERROR_PACKETS);
        self.counters.add(mtl, dma, fcs);
        let in_ring = u64::try_from(self.ring.memory().descriptors()).unwrap_or(u64::MAX);
        let under_way = in_ring.saturating_add(IN_QUEUE);
        Ok(self.counters.missed(self.ring.booked(), under_way))
    }

    /// Asks the PHY for the state of the cable and sets the MAC to it; takes
    /// 60 us. To be called once or twice a second.
    pub fn follow_link(&mut self) -> Result<Link, StartError> {
        let link = phy::link(&mut self.mac)?;
        if link != self.link
            && let Link::Up {
                hundred,
                full_duplex,
            } = link
        {
            self.mac.set_speed(hundred, full_duplex);
        }
        self.link = link;
        Ok(link)
    }

    /// What the ring has booked since the start.
    pub fn booked(&self) -> Booked {
        self.ring.booked()
    }

    /// Clears the receive interrupt. To be called when no frame was found,
    /// followed by one more [`Self::poll_receive`]. A bus error stays, and keeps
    /// interrupting: [`Self::service`] reports it.
    pub fn acknowledge(&mut self) {
        // Ones clear (DMACSR).
        let done = DMA_RI | DMA_RBU | DMA_AI | DMA_NI;
        self.mac.registers.write(DMACSR, done);
        // The write has arrived before the interrupt is let through again.
        self.mac.registers.read(DMACSR);
    }

    #[cfg(test)]
    pub(crate) fn registers(&self) -> &R {
        &self.mac.registers
    }
}
