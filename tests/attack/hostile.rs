//! Frames that were made to be difficult: sound ones with fields changed,
//! headers stacked, ends cut and lengths lied about. Equal seeds give equal
//! frames.

/// Longest frame made.
const LONGEST: usize = 3_000;

/// What fields are set to, beside anything.
const WORDS: [u16; 24] = [
    0, 1, 7, 8, 19, 20, 40, 0x05ff, 0x0600, 0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x9100, 0x8847,
    0x8848, 0x8864, 0x88e5, 0x1fff, 0x2000, 0x7fff, 0x8000, 0xffff,
];
/// Protocols and extension headers.
const PROTOCOLS: [u8; 14] = [0, 1, 2, 6, 17, 43, 44, 50, 51, 58, 59, 60, 132, 135];

/// An endless row of frames.
pub(crate) struct Hostile {
    seeds: Vec<Vec<u8>>,
    random: fastrand::Rng,
    frame: Vec<u8>,
}

impl Hostile {
    pub(crate) fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(!seeds.is_empty());
        Self {
            seeds,
            random: fastrand::Rng::with_seed(seed),
            frame: Vec::new(),
        }
    }

    /// The next frame, and its length on the wire.
    pub(crate) fn next(&mut self) -> (&[u8], u32) {
        let at = self.random.usize(..self.seeds.len());
        self.frame.clone_from(&self.seeds[at]);
        for _ in 0..self.random.usize(..4) {
            self.change();
        }
        self.frame.truncate(LONGEST);
        let len = u32::try_from(self.frame.len()).expect("short");
        let cut = match self.random.u8(..10) {
            0 => self.random.u32(..100),
            1 => self.random.u32(..70_000),
            _ => 0,
        };
        (&self.frame, len + cut)
    }

    fn word(&mut self) -> [u8; 2] {
        let any = self.random.u16(..);
        let known = self.random.choice(WORDS).unwrap_or(any);
        if self.random.u8(..4) == 0 { any } else { known }.to_be_bytes()
    }

    /// A place in the headers, mostly.
    fn place(&mut self) -> usize {
        let len = self.frame.len();
        let limit = if self.random.bool() { 64 } else { LONGEST };
        self.random.usize(..len.clamp(1, limit))
    }

    fn change(&mut self) {
        let (at, random) = (self.place(), &mut self.random);
        match random.u8(..14) {
            0 | 1 => {
                if let Some(octet) = self.frame.get_mut(at) {
                    *octet = random.u8(..);
                }
            }
            2 => {
                if let Some(octet) = self.frame.get_mut(at) {
                    *octet ^= 1 << random.u8(..8);
                }
            }
            3 => {
                let word = self.word();
                if let Some(pair) = self.frame.get_mut(at..at + 2) {
                    pair.copy_from_slice(&word);
                }
            }
            4 => self.frame.truncate(at),
            5 => {
                let more = random.usize(..200);
                let octet = random.u8(..);
                self.frame.resize(self.frame.len() + more, octet);
            }
            6 => self.tags(),
            7 => self.labels(),
            8 => self.session(),
            9 => self.snap(),
            10 | 11 => self.headers(),
            12 => self.protocol(),
            _ => self.lengths(),
        }
    }

    /// Puts octets behind the addresses, in the type's place.
    fn insert(&mut self, octets: &[u8]) {
        if self.frame.len() >= 14 {
            self.frame.splice(12..12, octets.iter().copied());
        }
    }

    fn how_many(&mut self, limit: usize) -> usize {
        if self.random.u8(..4) == 0 {
            self.random.usize(limit - 2..limit + 4)
        } else {
            self.random.usize(1..6)
        }
    }

    fn tags(&mut self) {
        for _ in 0..self.how_many(32) {
            let kind = self.random.choice([0x81, 0x88, 0x91]).unwrap_or(0x81);
            let low = if kind == 0x88 { 0xa8 } else { 0 };
            let [high_id, low_id] = self.random.u16(..).to_be_bytes();
            self.insert(&[kind, low, high_id, low_id]);
        }
    }

    fn labels(&mut self) {
        let mut octets = vec![0x88, 0x47 + self.random.u8(..2)];
        let labels = self.how_many(32);
        for n in 1..=labels {
            octets.extend([0, 7, u8::from(n == labels), 64]);
        }
        // The type's place is the labels' now.
        if self.frame.len() >= 14 {
            self.frame.splice(12..14, octets);
        }
    }

    fn session(&mut self) {
        let protocol =
            self.random
                .choice([&[0, 0x21][..], &[0, 0x57], &[0x21], &[0x57], &[0xc0, 0x21]]);
        let mut octets = vec![0x88, 0x64, 0x11, 0, 0, 1, 0, 50];
        octets.extend(protocol.unwrap_or(&[0, 0x21]));
        if self.frame.len() >= 14 {
            self.frame.splice(12..14, octets);
        }
    }

    fn snap(&mut self) {
        let bridge = self.random.choice([0, 0xf8, 1]).unwrap_or(0);
        self.insert(&[0, 60, 0xaa, 0xaa, 3, 0, 0, bridge]);
        if self.random.u8(..4) == 0 {
            let word = self.word();
            if let Some(kind) = self.frame.get_mut(20..22) {
                kind.copy_from_slice(&word);
            }
        }
    }

    /// Stacks extension headers on an IPv6 packet without tags.
    fn headers(&mut self) {
        let Some([0x86, 0xdd, ..]) = self.frame.get(12..54) else {
            return;
        };
        let headers = self.how_many(128);
        let one_kind = headers > 100;
        for _ in 0..headers {
            let kind = match self.random.u8(..16) {
                _ if one_kind => 60,
                0 => 51,
                1 | 2 => 44,
                3..=5 => 0,
                6..=9 => 43,
                _ => 60,
            };
            let units = if self.random.u8(..8) == 0 {
                self.random.u8(..3)
            } else {
                0
            };
            let mut octets = vec![self.frame[20], units, 0, 0, 0, 0, 0, 0];
            // AH counts in four octets, less two (RFC 4302).
            octets.resize(8 + usize::from(units) * if kind == 51 { 4 } else { 8 }, 1);
            if kind == 44 {
                octets[1] = 0;
                let word = self.random.choice([0, 0, 0, 1, 8, 9]).unwrap_or(0);
                octets[3] = word;
                octets.truncate(8);
            }
            if kind == 0 && self.random.bool() {
                octets[2..8].copy_from_slice(&[0xc2, 4, 0, 0, 0, self.random.u8(..)]);
            }
            self.frame[20] = kind;
            self.frame.splice(54..54, octets);
        }
        let payload = u16::try_from(self.frame.len() - 54).unwrap_or(u16::MAX);
        self.frame[18..20].copy_from_slice(&payload.to_be_bytes());
    }

    fn protocol(&mut self) {
        let known = self.random.choice(PROTOCOLS).unwrap_or(0);
        let at = match self.frame.get(12..14) {
            Some([0x86, 0xdd]) => 20,
            _ => 23,
        };
        if let Some(octet) = self.frame.get_mut(at) {
            *octet = known;
        }
        // An ICMP type as well, should it be one.
        let kind = self.random.choice([0, 8, 13, 14, 128, 129]).unwrap_or(8);
        if known == 1
            && at == 23
            && let Some(octets) = self.frame.get_mut(34..36)
        {
            octets.copy_from_slice(&[kind, 0]);
        }
    }

    /// Lies about lengths, or a checksum that holds.
    fn lengths(&mut self) {
        let word = self.word();
        let six = matches!(self.frame.get(12..14), Some([0x86, 0xdd]));
        let at = match (six, self.random.u8(..4)) {
            (false, 0) => 16,
            (false, 1) => 20,
            (false, 2) => return self.sum(),
            (true, 0 | 1) => 18,
            (true, 2) => 56,
            (_, _) => 46,
        };
        if let Some(pair) = self.frame.get_mut(at..at + 2) {
            pair.copy_from_slice(&word);
        }
    }

    /// An IPv4 header whose sum is right, or all ones.
    fn sum(&mut self) {
        let Some(header) = self.frame.get_mut(14..34) else {
            return;
        };
        header[10..12].fill(0);
        if self.random.u8(..4) == 0 {
            // The other octets come to minus zero.
            header[4..6].fill(0);
            let id = !sum_of(header);
            header[4..6].copy_from_slice(&id.to_be_bytes());
        }
        let check = !sum_of(header);
        let check = if check == 0 { 0xffff } else { check };
        header[10..12].copy_from_slice(&check.to_be_bytes());
    }
}

/// RFC 1071.
fn sum_of(header: &[u8]) -> u16 {
    let total: u32 = header
        .chunks_exact(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let folded = (total & 0xffff) + (total >> 16);
    u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice")
}
