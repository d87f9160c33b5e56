//! A wire that misbehaves by numbers: what goes in as batches comes out as
//! octets, late, twice, damaged, in another order or not at all.

use std::collections::BTreeMap;

use magpie_link::{Deframer, FrameCounts, MAX_BATCH, MAX_FRAME, frame};

/// How often out of a thousand frames something happens to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// It never arrives.
    pub lost: u32,
    /// It arrives twice.
    pub twice: u32,
    /// It arrives up to 300 ms late, behind others.
    pub late: u32,
    /// One of its octets is another.
    pub damaged: u32,
    /// Its end is missing, delimiter and all.
    pub cut: u32,
    /// Random octets stand before it.
    pub garbage: u32,
}

/// One direction of a line.
#[derive(Debug)]
pub struct Wire {
    plan: Plan,
    random: fastrand::Rng,
    under_way: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
    deframer: Deframer<{ MAX_BATCH + 4 }>,
    /// Nothing passes while this is set: a cable pulled out.
    pub unplugged: bool,
    /// Frames on which the plan did something.
    pub mishaps: u64,
}

impl Wire {
    /// A wire; the same seed gives the same mishaps.
    pub fn new(plan: Plan, seed: u64) -> Self {
        Self {
            plan,
            random: fastrand::Rng::with_seed(seed),
            under_way: BTreeMap::new(),
            sent: 0,
            deframer: Deframer::new(),
            unplugged: false,
            mishaps: 0,
        }
    }

    fn happens(&mut self, share: u32) -> bool {
        let hit = self.random.u32(0..1000) < share;
        self.mishaps += u64::from(hit);
        hit
    }

    /// Takes a batch at this time.
    pub fn send(&mut self, now_us: u64, batch: &[u8]) {
        if self.unplugged || self.happens(self.plan.lost) {
            return;
        }
        let mut octets = vec![0; MAX_FRAME];
        let len = frame(batch, &mut octets).expect("a frame holds every batch");
        octets.truncate(len);
        if self.happens(self.plan.damaged) {
            let at = self.random.usize(0..len);
            octets[at] ^= self.random.u8(1..=255);
        }
        if self.happens(self.plan.cut) {
            octets.truncate(self.random.usize(0..len));
        }
        if self.happens(self.plan.garbage) {
            let mut noise: Vec<u8> = (0..self.random.usize(1..3000))
                .map(|_| self.random.u8(..))
                .collect();
            noise.append(&mut octets);
            octets = noise;
        }
        for _ in 0..=u32::from(self.happens(self.plan.twice)) {
            let late = self.happens(self.plan.late);
            let due = now_us
                + if late {
                    self.random.u64(1_000..300_000)
                } else {
                    200
                };
            self.sent += 1;
            self.under_way.insert((due, self.sent), octets.clone());
        }
    }

    /// What has arrived by now, whole frames only.
    pub fn arrived(&mut self, now_us: u64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > now_us {
                break;
            }
            for octet in entry.remove() {
                if let Some(Ok(batch)) = self.deframer.push(octet) {
                    out.push(batch.to_vec());
                }
            }
        }
        out
    }

    /// What the receiving end met.
    pub fn counts(&self) -> FrameCounts {
        self.deframer.counts()
    }
}
