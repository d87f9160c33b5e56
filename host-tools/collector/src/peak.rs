//! The busiest second of a sensor, out of its ledgers.

use magpie_protocol::{Ledger, Sum};

/// Ledgers closer together than this are one: a Flush's comes out of turn.
const LEAST_US: u64 = 900_000;
/// Further apart they tell nothing of one second: the wire was quiet, or
/// ledgers between them were lost.
const MOST_US: u64 = 2_000_000;
/// A full line may seem a little more than full: two clocks measure it.
const MOST_SHARE: f64 = 1.01;

/// Octets that a line carries for each frame besides its own: preamble and
/// start delimiter, FCS, least gap (IEEE 802.3).
const AROUND: f64 = 8.0 + 4.0 + 12.0;

/// What arrived, doubles as well.
fn arrived(ledger: &Ledger) -> Sum {
    let (counted, doubled) = (ledger.counted, ledger.doubles.sum);
    Sum {
        frames: counted.frames.saturating_add(doubled.frames),
        octets: counted.octets.saturating_add(doubled.octets),
    }
}

/// The most that passed between two ledgers that follow each other about a
/// second apart, in a second of the sensor's clock, since this program has
/// heard it. The busiest second of all may lie across two such spans, so this
/// is a lower bound of it. For display only: unlike sums it depends on which
/// ledgers came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peak {
    /// Boot, time and counts of the ledger that the next one is held against:
    /// counted, arrived.
    base: Option<(u32, u64, [Sum; 2])>,
    /// Frames, octets; and octets of the line, with what stands around frames.
    most: Option<[f64; 3]>,
}

#[allow(clippy::cast_precision_loss)] // rates for the eye
fn a_second(n: u64, us: u64) -> f64 {
    n as f64 * 1e6 / us as f64
}

/// What came since; `None` where a count went back.
fn since(new: Sum, old: Sum) -> Option<Sum> {
    Some(Sum {
        frames: new.frames.checked_sub(old.frames)?,
        octets: new.octets.checked_sub(old.octets)?,
    })
}

impl Peak {
    pub(crate) fn note(&mut self, boot_id: u32, ledger: &Ledger) {
        let sums = [ledger.counted, arrived(ledger)];
        if let Some((boot, at_us, [counted, line])) = self.base
            && boot == boot_id
            && let Some(us) = ledger.at_us.checked_sub(at_us)
        {
            if us < LEAST_US {
                return;
            }
            let [now_counted, now_line] = sums;
            if us <= MOST_US
                && let (Some(counted), Some(line)) =
                    (since(now_counted, counted), since(now_line, line))
            {
                let rates = [
                    a_second(counted.frames, us),
                    a_second(counted.octets, us),
                    a_second(line.octets, us) + a_second(line.frames, us) * AROUND,
                ];
                let most = self.most.unwrap_or_default();
                self.most = Some(std::array::from_fn(|i| most[i].max(rates[i])));
            }
        }
        self.base = Some((boot_id, ledger.at_us, sums));
    }

    /// Frames a second; `None` before two ledgers a second apart.
    pub fn frames_a_second(&self) -> Option<f64> {
        self.most.map(|[frames, ..]| frames)
    }

    /// Frame octets a second, likewise.
    pub fn octets_a_second(&self) -> Option<f64> {
        self.most.map(|[_, octets, _]| octets)
    }

    /// How much of a line of so many Mbit/s that was, doubles and what stands
    /// around frames included: at most 1. `None` likewise, and where it is more:
    /// then it is no line of this speed (an emulated one).
    pub fn share_of(&self, mbit: u32) -> Option<f64> {
        let [_, _, line] = self.most?;
        let share = line * 8.0 / (f64::from(mbit) * 1e6);
        (share <= MOST_SHARE).then_some(share.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(at_us: u64, frames: u64) -> Ledger {
        let counted = Sum {
            frames,
            octets: frames * 100,
        };
        Ledger {
            at_us,
            counted,
            ..Ledger::default()
        }
    }

    #[test]
    fn a_full_line_is_full() {
        let mut peak = Peak::default();
        let minimum = |at_us, frames| {
            let mut ledger = ledger(at_us, frames);
            ledger.counted.octets = frames * 60;
            // A tenth of them came twice.
            ledger.doubles.sum = Sum {
                frames: frames / 10,
                octets: frames / 10 * 60,
            };
            ledger
        };
        assert_eq!(peak.share_of(100), None);
        peak.note(1, &minimum(1_000_000, 0));
        // 148,810 frames of 60 octets and 24 around them fill 100 Mbit/s.
        peak.note(1, &minimum(2_000_000, 67_640));
        let share = peak.share_of(100).unwrap();
        assert!((share - 0.5).abs() < 1e-4, "{share}");
        peak.note(1, &minimum(3_000_000, 67_640 + 135_280));
        assert!(peak.share_of(100).unwrap() > 0.999);
        assert_eq!(peak.share_of(10), None);
        let of_a_gigabit = peak.share_of(1_000).unwrap();
        assert!((of_a_gigabit - 0.1).abs() < 1e-4, "{of_a_gigabit}");
        // A link that is up at an unknown speed.
        assert_eq!(peak.share_of(0), None);
    }

    #[test]
    fn the_busiest_span_of_about_a_second_stands() {
        let mut peak = Peak::default();
        let mut after = |boot, at_us, frames| {
            peak.note(boot, &ledger(at_us, frames));
            peak.frames_a_second().zip(peak.octets_a_second())
        };
        assert_eq!(after(1, 5_000_000, 1_000_000), None, "what was before");
        assert_eq!(after(1, 6_000_000, 1_000_500), Some((500.0, 50_000.0)));
        // Out of turn, and the one after it.
        assert_eq!(after(1, 6_100_000, 1_009_000), Some((500.0, 50_000.0)));
        assert_eq!(after(1, 7_000_000, 1_009_500), Some((9_000.0, 900_000.0)));
        assert_eq!(after(1, 8_000_000, 1_009_600), Some((9_000.0, 900_000.0)));
        // Nobody knows in which of the ten seconds they came.
        assert_eq!(after(1, 18_000_000, 9_000_000), Some((9_000.0, 900_000.0)));
        // Another boot, an older ledger, one that counts backwards.
        assert_eq!(after(2, 19_000_000, 9_900_000), Some((9_000.0, 900_000.0)));
        assert_eq!(after(2, 17_000_000, 9_990_000), Some((9_000.0, 900_000.0)));
        assert_eq!(after(2, 18_000_000, 10), Some((9_000.0, 900_000.0)));
        assert_eq!(after(2, 20_000_000, 20_010), Some((10_000.0, 1e6)));
    }
}
