//! What differs between an answer and the truth, section by section.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Echo, Exact, Flow, Handshake, OTHER, with_name};

/// How strict a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every section: for runs that forget nothing.
    Whole,
    /// What survives forgetting, whatever the tables' sizes: totals, counter
    /// tables (a line `other` may hold what found no room), and packets,
    /// octets, flags and times of every key.
    Sums,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Section of EXACT.md's object.
    pub section: &'static str,
    /// Which line of it.
    pub place: String,
    /// What the truth says.
    pub truth: String,
    /// What the answer says.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: truth {}, got {}",
            self.section, self.place, self.truth, self.got
        )
    }
}

/// All differences, in the order of EXACT.md's sections; empty means equal.
pub fn compare(truth: &Exact, got: &Exact, level: Level) -> Vec<Difference> {
    let mut out = Report(Vec::new());
    out.unequal("totals", "frames", &truth.frames, &got.frames);
    out.unequal(
        "totals",
        "frame_bytes",
        &truth.frame_bytes,
        &got.frame_bytes,
    );
    out.table("ethertype", &truth.ethertype, &got.ethertype, level);
    out.table("ip_proto", &truth.ip_proto, &got.ip_proto, level);
    let single = [
        ("vlan", &truth.vlan, &got.vlan),
        ("fragments", &truth.fragments, &got.fragments),
        ("arp", &truth.arp, &got.arp),
        ("malformed", &truth.malformed, &got.malformed),
    ];
    for (section, truth, got) in single {
        out.table(section, &with_name(truth, ""), &with_name(got, ""), level);
    }
    out.table("icmp", &truth.icmp(), &got.icmp(), level);
    out.flows(&truth.flows, &got.flows, level);
    if level == Level::Whole {
        out.echoes(&truth.echo, &got.echo);
    }
    out.0
}
struct Report(Vec<Difference>);

impl Report {
    fn unequal<T: PartialEq + fmt::Debug>(
        &mut self,
        section: &'static str,
        place: impl fmt::Display,
        truth: &T,
        got: &T,
    ) {
        if truth != got {
            self.0.push(Difference {
                section,
                place: place.to_string(),
                truth: format!("{truth:?}"),
                got: format!("{got:?}"),
            });
        }
    }

    fn table(
        &mut self,
        section: &'static str,
        truth: &BTreeMap<String, (u64, u64)>,
        got: &BTreeMap<String, (u64, u64)>,
        level: Level,
    ) {
        let at = |t: &BTreeMap<String, (u64, u64)>, k: &str| t.get(k).copied().unwrap_or((0, 0));
        let overflowed = level == Level::Sums && at(got, OTHER) != (0, 0);
        let names: BTreeSet<&String> = truth.keys().chain(got.keys()).collect();
        let mut missing = (0, 0);
        for name in names {
            let (want, have) = (at(truth, name), at(got, name));
            if overflowed && name == OTHER {
                continue;
            }
            // A line that found room was counted from its first frame on.
            if overflowed && have == (0, 0) {
                missing = (missing.0 + want.0, missing.1 + want.1);
                continue;
            }
            self.unequal(section, name, &want, &have);
        }
        if overflowed {
            self.unequal(section, OTHER, &missing, &at(got, OTHER));
        }
    }

    fn flows(&mut self, truth: &[Flow], got: &[Flow], level: Level) {
        let (truth, got) = (by_name(truth, Flow::name), by_name(got, Flow::name));
        for name in union(&truth, &got) {
            let place = format!("{name:?}");
            let (want, have) = (at(&truth, name), at(&got, name));
            let ([want], [have]) = (want, have) else {
                self.unequal("flows", place, &want.len(), &have.len());
                continue;
            };
            self.unequal("flows", &place, &want.sums(), &have.sums());
            if level == Level::Sums {
                continue;
            }
            self.unequal("tcp", &place, &want.story(), &have.story());
            if !same_handshake(want.handshake.as_ref(), have.handshake.as_ref()) {
                self.0.push(Difference {
                    section: "handshake",
                    place,
                    truth: format!("{:?}", want.handshake),
                    got: format!("{:?}", have.handshake),
                });
            }
        }
    }

    fn echoes(&mut self, truth: &[Echo], got: &[Echo]) {
        let (truth, got) = (by_name(truth, Echo::name), by_name(got, Echo::name));
        for name in union(&truth, &got) {
            let place = format!("{name:?}");
            let (want, have) = (at(&truth, name), at(&got, name));
            let ([want], [have]) = (want, have) else {
                self.unequal("echo", place, &want.len(), &have.len());
                continue;
            };
            self.unequal("echo", &place, &want.counts(), &have.counts());
            self.unequal(
                "echo",
                format!("{place} samples"),
                &want.rtt_ns.len(),
                &have.rtt_ns.len(),
            );
            for (n, (want, have)) in want.rtt_ns.iter().zip(&have.rtt_ns).enumerate() {
                if !close(*want, *have) {
                    self.unequal("echo", format!("{place} sample {n}"), want, have);
                }
            }
        }
    }
}

fn by_name<T, N: Ord>(rows: &[T], name: fn(&T) -> N) -> BTreeMap<N, Vec<&T>> {
    let mut out: BTreeMap<N, Vec<&T>> = BTreeMap::new();
    for row in rows {
        out.entry(name(row)).or_default().push(row);
    }
    out
}

fn union<'m, N: Ord, T>(a: &'m BTreeMap<N, T>, b: &'m BTreeMap<N, T>) -> BTreeSet<&'m N> {
    a.keys().chain(b.keys()).collect()
}

fn at<'m, N: Ord, T>(rows: &'m BTreeMap<N, Vec<&'m T>>, name: &N) -> &'m [&'m T] {
    rows.get(name).map_or(&[], Vec::as_slice)
}

/// Durations are equal within one microsecond.
fn close(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= 1000
}

fn same_handshake(truth: Option<&Handshake>, got: Option<&Handshake>) -> bool {
    match (truth, got) {
        (None, None) => true,
        (Some(t), Some(g)) => {
            (&t.client, t.syn_retx, t.synack_retx) == (&g.client, g.syn_retx, g.synack_retx)
                && close(t.syn_to_synack_ns, g.syn_to_synack_ns)
                && close(t.synack_to_ack_ns, g.synack_to_ack_ns)
                && close(t.total_ns, g.total_ns)
        }
        _ => false,
    }
}
