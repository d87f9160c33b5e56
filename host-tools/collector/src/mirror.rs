//! What a wrongly set mirror port hides (EXACT.md 11).

use std::collections::HashSet;
use std::fmt;

use foldhash::quality::RandomState;
use magpie_protocol::{AddressPair, EchoKey, FlowKey, Ledger, VlanStack};

use crate::books::known_lost;
use crate::{EchoSums, FlowSums, Offered, Picture};

/// A one-way key is suspicious from so many packets on.
const ONE_WAY_PACKETS: u64 = 3;
/// And after so long.
const ONE_WAY_US: u64 = 3_000_000;

/// A share as a lower bound, shown in per cent and rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub whole: u64,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = u128::from(self.whole.max(1));
        let hundredths = u128::from(self.part) * 10_000 / whole;
        write!(f, "{}.{:02}%", hundredths / 100, hundredths % 100)
    }
}

impl Share {
    /// `>=0.41%`; `=?` where there is no whole that it could be a part of.
    pub fn at_least(&self) -> String {
        if self.whole == 0 {
            "=?".to_owned()
        } else {
            format!(">={self}")
        }
    }
}

/// Why an echo request without a reply may have been answered all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The two directions stand under different VLAN stacks.
    Tags,
    /// The mirror shows one direction only.
    OneWay,
    /// The mirror dropped frames: TCP octets were acknowledged and never seen.
    Unseen,
    /// Frames are known to have been lost between the mirror and the core.
    Dropped,
    /// The sensor had no room and forgot requests that still waited.
    Forgotten,
    /// This pair has a reply without its request: either the mirror dropped
    /// the request, or it was forgotten, or both came in the wrong order.
    Orphans,
}

impl Doubt {
    /// One word for a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::OneWay => "one-way",
            Self::Unseen => "unseen",
            Self::Dropped => "dropped",
            Self::Forgotten => "forgotten",
            Self::Orphans => "orphans",
        }
    }
}

/// Echo requests of a pair that waited in vain, as far as that can be told
/// from here. Nothing is called lost that may only not have been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoLoss {
    /// So many were lost.
    Exactly(u64),
    /// So many at most: replies of them may have passed unseen.
    AtMost(u64, Doubt),
    /// Nobody can tell: the way back is not shown.
    Hidden(Doubt),
}

impl EchoLoss {
    /// The number, where it is one.
    pub fn exactly(self) -> Option<u64> {
        match self {
            Self::Exactly(n) => Some(n),
            Self::AtMost(..) | Self::Hidden(_) => None,
        }
    }

    /// An upper bound, where there is one.
    pub fn at_most(self) -> Option<u64> {
        match self {
            Self::Exactly(n) | Self::AtMost(n, _) => Some(n),
            Self::Hidden(_) => None,
        }
    }

    /// Why it is no number.
    pub fn doubt(self) -> Option<Doubt> {
        match self {
            Self::Exactly(_) => None,
            Self::AtMost(_, doubt) | Self::Hidden(doubt) => Some(doubt),
        }
    }
}

/// What the picture suspects of the mirror. None of it changes a count.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// Flow keys looked at.
    pub keys: u64,
    /// Octets that were acknowledged and never seen, of those and all TCP
    /// octets (IP octets) that were seen.
    pub unseen: Share,
    /// Doubles of all frames that reached the core, where they are looked for.
    pub doubled: Option<Share>,
    /// Why any reply may have passed unseen, whatever its pair.
    dropped: Option<Doubt>,
    one_way: HashSet<FlowKey, RandomState>,
    tag_asym: HashSet<FlowKey, RandomState>,
}

/// `None` where no doubles were ever looked for.
fn doubled(ledger: &Ledger) -> Option<Share> {
    let part = ledger.doubles.sum.frames;
    (ledger.doubles.window_us > 0 || part > 0).then(|| Share {
        part,
        whole: ledger.counted.frames.saturating_add(part),
    })
}

/// Which directions a key carried.
fn directions(sums: &FlowSums) -> (bool, bool) {
    (sums.ab.packets > 0, sums.ba.packets > 0)
}

impl Mirror {
    /// Looks at all flows of a picture that nobody outside counted for.
    pub fn of(picture: &Picture) -> Self {
        Self::with(picture, None)
    }

    /// Looks at all flows of a picture; frames that were `offered` and could
    /// not be delivered are missing from it.
    pub fn with(picture: &Picture, offered: Option<&Offered>) -> Self {
        let mut mirror = Self::default();
        let latest_us = picture.latest_us();
        // Keys that carried one direction only.
        let mut halves: Vec<(FlowKey, bool)> = Vec::new();
        for (key, flow) in picture.flows().iter() {
            let Some(sums) = flow.view_total() else {
                continue;
            };
            mirror.keys += 1;
            if let Some(tcp) = sums.tcp {
                let unseen = tcp.unseen_octets[0].saturating_add(tcp.unseen_octets[1]);
                mirror.unseen.part = mirror.unseen.part.saturating_add(unseen);
                let all = sums.ip_octets().saturating_add(unseen);
                mirror.unseen.whole = mirror.unseen.whole.saturating_add(all);
            }
            let (ab, ba) = directions(&sums);
            if ab == ba {
                continue;
            }
            if sums.packets() >= ONE_WAY_PACKETS
                && latest_us.saturating_sub(sums.first_us) >= ONE_WAY_US
            {
                mirror.one_way.insert(*key);
            }
            halves.push((*key, ab));
        }
        if let (_, Some(sums)) = picture.flows().forgotten() {
            let unseen = sums.tcp.map_or([0; 2], |tcp| tcp.unseen_octets);
            let unseen = unseen[0].saturating_add(unseen[1]);
            mirror.unseen.part = mirror.unseen.part.saturating_add(unseen);
            // Other protocols' octets among them: the share is a lower bound.
            let all = sums.ip_octets().saturating_add(unseen);
            mirror.unseen.whole = mirror.unseen.whole.saturating_add(all);
        }
        mirror.find_tag_asym(halves);
        mirror.doubled = picture.ledger().as_ref().and_then(doubled);
        mirror.dropped = mirror.why_dropped(picture, offered);
        mirror
    }

    /// Looks for halves that differ in nothing but their tags.
    fn find_tag_asym(&mut self, mut halves: Vec<(FlowKey, bool)>) {
        let untagged = |key: &FlowKey| FlowKey {
            vlan: VlanStack::NONE,
            ..*key
        };
        // One half at least has tags, or other tags than the first has. There
        // are few such, and few of the others can be theirs.
        let first = halves.first().map(|(key, _)| key.vlan);
        let differ = halves.iter().filter(|(key, _)| Some(key.vlan) != first);
        let differ: HashSet<FlowKey, RandomState> = differ.map(|(key, _)| untagged(key)).collect();
        halves.retain(|(key, _)| differ.contains(&untagged(key)));
        halves.sort_unstable_by_key(|(key, _)| untagged(key));
        for keys in halves.chunk_by(|(a, _), (b, _)| untagged(a) == untagged(b)) {
            let both = keys.iter().any(|(_, ab)| *ab) && keys.iter().any(|(_, ab)| !*ab);
            if both {
                self.tag_asym.extend(keys.iter().map(|(key, _)| *key));
            }
        }
    }

    /// What is known to have kept frames, any frames, from the picture. What
    /// a silent stage may have lost is the books' business.
    fn why_dropped(&self, picture: &Picture, offered: Option<&Offered>) -> Option<Doubt> {
        let ledger = picture.ledger().unwrap_or_default();
        let refused = offered.iter().flat_map(|offered| &offered.refused);
        if self.unseen.part > 0 {
            Some(Doubt::Unseen)
        } else if known_lost(&ledger.lost) > 0 || refused.into_iter().any(|r| r.frames > 0) {
            Some(Doubt::Dropped)
        } else if ledger.echo_forgotten > 0 {
            Some(Doubt::Forgotten)
        } else {
            None
        }
    }

    /// Keys without a packet the other way, after three packets and seconds.
    pub fn one_way(&self) -> u64 {
        self.one_way.len() as u64
    }

    /// Keys whose two directions stand under different VLAN stacks.
    pub fn tag_asym(&self) -> u64 {
        self.tag_asym.len() as u64
    }

    /// Whether this key has no packet the other way.
    pub fn is_one_way(&self, key: &FlowKey) -> bool {
        self.one_way.contains(key)
    }

    /// Whether this key's other direction stands under other tags.
    pub fn is_tag_asym(&self, key: &FlowKey) -> bool {
        self.tag_asym.contains(key)
    }

    /// What may be said of the requests of a pair that waited in vain.
    pub fn loss(&self, echo: &EchoKey, sums: &EchoSums) -> EchoLoss {
        let key = icmp_key(echo);
        if self.is_tag_asym(&key) {
            return EchoLoss::Hidden(Doubt::Tags);
        }
        if self.is_one_way(&key) {
            return EchoLoss::Hidden(Doubt::OneWay);
        }
        let orphans = (sums.orphans > 0).then_some(Doubt::Orphans);
        match (sums.lost(), self.dropped.or(orphans)) {
            (lost @ 1.., Some(doubt)) => EchoLoss::AtMost(lost, doubt),
            (lost, _) => EchoLoss::Exactly(lost),
        }
    }
}

/// The flow in which an echo pair's frames are counted.
fn icmp_key(echo: &EchoKey) -> FlowKey {
    let (protocol, addresses) = match echo.addresses {
        AddressPair::V4 { a, b } => (
            1,
            AddressPair::V4 {
                a: a.min(b),
                b: a.max(b),
            },
        ),
        AddressPair::V6 { a, b } => (
            58,
            AddressPair::V6 {
                a: a.min(b),
                b: a.max(b),
            },
        ),
    };
    FlowKey {
        vlan: echo.vlan,
        protocol,
        addresses,
        a_port: 0,
        b_port: 0,
    }
}
