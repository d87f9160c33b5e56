//! What befalls datagrams on their way.

use std::collections::VecDeque;

/// How many datagrams out of a hundred are lost, come twice, come later than
/// others that were sent after them; both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Lost.
    pub lost: u32,
    /// Twice.
    pub twice: u32,
    /// Late.
    pub late: u32,
    /// Nothing arrives at all.
    pub stalled: bool,
}

/// One direction.
pub(super) struct Way {
    random: fastrand::Rng,
    late: Vec<Vec<u8>>,
    out: VecDeque<Vec<u8>>,
    /// Datagrams that did not arrive once and in their order.
    pub(super) harmed: u64,
}

impl Way {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            late: Vec::new(),
            out: VecDeque::new(),
            harmed: 0,
        }
    }

    fn happens(&mut self, share: u32) -> bool {
        let hit = self.random.u32(0..100) < share;
        self.harmed += u64::from(hit);
        hit
    }

    pub(super) fn put(&mut self, weather: Weather, datagram: Vec<u8>) {
        if weather.stalled {
            self.late.clear();
            self.harmed += 1;
            return;
        }
        if self.happens(weather.lost) {
            return;
        }
        if self.happens(weather.twice) {
            self.late.push(datagram.clone());
        }
        if self.happens(weather.late) {
            self.late.push(datagram);
        } else {
            self.out.push_back(datagram);
            // Behind others that were sent later.
            while self.late.len() > 3 || (!self.late.is_empty() && self.random.u32(0..4) == 0) {
                let at = self.random.usize(..self.late.len());
                self.out.push_back(self.late.swap_remove(at));
            }
        }
    }

    /// The next that arrives. Those that are late come when the sky is clear
    /// at the latest.
    pub(super) fn take(&mut self, weather: Weather) -> Option<Vec<u8>> {
        let clear = weather == Weather::default();
        self.out
            .pop_front()
            .or_else(|| if clear { self.late.pop() } else { None })
    }
}
