//! Routers and links of a path that parts and meets again, and when enough of
//! it was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Answer, RoundTrips};

/// How many flows through a router must be tried before `seen` next hops are
/// all, with at most this chance of one more: the smallest n for which n even
/// choices among `seen` + 1 leave none out with 1 - `failure`.
pub fn stopping_point(seen: u32, failure: f64) -> u32 {
    let all = seen.max(1) + 1;
    // What is left out, by inclusion and exclusion.
    let leaves_out = |tries: u32| {
        let (mut sum, mut choose) = (0.0, 1.0);
        for missing in 1..all {
            choose *= f64::from(all - missing + 1) / f64::from(missing);
            let share = f64::from(all - missing) / f64::from(all);
            let term = choose * power(share, tries);
            sum += if missing % 2 == 1 { term } else { -term };
        }
        sum
    };
    // Alternating sums lose their digits where the terms are large. For a wide
    // router a bound is near enough: the sum of the chances that each is missed.
    let missed = |tries| f64::from(all) * power(1.0 - 1.0 / f64::from(all), tries);
    let mut tries = all;
    while leaves_out(tries) > failure && missed(tries) > failure {
        tries += 1;
    }
    tries
}

/// By multiplication: so the program needs no library of mathematics, which
/// each of its starts would have to load.
fn power(base: f64, exponent: u32) -> f64 {
    let (mut power, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left % 2 == 1 {
            power *= square;
        }
        square *= square;
        left /= 2;
    }
    power
}

/// Who answered at a hop; `None`: nobody did.
pub type Vertex = Option<IpAddr>;

/// One way in and out of a part of the path where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diamond {
    /// The hop before it; 0 is this host.
    pub from: u8,
    /// The hop where it closes.
    pub to: u8,
    /// Most routers side by side.
    pub width: usize,
}

/// One hop of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its number.
    pub hop: u8,
    /// Who answered: with how many flows, the latest answer, and its round
    /// trips.
    pub vertices: BTreeMap<Vertex, Seen>,
    /// False where there were not flows enough to be sure.
    pub is_certain: bool,
}

/// What is known of one router at one hop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Flows that pass it.
    pub flows: BTreeSet<u16>,
    /// Its latest answer.
    pub last: Option<Answer>,
    /// Round trips to it.
    pub trips: RoundTrips,
}

/// Routers and links as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Hop by hop.
    pub levels: Vec<Level>,
    /// Links: the hop of the second router, the first, the second. The first
    /// hop has none.
    pub links: BTreeSet<(u8, Vertex, Vertex)>,
}

impl Graph {
    /// Where ways part and meet again.
    pub fn diamonds(&self) -> Vec<Diamond> {
        let mut diamonds = Vec::new();
        let mut from = self.levels.first().map_or(0, |level| level.hop - 1);
        let mut width = 1;
        for level in &self.levels {
            let here = level.vertices.len();
            if here > 1 {
                width = width.max(here);
                continue;
            }
            if width > 1 {
                diamonds.push(Diamond {
                    from,
                    to: level.hop,
                    width,
                });
            }
            (from, width) = (level.hop, 1);
        }
        diamonds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_points_are_the_published_ones() {
        // Augustin, Friedman, Teixeira: Measuring Load-balanced Paths in the
        // Internet, IMC 2007, for 95 %.
        let published = [
            6, 11, 16, 21, 27, 33, 38, 44, 51, 57, 63, 70, 76, 83, 90, 96,
        ];
        let ours: Vec<u32> = (1..=16).map(|seen| stopping_point(seen, 0.05)).collect();
        assert_eq!(ours, published);
        // However wide: an end, and no less than one each.
        for seen in [0, 17, 60, 255, 4_000] {
            let point = stopping_point(seen, 0.05);
            assert!(point > seen && point < 60_000, "{seen}: {point}");
        }
    }
}
