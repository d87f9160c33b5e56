//! What an echo request carries: when it was sent, then a pattern.

use std::time::Duration;

/// Seconds and microseconds, eight octets each, as iputils' ping has them: what
/// reads its packets reads ours.
const STAMP: usize = 16;

/// What fills a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// Longest pattern that can be asked for, in octets.
    pub const MAX: usize = 16;

    /// These octets over and over; none: each octet is its own offset.
    pub fn new(octets: &[u8]) -> Self {
        Self(octets.iter().copied().take(Self::MAX).collect())
    }

    /// Reads hexadecimal digits in pairs; the last one may stand alone.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || !text.is_ascii() || text.len() > 2 * Self::MAX {
            return None;
        }
        let octets: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| {
                // u8::from_str_radix would take a sign.
                if !pair.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
            })
            .collect();
        octets.map(Self)
    }

    /// The octets that were asked for.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The octets that are repeated.
    fn period(&self) -> &[u8] {
        if self.0.is_empty() {
            &COUNTING
        } else {
            &self.0
        }
    }

    /// The pattern from its beginning.
    fn iter(&self) -> impl Iterator<Item = u8> {
        self.period().iter().copied().cycle()
    }
}

static COUNTING: [u8; 256] = {
    let mut octets = [0; 256];
    let mut at: usize = 0;
    while at < octets.len() {
        octets[at] = at.to_le_bytes()[0];
        at += 1;
    }
    octets
};

fn stamp(wall: Duration) -> [u8; STAMP] {
    let seconds = wall.as_secs().to_ne_bytes();
    let microseconds = u64::from(wall.subsec_micros()).to_ne_bytes();
    let mut octets = [0; STAMP];
    for (to, from) in octets
        .iter_mut()
        .zip(seconds.into_iter().chain(microseconds))
    {
        *to = from;
    }
    octets
}

/// Appends the payload of a request that is sent at this time since 1970.
pub(super) fn write(into: &mut Vec<u8>, size: usize, pattern: &Pattern, wall: Duration) {
    let at = into.len();
    match pattern.period().get(..size) {
        Some(octets) => into.extend_from_slice(octets),
        None => into.extend(pattern.iter().take(size)),
    }
    if size >= STAMP
        && let Some(room) = into.get_mut(at..at + STAMP)
    {
        room.copy_from_slice(&stamp(wall));
    }
}

/// An octet that is not what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    /// Its offset in the payload.
    pub at: usize,
    /// What it should be.
    pub sent: u8,
    /// What it is.
    pub came: u8,
}

/// The first octet that is not what [`write`] wrote for this time. That the
/// payload is shorter or longer is another matter.
pub(super) fn first_wrong(
    came: &[u8],
    size: usize,
    pattern: &Pattern,
    wall: Duration,
) -> Option<Wrong> {
    let stamp = stamp(wall);
    let stamp: &[u8] = if size >= STAMP { &stamp } else { &[] };
    // Nearly always all is right, and that is quick to see.
    let behind = pattern.period().get(stamp.len()..came.len());
    if came.len() <= size
        && came.get(..stamp.len()) == Some(stamp)
        && came.get(stamp.len()..) == behind
    {
        return None;
    }
    let sent = stamp
        .iter()
        .copied()
        .chain(pattern.iter().skip(stamp.len()))
        .take(size);
    came.iter()
        .zip(sent)
        .enumerate()
        .find(|(_, (came, sent))| *came != sent)
        .map(|(at, (came, sent))| Wrong {
            at,
            sent,
            came: *came,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_ping_reads_them() {
        let octets = |text| Pattern::parse(text).map(|p| p.octets().to_vec());
        assert_eq!(octets("ff0"), Some(vec![0xff, 0]));
        assert_eq!(octets("deadBEEF"), Some(vec![0xde, 0xad, 0xbe, 0xef]));
        for wrong in ["", "xy", "+1", "ü0", &"0".repeat(33)] {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_right_and_every_other_octet_is_found() {
        for pattern in [Pattern::default(), Pattern::new(&[1, 2, 3])] {
            for size in [0, 1, 15, 16, 17, 56, 300] {
                let wall = Duration::new(1_700_000_000, 123_456_000);
                let mut octets = vec![9, 9];
                write(&mut octets, size, &pattern, wall);
                let payload = octets.split_off(2);
                assert_eq!(payload.len(), size);
                assert_eq!(first_wrong(&payload, size, &pattern, wall), None);
                for at in 0..size {
                    let mut came = payload.clone();
                    came[at] ^= 0x40;
                    let wrong = first_wrong(&came, size, &pattern, wall).unwrap();
                    assert_eq!(wrong.at, at);
                    assert_eq!(wrong.came, wrong.sent ^ 0x40);
                }
            }
        }
    }

    #[test]
    fn without_a_pattern_octets_count() {
        let mut octets = Vec::new();
        write(&mut octets, 300, &Pattern::default(), Duration::ZERO);
        assert_eq!((octets[16], octets[255], octets[256]), (16, 255, 0));
    }
}
