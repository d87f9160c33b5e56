//! Numbers of packets in transmit stamps (`SOF_TIMESTAMPING_OPT_ID`).
//!
//! The kernel counts from 0 and puts the number into the stamp. Linux before
//! 6.9 has counted a packet when the call fails after that, and any kernel one
//! that the queue of an interface refused; which errors these are, nobody says.
//! So after a call that failed the kernel is made to begin anew, and a stamp is
//! believed only where it cannot be one of the count before.

/// What the kernel's numbers mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    /// Packets that went.
    sent: u32,
    /// Of these, before the kernel's count began.
    before: u32,
    /// Stamps of this count came up to here. They come in the order of sending,
    /// but for those that are missing.
    seen: u32,
    /// Of earlier counts stamps with these numbers may come still.
    doubtful: (u32, u32),
    /// The kernel did not begin anew when it had to.
    is_lost: bool,
}

impl Numbers {
    /// A packet went.
    pub(super) fn went(&mut self) {
        self.sent = self.sent.wrapping_add(1);
    }

    /// A call failed; `is_anew`: since then the kernel counts from 0 again.
    pub(super) fn failed(&mut self, is_anew: bool) {
        self.is_lost |= !is_anew;
        // The one that failed may have a number too, but no stamp.
        let counted = self.sent.wrapping_sub(self.before);
        let (from, to) = self.doubtful;
        self.doubtful = match (self.seen < counted, from < to) {
            (true, true) => (from.min(self.seen), to.max(counted)),
            (true, false) => (self.seen, counted),
            (false, _) => self.doubtful,
        };
        self.before = self.sent;
        self.seen = 0;
    }

    /// Which packet a stamp of the kernel's number is of, among those that
    /// went, counted from 0; `None`: that cannot be told.
    pub(super) fn packet(&mut self, number: u32) -> Option<u32> {
        let (from, to) = self.doubtful;
        let is_of_this = number < self.sent.wrapping_sub(self.before);
        if self.is_lost || (from..to).contains(&number) || !is_of_this {
            return None;
        }
        self.seen = self.seen.max(number.saturating_add(1));
        Some(self.before.wrapping_add(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A kernel, and what it has to tell: its number and the packet.
    #[derive(Default)]
    struct Kernel {
        next: u32,
        went: u32,
        stamps: VecDeque<(u32, u32)>,
    }

    impl Kernel {
        fn send(&mut self, numbers: &mut Numbers) {
            self.stamps.push_back((self.next, self.went));
            self.next += 1;
            self.went += 1;
            numbers.went();
        }

        fn fail(&mut self, is_counted: bool, numbers: &mut Numbers) {
            self.next += u32::from(is_counted);
            numbers.failed(true);
            self.next = 0;
        }

        /// The next stamp, as it is understood and as it is.
        fn tell(&mut self, numbers: &mut Numbers) -> Option<(Option<u32>, u32)> {
            let (number, packet) = self.stamps.pop_front()?;
            Some((numbers.packet(number), packet))
        }
    }

    #[test]
    fn a_failed_send_moves_no_later_stamp() {
        for is_counted in [false, true] {
            let (mut kernel, mut numbers) = (Kernel::default(), Numbers::default());
            for packet in 0..5 {
                kernel.send(&mut numbers);
                assert_eq!(kernel.tell(&mut numbers), Some((Some(packet), packet)));
                kernel.fail(is_counted, &mut numbers);
            }
        }
    }

    #[test]
    fn a_stamp_that_comes_after_a_failure_is_of_no_later_packet() {
        let (mut kernel, mut numbers) = (Kernel::default(), Numbers::default());
        for _ in 0..3 {
            kernel.send(&mut numbers);
        }
        assert_eq!(kernel.tell(&mut numbers), Some((Some(0), 0)));
        kernel.fail(true, &mut numbers);
        for _ in 0..6 {
            kernel.send(&mut numbers);
        }
        // Two are from before, and with their numbers two of later ones are
        // doubtful.
        let told: Vec<_> = std::iter::from_fn(|| kernel.tell(&mut numbers)).collect();
        let known = |packet| (Some(packet), packet);
        let unknown = |packet| (None, packet);
        let all = [
            unknown(1),
            unknown(2),
            known(3),
            unknown(4),
            unknown(5),
            known(6),
            known(7),
            known(8),
        ];
        assert_eq!(told, all);
    }

    #[test]
    fn a_kernel_that_does_not_begin_anew_is_not_believed() {
        let mut numbers = Numbers::default();
        numbers.failed(false);
        numbers.went();
        assert_eq!(numbers.packet(0), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Send,
        Fail(bool),
        Tell,
        Lose,
    }

    proptest! {
        #[test]
        fn no_stamp_is_put_to_another_packet(
            steps in proptest::collection::vec(
                prop_oneof![
                    4 => Just(Step::Send),
                    1 => any::<bool>().prop_map(Step::Fail),
                    4 => Just(Step::Tell),
                    1 => Just(Step::Lose),
                ],
                0..200,
            ),
        ) {
            let (mut kernel, mut numbers) = (Kernel::default(), Numbers::default());
            for step in steps {
                match step {
                    Step::Send => kernel.send(&mut numbers),
                    Step::Fail(is_counted) => kernel.fail(is_counted, &mut numbers),
                    Step::Lose => drop(kernel.stamps.pop_front()),
                    Step::Tell => {
                        if let Some((Some(told), packet)) = kernel.tell(&mut numbers) {
                            prop_assert_eq!(told, packet);
                        }
                    }
                }
            }
        }
    }
}
