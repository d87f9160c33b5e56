//! The search: sequences of frames are changed at random; of each class of
//! frames the dearest are kept, and changed further.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::frame::{Body, Ip4, Length, Net, Own, Shim, Spec};
use crate::mutate::{Gene, any, vary};
use crate::world::{Done, Shown, World};

/// Most frames of a sequence: a set of flows is filled, and some more.
const LONGEST: usize = 14;
/// Kept of each class.
const KEPT: usize = 6;
/// When sequences begin.
const BEGIN_US: u64 = 100_000_000_000;

/// What shortens a frame.
const SIMPLER: [fn(&mut Spec); 3] = [
    |frame| frame.tags.truncate(4),
    |frame| frame.shim = Shim::None,
    |frame| {
        if let Net::Ip6(ip) = &mut frame.net {
            (ip.options, ip.headers, ip.jumbo) = (Vec::new(), Vec::new(), false);
        }
    },
];

/// A sequence and what its last frame cost.
#[derive(Clone)]
pub(crate) struct Found {
    genes: Vec<Gene>,
    pub(crate) done: Done,
}

impl Found {
    /// Its frames.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        shown(&self.genes)
    }
}

fn shown(genes: &[Gene]) -> Vec<Shown> {
    let mut at_us = BEGIN_US;
    let mut all = Vec::new();
    for gene in genes {
        at_us = at_us.saturating_add_signed(gene.gap_us);
        all.push(Shown {
            at_us,
            octets: gene.spec.octets(),
        });
    }
    all
}

/// Frames that fill every counter table to its last line.
pub(crate) fn prelude() -> Vec<Shown> {
    let mut rng = Rng::with_seed(1);
    let mut frames = Vec::new();
    let frame = |id: u16, net: Net, body: Body| Spec {
        own: Own::Neither,
        tags: vec![(0x8100, id), (0x8100, id.rotate_left(7) & 0xfff)],
        snap: false,
        shim: Shim::None,
        net,
        body,
        cut: 0,
    };
    for n in 0..320_u16 {
        let arp = Net::Arp {
            operation: n * 67,
            sender: 1,
            target: 2,
        };
        frames.push(frame(n, arp, Body::Raw(0, 0)));
        let other = Net::Other(rng.u16(0x9101..0xff00));
        frames.push(frame(n, other, Body::Raw(0, 0)));
        let ip = |n: u16| {
            Net::Ip4(Ip4 {
                ends: [1, 2],
                options: 0,
                fragment: 0,
                length: Length::Right,
                good_checksum: true,
                id: n,
            })
        };
        let [high, low] = (n * 41).to_be_bytes();
        let icmp = Body::Icmp {
            kind: low,
            code: high,
            id: 0,
            sequence: 0,
        };
        frames.push(frame(n, ip(n), icmp));
        let [_, protocol] = n.to_be_bytes();
        frames.push(frame(n, ip(n), Body::Raw(protocol, 0)));
    }
    (0_u64..)
        .zip(frames)
        .map(|(n, spec)| Shown {
            at_us: n * 10 + 10,
            octets: spec.octets(),
        })
        .collect()
}

/// The dearest of each class, so far.
pub(crate) struct Search {
    world: World,
    rng: Rng,
    best: BTreeMap<String, Vec<Found>>,
    pub(crate) tried: u64,
}

impl Search {
    /// Has found nothing.
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::after(&prelude());
        assert!(world.is_full(), "the prelude leaves lines free");
        Self {
            world,
            rng: Rng::with_seed(seed),
            best: BTreeMap::new(),
            tried: 0,
        }
    }

    /// Goes on for so many sequences.
    pub(crate) fn run(&mut self, sequences: u64) {
        for _ in 0..sequences {
            let genes = self.next();
            self.try_one(genes);
        }
    }

    /// Goes on for about so long. (What is found then depends on the machine.)
    pub(crate) fn run_for(&mut self, time: Duration, mut tell: impl FnMut(&Self)) {
        let began = Instant::now();
        while began.elapsed() < time {
            self.run(20_000);
            tell(self);
        }
    }

    fn next(&mut self) -> Vec<Gene> {
        let rng = &mut self.rng;
        if self.best.is_empty() || rng.u8(..50) == 0 {
            return (0..rng.usize(1..4)).map(|_| any(rng)).collect();
        }
        // The dearer half of the classes is changed more often.
        let mut classes: Vec<&Vec<Found>> = self.best.values().collect();
        if rng.u8(..4) > 0 {
            classes.sort_by_key(|of| std::cmp::Reverse(of[0].done.steps));
            let dearer = if rng.bool() {
                12
            } else {
                classes.len().div_ceil(3)
            };
            classes.truncate(dearer.max(1));
        }
        let mut pick = || {
            let of = classes[rng.usize(..classes.len())];
            &of[rng.usize(..of.len())].genes
        };
        let (mut genes, other) = (pick().clone(), pick());
        vary(&mut self.rng, &mut genes, other, LONGEST);
        genes
    }

    fn try_one(&mut self, genes: Vec<Gene>) {
        self.tried += 1;
        let done = self.world.play(&shown(&genes));
        let kept = self.best.entry(done.class.clone()).or_default();
        let place = kept.iter().position(|found| found.done.steps <= done.steps);
        let place = place.unwrap_or(kept.len());
        if kept
            .get(place)
            .is_some_and(|found| found.done == done && found.genes.len() <= genes.len())
        {
            return; // no dearer than that, and no shorter
        }
        kept.insert(place, Found { genes, done });
        kept.truncate(KEPT);
    }

    /// The dearest `most` of what was kept, one of each class before a second
    /// one of any; each without what does not matter to its cost.
    pub(crate) fn found(&mut self, most: usize) -> Vec<Found> {
        let mut ranked: Vec<(usize, Found)> = Vec::new();
        for of in self.best.values() {
            ranked.extend(of.iter().cloned().enumerate());
        }
        ranked.sort_by_key(|(rank, found)| (*rank, std::cmp::Reverse(found.done.steps)));
        let mut seen = std::collections::HashSet::new();
        let mut all = Vec::new();
        for (_, found) in ranked {
            let found = self.shortened(found);
            let last = found.shown().pop();
            if all.len() < most && last.is_some_and(|last| seen.insert(last.octets)) {
                all.push(found);
            }
        }
        all
    }

    /// The same with fewer and shorter frames before the last.
    fn shortened(&mut self, mut found: Found) -> Found {
        let mut at = 0;
        while at + 1 < found.genes.len() {
            let mut without = found.genes.clone();
            without.remove(at);
            if let Some(shorter) = self.as_dear(&found, without) {
                found = shorter;
                continue;
            }
            for simplify in SIMPLER {
                let mut plain = found.genes.clone();
                simplify(&mut plain[at].spec);
                if let Some(plainer) = self.as_dear(&found, plain) {
                    found = plainer;
                }
            }
            at += 1;
        }
        found
    }

    /// This instead, if it costs no less.
    fn as_dear(&mut self, found: &Found, genes: Vec<Gene>) -> Option<Found> {
        let done = self.world.play(&shown(&genes));
        (done.class == found.done.class && done.steps >= found.done.steps)
            .then_some(Found { genes, done })
    }

    /// Steps of the dearest.
    pub(crate) fn most(&self) -> u64 {
        let of = self.best.values().flatten();
        of.map(|found| found.done.steps).max().unwrap_or(0)
    }
}
