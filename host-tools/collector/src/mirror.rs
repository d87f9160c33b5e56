//! What a wrongly set mirror port hides (EXACT.md 11).

use std::collections::{HashMap, HashSet};
use std::fmt;

use magpie_protocol::{AddressPair, EchoKey, FlowKey, VlanStack};

use crate::{FlowSums, Picture};

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

/// What the picture suspects of the mirror. None of it changes a count.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// Flow keys looked at.
    pub keys: u64,
    /// Octets that were acknowledged and never seen, of those and all TCP
    /// octets (IP octets) that were seen.
    pub unseen: Share,
    one_way: HashSet<FlowKey>,
    tag_asym: HashSet<FlowKey>,
}

/// Which directions a key carried.
fn directions(sums: &FlowSums) -> (bool, bool) {
    (sums.ab.packets > 0, sums.ba.packets > 0)
}

impl Mirror {
    /// Looks at all flows of a picture.
    pub fn of(picture: &Picture) -> Self {
        let mut mirror = Self::default();
        let latest_us = picture.latest_us();
        // Keys that carried one direction only, by what they are without tags.
        let mut halves: HashMap<FlowKey, Vec<(FlowKey, bool)>> = HashMap::new();
        for (key, flow) in picture.flows().iter() {
            let Some(sums) = flow.total() else { continue };
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
            let untagged = FlowKey {
                vlan: VlanStack::NONE,
                ..*key
            };
            halves.entry(untagged).or_default().push((*key, ab));
        }
        for keys in halves.into_values() {
            let both = keys.iter().any(|(_, ab)| *ab) && keys.iter().any(|(_, ab)| !*ab);
            if both {
                mirror.tag_asym.extend(keys.into_iter().map(|(key, _)| key));
            }
        }
        mirror
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

    /// Why an unanswered echo request may not be called lost, if so: the
    /// mirror may not show the way back.
    pub fn doubt(&self, echo: &EchoKey) -> Option<&'static str> {
        let key = icmp_key(echo);
        if self.is_tag_asym(&key) {
            Some("tags")
        } else if self.is_one_way(&key) {
            Some("one-way")
        } else {
            None
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
