//! The busiest second of a sensor, out of its ledgers.

use magpie_protocol::{Ledger, Sum};

/// Ledgers closer together than this are one: a Flush's comes out of turn.
const LEAST_US: u64 = 900_000;
/// Further apart they tell nothing of one second: the wire was quiet, or
/// ledgers between them were lost.
const MOST_US: u64 = 2_000_000;

/// The most that passed between two ledgers that follow each other about a
/// second apart, in a second of the sensor's clock, since this program has
/// heard it. The busiest second of all may lie across two such spans, so this
/// is a lower bound of it. For display only: unlike sums it depends on which
/// ledgers came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peak {
    /// Boot, time and count of the ledger that the next one is held against.
    base: Option<(u32, u64, Sum)>,
    most: Option<[f64; 2]>,
}

#[allow(clippy::cast_precision_loss)] // rates for the eye
fn a_second(n: u64, us: u64) -> f64 {
    n as f64 * 1e6 / us as f64
}

impl Peak {
    pub(crate) fn note(&mut self, boot_id: u32, ledger: &Ledger) {
        if let Some((boot, at_us, counted)) = self.base
            && boot == boot_id
            && let Some(us) = ledger.at_us.checked_sub(at_us)
        {
            if us < LEAST_US {
                return;
            }
            let frames = ledger.counted.frames.checked_sub(counted.frames);
            let octets = ledger.counted.octets.checked_sub(counted.octets);
            if us <= MOST_US
                && let (Some(frames), Some(octets)) = (frames, octets)
            {
                let [most_frames, most_octets] = self.most.unwrap_or_default();
                self.most = Some([
                    most_frames.max(a_second(frames, us)),
                    most_octets.max(a_second(octets, us)),
                ]);
            }
        }
        self.base = Some((boot_id, ledger.at_us, ledger.counted));
    }

    /// Frames a second; `None` before two ledgers a second apart.
    pub fn frames_a_second(&self) -> Option<f64> {
        self.most.map(|[frames, _]| frames)
    }

    /// Frame octets a second, likewise.
    pub fn octets_a_second(&self) -> Option<f64> {
        self.most.map(|[_, octets]| octets)
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
