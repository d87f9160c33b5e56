//! A mirror that nobody would set up: frames again and again, each time a
//! little different or not at all. Equal seeds give equal frames.

use crate::second::Terms;
use crate::twice::Frame;

/// Frames that may be shown again.
const KEPT: usize = 12;

pub(crate) struct Mirror<'s> {
    seeds: &'s [Vec<u8>],
    random: fastrand::Rng,
    steps_back: bool,
    now_us: u64,
    kept: Vec<Vec<u8>>,
}

impl<'s> Mirror<'s> {
    /// Its clock may step back.
    pub(crate) fn new(seeds: &'s [Vec<u8>], seed: u64, steps_back: bool) -> Self {
        Self {
            seeds,
            random: fastrand::Rng::with_seed(seed),
            steps_back,
            now_us: 1_700_000_000_000_000,
            kept: Vec::new(),
        }
    }

    pub(crate) fn take(mut self, frames: usize) -> Vec<Frame> {
        (0..frames).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Frame {
        self.now_us = match self.random.u8(..40) {
            0 if self.steps_back => self.now_us - self.random.u64(..800),
            1 => self.now_us + self.random.u64(..2_000),
            2 => self.now_us + 500,
            3 => self.now_us + 501,
            4..15 => self.now_us,
            _ => self.now_us + self.random.u64(..60),
        };
        let mut data = if self.kept.is_empty() || self.random.u8(..3) == 0 {
            let at = self.random.usize(..self.seeds.len());
            self.seeds[at].clone()
        } else {
            let at = self.random.usize(..self.kept.len());
            self.kept[at].clone()
        };
        for _ in 0..[0, 0, 1, 1, 2][self.random.usize(..5)] {
            self.change(&mut data);
        }
        if self.kept.len() == KEPT {
            self.kept.swap_remove(self.random.usize(..KEPT));
        }
        self.kept.push(data.clone());
        let wire_len = u32::try_from(data.len()).expect("short");
        Frame {
            at_us: self.now_us,
            data,
            wire_len,
        }
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let random = &mut self.random;
        let terms = Terms::of(data);
        let (ip_at, type_at) = (terms.ip_at, terms.type_at);
        let len = data.len();
        match random.u8(..16) {
            // One hop on, or back.
            0..4 => {
                if let Some(at) = ip_at {
                    let at = if data[at] >> 4 == 4 { at + 8 } else { at + 7 };
                    let step = if random.u8(..4) == 0 { 1 } else { 0xff };
                    data[at] = data[at].wrapping_add(step);
                }
            }
            // What a router may change.
            4 => {
                if let Some(at) = ip_at {
                    if data[at] >> 4 == 4 {
                        let masked = [1, 10, 11][random.usize(..3)];
                        data[at + masked] = random.u8(..);
                    } else {
                        data[at + 1] ^= 0x10;
                    }
                }
            }
            5 => {
                let at = random.usize(..12);
                if let Some(octet) = data.get_mut(at) {
                    *octet ^= 1;
                }
            }
            6 | 7 => {
                if len >= 14 && type_at < 12 + 4 * 40 {
                    let tpid = [[0x81, 0], [0x88, 0xa8], [0x91, 0]][random.usize(..3)];
                    let tag = [tpid[0], tpid[1], random.u8(..2) << 5, random.u8(..3)];
                    data.splice(12..12, tag);
                }
            }
            8 => {
                if type_at >= 16 {
                    data.drain(type_at - 4..type_at);
                }
            }
            9 => {
                let zeros = random.usize(..10);
                data.resize(len + zeros, 0);
            }
            10 => {
                while data.last() == Some(&0) {
                    data.pop();
                }
            }
            11 => data.truncate(random.usize(..=len)),
            // No identification, no fragment: nothing tells.
            12 => {
                if let Some(at) = ip_at
                    && data[at] >> 4 == 4
                {
                    data[at + 4..at + 8].fill(0);
                }
            }
            13 => {
                let at = random.usize(..len.clamp(1, 160));
                if let Some(octet) = data.get_mut(at) {
                    *octet ^= 1 << random.u8(..8);
                }
            }
            14 => {
                if let Some(octet) =
                    ip_at.and_then(|at| data.get_mut(at + 16 + random.usize(..110)))
                {
                    *octet ^= 1;
                }
            }
            _ => {
                // Beyond what is compared.
                if let Some(octet) = data.last_mut().filter(|_| len > 200) {
                    *octet ^= 1;
                }
            }
        }
        data.truncate(1_600);
    }
}
