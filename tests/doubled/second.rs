//! The detector a second time, from the words of `magpie_sensor::doubled`:
//! whole contents instead of digests, and no table that could be full.

use std::collections::HashMap;

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is no double.
    Counted,
    /// A double.
    Sure,
    /// A double, or sent twice.
    Unsure,
}

/// Kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Ipv4,
    Ipv6,
    Other,
}

/// What the definition has words for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) content: Vec<u8>,
    pub(crate) vlan: Option<u16>,
    pub(crate) ttl: Option<u8>,
    sure: bool,
    /// Where in the frame the IP header begins.
    pub(crate) ip_at: Option<usize>,
    /// Where the type behind the last tag stands.
    pub(crate) type_at: usize,
}

fn word(octets: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(*octets.get(at)?) << 8 | usize::from(*octets.get(at + 1)?))
}

fn is_tpid(kind: usize) -> bool {
    [0x8100, 0x88a8, 0x9100].contains(&kind)
}

/// Where IP of which version begins, if the link layer leads there; `at` is
/// where the type behind the last tag stands.
fn network(frame: &[u8], mut at: usize) -> Option<(usize, u8)> {
    let mut kind = word(frame, at)?;
    if kind < 0x600 {
        let snap = frame.get(at + 2..at + 8)?;
        if snap != [0xaa, 0xaa, 3, 0, 0, 0] && snap != [0xaa, 0xaa, 3, 0, 0, 0xf8] {
            return None;
        }
        at += 8;
        kind = word(frame, at)?;
    }
    let behind = at + 2;
    match kind {
        0x0800 => Some((behind, 4)),
        0x86dd => Some((behind, 6)),
        0x8864 => {
            if word(frame, behind)? != 0x1100 {
                return None;
            }
            let long = word(frame, behind + 6)?;
            let (protocol, ip) = if long & 0x100 != 0 {
                (long >> 8, behind + 7)
            } else {
                (long, behind + 8)
            };
            match protocol {
                0x21 => Some((ip, 4)),
                0x57 => Some((ip, 6)),
                _ => None,
            }
        }
        0x8847 | 0x8848 => {
            let last = (0..32).find_map(|n| {
                let label = frame.get(behind + 4 * n..behind + 4 * n + 4);
                match label {
                    None => Some(None),
                    Some(label) if label[2] & 1 == 1 => Some(Some(n)),
                    Some(_) => None,
                }
            })??;
            let ip = behind + 4 * (last + 1);
            Some((ip, frame.get(ip)? >> 4))
        }
        _ => None,
    }
}

/// Sequence space of a TCP segment that begins here and whose declared length
/// this is.
fn takes_space(tcp: &[u8], declared: usize) -> bool {
    tcp.len() >= 20 && (tcp[13] & 3 != 0 || declared > usize::from(tcp[12] >> 4) * 4)
}

fn ipv4(packet: &[u8]) -> (Vec<u8>, u8, bool) {
    let total = word(packet, 2).expect("a header");
    let end = if total >= 20 { total } else { packet.len() };
    let packet = &packet[..end.min(packet.len())];
    let mut content = packet[..packet.len().min(128)].to_vec();
    for masked in [1, 8, 10, 11] {
        content[masked] = 0;
    }
    let id = word(packet, 4).expect("a header");
    let later = word(packet, 6).expect("a header") & 0x1fff != 0;
    let header = usize::from(packet[0] & 15) * 4;
    let space = packet[9] == 6
        && !later
        && header <= packet.len()
        && header <= end
        && takes_space(&packet[header..], end - header);
    (content, packet[8], id != 0 || space)
}

fn ipv6(packet: &[u8]) -> (Vec<u8>, u8, bool) {
    let payload = word(packet, 4).expect("a header");
    let end = if payload > 0 {
        payload + 40
    } else {
        packet.len()
    };
    let packet = &packet[..end.min(packet.len())];
    let mut content = packet[..packet.len().min(128)].to_vec();
    content[0] &= 0xf0;
    content[1] &= 0x0f;
    content[7] = 0;
    let sure = packet[6] == 6 && takes_space(&packet[40..], end - 40);
    (content, packet[7], sure)
}

impl Terms {
    pub(crate) fn of(frame: &[u8]) -> Self {
        if frame.len() < 14 {
            return Self {
                kind: Kind::Other,
                content: frame.to_vec(),
                vlan: None,
                ttl: None,
                sure: false,
                ip_at: None,
                type_at: 12,
            };
        }
        let mut type_at = 12;
        let mut vlan = None;
        for _ in 0..32 {
            let kind = word(frame, type_at).expect("looked at before");
            let id = word(frame, type_at + 2);
            if !is_tpid(kind) || word(frame, type_at + 4).is_none() {
                break;
            }
            let id = id.expect("stands before the next type") & 0xfff;
            if id != 0 {
                vlan = Some(u16::try_from(id).expect("twelve bits"));
            }
            type_at += 4;
        }
        for (version, least, kind) in [(4, 20, Kind::Ipv4), (6, 40, Kind::Ipv6)] {
            if let Some((at, carried)) = network(frame, type_at)
                && carried == version
                && frame.len() >= at + least
                && frame[at] >> 4 == version
            {
                let read = if version == 4 { ipv4 } else { ipv6 };
                let (content, ttl, sure) = read(&frame[at..]);
                return Self {
                    kind,
                    content,
                    vlan,
                    ttl: Some(ttl),
                    sure,
                    ip_at: Some(at),
                    type_at,
                };
            }
        }
        let mut content = [&frame[..12], &frame[type_at..]].concat();
        if content.len() <= 60 {
            while content.len() > 12 && content.last() == Some(&0) {
                content.pop();
            }
        }
        content.truncate(128);
        Self {
            kind: Kind::Other,
            content,
            vlan,
            ttl: None,
            sure: false,
            ip_at: None,
            type_at,
        }
    }
}

struct Open {
    at_us: u64,
    ttl: Option<u8>,
    vlan: Option<u16>,
}

/// The rule.
pub(crate) struct Second {
    window_us: u64,
    open: HashMap<(Kind, Vec<u8>), Vec<Open>>,
}

impl Second {
    pub(crate) fn new(window_us: u64) -> Self {
        Self {
            window_us,
            open: HashMap::new(),
        }
    }

    pub(crate) fn frame(&mut self, at_us: u64, frame: &[u8]) -> Verdict {
        let Terms {
            kind,
            content,
            vlan,
            ttl,
            sure,
            ..
        } = Terms::of(frame);
        let same = self.open.entry((kind, content)).or_default();
        let routed = |open: &Open| match (open.ttl, ttl) {
            (Some(before), Some(after)) => before.checked_sub(1) == Some(after),
            _ => false,
        };
        let switched = |open: &Open| {
            open.ttl == ttl && (open.vlan == vlan || open.vlan.is_none() || vlan.is_none())
        };
        let original = same.iter().position(|open| {
            at_us >= open.at_us
                && at_us - open.at_us <= self.window_us
                && (routed(open) || switched(open))
        });
        let Some(original) = original else {
            same.push(Open { at_us, ttl, vlan });
            return Verdict::Counted;
        };
        let original = same.remove(original);
        if sure || routed(&original) {
            Verdict::Sure
        } else {
            Verdict::Unsure
        }
    }
}
