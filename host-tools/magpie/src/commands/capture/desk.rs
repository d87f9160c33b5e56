//! Everything behind the sources: who is chosen, in which order, and counted.

use magpie_capture::write::{InterfaceInfo, LONGEST, Packet as Written, Statistics};

use super::bounds::{Cut, up_to};
use super::merge::{Merge, held};
use super::output::{Output, Put};
use super::run::{Ended, Wants, now_ns};
use super::source::{Choice, Packet, PacketSource};
use crate::output::is_closed;
use crate::views::capture::{Books, Counted, Interface};

/// Packets of live sources are ordered among those of so long.
const BOUND_NS: u64 = 250_000_000;

/// What has become of an interface's packets.
struct Known {
    about: Interface,
    /// Of which source.
    stream: usize,
    /// Lost, and not told by a written packet yet.
    dropped: u64,
    cut: Cut,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
}

/// Everything behind the sources.
pub(super) struct Desk<'a> {
    wants: Wants<'a>,
    output: Output,
    known: Vec<Known>,
    /// The number in this run of each interface of each source.
    numbers: Vec<Vec<Option<u32>>>,
    /// Where there are several sources.
    merge: Option<Merge>,
    /// Latest time of each source.
    latest_ns: Vec<u64>,
    chosen: u64,
    /// No more are wanted.
    done: bool,
    failure: Option<anyhow::Error>,
    /// Of packets to be anonymized.
    buffer: Vec<u8>,
    began_ns: u64,
    /// Octets that a packet can have, as all interfaces declare it.
    longest: Option<u32>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(sources: &[Box<dyn PacketSource>], wants: Wants<'a>, output: Output) -> Self {
        Self {
            wants,
            output,
            known: Vec::new(),
            numbers: vec![Vec::new(); sources.len()],
            merge: (sources.len() > 1).then(Merge::default),
            latest_ns: vec![0; sources.len()],
            chosen: 0,
            done: false,
            failure: None,
            buffer: Vec::new(),
            began_ns: now_ns(),
            longest: None,
        }
    }

    /// Makes the file, where its name is known. The only source `is_file`: what
    /// it tells of its interfaces comes with its first packet.
    pub(super) fn open(&mut self, is_now: bool, is_file: bool) -> anyhow::Result<()> {
        self.output.open(self.began_ns, is_now, is_file)
    }

    /// Whether sources may end.
    pub(super) fn wants_no_more(&self) -> bool {
        self.done || self.failure.is_some()
    }

    /// Whether it is to be said how many there are.
    pub(super) fn says(&self) -> bool {
        self.wants.says
    }

    /// Packets chosen so far.
    pub(super) fn chosen(&self) -> u64 {
        self.chosen
    }

    /// The number of a source's interface in this run; a new one is told to
    /// the file. `longest` are octets of a packet, as far as the source knows.
    pub(super) fn number(
        &mut self,
        stream: usize,
        source: &str,
        local: u32,
        info: Option<&InterfaceInfo>,
        longest: u32,
    ) -> anyhow::Result<usize> {
        let at = usize::try_from(local).unwrap_or(usize::MAX);
        let numbers = &mut self.numbers[stream];
        if let Some(Some(number)) = numbers.get(at) {
            return Ok(*number as usize);
        }
        let number = self.known.len();
        if numbers.len() <= at {
            numbers.resize(at.saturating_add(1), None);
        }
        numbers[at] = u32::try_from(number).ok();
        let mut info = info.cloned().unwrap_or_default();
        let name = info.name.clone().unwrap_or_else(|| source.to_owned());
        self.known.push(Known {
            about: Interface::new(source, &name),
            stream,
            dropped: 0,
            cut: Cut::default(),
            first_ns: None,
            last_ns: None,
        });
        if info.name.is_none() && info.description.is_none() {
            info.description = Some(format!("from {source}"));
        }
        info.snap_len = self.longest(longest);
        if let Some(expression) = self.wants.expression.text() {
            info.filter = Some(expression);
        }
        if self.wants.anonymizer.is_some() {
            // Expressions are full of addresses, and nobody knows what others wrote.
            info = InterfaceInfo {
                name: info.name,
                snap_len: info.snap_len,
                ..InterfaceInfo::default()
            };
        }
        self.output.add_interface(info, (source.to_owned(), name))?;
        Ok(number)
    }

    /// All interfaces of a file have the same, since libpcap reads no others.
    fn longest(&mut self, of_source: u32) -> u32 {
        let own = match self.merge {
            None => of_source,
            // Who knows what the others have.
            Some(_) => LONGEST,
        };
        let own = self.wants.snap_len.unwrap_or(own).min(LONGEST);
        *self.longest.get_or_insert(own)
    }

    /// A packet from its source; false: no more are wanted.
    pub(super) fn take(&mut self, stream: usize, source: &str, packet: &Packet<'_>) -> bool {
        let (local, info) = (packet.interface, packet.info);
        let number = match self.number(stream, source, local, info, packet.longest) {
            Ok(number) => number,
            Err(error) => return self.fail(error),
        };
        let longest = self.longest(packet.longest);
        let packet = &self.known[number]
            .cut
            .bounded(packet, self.wants.snap_len, longest);
        self.latest_ns[stream] = self.latest_ns[stream].max(packet.at_ns);
        let wants_no_more = self.wants_no_more();
        let known = &mut self.known[number];
        known.about.read += 1;
        known.dropped = known.dropped.saturating_add(packet.dropped);
        known.first_ns.get_or_insert(packet.at_ns);
        known.last_ns = Some(packet.at_ns);
        if wants_no_more {
            known.about.beyond += 1;
            return false;
        }
        let taken = match packet.choice {
            Choice::Taken => true,
            Choice::Refused => false,
            Choice::Asked => self.wants.expression.takes(packet.octets, packet.wire_len),
        };
        if !taken {
            known.about.filtered += 1;
            return true;
        }
        if let Some(merge) = &mut self.merge {
            let dropped = std::mem::take(&mut known.dropped);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            merge.push(held(number, packet, dropped));
            return true;
        }
        let dropped = std::mem::take(&mut known.dropped);
        self.put(number, packet, dropped)
    }

    /// A chosen packet, in its turn.
    fn put(&mut self, number: usize, packet: &Packet<'_>, dropped: u64) -> bool {
        if self.wants_no_more() {
            self.known[number].about.beyond += 1;
            return false;
        }
        let mut octets = up_to(packet.octets, self.longest.unwrap_or(LONGEST));
        let mut comment = packet.comment;
        if let Some(anonymizer) = &mut self.wants.anonymizer {
            self.buffer.clear();
            self.buffer.extend(octets);
            let keep = anonymizer.frame(&mut self.buffer);
            octets = self.buffer.get(..keep).unwrap_or_default();
            comment = None;
        }
        let written = Written {
            interface: u32::try_from(number).unwrap_or(u32::MAX),
            at_ns: packet.at_ns,
            wire_len: packet.wire_len,
            octets,
            flags: packet.flags,
            dropped,
            comment,
        };
        let known = &self.known;
        let began_ns = self.began_ns;
        let statistics = || {
            known
                .iter()
                .map(|known| known.statistics(began_ns))
                .collect()
        };
        match self.output.packet(self.chosen + 1, &written, statistics) {
            Ok(Put::Kept) => {}
            Ok(Put::Unshown(error)) => {
                self.fail(error);
            }
            Ok(Put::Unwritten(error)) => {
                // Which the file told, with others before it.
                self.known[number].about.kept += 1;
                return self.fail(error);
            }
            Ok(Put::Unwanted) => {
                self.done = true;
                self.known[number].about.beyond += 1;
                return false;
            }
            Err(error) => {
                self.known[number].about.beyond += 1;
                return self.fail(error);
            }
        }
        self.known[number].about.kept += 1;
        self.chosen += 1;
        self.done = self.wants.limit.is_some_and(|limit| self.chosen >= limit);
        !self.wants_no_more()
    }

    fn fail(&mut self, error: anyhow::Error) -> bool {
        // The first counts; but that nobody reads on is no failure.
        if self.failure.as_ref().is_none_or(is_closed) {
            self.failure = Some(error);
        }
        false
    }

    pub(super) fn flush(&mut self) {
        if self.failure.is_none()
            && let Err(error) = self.output.flush()
        {
            self.fail(error);
        }
    }

    /// What the source counted of its interfaces.
    pub(super) fn update(&mut self, stream: usize, counted: Counted) {
        for known in self.known.iter_mut().filter(|known| known.stream == stream) {
            known.about.counted = counted;
        }
    }

    /// Of several files the one that is furthest behind.
    pub(super) fn behind(
        &self,
        sources: &[Box<dyn PacketSource>],
        ended: &[bool],
    ) -> Option<usize> {
        let files = (0..sources.len()).filter(|n| !sources[*n].is_live() && !ended[*n]);
        files.min_by_key(|n| self.latest_ns[*n])
    }

    /// Hands on what need not wait any more.
    pub(super) fn release(&mut self, sources: &[Box<dyn PacketSource>], ended: &[bool]) {
        let Some(mut merge) = self.merge.take() else {
            return;
        };
        let mut until_ns = u64::MAX;
        for (stream, source) in sources.iter().enumerate().filter(|(n, _)| !ended[*n]) {
            let latest = self.latest_ns[stream];
            until_ns = until_ns.min(if source.is_live() {
                latest.max(now_ns().saturating_sub(BOUND_NS))
            } else {
                latest
            });
        }
        while let Some(held) = merge.pop(until_ns) {
            let packet = Packet {
                interface: 0,
                at_ns: held.at_ns,
                wire_len: held.wire_len,
                octets: &held.octets,
                flags: held.flags,
                dropped: 0,
                comment: held.comment.as_deref(),
                info: None,
                longest: u32::MAX,
                choice: Choice::Taken,
            };
            self.put(held.interface as usize, &packet, held.dropped);
        }
        self.merge = Some(merge);
    }

    pub(super) fn end(mut self, sources: &[Box<dyn PacketSource>], source_failed: bool) -> Ended {
        self.release(sources, &vec![true; sources.len()]);
        // Interfaces that are known by now, and gave nothing.
        for (stream, source) in sources.iter().enumerate() {
            if let Some(info) = source.interface()
                && let Err(error) =
                    self.number(stream, source.name(), 0, Some(info), info.longest())
            {
                self.fail(error);
            }
            self.update(stream, source.counted());
        }
        for known in &self.known {
            known.cut.say(&known.about.source, self.longest);
        }
        let statistics: Vec<_> = self
            .known
            .iter()
            .map(|known| known.statistics(self.began_ns))
            .collect();
        if let Err(error) = self.output.close(self.began_ns, &statistics) {
            self.fail(error);
        }
        let is_unread = self.failure.as_ref().is_some_and(is_closed);
        for (interface, packets) in self.output.unwritten().into_iter().flatten() {
            let at = usize::try_from(*interface).ok();
            if let Some(known) = at.and_then(|at| self.known.get_mut(at)) {
                known.about.take_back(*packets, is_unread);
            }
        }
        // A source may have told of no interface, and what it held is unknown all the same.
        let unknown = sources.iter().find_map(|source| source.counted().unknown);
        let interfaces: Vec<_> = self.known.into_iter().map(|known| known.about).collect();
        Ended {
            books: Books::of(&interfaces).or_unknown(unknown),
            interfaces,
            output: self.output,
            chosen: self.chosen,
            source_books: sources.iter().filter_map(|source| source.books()).collect(),
            // Who read our output has seen enough, which is no failure.
            failure: self.failure.filter(|error| !is_closed(error)),
            source_failed,
        }
    }
}

impl Known {
    fn statistics(&self, began_ns: u64) -> Statistics {
        let counted = &self.about.counted;
        let is_live = counted.received.is_some();
        let sum = |parts: [Option<u64>; 3]| {
            let known = parts.into_iter().flatten();
            known.reduce(u64::saturating_add)
        };
        Statistics {
            start_ns: if is_live {
                Some(began_ns)
            } else {
                self.first_ns
            },
            end_ns: if is_live {
                Some(now_ns())
            } else {
                self.last_ns
            },
            received: match (counted.sensor, counted.seen) {
                (Some(_), seen) => seen,
                (None, _) => Some(self.about.received()),
            },
            interface_dropped: counted.card.or(counted.lost_before),
            accepted: Some(match counted.sensor {
                Some(_) => self.about.received(),
                None => self.about.read.saturating_sub(self.about.filtered),
            }),
            system_dropped: sum([counted.kernel, counted.sensor, counted.link]),
            delivered: Some(self.about.kept),
        }
    }
}
