//! The sensor's own frames on the wire it watches: an overlay of the ledger.

/// A port that speaks, and what was seen of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    address: [u8; 6],
    /// Frames sent.
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
