//! The boards QEMU can play, and what their network cards take.

use crate::boot::STAMP_OCTETS;
use crate::error::EmulatorError;

/// How the network card of a board is fed without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedRule {
    /// The card drops in silence when it is full: never more than this may
    /// be under way.
    Credit {
        /// Frames the card's status list takes (with some room left).
        frames: usize,
        /// Words of its data memory; a frame takes `ceil(octets / 4) + 1`.
        words: usize,
    },
    /// The card takes a frame when it has room and QEMU waits until then.
    BackPressure,
}

/// A board that QEMU emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Name of our board crate, and of its image.
    pub name: &'static str,
    /// QEMU's machine.
    pub machine: &'static str,
    /// The network card, as people know it.
    pub nic: &'static str,
    /// How it is fed.
    pub feed: FeedRule,
    /// Shortest frame the card takes, in octets on the card.
    pub min_frame: usize,
    /// Longest frame the card takes, in octets on the card.
    pub max_frame: usize,
}

impl Board {
    /// Shortest frame of a capture that can be fed, in octets without FCS:
    /// the time stamp behind it counts on the card.
    pub fn shortest(&self, stamped: bool) -> usize {
        self.min_frame.saturating_sub(stamp(stamped))
    }

    /// Longest frame of a capture that can be fed, in octets without FCS.
    pub fn longest(&self, stamped: bool) -> usize {
        self.max_frame.saturating_sub(stamp(stamped))
    }
}

fn stamp(stamped: bool) -> usize {
    if stamped { STAMP_OCTETS } else { 0 }
}

/// All boards; the first is the default.
///
/// Limits measured on QEMU 7.2: the LAN9118 holds 176 frames and 2,640 words
/// and refuses frames under 14 or of 2,048 octets and more in silence; the
/// Stellaris card holds 31 frames and refuses 2,042 octets and more.
pub const BOARDS: &[Board] = &[
    Board {
        name: "qemu-mps2-an386",
        machine: "mps2-an386",
        nic: "LAN9118",
        feed: FeedRule::Credit {
            frames: 170,
            words: 2600,
        },
        min_frame: 14,
        max_frame: 2047,
    },
    Board {
        name: "qemu-lm3s6965evb",
        machine: "lm3s6965evb",
        nic: "Stellaris Ethernet",
        feed: FeedRule::BackPressure,
        min_frame: 14,
        max_frame: 2041,
    },
];

/// The board of this name; `qemu-` may be left out.
pub fn board(name: &str) -> Result<&'static Board, EmulatorError> {
    BOARDS
        .iter()
        .find(|b| b.name == name || b.name.strip_prefix("qemu-") == Some(name))
        .ok_or_else(|| EmulatorError::UnknownBoard {
            name: name.to_owned(),
            known: BOARDS.iter().map(|b| b.name).collect::<Vec<_>>().join(", "),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_found_by_both_names() {
        assert_eq!(board("qemu-mps2-an386").unwrap().machine, "mps2-an386");
        assert_eq!(board("lm3s6965evb").unwrap().name, "qemu-lm3s6965evb");
        let said = board("nucleo").unwrap_err().to_string();
        assert!(
            said.contains("nucleo") && said.contains("qemu-mps2-an386"),
            "{said}"
        );
    }

    #[test]
    fn the_stamp_counts_towards_the_limits() {
        let lan = board("mps2-an386").unwrap();
        assert_eq!((lan.shortest(true), lan.longest(true)), (6, 2039));
        assert_eq!((lan.shortest(false), lan.longest(false)), (14, 2047));
        let stellaris = board("lm3s6965evb").unwrap();
        assert_eq!(stellaris.longest(true), 2033);
    }
}
