//! The controller's registers, as far as the driver looks.

use std::cell::RefCell;
use std::collections::HashMap;

use magpie_mmio::Registers;

use super::card::{Arrival, Shared};
use super::sending::Given;
use crate::registers::*;
use crate::{Count, Ethernet, Fault, Link, Loss, Refused, Setup, Stamp, StartError};

type SilentPort = Ethernet<Chip, Shared>;

const SETUP: Setup = Setup {
    hclk_hz: 240_000_000,
    phy: 0,
    stamps: true,
};
const RING: u32 = 0x3000_0000;
const SENDING: u32 = 0x3004_0000;
/// Every register through which something could be sent.
const SENDERS: [u32; 5] = [MTLTXQOMR, DMACTXCR, DMACTXDLAR, DMACTXRLR, DMACTXDTPR];

/// Registers that hold what is written, but for those that do not.
#[derive(Default)]
struct Chip {
    values: RefCell<HashMap<u32, u32>>,
    /// PHY registers.
    phy: RefCell<HashMap<u32, u16>>,
    phy_address: u32,
    /// Bits that never clear, by register.
    stuck: Vec<(u32, u32)>,
    written: Vec<(u32, u32)>,
}

impl Chip {
    fn new() -> Self {
        let chip = Self::default();
        chip.phy.borrow_mut().extend([(2, 0x0007), (3, 0xc131)]);
        chip
    }

    fn set(&self, offset: u32, value: u32) {
        self.values.borrow_mut().insert(offset, value);
    }

    fn set_phy(&self, register: u32, value: u16) {
        self.phy.borrow_mut().insert(register, value);
    }

    fn last(&self, offset: u32) -> u32 {
        let last = self.written.iter().rev().find(|(o, _)| *o == offset);
        last.unwrap_or_else(|| panic!("{offset:#x} was never written"))
            .1
    }

    fn position(&self, offset: u32, with: u32) -> usize {
        (self.written.iter())
            .position(|(o, v)| *o == offset && v & with == with)
            .unwrap_or_else(|| panic!("{offset:#x} was never written with {with:#x}"))
    }
}

impl Registers for Chip {
    fn read(&self, offset: u32) -> u32 {
        let mut values = self.values.borrow_mut();
        let value = values.entry(offset).or_default();
        match offset {
            // Cleared by reading.
            MTLRXQMPOCR | DMACMFCR | RX_CRC_ERROR_PACKETS => std::mem::take(value),
            _ => *value,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.written.push((offset, value));
        let clears = match offset {
            DMAMR => DMAMR_SWR,
            MACMDIOAR => MDIO_MB,
            MACTSCR => MACTSCR_TSINIT | MACTSCR_TSADDREG,
            MMC_CONTROL => MMC_CNTRST,
            _ => 0,
        };
        let stuck = self.stuck.iter().find(|(o, _)| *o == offset);
        let kept = value & !clears | value & stuck.map_or(0, |(_, bits)| *bits);
        self.set(offset, kept);
        if offset == MACMDIOAR && value & MDIO_MB != 0 {
            let register = value >> MDIO_RDA_SHIFT & 0x1f;
            let mut phy = self.phy.borrow_mut();
            if value & MDIO_GOC_READ == MDIO_GOC_READ {
                let here = value >> MDIO_PA_SHIFT & 0x1f == self.phy_address;
                let answer = phy.get(&register).copied().unwrap_or(0);
                let answer = if here { answer } else { 0xffff };
                self.values.borrow_mut().insert(MACMDIODR, answer.into());
            } else {
                let data = self.values.borrow()[&MACMDIODR];
                let reset = if register == 0 { 0x8000 } else { 0 };
                let kept = u16::try_from(data & 0xffff).unwrap() & !reset;
                phy.insert(register, kept);
            }
        }
    }
}

fn start(chip: Chip) -> (Result<Ethernet<Chip, Shared>, StartError>, Shared) {
    let shared = Shared::new(8, 512);
    let port = SilentPort::start_at(chip, shared.clone(), RING, SETUP);
    (port, shared)
}

fn started() -> (Ethernet<Chip, Shared>, Shared) {
    let (port, shared) = start(Chip::new());
    (port.expect("it starts"), shared)
}

fn refused(chip: Chip) -> StartError {
    start(chip).0.map(|_| ()).expect_err("it cannot start")
}

#[test]
fn starts_promiscuous_and_silent() {
    let (port, _) = started();
    let chip = port.registers();
    for (offset, value) in &chip.written {
        assert!(*offset != MACCR || value & MACCR_TE == 0, "transmits");
        assert!(!SENDERS.contains(offset), "{offset:#x} is for sending");
    }
    assert_eq!(
        chip.last(MACCR),
        0x0001_6001,
        "RE DM FES JE, no ACS, no CST"
    );
    assert_eq!(chip.last(MACPFR), 0x8000_0081, "RA PCF PR");
    assert_eq!(chip.last(MACQTXFCR), 0, "no PAUSE sent");
    assert_eq!(chip.last(MACRXFCR), 0, "no PAUSE obeyed");
    assert_eq!(chip.last(MACVTR), 0, "tags stay");
    assert_eq!(chip.last(MTLRXQOMR), 0x0070_0058, "cut-through, FEP, FUP");
    assert_eq!(chip.last(MMC_CONTROL), 0b101);
    assert_eq!(chip.last(MAC1USTCR), 239);
    // Addresses before the DMA starts, and the MAC last of all.
    let dma_on = chip.position(DMACRXCR, DMACRXCR_SR);
    assert!(chip.position(DMACRXDLAR, RING) < dma_on);
    assert!(chip.position(DMACRXRLR, 7) < dma_on);
    assert!(chip.position(DMACRXDTPR, RING + 8 * 16) > dma_on);
    assert_eq!(chip.last(DMACRXCR), 512 << 1 | 32 << 16 | 1);
    assert!(chip.position(MACCR, MACCR_RE) > dma_on);
    assert_eq!(
        chip.position(DMAMR, DMAMR_SWR),
        0,
        "reset is the first of all"
    );
}

#[test]
fn a_silent_port_stays_so() {
    let (mut port, shared) = started();
    assert_eq!(port.transmit(&[0; 60]), Err(Refused::Silent));
    port.registers().set_phy(1, 1 << 2);
    port.registers().set_phy(31, 0b110 << 2);
    port.follow_link().expect("a PHY");
    shared.card().queue.push_back(Arrival {
        on_wire: 64,
        ..Arrival::default()
    });
    shared.card().step();
    assert!(port.poll_receive(&mut [0; 64]).is_some());
    port.service().expect("no fault");
    port.acknowledge();
    assert_eq!(port.transmitted().given, 0);
    for (offset, value) in &port.registers().written {
        assert!(*offset != MACCR || value & MACCR_TE == 0, "transmits");
        assert!(!SENDERS.contains(offset), "{offset:#x} is for sending");
    }
}

#[test]
fn a_port_that_speaks_sends_what_it_is_given() {
    let given = Given::new();
    let shared = Shared::new(8, 512);
    let port = Ethernet::<_, _, Given>::start_at(Chip::new(), shared.clone(), RING, SETUP);
    let mut port = port.expect("it starts");
    port.start_transmitter_at(given.clone(), SENDING);
    let chip = port.registers();
    assert_eq!(chip.last(MTLTXQOMR), 0x0007_000a, "TQS TXQEN TSF");
    assert_eq!(chip.last(DMACTXCR), 16 << 16 | 1);
    assert_eq!(chip.last(MACCR), 0x0001_6003, "TE RE DM FES JE");
    assert_eq!(chip.last(MACQTXFCR), 0, "no PAUSE sent");
    // Everything is set before the DMA starts, and the MAC sends last of all.
    let dma_on = chip.position(DMACTXCR, DMACTXCR_ST);
    assert!(chip.position(DMACTXDLAR, SENDING) < dma_on);
    assert!(chip.position(DMACTXRLR, 1) < dma_on);
    assert!(chip.position(MTLTXQOMR, MTLTXQOMR_TXQEN) < dma_on);
    assert!(chip.position(MACCR, MACCR_TE) > dma_on);
    let kicks = |port: &Ethernet<Chip, Shared, Given>| {
        let written = &port.registers().written;
        written.iter().filter(|(o, _)| *o == DMACTXDTPR).count()
    };
    for id in [1, 2] {
        assert_eq!(port.transmit(&[id; 60]), Ok(()));
    }
    assert_eq!(port.registers().last(DMACTXDTPR), SENDING + 2 * 16);
    assert_eq!(port.transmit(&[3; 60]), Err(Refused::Full));
    assert_eq!(kicks(&port), 3, "woken, full or not");
    port.service().expect("no fault");
    assert_eq!(kicks(&port), 4, "should it have missed one");
    assert_eq!(*given.frames.borrow(), [[1; 60], [2; 60]]);
    let told = |port: &mut Ethernet<Chip, Shared, Given>| {
        let told = port.transmitted();
        (told.given, told.sent, told.failed)
    };
    assert_eq!(told(&mut port), (2, 0, 0));
    // The first left; the second found no carrier.
    given.status.set([3 << 28, 1 << 31]);
    assert_eq!(told(&mut port), (2, 1, 0));
    given.status.set([3 << 28, 3 << 28 | 1 << 15 | 1 << 11]);
    assert_eq!(told(&mut port), (2, 1, 1));
    // It still receives, and follows the link with its transmitter on.
    shared.card().queue.push_back(Arrival {
        on_wire: 64,
        ..Arrival::default()
    });
    shared.card().step();
    assert!(port.poll_receive(&mut [0; 64]).is_some());
    port.registers().set_phy(1, 1 << 2);
    port.registers().set_phy(31, 0b101 << 2);
    port.follow_link().expect("a PHY");
    assert_eq!(port.registers().last(MACCR), 0x0001_2003);
}

#[test]
fn the_phy_negotiates_without_pause() {
    let (port, _) = started();
    let phy = port.registers().phy.borrow();
    assert_eq!(phy[&4], 0x01e1);
    assert_eq!(phy[&4] & 0x0c00, 0, "no PAUSE, no asymmetric PAUSE");
    assert_eq!(phy[&0], 0x1200);
    let range = port.registers().last(MACMDIOAR) >> MDIO_CR_SHIFT & 0xf;
    assert_eq!(range, 0b0100, "240 MHz / 102");
}

#[test]
fn the_stamp_clock_runs_at_50_mhz() {
    let (port, _) = started();
    let chip = port.registers();
    assert_eq!(chip.last(MACSSIR), 20 << 16);
    let addend = u64::from(chip.last(MACTSAR));
    // 240 MHz times addend / 2^32: 50 MHz to 0.06 Hz, a part in a billion.
    let hz_by_32_bits = addend * 240_000_000;
    assert!(hz_by_32_bits.abs_diff(50_000_000 << 32) < 240_000_000);
    let on = 1 | 1 << 1 | 1 << 8 | 1 << 9;
    assert_eq!(chip.last(MACTSCR), on | MACTSCR_TSINIT);
    let shared = Shared::new(4, 512);
    let setup = Setup {
        stamps: false,
        ..SETUP
    };
    let port = SilentPort::start_at(Chip::new(), shared, RING, setup)
        .ok()
        .unwrap();
    assert!(port.registers().written.iter().all(|(o, _)| *o != MACTSCR));
}

#[test]
fn says_why_it_cannot_start() {
    let stuck = |offset, bits| Chip {
        stuck: vec![(offset, bits)],
        ..Chip::new()
    };
    assert_eq!(refused(stuck(DMAMR, DMAMR_SWR)), StartError::ResetStuck);
    assert_eq!(refused(stuck(MACMDIOAR, MDIO_MB)), StartError::MdioStuck);
    let clock = stuck(MACTSCR, MACTSCR_TSINIT);
    assert_eq!(refused(clock), StartError::ClockStuck);
    let elsewhere = Chip {
        phy_address: 3,
        ..Chip::new()
    };
    assert_eq!(refused(elsewhere), StartError::NoPhy(0));
    for hclk_hz in [0, 19_999_999, 301_000_000] {
        let setup = Setup { hclk_hz, ..SETUP };
        let port = SilentPort::start_at(Chip::new(), Shared::new(4, 512), RING, setup);
        assert_eq!(port.err(), Some(StartError::BusClock(hclk_hz)));
    }
}

#[test]
fn frames_come_and_the_dma_is_woken() {
    let (mut port, shared) = started();
    let mut out = [0; 2048];
    assert_eq!(port.poll_receive(&mut out), None);
    let kicks = |p: &Ethernet<Chip, Shared>| {
        let written = &p.registers().written;
        written.iter().filter(|(o, _)| *o == DMACRXDTPR).count()
    };
    assert_eq!(kicks(&port), 1, "at the start");
    for on_wire in [64, 1522] {
        let mut card = shared.card();
        card.queue.push_back(Arrival {
            on_wire,
            ..Arrival::default()
        });
        while card.step() {}
    }
    let lengths = [0, 1].map(|_| port.poll_receive(&mut out).unwrap().unwrap().octets);
    assert_eq!(lengths, [60, 1518]);
    assert_eq!(kicks(&port), 3);
    assert_eq!(port.registers().last(DMACRXDTPR), RING + 128);
    assert_eq!(port.poll_receive(&mut out), None);
    assert_eq!(kicks(&port), 3);
    port.service().expect("no fault");
    assert_eq!(kicks(&port), 4, "should it have missed one");
}

#[test]
fn a_jumbo_frame_keeps_its_length() {
    let shared = Shared::new(32, 512);
    let mut port = SilentPort::start_at(Chip::new(), shared.clone(), RING, SETUP)
        .ok()
        .unwrap();
    for (on_wire, status, expected) in [
        (crate::MAX_FRAME + 4, 1 << 23 | 1 << 15, Ok((9216, 1518))),
        (10_240, 1 << 22 | 1 << 24 | 1 << 15, Err(Loss::Oversize)),
    ] {
        let mut card = shared.card();
        card.queue.push_back(Arrival {
            on_wire,
            status,
            ..Arrival::default()
        });
        while card.step() {}
        drop(card);
        let mut out = [0; 1518];
        let popped = port.poll_receive(&mut out).unwrap();
        assert_eq!(popped.map(|f| (f.octets, f.stored)), expected);
    }
}

#[test]
fn missed_frames_add_up_over_readings() {
    let (mut port, _) = started();
    for (overflow, dropped) in [(3, 0), (0, 2), (5, 0)] {
        port.registers().set(MTLRXQMPOCR, overflow);
        port.registers().set(DMACMFCR, dropped);
        port.service().expect("no fault");
    }
    let missed = port.service().expect("no fault");
    let exact = |frames| Count {
        frames,
        at_least: false,
    };
    assert_eq!((missed.fifo, missed.dma), (exact(8), exact(2)));
    assert!(!missed.fcs_at_least);
    port.registers().set(MTLRXQMPOCR, 0x7ff);
    assert!(port.service().expect("no fault").fifo.at_least);
    port.registers().set(DMACSR, DMA_FBE);
    assert_eq!(port.service(), Err(Fault::Bus));
}

#[test]
fn the_link_is_followed() {
    let (mut port, _) = started();
    assert_eq!(port.follow_link(), Ok(Link::Down));
    let up = |hundred, full_duplex| {
        Ok(Link::Up {
            hundred,
            full_duplex,
        })
    };
    let cases = [
        (0b110, up(true, true), 0x0001_6001),
        (0b101, up(false, true), 0x0001_2001),
        (0b010, up(true, false), 0x0001_4001),
        (0b001, up(false, false), 0x0001_0001),
        (0b000, Ok(Link::Down), 0x0001_0001),
    ];
    port.registers().set_phy(1, 1 << 2);
    for (speed, link, maccr) in cases {
        port.registers().set_phy(31, speed << 2);
        assert_eq!(port.follow_link(), link, "{speed:b}");
        assert_eq!(port.registers().last(MACCR), maccr, "{speed:b}");
    }
    port.registers().set_phy(1, 0);
    assert_eq!(port.follow_link(), Ok(Link::Down));
}

#[test]
fn a_stamp_has_an_age() {
    let (port, _) = started();
    port.registers().set(MACSTSR, 100);
    port.registers().set(MACSTNR, 500);
    let age = |seconds, nanoseconds| {
        port.age_ns(Stamp {
            seconds,
            nanoseconds,
        })
    };
    assert_eq!(age(100, 400), Some(100));
    assert_eq!(age(99, 999_999_999), Some(501));
    assert_eq!(age(100, 501), None, "ahead");
    assert_eq!(age(90, 0), None, "too long ago");
    assert_eq!(age(u32::MAX, u32::MAX), None, "corrupt");
    assert_eq!(age(96, 0), Some(4_000_000_500));
}

#[test]
fn acknowledging_leaves_a_bus_error_standing() {
    let (mut port, _) = started();
    port.acknowledge();
    let cleared = port.registers().last(DMACSR);
    assert_eq!(cleared & DMA_RI, DMA_RI);
    assert_eq!(cleared & DMA_FBE, 0);
}
