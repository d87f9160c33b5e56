//! Frames at random, and changes at random: small pools, so that frames meet
//! each other in the tables, and extremes as often as all between.

use fastrand::Rng;

use crate::frame::{Body, EXTENSIONS, Ip4, Ip6, Length, Net, Own, Shim, Spec, TPIDS};

/// One frame of a sequence, and how long after the one before it comes.
#[derive(Debug, Clone)]
pub(crate) struct Gene {
    pub(crate) gap_us: i64,
    pub(crate) spec: Spec,
}

/// End points: a set of the flow table has eight flows.
const ENDS: u8 = 12;
const FLAGS: [u8; 10] = [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x01, 0x00, 0x03];

fn of<T: Copy, const N: usize>(rng: &mut Rng, all: [T; N]) -> T {
    all[rng.usize(..N)]
}

/// A count up to `most`: often that, often few.
fn count(rng: &mut Rng, most: usize) -> usize {
    match rng.u8(..4) {
        0 => most,
        1 => rng.usize(..=most.min(3)),
        _ => rng.usize(..=most),
    }
}

fn gap(rng: &mut Rng) -> i64 {
    of(
        rng,
        [
            10,
            10,
            10,
            0,
            1,
            499,
            501,
            -1,
            -700,
            1_000_001,
            61_000_000,
            301_000_000,
            2_200_000_000,
        ],
    )
}

fn tag(rng: &mut Rng) -> (u16, u16) {
    (of(rng, TPIDS), rng.u16(..4096))
}

fn option(rng: &mut Rng) -> (u8, u8) {
    of(
        rng,
        [
            (0, 0),
            (1, 0),
            (0xc2, 0),
            (0xc2, 3),
            (5, 2),
            (1, 1),
            (0xc3, 0),
        ],
    )
}

fn header(rng: &mut Rng) -> (u8, u8, u16) {
    let more = of(rng, [0, 0, 0, 0, 1, 2]);
    let fragment = of(rng, [0, 0, 1, 1, 6, 8]);
    (of(rng, EXTENSIONS), more, fragment)
}

fn ends(rng: &mut Rng) -> [u8; 2] {
    [rng.u8(..ENDS), rng.u8(..ENDS)]
}

fn length(rng: &mut Rng) -> Length {
    of(
        rng,
        [
            Length::Right,
            Length::Right,
            Length::Right,
            Length::Zero,
            Length::Beyond,
        ],
    )
}

fn net(rng: &mut Rng) -> Net {
    match rng.u8(..16) {
        0 => Net::Arp {
            operation: rng.u16(..1024),
            sender: rng.u8(..2),
            target: rng.u8(..2),
        },
        1 => Net::Other(rng.u16(0x0600..)),
        2..6 => Net::Ip4(Ip4 {
            ends: ends(rng),
            options: of(rng, [0, 0, 10, 5]),
            fragment: of(rng, [0, 0, 0x2000, 0x2001]),
            length: length(rng),
            good_checksum: rng.bool(),
            id: rng.u16(..2),
        }),
        _ => {
            let (options, headers) = (count(rng, 64), count(rng, 128));
            Net::Ip6(Ip6 {
                ends: ends(rng),
                length: length(rng),
                options: (0..options).map(|_| option(rng)).collect(),
                jumbo: rng.bool(),
                headers: (0..headers).map(|_| header(rng)).collect(),
            })
        }
    }
}

fn body(rng: &mut Rng) -> Body {
    let ports = [rng.u8(..3), rng.u8(..3)];
    match rng.u8(..8) {
        0..3 => Body::Tcp {
            ports,
            flags: of(rng, FLAGS),
            sequence: of(rng, [1, 2, 100, 1 << 31, u32::MAX]),
            acknowledgement: of(rng, [0, 1, 2, 3, 101, 70_000, u32::MAX]),
            payload: of(rng, [0, 0, 1, 200]),
            good_offset: rng.u8(..8) > 0,
        },
        3 => Body::Udp {
            ports,
            good_length: rng.bool(),
        },
        4 => Body::Sctp { ports },
        5 | 6 => Body::Icmp {
            kind: of(rng, [8, 0, 128, 129, 3, 255, 200]),
            code: of(rng, [0, 0, 77]),
            id: rng.u8(..16),
            sequence: rng.u8(..16),
        },
        _ => Body::Raw(rng.u8(..), rng.usize(..12)),
    }
}

fn spec(rng: &mut Rng) -> Spec {
    let tags = if rng.bool() { count(rng, 32) } else { 0 };
    Spec {
        own: of(rng, [Own::Neither, Own::From, Own::To]),
        tags: (0..tags).map(|_| tag(rng)).collect(),
        snap: rng.u8(..4) == 0,
        shim: match rng.u8(..6) {
            0 => Shim::Pppoe,
            1 => Shim::Mpls(1 + count(rng, 31)),
            _ => Shim::None,
        },
        net: net(rng),
        body: body(rng),
        cut: if rng.u8(..8) == 0 { count(rng, 60) } else { 0 },
    }
}

/// A frame of any kind.
pub(crate) fn any(rng: &mut Rng) -> Gene {
    Gene {
        gap_us: gap(rng),
        spec: spec(rng),
    }
}

/// Changes some elements of a list, or its length.
fn edit<T: Copy>(rng: &mut Rng, list: &mut Vec<T>, most: usize, make: impl Fn(&mut Rng) -> T) {
    match rng.u8(..4) {
        0 => {
            let wanted = count(rng, most);
            list.truncate(wanted);
            while list.len() < wanted {
                list.push(make(rng));
            }
        }
        1 => {
            // All alike, or two in turn.
            let pair = [make(rng), make(rng)];
            let step = rng.usize(1..=2);
            for (at, place) in list.iter_mut().enumerate() {
                *place = pair[at / step % 2];
            }
        }
        _ => {
            for _ in 0..=rng.usize(..4) {
                if let Some(place) = rng.choice(list.iter_mut()) {
                    *place = make(rng);
                }
            }
        }
    }
}

/// Another one like it.
pub(crate) fn change(rng: &mut Rng, gene: &mut Gene) {
    let Gene {
        gap_us,
        spec: frame,
    } = gene;
    match rng.u8(..12) {
        0 => *gap_us = gap(rng),
        1 => frame.own = of(rng, [Own::Neither, Own::From, Own::To]),
        2 => frame.snap = !frame.snap,
        3 => frame.shim = spec(rng).shim,
        4 => edit(rng, &mut frame.tags, 32, tag),
        5 => frame.body = body(rng),
        6 => frame.net = net(rng),
        7 => frame.cut = if rng.bool() { 0 } else { count(rng, 60) },
        _ => match &mut frame.net {
            Net::Ip4(ip) => match rng.u8(..6) {
                0 => ip.ends = ends(rng),
                1 => ip.options = rng.u8(..=10),
                2 => ip.fragment = of(rng, [0, 0x2000, 0x2001, 1]),
                3 => ip.length = length(rng),
                4 => ip.good_checksum = !ip.good_checksum,
                _ => frame.body = body(rng),
            },
            Net::Ip6(ip) => match rng.u8(..7) {
                0 => ip.ends = ends(rng),
                1 => ip.length = length(rng),
                2 => ip.jumbo = !ip.jumbo,
                3 => edit(rng, &mut ip.options, 64, option),
                4 | 5 => edit(rng, &mut ip.headers, 128, header),
                _ => frame.body = body(rng),
            },
            Net::Arp {
                operation,
                sender,
                target,
            } => {
                (*operation, *sender, *target) = (rng.u16(..), rng.u8(..2), rng.u8(..2));
            }
            Net::Other(ethertype) => *ethertype = rng.u16(0x0600..),
        },
    }
}

/// Another sequence: most changes are to its last frame, whose cost counts.
pub(crate) fn vary(rng: &mut Rng, genes: &mut Vec<Gene>, other: &[Gene], longest: usize) {
    for _ in 0..=rng.usize(..3) {
        let last = genes.len() - 1;
        let one = rng.usize(..genes.len());
        match rng.u8(..10) {
            0 if genes.len() < longest => {
                let new = if rng.bool() {
                    any(rng)
                } else {
                    genes[one].clone()
                };
                genes.insert(one, new);
            }
            1 if last > 0 => {
                genes.remove(rng.usize(..last));
            }
            2 => {
                // How another one came there.
                let end = genes.pop().expect("there is a last one");
                *genes = other[..other.len() - 1].to_vec();
                genes.push(end);
            }
            3 => change(rng, &mut genes[one]),
            // The flow, or the pair, of another frame.
            4 if last > 0 => {
                let from = genes[one].spec.clone();
                let to = &mut genes[last].spec;
                if let (Net::Ip6(to), Net::Ip6(from)) = (&mut to.net, &from.net) {
                    to.ends = from.ends;
                } else if let (Net::Ip4(to), Net::Ip4(from)) = (&mut to.net, &from.net) {
                    to.ends = from.ends;
                }
                if rng.bool() {
                    to.body = from.body;
                }
                if rng.bool() {
                    to.tags = from.tags;
                }
            }
            _ => change(rng, &mut genes[last]),
        }
    }
}
