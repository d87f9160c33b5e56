//! A wire, and what is wrong with it.

use magpie_link::{MAX_FRAME, frame};

/// How bad a wire is: chances in 256, a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) lose: u8,
    pub(crate) repeat: u8,
    pub(crate) delay: u8,
    pub(crate) damage: u8,
    pub(crate) garbage: u8,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        lose: 0,
        repeat: 0,
        delay: 0,
        damage: 0,
        garbage: 0,
    };
}

/// One direction of a byte stream: frames in, frames out later.
pub(crate) struct Wire {
    pub(crate) faults: Faults,
    /// False: nothing gets through at all.
    pub(crate) up: bool,
    random: u64,
    pub(crate) sent: u64,
    pub(crate) in_flight: Vec<(u64, u64, Vec<u8>)>,
}

impl Wire {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            up: true,
            random: seed | 1,
            sent: 0,
            in_flight: Vec::new(),
        }
    }

    fn random(&mut self) -> u64 {
        // xorshift64: repeatable, so that a failing case can be made small.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn chance(&mut self, of_256: u8) -> bool {
        self.random() % 256 < u64::from(of_256)
    }

    pub(crate) fn send(&mut self, now: u64, batch: &[u8]) {
        let mut framed = [0; MAX_FRAME];
        let len = frame(batch, &mut framed).unwrap();
        let mut octets = framed[..len].to_vec();
        if !self.up || self.chance(self.faults.lose) {
            return;
        }
        if self.chance(self.faults.damage) {
            let place = usize::try_from(self.random()).unwrap() % octets.len();
            octets[place] ^= 1 << (self.random() % 8);
        }
        if self.chance(self.faults.damage) {
            let keep = usize::try_from(self.random()).unwrap() % octets.len();
            octets.truncate(keep);
        }
        if self.chance(self.faults.garbage) {
            for _ in 0..self.random() % 3000 {
                let octet = self.random().to_le_bytes()[0];
                octets.push(octet);
            }
        }
        for _ in 0..=u8::from(self.chance(self.faults.repeat)) {
            let mut at = now + 10_000;
            if self.chance(self.faults.delay) {
                at += self.random() % 600_000;
            }
            self.sent += 1;
            self.in_flight.push((at, self.sent, octets.clone()));
        }
    }

    pub(crate) fn arrived(&mut self, now: u64) -> Vec<u8> {
        self.in_flight.sort_unstable();
        let count = self.in_flight.partition_point(|(at, ..)| *at <= now);
        self.in_flight
            .drain(..count)
            .flat_map(|(.., octets)| octets)
            .collect()
    }
}
