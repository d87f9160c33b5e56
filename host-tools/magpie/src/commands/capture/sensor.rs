//! Packets out of a sensor, chosen there.

use std::time::Duration;

use magpie_capture::write::InterfaceInfo;
use magpie_collector::{
    FilterAccount, FilterEvent, FilterPacket, FilterRequest, State as BooksState,
};
use magpie_protocol::{BpfInstruction, FilterAction, FilterState, Known, Ledger};
use magpie_sources::{CaptureTurn, Feed, SensorCapture, Source, SourceError, Spec};

use super::source::{Choice, Packet, PacketSource, SourceBooks, State, Take};
use crate::output::{note, say};
use crate::views::capture::Counted;

/// The slot of the sensor that is asked for.
const SLOT: u8 = 0;

/// What is asked of a sensor.
pub(super) struct Asks {
    pub(super) program: Vec<BpfInstruction>,
    pub(super) literal: bool,
    /// Octets of a packet; 0 is all.
    pub(super) snap_len: u32,
    /// Packets; 0 is no limit.
    pub(super) packets: u64,
}

/// A sensor that runs the filter.
#[allow(clippy::struct_excessive_bools)] // what was once
pub(super) struct Sensor {
    name: String,
    capture: SensorCapture,
    info: Option<InterfaceInfo>,
    snap_len: u32,
    started: bool,
    /// Of boots that ended meanwhile.
    past: Past,
    /// Why frames may have passed without being asked of the filter.
    blind: Option<&'static str>,
    /// When a packet's time was last said to be how wrong.
    bound_us: Option<u64>,
    /// The sensor's time was told to be no wall time.
    told: bool,
    refused: bool,
    ended: bool,
    /// Not waited for to its end.
    hurried: bool,
}

/// Sums of runs that a reboot ended.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    matched: u64,
    dropped: u64,
    lost: u64,
}

impl Past {
    fn add(&mut self, account: &FilterAccount) {
        let here = account.delivered.frames;
        let gone = account.dropped.frames.saturating_add(account.lost.frames);
        let told = account.matched.frames.max(here.saturating_add(gone));
        self.matched = self.matched.saturating_add(told);
        self.lost = self.lost.saturating_add(account.lost.frames);
        // What it held is gone as well.
        let held = told
            .saturating_sub(here)
            .saturating_sub(account.lost.frames);
        self.dropped = self.dropped.saturating_add(held);
    }
}

impl Sensor {
    /// Asks the sensor behind a source that is open.
    pub(super) fn new(spec: &Spec, source: Box<dyn Source>, asks: Asks) -> Self {
        let waits = matches!(
            spec,
            Spec::Qemu {
                feed: Feed::File(_),
                ..
            }
        );
        let request = FilterRequest {
            slot: SLOT,
            program: asks.program,
            literal: asks.literal,
            action: FilterAction::Capture {
                snap_len: asks.snap_len,
                max_packets: asks.packets,
                max_octets: 0,
                wait: waits,
            },
            again: true,
        };
        Self {
            name: spec.to_string(),
            capture: SensorCapture::new(source, request),
            info: None,
            snap_len: asks.snap_len,
            started: false,
            past: Past::default(),
            blind: None,
            bound_us: None,
            told: false,
            refused: false,
            ended: false,
            hurried: false,
        }
    }

    /// What the file is told of it.
    fn describe(&mut self) {
        let Some(hello) = self.capture.picture().hello() else {
            return;
        };
        self.info = Some(InterfaceInfo {
            name: Some(hello.name.to_string()),
            description: Some(format!(
                "{} on {}, firmware {}",
                self.name, hello.board, hello.firmware
            )),
            hardware: Some(hello.board.to_string()),
            snap_len: self.snap_len,
            ..InterfaceInfo::default()
        });
    }

    /// What is to be said of a packet's time; its time in nanoseconds.
    fn time(&mut self, packet: &FilterPacket) -> (u64, Option<String>) {
        let Some(wall) = packet.wall else {
            let first = !std::mem::replace(&mut self.told, true);
            let comment = "time since the sensor's boot: its clock was not compared yet";
            let at_ns = packet.at_us.saturating_mul(1_000);
            return (at_ns, first.then(|| comment.to_owned()));
        };
        let at_us = u64::try_from(wall.at_us).unwrap_or(0);
        let news = match self.bound_us {
            None => wall.bound_us > 0 || self.told,
            Some(before) => wall.bound_us > before.saturating_mul(2),
        };
        let comment = news.then(|| {
            format!(
                "times from here on are this host's to within {} us",
                wall.bound_us
            )
        });
        if news || self.bound_us.is_none() {
            self.bound_us = Some(wall.bound_us);
        }
        (at_us.saturating_mul(1_000), comment)
    }

    /// It ended without the sensor's last word of its filter.
    fn is_unheard(&self) -> bool {
        let over = self.started && self.account().is_over();
        (self.hurried || self.ended) && !self.refused && !over
    }

    /// What an event changes here.
    fn heed(&mut self, event: &FilterEvent) {
        match event {
            FilterEvent::Started { .. } => {
                self.started = true;
                self.describe();
                note(&format!("{}: the filter runs on the sensor", self.name));
            }
            FilterEvent::Forgotten { account, .. } => {
                // What it counted after its last word, and did not keep; or all that
                // came when it had stopped.
                self.blind = Some(if account.is_over() {
                    "filter stopped"
                } else {
                    "sensor restarted"
                });
                self.past.add(account);
            }
            FilterEvent::Ended(account) if account.state == FilterState::Unheard => {
                self.blind = Some("filter stopped");
            }
            _ => {}
        }
    }

    /// What is in no sum, whatever those say.
    fn unknown(&self) -> Option<&'static str> {
        let unheard = self.is_unheard().then_some("sensor unheard");
        self.blind.or(unheard)
    }

    fn account(&self) -> FilterAccount {
        self.capture.account().copied().unwrap_or_default()
    }
}

impl PacketSource for Sensor {
    fn name(&self) -> &str {
        &self.name
    }

    fn packets(&mut self, wait: Duration, take: &mut Take<'_>) -> Result<State, SourceError> {
        if self.ended {
            return Ok(State::Ended);
        }
        // Events are looked at when the turn is over: the picture knows more then.
        let mut events = Vec::new();
        let turn = self.capture.turn(wait, &mut |event| events.push(event));
        let mut refused = None;
        let mut enough = false;
        for event in events {
            self.heed(&event);
            match event {
                FilterEvent::Packet(packet) => {
                    let (at_ns, comment) = self.time(&packet);
                    let lost = packet.lost_before;
                    let packet = Packet {
                        interface: 0,
                        at_ns,
                        wire_len: packet.wire_len,
                        octets: &packet.octets,
                        flags: 0,
                        dropped: packet.dropped_before.frames.saturating_add(lost),
                        comment: comment.as_deref(),
                        info: self.info.as_ref(),
                        longest: u32::MAX,
                        choice: Choice::Taken,
                    };
                    enough |= !take(&packet);
                }
                FilterEvent::Refused { why, .. } => refused = Some(why.to_string()),
                _ => {}
            }
        }
        for warning in self.capture.warnings() {
            say(&warning);
        }
        if enough {
            self.capture.end();
        }
        if let Some(why) = refused {
            self.refused = true;
            return Err(SourceError::failed(
                self.name.clone(),
                format!("the sensor does not run the filter: {why}"),
                "`magpie sensor info` says what it has room for",
            ));
        }
        if let Some(failure) = self.capture.failure() {
            return Err(failure);
        }
        match turn {
            Ok(CaptureTurn::More) => Ok(State::More),
            Ok(CaptureTurn::Quiet) => Ok(State::Quiet),
            Ok(CaptureTurn::Ended) => {
                self.ended = true;
                Ok(State::Ended)
            }
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        }
    }

    fn interface(&self) -> Option<&InterfaceInfo> {
        self.info.as_ref()
    }

    fn end(&mut self) {
        self.capture.end();
    }

    fn end_now(&mut self) {
        self.hurried = true;
        self.capture.end_now();
    }

    fn counted(&self) -> Counted {
        let account = self.account();
        let (dropped, lost) = (account.dropped.frames, account.lost.frames);
        let unheard = self.is_unheard();
        let received = self
            .past
            .matched
            .saturating_add(selected(&account, unheard));
        let seen = self.capture.grown(|ledger| Some(ledger.counted.frames));
        Counted {
            received: Some(received),
            // Before the first books of its time it saw at least those.
            seen: seen.map(|seen| seen.max(received)),
            sensor: Some(self.past.dropped.saturating_add(dropped)),
            link: Some(self.past.lost.saturating_add(lost)),
            unknown: self.unknown(),
            lost_before: self.capture.grown(lost_before),
            ..Counted::default()
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn books(&self) -> Option<SourceBooks> {
        // Whoever did not wait for them has the sums of a moment in between.
        if !self.started || self.hurried {
            return None;
        }
        let offered = self.capture.offered();
        let books = self.capture.picture().books(offered.as_ref());
        Some(SourceBooks {
            is_open: matches!(books.state, BooksState::Open { .. }),
            line: format!("{}: {books}", self.name),
        })
    }
}

/// Frames that the filter selected. When it is over that is the sensor's own
/// number, whatever became of them. Before, what is told elsewhere may be ahead
/// of it; and of what it holds nobody knows what will become, once it is not
/// waited for.
fn selected(account: &FilterAccount, unheard: bool) -> u64 {
    let parts = [&account.delivered, &account.dropped, &account.lost];
    let told = parts
        .map(|sum| sum.frames)
        .into_iter()
        .fold(0, u64::saturating_add);
    match account.matched.frames {
        matched if account.is_over() => matched,
        _ if unheard => told,
        matched => matched.max(told),
    }
}

/// What was lost before the sensor's core, where every counter is known.
fn lost_before(ledger: &Ledger) -> Option<u64> {
    let lost = &ledger.lost;
    let all = [
        lost.fcs,
        lost.oversize,
        lost.mac_fifo,
        lost.no_descriptor,
        lost.ring,
    ];
    all.into_iter().try_fold(0_u64, |sum, known| match known {
        Known::Exact(n) => Some(sum.saturating_add(n)),
        Known::AtLeast(_) | Known::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use magpie_protocol::Sum;

    use magpie_sources::Incoming;

    use super::*;
    use crate::views::capture::{Books, Interface};

    /// A sensor that nothing comes from.
    struct Mute;

    impl Source for Mute {
        fn name(&self) -> &'static str {
            "serial:/dev/a"
        }

        fn receive(&mut self, _: Duration) -> Result<Incoming, SourceError> {
            Ok(Incoming::Idle)
        }

        fn send(&mut self, _: &[u8]) -> Result<(), SourceError> {
            Ok(())
        }
    }

    fn mute() -> Sensor {
        let asks = Asks {
            program: Vec::new(),
            literal: false,
            snap_len: 0,
            packets: 0,
        };
        let spec = "serial:/dev/a".parse().unwrap();
        Sensor::new(&spec, Box::new(Mute), asks)
    }

    fn sum(frames: u64) -> Sum {
        Sum { frames, octets: 0 }
    }

    /// Ten packets are here, one was dropped and two were lost.
    fn account(state: FilterState, matched: u64) -> FilterAccount {
        FilterAccount {
            state,
            matched: sum(matched),
            kept: sum(12),
            forwarded: sum(12),
            delivered: sum(10),
            dropped: sum(1),
            lost: sum(2),
            ..FilterAccount::default()
        }
    }

    fn books(account: &FilterAccount, unheard: bool) -> String {
        let interface = Interface {
            read: 10,
            kept: 10,
            counted: Counted {
                received: Some(selected(account, unheard)),
                sensor: Some(account.dropped.frames),
                link: Some(account.lost.frames),
                unknown: unheard.then_some("sensor unheard"),
                ..Counted::default()
            },
            ..Interface::new("serial:/dev/a", "a")
        };
        Books::of(&[interface]).to_string()
    }

    #[test]
    fn the_last_word_of_the_sensor_is_held_against_what_came() {
        for (matched, state, by) in [(13, "CLOSED", 0), (12, "OPEN", -1), (14, "OPEN", 1)] {
            let line = books(&account(FilterState::Stopped, matched), false);
            assert!(line.starts_with(&format!("books {state} ")), "{line}");
            assert!(line.ends_with(&format!(" unaccounted={by}")), "{line}");
        }
    }

    #[test]
    fn what_was_not_waited_for_is_unknown_and_not_missing() {
        for matched in [0, 13, 500] {
            let line = books(&account(FilterState::Running, matched), true);
            assert!(line.starts_with("books PARTIAL(sensor unheard) "), "{line}");
        }
        // In between the sums are behind, or ahead.
        assert_eq!(selected(&account(FilterState::Running, 7), false), 13);
        assert_eq!(selected(&account(FilterState::Running, 500), false), 500);
    }

    /// What it counted after its last word is in no sum, however those agree.
    #[test]
    fn a_restart_loses_what_was_not_told() {
        for again in [true, false] {
            let mut sensor = mute();
            sensor.heed(&FilterEvent::Started { slot: 0, run: 1 });
            assert_eq!(sensor.counted().unknown, None);
            let account = account(FilterState::Running, 20);
            sensor.heed(&FilterEvent::Forgotten { account, again });
            // Its last word of what followed is heard, or is not to come.
            sensor.ended = !again;
            let interface = Interface {
                read: 10,
                kept: 10,
                counted: sensor.counted(),
                ..Interface::new("serial:/dev/a", "a")
            };
            let line = Books::of(&[interface]).to_string();
            assert_eq!(
                line,
                "books PARTIAL(sensor restarted) received=20 kept=10 filtered=0 beyond=0 \
                 dropped=10(sensor 8,link 2) unaccounted=0"
            );
        }
    }

    /// All that it selected is known, and what it would have is not.
    #[test]
    fn a_filter_that_the_sensor_stopped_was_blind_for_a_while() {
        let account = account(FilterState::Unheard, 13);
        let again = FilterEvent::Forgotten {
            account,
            again: true,
        };
        for (event, sums) in [
            (
                again,
                "received=13 kept=10 filtered=0 beyond=0 dropped=3(sensor 1,link 2)",
            ),
            (FilterEvent::Ended(account), "received=0 "),
        ] {
            let mut sensor = mute();
            sensor.heed(&FilterEvent::Started { slot: 0, run: 1 });
            sensor.heed(&event);
            let counted = sensor.counted();
            let read = counted.received.map_or(0, |all| all.min(10));
            let interface = Interface {
                read,
                kept: read,
                counted,
                ..Interface::new("serial:/dev/a", "a")
            };
            let line = Books::of(&[interface]).to_string();
            let begins = format!("books PARTIAL(filter stopped) {sums}");
            assert!(line.starts_with(&begins), "{line}");
            assert!(line.ends_with(" unaccounted=0"), "{line}");
        }
    }
}
