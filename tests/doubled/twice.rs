//! Captures, and what a doubled mirror makes of them.

use std::fs::File;

use magpie_capture::Reader;
use magpie_tests::corpus::Capture;

use crate::second::Terms;

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) at_us: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) wire_len: u32,
}

/// How a copy differs from its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// In nothing.
    Switched,
    /// In its outermost tag: an access port on one side, a trunk on the other.
    Retagged,
    /// One hop less to live, other addresses. What a router does not forward is
    /// switched.
    Routed,
    /// The same, into another VLAN.
    RoutedElsewhere,
    /// Half of them switched, half of them routed, as chance has it.
    Mixed,
}

impl How {
    pub(crate) const ALL: [Self; 5] = [
        Self::Switched,
        Self::Retagged,
        Self::Routed,
        Self::RoutedElsewhere,
        Self::Mixed,
    ];

    /// Whether a copy has other tags than its original.
    pub(crate) fn changes_tags(self) -> bool {
        matches!(self, Self::Retagged | Self::RoutedElsewhere)
    }
}

/// Shortest frame without FCS.
const SHORTEST: usize = 60;

pub(crate) fn frames(capture: &Capture) -> Vec<Frame> {
    let file =
        File::open(&capture.path).unwrap_or_else(|e| panic!("{}: {e}", capture.path.display()));
    let mut reader = Reader::new(&capture.name, file).expect("a capture");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a whole capture") {
        frames.push(Frame {
            at_us: frame.at_us,
            data: frame.data.to_vec(),
            wire_len: frame.wire_len,
        });
    }
    frames
}

/// Every frame and, 3 to 40 us behind it, its copy: as they come by.
pub(crate) fn double(originals: &[Frame], how: How, seed: u64) -> Vec<Frame> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut out = Vec::with_capacity(originals.len() * 2);
    // By time, and of the same time in the order of the originals.
    let mut waiting: Vec<Frame> = Vec::new();
    let mut before_us = 0;
    for frame in originals {
        // A clock that steps back does so between two frames: the copies of
        // the first are through.
        let until_us = if frame.at_us < before_us {
            u64::MAX
        } else {
            frame.at_us
        };
        before_us = frame.at_us;
        let due = waiting.partition_point(|copy| copy.at_us <= until_us);
        out.extend(waiting.drain(..due));
        out.push(frame.clone());
        let how = match how {
            How::Mixed if random.bool() => How::Routed,
            How::Mixed => How::Switched,
            how => how,
        };
        let mut copy = copy(frame, how);
        copy.at_us += random.u64(3..=40);
        let place = waiting.partition_point(|other| other.at_us <= copy.at_us);
        waiting.insert(place, copy);
    }
    out.append(&mut waiting);
    out
}

fn copy(frame: &Frame, how: How) -> Frame {
    let mut copy = frame.clone();
    let terms = Terms::of(&frame.data);
    match how {
        How::Switched | How::Mixed => {}
        // No switch makes a tag out of that.
        How::Retagged if frame.data.len() < 14 || terms.type_at > 12 + 4 * 30 => {}
        How::Retagged if terms.type_at > 12 => copy.untag(),
        How::Retagged => copy.tag(10),
        How::Routed | How::RoutedElsewhere => {
            let (Some(ttl @ 2..), Some(ip_at)) = (terms.ttl, terms.ip_at) else {
                return copy;
            };
            copy.data[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
            if copy.data[ip_at] >> 4 == 4 {
                copy.data[ip_at + 8] = ttl - 1;
                // RFC 1624: the high octet of that word is one less.
                let sum = u16::from_be_bytes([copy.data[ip_at + 10], copy.data[ip_at + 11]]);
                let (sum, carry) = (!sum).overflowing_add(0xfeff);
                let sum = !(sum + u16::from(carry));
                copy.data[ip_at + 10..ip_at + 12].copy_from_slice(&sum.to_be_bytes());
            } else {
                copy.data[ip_at + 7] = ttl - 1;
            }
            if how == How::RoutedElsewhere {
                if terms.type_at > 12 {
                    copy.data[terms.type_at - 1] ^= 1;
                } else {
                    copy.tag(20);
                }
            }
        }
    }
    copy
}

impl Frame {
    fn tag(&mut self, id: u8) {
        self.data.splice(12..12, [0x81, 0, 0, id]);
        self.wire_len += 4;
    }

    /// As a switch does it: a frame that gets too short is padded.
    fn untag(&mut self) {
        let whole = self.data.len() == self.wire_len as usize && self.data.len() >= SHORTEST;
        self.data.drain(12..16);
        self.wire_len -= 4;
        if whole && self.data.len() < SHORTEST {
            self.data.resize(SHORTEST, 0);
            self.wire_len = u32::try_from(SHORTEST).expect("short");
        }
    }
}
