//! How much may be under way to a card: arithmetic only, no sockets.

use std::collections::VecDeque;

use crate::board::FeedRule;

/// Whether the next frame may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Now,
    /// Wait until the firmware has read more.
    Wait,
    /// It is larger than all the credit there is: it can never be sent.
    Never,
}

/// The firmware says it read more frames than were under way: it was reset
/// behind our back, or frames came from somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrun {
    /// The counter as read.
    pub counter: u32,
    /// The counter as last seen.
    pub before: u32,
    /// Frames that were under way.
    pub under_way: usize,
}

/// Frames sent and frames known to be read.
#[derive(Debug, Clone)]
pub struct Credit {
    rule: FeedRule,
    // Words of each frame under way, oldest first.
    under_way: VecDeque<usize>,
    words: usize,
    counter: u32,
    sent: u64,
    read: u64,
}

impl Credit {
    /// Nothing under way; the firmware's counter stands at `counter`.
    pub fn new(rule: FeedRule, counter: u32) -> Self {
        Self {
            rule,
            under_way: VecDeque::new(),
            words: 0,
            counter,
            sent: 0,
            read: 0,
        }
    }

    /// Whether a frame of `octets` on the card may go now.
    pub fn admit(&self, octets: usize) -> Admission {
        let FeedRule::Credit { frames, words } = self.rule else {
            return Admission::Now;
        };
        let needed = card_words(octets);
        if needed > words || frames == 0 {
            Admission::Never
        } else if self.under_way.len() < frames && self.words.saturating_add(needed) <= words {
            Admission::Now
        } else {
            Admission::Wait
        }
    }

    /// A frame of `octets` on the card was sent.
    pub fn sent(&mut self, octets: usize) {
        let words = card_words(octets);
        self.under_way.push_back(words);
        self.words = self.words.saturating_add(words);
        self.sent = self.sent.saturating_add(1);
    }

    /// The firmware's counter (it wraps at 32 bits) was read. Returns how
    /// many frames that makes newly known.
    pub fn confirm(&mut self, counter: u32) -> Result<usize, Overrun> {
        let fresh = usize::try_from(counter.wrapping_sub(self.counter)).unwrap_or(usize::MAX);
        if fresh > self.under_way.len() {
            return Err(Overrun {
                counter,
                before: self.counter,
                under_way: self.under_way.len(),
            });
        }
        for words in self.under_way.drain(..fresh) {
            self.words = self.words.saturating_sub(words);
        }
        self.counter = counter;
        self.read = self.read.saturating_add(fresh as u64);
        Ok(fresh)
    }

    /// The board was reset while nothing was under way: its counter starts
    /// at 0 again.
    pub fn rebase(&mut self) {
        self.counter = 0;
    }

    /// Frames sent and not yet known to be read.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Frames sent.
    pub fn frames_sent(&self) -> u64 {
        self.sent
    }

    /// Frames known to be read by the firmware.
    pub fn frames_read(&self) -> u64 {
        self.read
    }
}

/// Words of the LAN9118's data memory that a frame takes.
fn card_words(octets: usize) -> usize {
    octets.div_ceil(4).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: FeedRule = FeedRule::Credit {
        frames: 170,
        words: 2600,
    };

    #[test]
    fn small_frames_stop_at_the_frame_limit() {
        let mut credit = Credit::new(LAN, 0);
        // 14 octets take 5 words: 170 of them are 850 words.
        for _ in 0..170 {
            assert_eq!(credit.admit(14), Admission::Now);
            credit.sent(14);
        }
        assert_eq!(credit.admit(14), Admission::Wait);
        assert_eq!(credit.confirm(1), Ok(1));
        assert_eq!(credit.admit(14), Admission::Now);
        assert_eq!(credit.under_way(), 169);
    }

    #[test]
    fn large_frames_stop_at_the_word_limit() {
        let mut credit = Credit::new(LAN, 0);
        // 1522 octets take 381 + 1 = 382 words: six fit (2292), not seven.
        for _ in 0..6 {
            assert_eq!(credit.admit(1522), Admission::Now);
            credit.sent(1522);
        }
        assert_eq!(credit.admit(1522), Admission::Wait);
        // 308 words are left: 1228 octets take 307 + 1.
        assert_eq!(credit.admit(1228), Admission::Now);
        assert_eq!(credit.admit(1229), Admission::Wait);
        credit.sent(1228);
        assert_eq!(credit.admit(0), Admission::Wait);
        assert_eq!(credit.confirm(7), Ok(7));
        assert_eq!(credit.admit(1522), Admission::Now);
    }

    #[test]
    fn a_frame_beyond_all_credit_is_never_sent() {
        let credit = Credit::new(LAN, 0);
        assert_eq!(credit.admit(2599 * 4), Admission::Now);
        assert_eq!(credit.admit(2599 * 4 + 1), Admission::Never);
        let open = Credit::new(FeedRule::BackPressure, 0);
        assert_eq!(open.admit(1_000_000), Admission::Now);
    }

    #[test]
    fn the_counter_wraps() {
        let mut credit = Credit::new(LAN, u32::MAX - 1);
        for _ in 0..5 {
            credit.sent(64);
        }
        assert_eq!(credit.confirm(u32::MAX), Ok(1));
        assert_eq!(credit.confirm(2), Ok(3));
        assert_eq!((credit.frames_sent(), credit.frames_read()), (5, 4));
    }

    #[test]
    fn a_counter_that_runs_ahead_or_back_is_told() {
        let mut credit = Credit::new(FeedRule::BackPressure, 0);
        credit.sent(64);
        credit.sent(64);
        assert_eq!(
            credit.confirm(3),
            Err(Overrun {
                counter: 3,
                before: 0,
                under_way: 2
            })
        );
        assert_eq!(credit.confirm(2), Ok(2));
        assert!(credit.confirm(0).is_err());
        credit.rebase();
        assert_eq!(credit.confirm(0), Ok(0));
        credit.sent(64);
        assert_eq!(credit.confirm(1), Ok(1));
        assert_eq!(credit.frames_read(), 3);
    }
}
