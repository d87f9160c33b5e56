//! The equations.

use std::fmt;

use magpie_protocol::{
    FilterAction, FlowSum, Known, Ledger, Malformed, Sum, TableId, Tally, Unsent,
};

use super::{Offered, State, classes, unsure};
use crate::boot::{Boot, Flushed};
use crate::counts::{Count, sum};
use crate::{Picture, UnsentSums, ledger_sum};

/// An equation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Break {
    stage: String,
    by: i128,
    unit: &'static str,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} missing", self.stage, self.by, self.unit)
    }
}

/// Frames that the tables were shown.
fn shown(ledger: &Ledger) -> Count {
    let Sum { frames, octets } = ledger.counted;
    Count {
        frames: frames.saturating_sub(ledger.filtered.frames),
        octets: octets.saturating_sub(ledger.filtered.octets),
    }
}

/// Whether all that a boot's ledger counted was received as finished records
/// and counter lines.
fn is_whole(boot: &Boot, ledger: &Ledger) -> bool {
    let tally = &boot.received().tally;
    let Sum { frames, octets } = ledger.in_flows;
    (tally.packets, tally.octets) == (frames, octets)
        && [TableId::Ethertype, TableId::Vlan].iter().all(|table| {
            let lines = boot.counts.table(*table).map_or(Count::default(), sum);
            lines == shown(ledger)
        })
}

/// One of a tally's numbers.
type Part = fn(&Tally) -> u64;

/// One of a sum's numbers.
type Number = fn(&FlowSum) -> u64;

/// What was checked so far.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // independent findings, not states
pub(super) struct Audit {
    pub(super) broken: Vec<Break>,
    pub(super) doubts: Vec<String>,
    pub(super) records: u64,
    pub(super) acked: u64,
    pub(super) unaccounted: Option<i128>,
    silent: bool,
    running: bool,
    rebooted: bool,
    /// Part of what an earlier boot counted was never received.
    left: bool,
    /// It ended without a Flush's ledger.
    unflushed: bool,
    /// Nothing says that the traffic stopped for the Flush: a table may have
    /// been read a moment before or after its ledger.
    moving: bool,
}

/// What is missing from `is` to make `should`.
fn missing(should: u64, is: u64) -> i128 {
    i128::from(should) - i128::from(is)
}

impl Audit {
    fn equal(&mut self, stage: &str, unit: &'static str, should: u64, is: u64) {
        if should != is {
            self.broken.push(Break {
                stage: stage.to_owned(),
                by: missing(should, is),
                unit,
            });
        }
    }

    fn within(&mut self, stage: &str, unit: &'static str, least: u64, is: u64, most: u64) {
        if is < least {
            self.equal(stage, unit, least, is);
        } else if is > most {
            self.equal(stage, unit, most, is);
        }
    }

    fn doubt(&mut self, why: impl Into<String>) {
        self.doubts.push(why.into());
    }

    /// Checks every boot on its own; the sum of the ledgers used.
    pub(super) fn boots(&mut self, picture: &Picture, quiet: bool) -> Option<Ledger> {
        let mut total = picture.folded_ledger().copied();
        if total.is_some() {
            self.doubt("boots forgotten");
        }
        let last = picture.boots().len().saturating_sub(1);
        for (index, boot) in picture.boots().iter().enumerate() {
            let received = boot.received().tally.records;
            let Some(latest) = boot.ledger() else {
                self.acked = self.acked.saturating_add(received);
                self.records = self.records.saturating_add(received);
                self.unfinished(index == last, picture.is_finished());
                self.left |= received > 0;
                continue;
            };
            // A later ledger that counted no more frames says nothing new, and
            // one that overtook the last Flush's is not needed.
            let same = |flushed: &&Flushed| flushed.ledger.counted == latest.counted;
            let last_word = |flushed: &&Flushed| picture.is_settled(boot.id(), &flushed.ledger);
            let flushed = boot.flushed().filter(|f| same(f) || last_word(f));
            self.moving = !quiet || !flushed.as_ref().is_some_and(same);
            let ledger = flushed.map_or(latest, |flushed| &flushed.ledger);
            ledger_sum(&mut total, ledger);
            self.ledger(ledger);
            self.filters(boot);
            if let Some(flushed) = flushed {
                self.flushed(boot, flushed);
            } else {
                self.acked = self.acked.saturating_add(received);
                let made = ledger.exported.records.max(received);
                self.records = self.records.saturating_add(made);
                self.unfinished(index == last, picture.is_finished());
                self.left |= !is_whole(boot, ledger);
            }
        }
        if picture.boots().is_empty() {
            self.silent = true;
            self.doubt("nothing heard");
        }
        total
    }

    /// A boot whose last word is no Flush's ledger.
    fn unfinished(&mut self, last: bool, finished: bool) {
        if last && finished {
            self.unflushed = true;
            self.doubt("not flushed");
        } else if last {
            self.running = true;
            self.doubt("running");
        } else {
            self.rebooted = true;
            self.doubt("reboot");
        }
    }

    /// What a ledger must fulfil at any time.
    fn ledger(&mut self, ledger: &Ledger) {
        let sum = classes(ledger);
        self.equal("dissect", "frames", ledger.counted.frames, sum.frames);
        self.equal("dissect", "octets", ledger.counted.octets, sum.octets);
        let flows = &ledger.flows;
        let (out, kept) = (&ledger.exported, &ledger.never_sent);
        let add = |a: u64, b: u64, c: u64| a.saturating_add(b).saturating_add(c);
        self.equal(
            "flow table",
            "frames",
            ledger.in_flows.frames,
            add(flows.live_packets, out.packets, kept.packets),
        );
        self.equal(
            "flow table",
            "octets",
            ledger.in_flows.octets,
            add(flows.live_octets, out.octets, kept.octets),
        );
        self.equal(
            "flow table",
            "flows",
            flows.made,
            add(flows.live, out.flows, kept.flows),
        );
    }

    /// What a filter that captures must fulfil at any time.
    fn filters(&mut self, boot: &Boot) {
        for status in boot.filters() {
            if !matches!(status.action, FilterAction::Capture { .. }) {
                continue;
            }
            let stage = format!("filter {}", status.slot);
            let (kept, dropped) = (&status.kept, &status.dropped);
            let frames = kept.frames.saturating_add(dropped.frames);
            self.equal(&stage, "frames", status.matched.frames, frames);
            let octets = kept.octets.saturating_add(dropped.octets);
            self.equal(&stage, "octets", status.matched.octets, octets);
        }
    }

    /// What a Flush's ledger and all that came before it must fulfil.
    fn flushed(&mut self, boot: &Boot, flushed: &Flushed) {
        let ledger = &flushed.ledger;
        let received = &flushed.received;
        self.records = self.records.saturating_add(ledger.exported.records);
        self.acked = self.acked.saturating_add(received.tally.records);
        let dropped = &ledger.uplink;
        let most = |of: Part| of(&ledger.exported).saturating_sub(of(&dropped.never_sent));
        let least = |of: Part| most(of).saturating_sub(of(&dropped.unconfirmed));
        let known_dropped = dropped
            .never_sent
            .records
            .saturating_add(dropped.unconfirmed.records);
        let complete = if flushed.blurred {
            self.doubt("uplink out of order");
            false
        } else if boot.joined_at() > 0
            && boot.joined_at().saturating_add(boot.lost_finals()) > known_dropped
        {
            // Some of those before it were not dropped: another host has them.
            self.doubt(format!("joined at record {}", boot.joined_at()));
            false
        } else if boot.unread() > 0 {
            self.doubt(format!("{} records unreadable", boot.unread()));
            false
        } else if boot.lost_finals() > known_dropped {
            // The sensor only passes over what it dropped or what was acknowledged.
            let elsewhere = boot.lost_finals() - known_dropped;
            self.doubt(format!("{elsewhere} records went to another host"));
            false
        } else {
            true
        };
        let of: [(&'static str, Part); 4] = [
            ("frames", |tally| tally.packets),
            ("octets", |tally| tally.octets),
            ("flows", |tally| tally.flows),
            ("records", |tally| tally.records),
        ];
        // Finished records are numbered from 0 and the ledger is the last:
        // this holds whatever was dropped on the way.
        if !flushed.blurred {
            let numbered = flushed.number.saturating_add(1);
            self.equal("uplink", "records", ledger.exported.records, numbered);
        }
        for (unit, of) in of {
            let least = if complete { least(of) } else { 0 };
            self.within("uplink", unit, least, of(&received.tally), most(of));
        }
        // Counter lines travel as finished records: with one of them lost a
        // table may be short.
        let kept = &ledger.never_sent;
        let all = complete && known_dropped == 0 && kept.records == 0;
        let ip_octets = (all && ledger.flows.live_packets == 0).then_some(received.ip_octets);
        self.tables(boot, ledger, all, ip_octets);
        self.unsent(boot, flushed);
    }

    /// What was not kept, line by line. Lines travel as finished records, right
    /// before their ledger.
    fn unsent(&mut self, boot: &Boot, flushed: &Flushed) {
        if flushed.blurred || boot.unread() > 0 {
            return;
        }
        let total = UnsentSums::of(&flushed.ledger);
        let Some(lines) = flushed.unsent else {
            // A host that does not read them gets none.
            let mut hello = boot.hello().into_iter();
            if total.flows() > 0 && hello.any(|hello| hello.minor >= Unsent::SINCE) {
                self.doubt("lines of what was not kept are missing");
            }
            return;
        };
        let of: [(&'static str, Number); 3] = [
            ("flows", |sum| sum.flows),
            ("frames", |sum| sum.packets),
            ("octets", |sum| sum.octets),
        ];
        for (unit, of) in of {
            self.equal(
                "never sent",
                unit,
                of(&total.never_sent),
                of(&lines.never_sent),
            );
            self.equal(
                "unconfirmed",
                unit,
                of(&total.unconfirmed),
                of(&lines.unconfirmed),
            );
        }
    }

    fn table(&mut self, name: &str, all: bool, should: Count, is: Count, octets: bool) {
        let least = if all { should } else { Count::default() };
        self.lines(name, "frames", least.frames, is.frames, should.frames);
        if octets {
            self.lines(name, "octets", least.octets, is.octets, should.octets);
        }
        if !all && is.frames < should.frames {
            self.doubt(format!("{name} short"));
        }
    }

    /// A counter table against its ledger, as far as both are of one moment.
    fn lines(&mut self, name: &str, unit: &'static str, least: u64, is: u64, most: u64) {
        if !self.moving {
            self.within(name, unit, least, is, most);
        } else if is < least || is > most {
            self.doubt(format!("{name} in motion"));
        }
    }

    fn tables(&mut self, boot: &Boot, ledger: &Ledger, all: bool, ip_octets: Option<u64>) {
        if boot.counts.refused() > 0 {
            self.doubt("counter lines forgotten");
        }
        let all = all && boot.counts.refused() == 0;
        let lines = |table| boot.counts.table(table).map_or(Count::default(), sum);
        let counted = shown(ledger);
        let types = lines(TableId::Ethertype);
        self.table("table ethertype", all, counted, types, true);
        self.table("table vlan", all, counted, lines(TableId::Vlan), true);
        let protocols = lines(TableId::IpProtocol);
        let in_flows = Count {
            frames: ledger.in_flows.frames,
            octets: ip_octets.unwrap_or(0),
        };
        let with_octets = ip_octets.is_some();
        self.table("table ip_proto", all, in_flows, protocols, with_octets);
        for (name, table) in [
            ("table fragments", TableId::Fragment),
            ("table icmp", TableId::Icmp),
        ] {
            self.lines(name, "frames", 0, lines(table).frames, in_flows.frames);
        }
        let malformed = boot.counts.table(TableId::Malformed);
        let class = |class: Malformed| {
            malformed
                .and_then(|lines| lines.get(&(class as u64)))
                .map_or(0, |line| line.frames)
        };
        let greatest = malformed
            .into_iter()
            .flat_map(|lines| lines.values())
            .map(|line| line.frames)
            .max();
        let sum = if all {
            lines(TableId::Malformed).frames
        } else {
            u64::MAX
        };
        let overlay = ledger.malformed;
        self.lines(
            "table malformed",
            "frames",
            greatest.unwrap_or(0),
            overlay,
            sum,
        );
        // Only an ARP packet cut before its operation has none.
        let cut = class(Malformed::ArpShort);
        let arp = ledger.arp.frames;
        let least = if all { arp.saturating_sub(cut) } else { 0 };
        let operations = lines(TableId::ArpOperation).frames;
        self.lines("table arp", "frames", least, operations, arp);
    }

    /// Holds what was on the wire against what was counted and lost.
    pub(super) fn wire(
        &mut self,
        ledger: &Ledger,
        any: bool,
        known_lost: u64,
        offered: Option<&Offered>,
    ) -> Known {
        let arrived = ledger.counted.frames;
        let arrived = arrived.saturating_add(ledger.doubles.sum.frames);
        let inside = arrived.saturating_add(known_lost);
        let unsure = unsure(&ledger.lost).filter(|_| any);
        let Some(offered) = offered else {
            if !any {
                return Known::Unknown;
            }
            return match unsure {
                Some((_, words)) => {
                    self.doubt(words);
                    Known::AtLeast(inside)
                }
                // Every stage counts.
                None if self.running || self.rebooted || self.unflushed => Known::AtLeast(inside),
                None => {
                    self.unaccounted = Some(0);
                    Known::Exact(inside)
                }
            };
        };
        let wire = Known::Exact(offered.frames);
        if self.running {
            return wire;
        }
        let refused = offered.refused.iter();
        let refused = refused.fold((0_u64, 0_u64), |(frames, octets), refusal| {
            (
                frames.saturating_add(refusal.frames),
                octets.saturating_add(refusal.octets),
            )
        });
        let accounted = inside.saturating_add(refused.0);
        let by = missing(offered.frames, accounted);
        self.unaccounted = Some(by);
        let stage = match unsure {
            _ if self.silent => "silence",
            _ if self.rebooted => "reboot",
            _ if self.unflushed => "flush",
            Some((stage, _)) if by > 0 => stage,
            _ => "capture",
        };
        let mut first = Vec::new();
        if by != 0 {
            first.push((by, "frames"));
        } else if known_lost == 0 {
            let octets = ledger.counted.octets;
            let octets = octets.saturating_add(ledger.doubles.sum.octets);
            let octets = octets.saturating_add(refused.1);
            let by = missing(offered.octets, octets);
            if by != 0 {
                first.push((by, "octets"));
            }
        }
        // The wire comes first on a frame's way.
        for (by, unit) in first {
            let stage = stage.to_owned();
            self.broken.insert(0, Break { stage, by, unit });
        }
        if by == 0 && self.rebooted && !self.left {
            // Nothing was counted after the last word of the earlier boots,
            // and all that they counted is here.
            self.doubts.retain(|why| why != "reboot");
        }
        wire
    }

    pub(super) fn state(&self) -> State {
        if let Some(first) = self.broken.first() {
            State::Open {
                stage: first.stage.clone(),
                by: first.by,
                unit: first.unit,
            }
        } else if let Some(first) = self.doubts.first() {
            State::Partial(first.clone())
        } else {
            State::Closed
        }
    }
}
