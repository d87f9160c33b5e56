//! Every form: both orders of octets, both units of time, all kinds of blocks.

use super::Expected;

/// Octets in one byte order.
#[derive(Clone)]
pub(super) struct Octets {
    big: bool,
    pub(super) all: Vec<u8>,
}

impl Octets {
    pub(super) fn new(big: bool) -> Self {
        Self {
            big,
            all: Vec::new(),
        }
    }
    pub(super) fn u16(mut self, n: u16) -> Self {
        self.all.extend(if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }
    pub(super) fn u32(mut self, n: u32) -> Self {
        self.all.extend(if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }
    pub(super) fn u64(self, n: u64) -> Self {
        let (high, low) = ((n >> 32) as u32, (n & 0xffff_ffff) as u32);
        if self.big {
            self.u32(high).u32(low)
        } else {
            self.u32(low).u32(high)
        }
    }
    pub(super) fn raw(mut self, octets: &[u8]) -> Self {
        self.all.extend(octets);
        self
    }
    fn padded(self, octets: &[u8]) -> Self {
        let pad = octets.len().next_multiple_of(4) - octets.len();
        self.raw(octets).raw(&vec![0; pad])
    }
    pub(super) fn option(self, code: u16, value: &[u8]) -> Self {
        self.u16(code)
            .u16(u16::try_from(value.len()).unwrap())
            .padded(value)
    }
    pub(super) fn block(self, kind: u32, body: impl FnOnce(Octets) -> Octets) -> Self {
        let body = body(Octets::new(self.big)).all;
        let length = u32::try_from(body.len()).unwrap() + 12;
        self.u32(kind).u32(length).raw(&body).u32(length)
    }
    pub(super) fn section(self, big: bool) -> Self {
        let mut turned = Octets { big, all: self.all };
        turned = turned.block(0x0a0d_0d0a, |b| {
            b.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX)
        });
        turned
    }
    pub(super) fn interface(self, link: u16, options: impl FnOnce(Octets) -> Octets) -> Self {
        self.block(1, |b| options(b.u16(link).u16(0).u32(0)))
    }
    pub(super) fn packet(self, interface: u32, ticks: u64, wire: u32, data: &[u8]) -> Self {
        self.packet_with(interface, ticks, wire, data, |b| b)
    }
    fn packet_with(
        self,
        interface: u32,
        ticks: u64,
        wire: u32,
        data: &[u8],
        options: impl FnOnce(Octets) -> Octets,
    ) -> Self {
        self.block(6, |b| {
            let b = b
                .u32(interface)
                .u32((ticks >> 32) as u32)
                .u32((ticks & 0xffff_ffff) as u32);
            options(
                b.u32(u32::try_from(data.len()).unwrap())
                    .u32(wire)
                    .padded(data),
            )
        })
    }
}

pub(super) struct Case {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
    pub(super) frames: Vec<Expected>,
    /// Where each frame's record ends.
    pub(super) ends: Vec<usize>,
    /// Where else the file may end without being cut.
    pub(super) seams: Vec<usize>,
}

const DATA: [&[u8]; 3] = [b"first frame", b"", b"the third frame, cut"];
const WIRE: [u32; 3] = [11, 0, 1514];

fn pcaps() -> Vec<Case> {
    let mut cases = Vec::new();
    for (magic, tick, extra) in [
        (0xa1b2_c3d4, 1000, 0),
        (0xa1b2_3c4d, 1, 0),
        (0xa1b2_cd34_u32, 1000, 8),
    ] {
        for (big, fcs) in [(false, 0), (true, 0), (false, 4), (true, 4), (false, 2)] {
            // Without bit 26 the uppermost bits mean nothing.
            let link = match fcs {
                0 => 0x3000_0001,
                octets => 1 | 0x0400_0000 | (octets / 2) << 28,
            };
            let mut file = Octets::new(big)
                .u32(magic)
                .u16(2)
                .u16(4)
                .u32(0)
                .u32(0)
                .u32(9)
                .u32(link);
            let (mut frames, mut ends) = (Vec::new(), Vec::new());
            let seams = vec![file.all.len()];
            for (n, (data, wire)) in DATA.into_iter().zip(WIRE).enumerate() {
                let (seconds, fraction) = (u32::MAX - 1, 999_999 + u32::try_from(n).unwrap());
                let whole = data.len() == wire as usize;
                let mut kept = data.to_vec();
                if whole {
                    kept.extend(vec![0xfc; fcs as usize]);
                }
                let captured = u32::try_from(kept.len()).unwrap();
                file = file
                    .u32(seconds)
                    .u32(fraction)
                    .u32(captured)
                    .u32(wire + fcs);
                file = file.raw(&vec![7; extra]).raw(&kept);
                let at = u128::from(seconds) * 1_000_000_000 + u128::from(fraction) * tick;
                frames.push((at, wire, data.to_vec()));
                ends.push(file.all.len());
            }
            let name = format!("pcap {magic:x} big {big} fcs {fcs}");
            cases.push(Case {
                name,
                octets: file.all,
                frames,
                ends,
                seams,
            });
        }
    }
    cases
}

/// A pcapng file in the making, with what should come out of it.
struct Building {
    case: Case,
    big: bool,
}

impl Building {
    fn write(&mut self, block: impl FnOnce(Octets) -> Octets) {
        let all = std::mem::take(&mut self.case.octets);
        self.case.octets = block(Octets { big: self.big, all }).all;
    }

    /// A block that gives no frame.
    fn quiet(&mut self, block: impl FnOnce(Octets) -> Octets) {
        self.write(block);
        self.case.seams.push(self.case.octets.len());
    }

    /// A block that gives this frame.
    fn frame(&mut self, at: u128, wire: u32, data: &[u8], block: impl FnOnce(Octets) -> Octets) {
        self.write(block);
        self.case.frames.push((at, wire, data.to_vec()));
        self.case.ends.push(self.case.octets.len());
    }

    fn section(&mut self, big: bool) {
        self.big = big;
        self.quiet(|f| f.section(big));
        let offset = if big {
            5_u64.to_be_bytes()
        } else {
            5_u64.to_le_bytes()
        };
        self.quiet(|f| f.interface(1, |o| o));
        self.quiet(|f| f.interface(1, |o| o.option(2, b"eth1").option(9, &[9]).u32(0)));
        self.quiet(|f| {
            f.interface(1, |o| {
                o.option(9, &[0x80 + 10])
                    .option(13, &[4])
                    .option(14, &offset)
            })
        });
        self.quiet(|f| f.interface(1, |o| o.option(13, &[32])));
        // Not Ethernet, but nothing comes from it.
        self.quiet(|f| f.interface(113, |o| o));
    }

    fn frames(&mut self) {
        let us = 1_700_000_000_000_001;
        self.frame(u128::from(us) * 1000, 60, b"abc", |f| {
            f.packet(0, us, 60, b"abc")
        });
        self.quiet(|f| f.block(0x0bad, |b| b.raw(&[9; 40])));
        let ns = 1_700_000_000_000_000_001;
        self.frame(u128::from(ns), 4, b"abcd", |f| f.packet(1, ns, 4, b"abcd"));
        self.frame(5_500_000_000, 5, b"datax", |f| {
            f.packet(2, 512, 9, b"dataxFCSx")
        });
        self.frame(1000, 0, b"", |f| f.packet(3, 1, 3, b"FCS"));
        // The packet's own word on its FCS (2 octets) goes first.
        let flags = if self.big {
            [0, 0, 0, 0x41]
        } else {
            [0x41, 0, 0, 0]
        };
        self.frame(1000, 5, b"datax", |f| {
            let options = |o: Octets| o.option(1, b"a comment").option(2, &flags).u32(0);
            f.packet_with(3, 1, 7, b"dataxFC", options)
        });
        // The old form: two half words, then as the new one.
        self.frame(9, 64, b"ol", |f| {
            f.block(2, |b| {
                b.u16(1).u16(77).u32(0).u32(9).u32(2).u32(64).padded(b"ol")
            })
        });
        self.frame(0, 5, b"plain", |f| {
            f.block(3, |b| b.u32(5).padded(b"plain"))
        });
        // Claims more than its block holds: what is there is given.
        self.frame(2000, 99, b"less", |f| {
            f.block(6, |b| b.u32(0).u32(0).u32(2).u32(99).u32(99).raw(b"less"))
        });
    }
}

fn pcapngs() -> Vec<Case> {
    let one = |first_big| {
        let case = Case {
            name: format!("pcapng, first section big {first_big}"),
            octets: Vec::new(),
            frames: Vec::new(),
            ends: Vec::new(),
            seams: Vec::new(),
        };
        let mut building = Building {
            case,
            big: first_big,
        };
        for big in [first_big, !first_big] {
            building.section(big);
            building.frames();
        }
        building.case
    };
    vec![one(false), one(true)]
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = pcaps();
    all.extend(pcapngs());
    all
}

pub(super) fn pcap_with(captured: u32, data: &[u8]) -> Vec<u8> {
    let head = Octets::new(false)
        .u32(0xa1b2_c3d4)
        .u16(2)
        .u16(4)
        .u32(0)
        .u32(0)
        .u32(9)
        .u32(1);
    head.u32(1)
        .u32(1)
        .u32(1)
        .u32(1)
        .raw(b"x")
        .u32(1)
        .u32(1)
        .u32(captured)
        .u32(1)
        .raw(data)
        .all
}
