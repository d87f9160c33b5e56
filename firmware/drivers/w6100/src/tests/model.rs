//! The chip as its data sheet has it, as far as the driver looks, on a wire with
//! traffic; and in the ways in which it can misbehave.

use core::convert::Infallible;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::{Error, ErrorKind, ErrorType, Operation, SpiDevice};

const KEPT: u16 = 0x3fff;
const WORD: usize = 2;

/// Numbers that look random and are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n`; never for 0.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }
}

/// How a bus reads that has no chip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugged {
    Yes,
    Ones,
    Zeros,
}

/// What goes wrong, once in so many times; 0: never.
#[derive(Clone, Copy, Default)]
pub(super) struct Mischief {
    /// A length word that leads nowhere.
    pub(super) bad_word: u64,
    /// An SPI access that fails.
    pub(super) bus: u64,
    /// A frame that ends while the pointers are read.
    pub(super) torn: u64,
    /// A chip that resets itself.
    pub(super) reset: u64,
    /// A chip that is unplugged.
    pub(super) unplug: u64,
}

#[allow(clippy::struct_excessive_bools)] // each is a fault of its own
pub(super) struct Model {
    pub(super) registers: HashMap<(u8, u16), u8>,
    pub(super) identity: [u8; 4],
    /// Writes to this offset of block 0 or 1 do not last.
    pub(super) stubborn: Option<u16>,
    /// Commands are never taken.
    pub(super) stuck: bool,
    pub(super) never_opens: bool,
    pub(super) plugged: Plugged,
    pub(super) in_reset: bool,
    pub(super) link: bool,
    /// Speed and duplex, as they stand in PHYSR.
    pub(super) speed: u8,
    /// Accesses that fail from now on.
    pub(super) bus_errors: u32,
    pub(super) mischief: Mischief,
    pub(super) random: Random,
    /// Octets that arrive for each octet of SPI, in percent; 100 Mbit/s are 267
    /// at 37.5 MHz.
    pub(super) load: u64,
    pub(super) longest: u64,
    owed: u64,
    open: bool,
    ring: Vec<u8>,
    end: u16,
    pointer: u16,
    taken: u16,
    pub(super) commands: Vec<u8>,
    pub(super) transmit_touched: bool,
    /// Frames that came on the wire while the chip was listening.
    pub(super) offered: u32,
    /// Of those, dropped for want of room, by number.
    pub(super) no_room: Vec<u32>,
    /// Of those, thrown out with the buffer.
    pub(super) emptied: Vec<u32>,
    waiting: Vec<(u16, u32)>,
    /// What every wait of the driver took.
    pub(super) waited_ns: u64,
}

impl Model {
    pub(super) fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            registers: HashMap::new(),
            identity: [0x61, 0x00, 0x46, 0x61],
            stubborn: None,
            stuck: false,
            never_opens: false,
            plugged: Plugged::Yes,
            in_reset: true,
            link: true,
            speed: 0,
            bus_errors: 0,
            mischief: Mischief::default(),
            random: Random(0x9e37_79b9_7f4a_7c15),
            load: 0,
            longest: 1514,
            owed: 0,
            open: false,
            ring: vec![0; 0x4000],
            end: 0,
            pointer: 0,
            taken: 0,
            commands: Vec::new(),
            transmit_touched: false,
            offered: 0,
            no_room: Vec::new(),
            emptied: Vec::new(),
            waiting: Vec::new(),
            waited_ns: 0,
        }))
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Frames in the buffer.
    pub(super) fn held(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn level(&self) -> u16 {
        self.end.wrapping_sub(self.taken)
    }

    fn clear(&mut self) {
        self.open = false;
        let waiting = std::mem::take(&mut self.waiting);
        self.emptied.extend(waiting.iter().map(|(_, id)| *id));
        (self.end, self.pointer, self.taken) = (0, 0, 0);
    }

    pub(super) fn reset(&mut self) {
        self.clear();
        self.registers.clear();
    }

    fn put(&mut self, octets: &[u8]) {
        for octet in octets {
            self.ring[usize::from(self.end & KEPT)] = *octet;
            self.end = self.end.wrapping_add(1);
        }
    }

    /// A frame comes on the wire; its number.
    pub(super) fn arrive(&mut self, octets: usize) -> u32 {
        let id = self.offered;
        self.arrive_with(octets, None);
        id
    }

    pub(super) fn arrive_with(&mut self, octets: usize, word: Option<u16>) {
        if !self.open || self.in_reset || self.plugged != Plugged::Yes || !self.link {
            return;
        }
        let id = self.offered;
        self.offered += 1;
        if usize::from(self.level()) + WORD + octets > 0x4000 {
            self.no_room.push(id);
            return;
        }
        let right = u16::try_from(octets + WORD).unwrap();
        self.put(&word.unwrap_or(right).to_be_bytes());
        self.put(&frame(id, octets));
        self.waiting.push((self.end, id));
    }

    fn arrive_some(&mut self, spi_octets: usize) {
        self.owed += u64::try_from(spi_octets).unwrap() * self.load;
        while self.owed >= 6_000 {
            let octets = 60 + self.random.below(self.longest - 59);
            // Preamble, FCS and gap belong to it.
            self.owed = self.owed.saturating_sub((octets + 24) * 100);
            let bad = self.mischief.bad_word;
            let word = self.random.once_in(bad).then(|| {
                let right = u16::try_from(octets).unwrap() + 2;
                match self.random.below(5) {
                    0 => 0,
                    1 => 1,
                    2 => 15,
                    3 => right ^ 1 << 14,
                    _ => u16::MAX,
                }
            });
            self.arrive_with(usize::try_from(octets).unwrap(), word);
        }
    }

    fn size(&self) -> u16 {
        self.end.wrapping_sub(self.taken)
    }

    fn read(&mut self, block: u8, offset: u16, into: &mut [u8]) {
        let fill = match self.plugged {
            Plugged::Ones => Some(0xff),
            Plugged::Zeros => Some(0),
            Plugged::Yes if self.in_reset => Some(0),
            Plugged::Yes => None,
        };
        if let Some(octet) = fill {
            into.fill(octet);
            return;
        }
        if (block, offset) == (1, 0x224) && into.len() == 10 {
            let size = self.size().to_be_bytes();
            into[..2].copy_from_slice(&size);
            let once_in = self.mischief.torn;
            if self.random.once_in(once_in) {
                self.arrive(200);
                // The second octet is that of the new size.
                if self.random.once_in(2) {
                    into[1] = self.size().to_be_bytes()[1];
                }
            }
            into[2..4].fill(0);
            into[4..6].copy_from_slice(&self.pointer.to_be_bytes());
            into[6..8].fill(0);
            into[8..].copy_from_slice(&self.end.to_be_bytes());
            return;
        }
        for (i, octet) in into.iter_mut().enumerate() {
            let at = offset.wrapping_add(u16::try_from(i).unwrap());
            *octet = match (block, at) {
                (0, 0..=3) => self.identity[usize::from(at)],
                (0, 0x3000) => u8::from(self.link) | self.speed,
                (1, 0x10) => u8::from(self.stuck),
                (1, 0x30) => {
                    if self.open {
                        0x42
                    } else {
                        0
                    }
                }
                (1, 0x228) => self.pointer.to_be_bytes()[0],
                (1, 0x229) => self.pointer.to_be_bytes()[1],
                (3, _) => self.ring[usize::from(at & KEPT)],
                _ => self.registers.get(&(block, at)).copied().unwrap_or(0),
            };
        }
    }

    fn write(&mut self, block: u8, offset: u16, octets: &[u8]) {
        if self.plugged != Plugged::Yes || self.in_reset {
            return;
        }
        self.transmit_touched |= block % 4 == 2;
        for (i, octet) in octets.iter().enumerate() {
            let at = offset.wrapping_add(u16::try_from(i).unwrap());
            match (block, at) {
                (1, 0x10) => self.command(*octet),
                (1, 0x228) => self.pointer = self.pointer & 0xff | u16::from(*octet) << 8,
                (1, 0x229) => self.pointer = self.pointer & 0xff00 | u16::from(*octet),
                _ if self.stubborn == Some(at) => {}
                _ => {
                    self.registers.insert((block, at), *octet);
                }
            }
        }
    }

    fn command(&mut self, command: u8) {
        self.commands.push(command);
        if self.stuck {
            return;
        }
        match command {
            0x01 => {
                self.clear();
                let macraw = self.registers.get(&(1, 0)) == Some(&0x07);
                let all = self.registers.get(&(1, 0x220)) == Some(&16);
                self.open = macraw && all && !self.never_opens;
            }
            0x10 => self.clear(),
            // A closed socket has nothing to receive.
            0x40 if self.open => {
                let given = self.pointer.wrapping_sub(self.taken);
                assert!(given <= self.level(), "more is given back than was there");
                let (taken, end) = (self.pointer, self.end);
                self.taken = taken;
                // Frames of which anything is left are still there.
                let left = end.wrapping_sub(taken);
                self.waiting.retain(|(at, _)| end.wrapping_sub(*at) < left);
            }
            0x40 => {}
            other => panic!("no such command: {other:#x}"),
        }
    }
}

/// Octets of a frame: its number, its length, and what follows from these.
pub(super) fn frame(id: u32, octets: usize) -> Vec<u8> {
    let mut frame = vec![0; octets];
    for (i, octet) in frame.iter_mut().enumerate() {
        *octet = id
            .wrapping_mul(31)
            .wrapping_add(u32::try_from(i).unwrap())
            .to_le_bytes()[0];
    }
    frame[..4].copy_from_slice(&id.to_be_bytes());
    frame[4..8].copy_from_slice(&u32::try_from(octets).unwrap().to_be_bytes());
    frame
}

/// The number of a frame that came through as it was.
pub(super) fn number(octets: &[u8]) -> u32 {
    let id = u32::from_be_bytes(octets[..4].try_into().unwrap());
    assert!(octets == frame(id, octets.len()), "frame {id} is spoilt");
    id
}

/// SPI, reset line and delay of a model.
#[derive(Clone)]
pub(super) struct Wires(pub(super) Rc<RefCell<Model>>);

#[derive(Debug)]
pub(super) struct BusError;

impl Error for BusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Wires {
    type Error = BusError;
}

impl SpiDevice for Wires {
    async fn transaction(
        &mut self,
        operations: &mut [Operation<'_, u8>],
    ) -> Result<(), Self::Error> {
        let mut model = self.0.borrow_mut();
        let Mischief {
            bus, reset, unplug, ..
        } = model.mischief;
        if model.random.once_in(reset) {
            model.reset();
        }
        if model.random.once_in(unplug) {
            model.clear();
            model.plugged = if model.random.once_in(2) {
                Plugged::Ones
            } else {
                Plugged::Zeros
            };
        }
        if model.random.once_in(bus) {
            model.bus_errors += 1;
        }
        let [Operation::Write(head), data] = operations else {
            panic!("header and data");
        };
        let [high, low, control] = **head else {
            panic!("a header of 3 octets");
        };
        let (block, offset) = (control >> 3, u16::from_be_bytes([high, low]));
        assert_eq!(control & 3, 0, "the length is what chip select lasts");
        let fails = model.bus_errors > 0;
        if fails {
            model.bus_errors -= 1;
        }
        match data {
            // What fails may have been done or not.
            Operation::Read(into) => {
                assert_eq!(control & 4, 0);
                model.read(block, offset, into);
                if fails {
                    into.fill(0xa5);
                }
                let octets = 3 + into.len();
                model.arrive_some(octets);
            }
            Operation::Write(octets) => {
                assert_eq!(control & 4, 4);
                if !fails || model.random.once_in(2) {
                    model.write(block, offset, octets);
                }
                let octets = 3 + octets.len();
                model.arrive_some(octets);
            }
            _ => panic!("only reads and writes"),
        }
        if fails { Err(BusError) } else { Ok(()) }
    }
}

impl PinErrorType for Wires {
    type Error = Infallible;
}

impl OutputPin for Wires {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let mut model = self.0.borrow_mut();
        model.reset();
        model.in_reset = true;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().in_reset = false;
        Ok(())
    }
}

impl DelayNs for Wires {
    async fn delay_ns(&mut self, ns: u32) {
        self.0.borrow_mut().waited_ns += u64::from(ns);
    }
}
