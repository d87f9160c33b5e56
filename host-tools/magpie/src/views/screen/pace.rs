//! How fast a source's counters grow, and what its uplink carries.

use magpie_protocol::Ledger;

/// Two ledgers closer together tell no rate.
const STEP_US: u64 = 900_000;

/// Growth in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) frames: f64,
    pub(super) octets: f64,
    pub(super) flows: f64,
}

/// Growth between two ledgers; the sensor's clock measures the time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    base: Option<(u64, [u64; 3])>,
    /// `None` before the second ledger, and after a clock that went back.
    pub(super) a_second: Option<Rates>,
}

#[allow(clippy::cast_precision_loss)] // rates for the eye
fn rate(new: u64, old: u64, us: u64) -> f64 {
    new.saturating_sub(old) as f64 * 1e6 / us as f64
}

impl Pace {
    /// Takes the latest ledger.
    pub(super) fn note(&mut self, ledger: &Ledger) {
        let counts = [
            ledger.counted.frames,
            ledger.counted.octets,
            ledger.flows.made,
        ];
        match self.base {
            // The clock of another boot begins anew.
            Some((then, old)) if ledger.at_us >= then => {
                let us = ledger.at_us - then;
                if us < STEP_US {
                    return;
                }
                let [frames, octets, flows] = counts;
                self.a_second = Some(Rates {
                    frames: rate(frames, old[0], us),
                    octets: rate(octets, old[1], us),
                    flows: rate(flows, old[2], us),
                });
            }
            _ => *self = Self::default(),
        }
        self.base = Some((ledger.at_us, counts));
    }
}

/// Two looks at an uplink closer together tell no rate.
const LOOK_US: u64 = 1_000_000;

/// What an uplink carries; the host's clock measures the time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Carried {
    base: Option<(u64, u64)>,
    pub(super) octets_a_second: Option<f64>,
}

impl Carried {
    /// Takes how many octets had come at this host time.
    pub(super) fn note(&mut self, as_of_us: u64, octets: u64) {
        if let Some((then, old)) = self.base {
            match as_of_us.checked_sub(then) {
                Some(us) if us < LOOK_US => return,
                Some(us) => self.octets_a_second = Some(rate(octets, old, us)),
                // The clock was set.
                None => self.octets_a_second = None,
            }
        }
        self.base = Some((as_of_us, octets));
    }
}

#[cfg(test)]
mod tests {
    use magpie_protocol::Sum;

    use super::*;

    #[test]
    fn rates_are_measured_by_the_sensors_clock() {
        let ledger = |at_us, frames| Ledger {
            at_us,
            counted: Sum {
                frames,
                octets: frames * 100,
            },
            ..Ledger::default()
        };
        let mut pace = Pace::default();
        let mut after = |at_us, frames| {
            pace.note(&ledger(at_us, frames));
            pace.a_second.map(|rates| (rates.frames, rates.octets))
        };
        assert_eq!(after(5_000_000, 1_000), None);
        assert_eq!(after(5_500_000, 9_000), None);
        assert_eq!(after(7_000_000, 2_000), Some((500.0, 50_000.0)));
        assert_eq!(after(7_000_000, 2_000), Some((500.0, 50_000.0)));
        // Rebooted: nothing to compare with.
        assert_eq!(after(1_000_000, 2_500), None);
        assert_eq!(after(2_000_000, 2_600), Some((100.0, 10_000.0)));
    }

    #[test]
    fn what_is_carried_is_measured_by_the_hosts_clock() {
        let mut carried = Carried::default();
        let mut after = |us, octets| {
            carried.note(us, octets);
            carried.octets_a_second
        };
        assert_eq!(after(5_000_000, 70_000), None);
        assert_eq!(after(5_900_000, 90_000), None);
        assert_eq!(after(7_000_000, 90_000), Some(10_000.0));
        assert_eq!(after(9_000_000, 90_000), Some(0.0));
        assert_eq!(after(1_000_000, 90_500), None, "set back");
        assert_eq!(after(2_000_000, 91_000), Some(500.0));
    }
}
