//! Floods: as many distinct flows as one likes, one frame each and now and
//! then another, with what each must come to. Nothing is stored: both frames
//! and sums are functions of the flow's number.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use magpie_collector::{FlowSums, Picture, UnsentFlows, UnsentSums};
use magpie_protocol::{Address, AddressPair, FlowKey, FlowSum, UnsentKey, VlanStack};

/// The victim of all flows.
const VICTIM: [u8; 4] = [10, 0, 0, 1];
const VICTIM6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const VLAN: u16 = 77;
/// So many flows later a flow's second frame comes, where it is answered.
const AGAIN: u64 = 100;
/// And its answer: later than the larger board's table holds a flow.
const ANSWER: u64 = 6_000;
/// Time between two frames: near 100 Mbit/s of small ones.
pub const PACE_US: u64 = 7;

/// What a flood is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All flows go to the victim. A fifth sends another frame 100 flows later,
    /// a third is answered 6,000 flows later: most of those answers begin a
    /// record of their own.
    Answered,
    /// Nobody answers. Three of four flows go to the victim, and one from it, to
    /// an address that no other flow has. What a fifth of them sends again
    /// comes right behind: each flow is one record, and so its responder is
    /// known.
    OneWay,
}

/// One frame of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    Again,
    Answer,
}

/// What one flow comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Its key.
    pub key: FlowKey,
    /// Frames and their octets, from `a` and from `b`.
    pub ways: [(u64, u64); 2],
}

/// The frames of the flows `0..flows`, in order.
#[derive(Debug)]
pub struct Flood {
    kind: Kind,
    flows: u64,
    step: u64,
    due: VecDeque<(u64, Part)>,
    at_us: u64,
    frame: Vec<u8>,
}

fn has_again(flow: u64) -> bool {
    flow.is_multiple_of(5)
}

impl Kind {
    fn has_answer(self, flow: u64) -> bool {
        self == Self::Answered && flow.is_multiple_of(3)
    }

    /// So many flows later a flow's second frame comes.
    fn again(self) -> u64 {
        match self {
            Self::Answered => AGAIN,
            Self::OneWay => 1,
        }
    }

    /// The victim begins it.
    fn is_scan(self, flow: u64) -> bool {
        self == Self::OneWay && flow % 16 >= 12
    }

    /// What the flow of this number goes to.
    pub fn responder(self, flow: u64) -> UnsentKey {
        let is_scan = self.is_scan(flow);
        let responder = match flow % 4 {
            2 if is_scan => Address::V6(source6(flow)),
            2 => Address::V6(VICTIM6),
            _ if is_scan => Address::V4(source4(flow)),
            _ => Address::V4(VICTIM),
        };
        UnsentKey {
            protocol: protocol_of(flow),
            responder,
        }
    }

    /// What the flow of this number comes to.
    pub fn truth(self, flow: u64) -> Truth {
        let way = |parts: &[(bool, Part)]| {
            let parts = parts.iter().filter(|(there, _)| *there);
            parts.fold((0, 0), |(n, octets), (_, part)| {
                (n + 1, octets + octets_of(flow, *part) as u64)
            })
        };
        let mut there = way(&[(true, Part::First), (has_again(flow), Part::Again)]);
        let mut back = way(&[(self.has_answer(flow), Part::Answer)]);
        if self.is_scan(flow) {
            std::mem::swap(&mut there, &mut back);
        }
        truth_of(flow, there, back)
    }

    /// Frames and octets of all these flows.
    pub fn total(self, flows: Range<u64>) -> (u64, u64) {
        flows.fold((0, 0), |(frames, octets), flow| {
            let [ab, ba] = self.truth(flow).ways;
            (frames + ab.0 + ba.0, octets + ab.1 + ba.1)
        })
    }
}

fn octets_of(flow: u64, part: Part) -> usize {
    let more = match part {
        Part::First => flow % 97,
        Part::Again => flow % 1001,
        Part::Answer => flow % 13,
    };
    100 + usize::try_from(more).expect("small")
}

/// Four kinds of flow by number: a TCP SYN, UDP, UDP in IPv6 in a VLAN, GRE.
fn protocol_of(flow: u64) -> u8 {
    [6, 17, 17, 47][usize::try_from(flow % 4).expect("below 4")]
}

fn source_port(flow: u64) -> u16 {
    1024 + u16::try_from(flow % 60_000).expect("16 bits")
}

fn source4(flow: u64) -> [u8; 4] {
    let [.., a, b, c] = flow.to_be_bytes();
    [11, a, b, c]
}

fn source6(flow: u64) -> [u8; 16] {
    let mut address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address[8..].copy_from_slice(&flow.to_be_bytes());
    address
}

/// Ports of source and victim.
fn ports_of(flow: u64) -> (u16, u16) {
    match protocol_of(flow) {
        6 => (source_port(flow), 80),
        17 => (source_port(flow), 53),
        _ => (0, 0),
    }
}

/// As [`Kind::truth`], of a flood that is answered.
pub fn truth(flow: u64) -> Truth {
    Kind::Answered.truth(flow)
}

/// Of a flow that came to this from its source, and to that from the victim.
fn truth_of(flow: u64, there: (u64, u64), back: (u64, u64)) -> Truth {
    let (source, victim) = ports_of(flow);
    let mut vlan = VlanStack::NONE;
    if flow % 4 == 2 {
        vlan.push(VLAN);
        let addresses = AddressPair::V6 {
            a: source6(flow),
            b: VICTIM6,
        };
        return Truth {
            key: FlowKey {
                vlan,
                protocol: protocol_of(flow),
                addresses,
                a_port: source,
                b_port: victim,
            },
            ways: [there, back],
        };
    }
    let addresses = AddressPair::V4 {
        a: VICTIM,
        b: source4(flow),
    };
    Truth {
        key: FlowKey {
            vlan,
            protocol: protocol_of(flow),
            addresses,
            a_port: victim,
            b_port: source,
        },
        ways: [back, there],
    }
}

/// The number of a flow by its key; another's key gives anything.
pub fn number_of(key: &FlowKey) -> u64 {
    match key.addresses {
        AddressPair::V4 { b, .. } => u64::from(u32::from_be_bytes([0, b[1], b[2], b[3]])),
        AddressPair::V6 { a, .. } => u64::from_be_bytes(*a.last_chunk().expect("16 octets")),
    }
}

/// Frames and octets of a flow's sums, from `a` and from `b`.
pub fn ways(sums: &FlowSums) -> [(u64, u64); 2] {
    [&sums.ab, &sums.ba].map(|way| (way.packets, way.frame_octets))
}

/// What a sensor could not keep of its flows: its lines and `other` are all of
/// it, as its ledger says, in flows, packets and octets.
pub fn unsent(picture: &Picture) -> UnsentFlows {
    let told = picture.unsent();
    let mut sum = told.other;
    for (_, sums) in &told.lines {
        sum.never_sent.add(&sums.never_sent);
        sum.unconfirmed.add(&sums.unconfirmed);
    }
    let total = UnsentSums::of(&picture.ledger().expect("a ledger"));
    assert_eq!(
        (sum.never_sent, sum.unconfirmed),
        (total.never_sent, total.unconfirmed)
    );
    assert_eq!((told.total, told.untold), (total, UnsentSums::default()));
    told
}

/// What is missing by the generator of the frames is what the lines say: of a
/// line that may have been another's before, no more than that.
pub fn check_missing(told: &UnsentFlows, missing: impl Fn(&UnsentKey) -> FlowSum) {
    for (key, sums) in &told.lines {
        let missing = missing(key);
        let (least, mut most) = (sums.never_sent, sums.never_sent);
        // The host may have what is unconfirmed.
        most.add(&sums.unconfirmed);
        if sums.missed_at_most > 0 {
            most.flows += sums.missed_at_most;
            (most.packets, most.octets) = (u64::MAX, u64::MAX);
        }
        let within = |of: fn(&FlowSum) -> u64| (of(&least)..=of(&most)).contains(&of(&missing));
        assert!(
            within(|sum| sum.flows) && within(|sum| sum.packets) && within(|sum| sum.octets),
            "{key:?}: {missing:?} {sums:?}"
        );
    }
}

/// Flows, packets and octets of a flood that did not arrive, by what they went
/// to; `arrived` knows the flows that did, by number.
pub fn missing(
    kind: Kind,
    flows: Range<u64>,
    arrived: impl Fn(u64) -> bool,
) -> HashMap<UnsentKey, FlowSum> {
    let mut missing = HashMap::<UnsentKey, FlowSum>::new();
    for flow in flows.filter(|flow| !arrived(*flow)) {
        let [ab, ba] = kind.truth(flow).ways;
        missing
            .entry(kind.responder(flow))
            .or_default()
            .add(&FlowSum {
                flows: 1,
                packets: ab.0 + ba.0,
                octets: ab.1 + ba.1,
            });
    }
    missing
}

/// As [`Kind::total`], of a flood that is answered.
pub fn total(flows: Range<u64>) -> (u64, u64) {
    Kind::Answered.total(flows)
}

impl Flood {
    /// One that is answered; the first frame comes at this time.
    pub fn new(flows: u64, begin_us: u64) -> Self {
        Self::of(Kind::Answered, flows, begin_us)
    }

    /// One of this kind.
    pub fn of(kind: Kind, flows: u64, begin_us: u64) -> Self {
        assert!(flows < 1 << 24, "addresses have 24 bits for the number");
        Self {
            kind,
            flows,
            step: 0,
            due: VecDeque::new(),
            at_us: begin_us,
            frame: Vec::with_capacity(2_048),
        }
    }

    /// The next frame and its time.
    pub fn next_frame(&mut self) -> Option<(u64, &[u8])> {
        while self.due.is_empty() {
            let step = self.step;
            if step >= self.flows + ANSWER {
                return None;
            }
            if step < self.flows {
                self.due.push_back((step, Part::First));
            }
            let late = |after: u64| step.checked_sub(after).filter(|flow| *flow < self.flows);
            if let Some(flow) = late(self.kind.again()).filter(|flow| has_again(*flow)) {
                self.due.push_back((flow, Part::Again));
            }
            if let Some(flow) = late(ANSWER).filter(|flow| self.kind.has_answer(*flow)) {
                self.due.push_back((flow, Part::Answer));
            }
            self.step += 1;
        }
        let (flow, part) = self.due.pop_front()?;
        self.at_us += PACE_US;
        self.write(flow, part);
        Some((self.at_us, &self.frame))
    }

    fn write(&mut self, flow: u64, part: Part) {
        let octets = octets_of(flow, part);
        let is_answer = part == Part::Answer;
        let back = is_answer != self.kind.is_scan(flow);
        let frame = &mut self.frame;
        frame.clear();
        frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        let protocol = protocol_of(flow);
        if flow % 4 == 2 {
            frame.extend([0x81, 0]);
            frame.extend(VLAN.to_be_bytes());
            let payload = u16::try_from(octets - 58).expect("short").to_be_bytes();
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(payload);
            frame.extend([protocol, 64]);
            let ends = [source6(flow), VICTIM6];
            frame.extend(ends[usize::from(back)]);
            frame.extend(ends[usize::from(!back)]);
        } else {
            let total = u16::try_from(octets - 14).expect("short").to_be_bytes();
            frame.extend([8, 0, 0x45, 0]);
            frame.extend(total);
            frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            let ends = [source4(flow), VICTIM];
            frame.extend(ends[usize::from(back)]);
            frame.extend(ends[usize::from(!back)]);
            let sum: u32 = frame[14..34]
                .chunks_exact(2)
                .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
                .sum();
            let check = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("ten words");
            frame[24..26].copy_from_slice(&check.to_be_bytes());
        }
        let (source, victim) = ports_of(flow);
        let ports = if back {
            [victim, source]
        } else {
            [source, victim]
        };
        let at = frame.len();
        match protocol {
            6 => {
                frame.extend(ports.into_iter().flat_map(u16::to_be_bytes));
                let [.., a, b, c, d] = flow.to_be_bytes();
                let flags = if is_answer { 0x12 } else { 0x02 };
                frame.extend([a, b, c, d, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0]);
            }
            17 => {
                let length = u16::try_from(octets - at).expect("short");
                for word in [ports[0], ports[1], length, 0] {
                    frame.extend(word.to_be_bytes());
                }
            }
            _ => {}
        }
        frame.resize(octets, 0x5a);
    }
}
