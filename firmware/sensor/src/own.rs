//! The sensor's own frames on the wire it watches: an overlay of the ledger.

/// A port that speaks, and what was seen of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    address: [u8; 6],
    /// Frames sent, or on their way out.
    sent: u64,
    /// Frames seen under the address, no more than were sent.
    pub(crate) seen: u64,
    /// Frames seen under the address beyond those sent by then.
    pub(crate) forged: u64,
    /// Frames to the address.
    pub(crate) received: u64,
}

impl Own {
    pub(crate) fn new(address: [u8; 6]) -> Self {
        Self {
            address,
            sent: 0,
            seen: 0,
            forged: 0,
            received: 0,
        }
    }

    pub(crate) fn sent(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// Frames that were on their way out have not left after all: what was taken
    /// for them is somebody else's.
    pub(crate) fn failed(&mut self, frames: u64) {
        self.sent = self.sent.saturating_sub(frames);
        let others = self.seen.saturating_sub(self.sent);
        self.seen = self.seen.saturating_sub(others);
        self.forged = self.forged.saturating_add(others);
    }

    /// A frame of the wire, from its destination address on.
    pub(crate) fn see(&mut self, frame: &[u8]) {
        let Some((to, rest)) = frame.split_first_chunk::<6>() else {
            return;
        };
        let bump = if rest.first_chunk() == Some(&self.address) {
            if self.seen < self.sent {
                &mut self.seen
            } else {
                &mut self.forged
            }
        } else if *to == self.address {
            &mut self.received
        } else {
            return;
        };
        *bump = bump.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const THEM: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
        [&to[..], &from, &[8, 0]].concat()
    }

    #[test]
    fn more_than_was_sent_is_forged_and_stays_so() {
        let mut own = Own::new(US);
        own.see(&frame(THEM, US)); // before anything was sent
        own.sent();
        own.sent();
        own.see(&frame(THEM, US));
        own.see(&frame(THEM, US));
        own.see(&frame(THEM, US));
        own.sent();
        assert_eq!((own.seen, own.forged, own.received), (2, 2, 0));
    }

    #[test]
    fn what_never_left_cannot_have_been_seen() {
        let mut own = Own::new(US);
        own.sent();
        own.sent();
        own.see(&frame(THEM, US));
        own.see(&frame(THEM, US));
        assert_eq!((own.seen, own.forged), (2, 0));
        own.failed(1);
        assert_eq!((own.seen, own.forged), (1, 1));
        own.sent();
        own.failed(0);
        own.see(&frame(THEM, US));
        assert_eq!((own.seen, own.forged), (2, 1));
        own.failed(u64::MAX);
        assert_eq!((own.seen, own.forged), (0, 3));
    }

    /// On a hub, where all that leaves is seen: frames leave late or fail, others
    /// use the address, in any order, and the two are told apart to the frame.
    #[test]
    fn whatever_fails_the_sums_are_exact() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |n: u64| {
            random ^= random >> 12;
            random ^= random << 25;
            random ^= random >> 27;
            (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
        };
        for _ in 0..200 {
            let mut own = Own::new(US);
            let (mut waiting, mut echoes, mut sent, mut forged) = (0, 0, 0, 0);
            for step in 0..1_000 {
                match below(if step < 900 { 6 } else { 3 }) {
                    0 if waiting > 0 => {
                        waiting -= 1;
                        own.failed(1);
                    }
                    1 if waiting > 0 => {
                        waiting -= 1;
                        echoes += 1;
                        sent += 1;
                    }
                    2 if echoes > 0 => {
                        echoes -= 1;
                        own.see(&frame(THEM, US));
                    }
                    3 => {
                        forged += 1;
                        own.see(&frame(THEM, US));
                    }
                    4 | 5 if waiting < 8 => {
                        waiting += 1;
                        own.sent();
                    }
                    _ => {}
                }
            }
            own.failed(waiting);
            for _ in 0..echoes {
                own.see(&frame(THEM, US));
            }
            assert!(sent > 20 && forged > 20);
            assert_eq!((own.seen, own.forged), (sent, forged));
        }
    }

    #[test]
    fn what_is_sent_to_us_is_ours_and_the_rest_is_not() {
        let mut own = Own::new(US);
        own.see(&frame(US, THEM));
        own.see(&frame([0xff; 6], THEM));
        own.see(&frame(THEM, THEM));
        own.see(&US);
        own.see(&US[..5]);
        own.see(&[]);
        assert_eq!((own.seen, own.forged, own.received), (0, 0, 2));
        // To ourselves under our own address: it can only be one of the two.
        own.see(&frame(US, US));
        assert_eq!((own.forged, own.received), (1, 2));
    }
}
