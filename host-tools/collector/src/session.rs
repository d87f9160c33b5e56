//! The host's end of the conversation with one sensor.

use magpie_link::{LinkError, MAX_BATCH, Receiver, Stream, command_batch};
use magpie_protocol::{
    ClockKind, Command, CommandReply, Configuration, DecodeError, Item, Outcome, Record,
    RecordType, TimeReply, VERSION_MAJOR, VERSION_MINOR, decode_packet_part, decode_record,
};

use crate::filter::Filters;
use crate::{Clock, FilterAccount, FilterEvent, FilterRequest, Picture, Position, WallTime};

/// Hello is asked again after so long, doubling up to [`MAX_RETRY_US`].
const HELLO_RETRY_US: u64 = 500_000;
/// An unanswered Flush or Configure is asked again after so long, doubling.
pub(crate) const ASK_RETRY_US: u64 = 1_000_000;
/// Longest pause between two askings.
const MAX_RETRY_US: u64 = 8_000_000;
/// Pause between two time requests (DESIGN.md).
const SYNC_EVERY_US: u64 = 10_000_000;
/// Pause after the first answer, and after two that contradict each other: was a
/// clock set, or does it drift?
const SYNC_AGAIN_US: u64 = 1_000_000;

/// Why a batch brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The sensor speaks another major version.
    #[error(
        "sensor at {source_name}: it speaks protocol {major}.{minor}, this program \
         {VERSION_MAJOR}.{VERSION_MINOR}; use the magpie of the firmware's release, or flash the \
         firmware of this one"
    )]
    Version {
        /// Name of the source.
        source_name: String,
        /// The sensor's major version.
        major: u8,
        /// The sensor's minor version.
        minor: u8,
    },
    /// A batch that cannot be used; the sensor will send finished records
    /// again.
    #[error(
        "sensor at {source_name}: {reason}; it was skipped and counted. Where many come, check \
         the line and that only one program reads it"
    )]
    Batch {
        /// Name of the source.
        source_name: String,
        /// What was wrong.
        reason: LinkError,
    },
}

impl SessionError {
    /// True when every later batch will fail alike.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Version { .. })
    }
}

/// Something that is asked until it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asking {
    due_us: u64,
    pause_us: u64,
}

impl Asking {
    pub(crate) fn new(pause_us: u64) -> Self {
        Self {
            due_us: 0,
            pause_us,
        }
    }

    /// True when it is time to ask (again).
    pub(crate) fn ask(&mut self, now_us: u64) -> bool {
        if now_us < self.due_us {
            return false;
        }
        self.due_us = now_us.saturating_add(self.pause_us);
        self.pause_us = self.pause_us.saturating_mul(2).min(MAX_RETRY_US);
        true
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    No,
    /// `id` is 0 until the first asking.
    Asked {
        id: u32,
        asking: Asking,
    },
    Done,
}

/// The host's end of one sensor: checks versions, orders and acknowledges
/// records, asks who the sensor is and what time it has, and flushes it.
///
/// It owns no clock and no wire. Call [`Self::handle_batch`] for every batch,
/// then [`Self::poll_transmit`] until it says `None`; call the latter at least
/// every quarter of a second too. Times are host microseconds since 1970.
#[derive(Debug)]
pub struct Session {
    name: String,
    receiver: Receiver,
    hello: Option<Asking>,
    clock_kind: Option<ClockKind>,
    sync: Asking,
    sync_id: u32,
    pending_sync: Option<u32>,
    clock: Option<Clock>,
    flush: Flush,
    configure: Option<(u32, Configuration, Asking)>,
    last_id: u32,
    replies: Vec<CommandReply>,
    filters: Filters,
    /// The sensor's minor version, as its Hello says.
    minor: Option<u8>,
    sent: u64,
}

impl Session {
    /// Begins a conversation with the sensor behind the source of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            receiver: Receiver::new(),
            hello: Some(Asking::new(HELLO_RETRY_US)),
            clock_kind: None,
            sync: Asking::new(SYNC_EVERY_US),
            sync_id: 0,
            pending_sync: None,
            clock: None,
            flush: Flush::No,
            configure: None,
            last_id: 0,
            replies: Vec::new(),
            filters: Filters::default(),
            minor: None,
            sent: 0,
        }
    }

    /// What the link's receiver met.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The connection was lost and is there again: ask anew.
    pub fn reconnected(&mut self) {
        self.hello = Some(Asking::new(HELLO_RETRY_US));
        self.sync = Asking::new(SYNC_EVERY_US);
        self.pending_sync = None;
        self.filters.reconnected();
        if let Flush::Asked { id, .. } = self.flush {
            self.ask_flush(id);
        }
    }

    fn ask_flush(&mut self, id: u32) {
        let asking = Asking::new(ASK_RETRY_US);
        self.flush = Flush::Asked { id, asking };
    }

    /// Asks the sensor to export everything and to draw up its ledger.
    pub fn request_flush(&mut self) {
        if !matches!(self.flush, Flush::Asked { .. }) {
            self.ask_flush(0);
        }
    }

    /// True once the ledger of the last requested Flush has come.
    pub fn flushed(&self) -> bool {
        self.flush == Flush::Done
    }

    /// Asks the sensor to change settings until its next boot.
    pub fn request_configure(&mut self, set: Configuration) {
        self.configure = Some((0, set, Asking::new(ASK_RETRY_US)));
    }

    /// True while the sensor has not answered the last change of settings.
    pub fn is_configuring(&self) -> bool {
        self.configure.is_some()
    }

    /// Asks the sensor to run a filter; in place of the one that was asked for
    /// the same slot.
    pub fn request_filter(&mut self, request: FilterRequest) {
        self.filters.request(request);
    }

    /// Asks for the filter in this slot to stop; where `discard`, the packets
    /// that wait in the sensor are given up.
    pub fn request_filter_stop(&mut self, slot: u8, discard: bool) {
        self.filters.stop(slot, discard);
    }

    /// True while a filter that was asked for runs, or may yet.
    pub fn is_filtering(&self) -> bool {
        self.filters.is_busy()
    }

    /// What the filter of this slot came to so far.
    pub fn filter_account(&self, slot: u8) -> Option<&FilterAccount> {
        self.filters.account(slot)
    }

    /// Takes what became of filters since the last call, in order. Where
    /// filters were asked for, to be called after every batch.
    pub fn take_filter_events(&mut self) -> Vec<FilterEvent> {
        self.filters.take_events()
    }

    /// Takes the answers to commands since the last call.
    pub fn take_replies(&mut self) -> Vec<CommandReply> {
        std::mem::take(&mut self.replies)
    }

    /// Takes a batch of the sensor and puts what is new into the picture.
    pub fn handle_batch(
        &mut self,
        now_us: u64,
        batch: &[u8],
        picture: &mut Picture,
    ) -> Result<(), SessionError> {
        let delivery = match self.receiver.handle_batch(batch) {
            Ok(delivery) => delivery,
            Err(reason) => return Err(self.refuse(reason, picture)),
        };
        if delivery.new_boot {
            self.begin_boot();
        }
        picture.meet(delivery.boot_id, delivery.joined_at);
        let is_final = delivery.stream == Stream::Final;
        picture.miss(delivery.boot_id, true, delivery.lost_finals);
        picture.miss(delivery.boot_id, false, delivery.live_gap);
        let mut number = delivery.first_seq;
        for item in delivery.items {
            let at = Position {
                boot_id: delivery.boot_id,
                is_final,
                number,
            };
            // The last number there is has none behind it.
            number = number.saturating_add(1);
            if let Ok(item) = item
                && item.kind == RecordType::PacketPart as u8
            {
                self.take_part(delivery.boot_id, item, at, picture);
                continue;
            }
            // Looked at where it is: the longest record has two thousand octets.
            match &item.and_then(decode_record) {
                Ok(record) => {
                    picture.apply(now_us, at, record);
                    self.notice(now_us, delivery.boot_id, record, picture);
                }
                Err(DecodeError::UnknownType(kind)) => {
                    picture.skip(at);
                    picture.note_unknown(*kind);
                }
                Err(_) => {
                    picture.skip(at);
                    picture.link.bad_bodies = picture.link.bad_bodies.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    /// Takes a part of a packet, which is no record of the picture's.
    fn take_part(&mut self, boot_id: u32, item: Item<'_>, at: Position, picture: &mut Picture) {
        picture.skip(at);
        let Ok((part, octets)) = decode_packet_part(item) else {
            picture.link.bad_bodies = picture.link.bad_bodies.saturating_add(1);
            return;
        };
        let (kind, clock) = (self.clock_kind, self.clock);
        let wall = |at_us: u64| match kind {
            Some(ClockKind::Unix) => Some(WallTime {
                at_us: i128::from(at_us),
                bound_us: 0,
            }),
            _ => clock.map(|clock| WallTime {
                at_us: clock.wall_us(at_us),
                bound_us: clock.bound_of(at_us),
            }),
        };
        self.filters.take_part(boot_id, &part, octets, &wall);
    }

    fn refuse(&self, reason: LinkError, picture: &mut Picture) -> SessionError {
        let source_name = self.name.clone();
        if let LinkError::BadVersion { major, minor } = reason {
            picture.link.refused_versions = picture.link.refused_versions.saturating_add(1);
            return SessionError::Version {
                source_name,
                major,
                minor,
            };
        }
        picture.link.bad_batches = picture.link.bad_batches.saturating_add(1);
        SessionError::Batch {
            source_name,
            reason,
        }
    }

    /// Another run of the sensor knows nothing of what was asked before.
    fn begin_boot(&mut self) {
        self.hello.get_or_insert(Asking::new(HELLO_RETRY_US));
        self.clock = None;
        self.clock_kind = None;
        self.minor = None;
        self.filters.begin_boot();
        self.pending_sync = None;
        self.sync = Asking::new(SYNC_EVERY_US);
        match self.flush {
            Flush::No => {}
            // Done for the old boot; the new one has its own frames.
            Flush::Asked { .. } | Flush::Done => self.ask_flush(0),
        }
        if let Some((_, _, asking)) = &mut self.configure {
            *asking = Asking::new(ASK_RETRY_US);
        }
    }

    /// What the session itself takes out of a record.
    fn notice(&mut self, now_us: u64, boot_id: u32, record: &Record, picture: &mut Picture) {
        match record {
            Record::Hello(hello) => {
                self.hello = None;
                self.clock_kind = Some(hello.clock);
                self.minor = Some(hello.minor);
            }
            Record::Ledger(ledger) => {
                if let Flush::Asked { id, .. } = self.flush
                    && id != 0
                    && ledger.flush == id
                {
                    self.flush = Flush::Done;
                    picture.settle(boot_id, id);
                }
            }
            Record::TimeReply(reply) => self.take_time(now_us, reply, picture),
            Record::CommandReply(reply) => self.take_reply(*reply),
            Record::FilterReply(reply) => self.filters.take_reply(boot_id, reply),
            Record::FilterStatus(status) => self.filters.take_status(boot_id, status),
            _ => {}
        }
    }

    fn take_reply(&mut self, reply: CommandReply) {
        if self.configure.is_some_and(|(id, ..)| id == reply.id) {
            self.configure = None;
        }
        // Nobody answers so often unasked.
        if self.replies.len() < 16 || reply.outcome != Outcome::Done {
            self.replies.truncate(63);
            self.replies.push(reply);
        }
    }

    fn take_time(&mut self, now_us: u64, reply: &TimeReply, picture: &mut Picture) {
        // One answer to each request: an old one would widen nothing but lie.
        if self.pending_sync != Some(reply.id) {
            return;
        }
        self.pending_sync = None;
        if let Some(measured) = Clock::measure(reply, now_us) {
            // Whether it is worse than is assumed is to be known soon.
            if self.clock.is_none_or(|old| !old.agrees(&measured)) {
                self.sync.due_us = now_us.saturating_add(SYNC_AGAIN_US);
            }
            let best = self.clock.map_or(measured, |old| old.then(measured));
            if self.clock != Some(best) {
                self.clock = Some(best);
                picture.set_clock(best);
            }
        }
    }

    /// Host time in milliseconds, so that ids differ from those of an earlier
    /// session with the same boot, whose Flush was answered already.
    fn next_id(&mut self, now_us: u64) -> u32 {
        #[allow(clippy::cast_possible_truncation)] // its low bits are what is wanted
        let id = (now_us / 1_000) as u32;
        self.last_id = if id == self.last_id || id == 0 {
            self.last_id.wrapping_add(1).max(1)
        } else {
            id
        };
        self.last_id
    }

    /// The next batch for the sensor, if there is one to send now.
    pub fn poll_transmit(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let mut commands = Vec::new();
        commands.extend(self.receiver.poll_ack());
        if let Some(hello) = &mut self.hello
            && hello.ask(now_us)
        {
            commands.push(Command::Hello {
                major: VERSION_MAJOR,
                minor: VERSION_MINOR,
            });
        }
        let boot_id = self.receiver.boot_id();
        if boot_id.is_some() {
            self.ask_sensor(now_us, &mut commands);
        }
        if commands.is_empty() {
            // Alone, for the longest fills a batch.
            commands.extend(self.ask_filters(now_us));
        }
        if commands.is_empty() {
            return None;
        }
        let mut out = vec![0; MAX_BATCH];
        let seq = self.sent;
        self.sent = self.sent.saturating_add(commands.len() as u64);
        let len = command_batch(boot_id.unwrap_or(0), seq, &commands, &mut out).ok()?;
        out.truncate(len);
        Some(out)
    }

    /// What is asked of its filters, once it is known how to read their time.
    fn ask_filters(&mut self, now_us: u64) -> Option<Command> {
        let minor = self.minor?;
        let has_time = self.clock.is_some() || self.clock_kind == Some(ClockKind::Unix);
        if self.receiver.boot_id().is_none() || !has_time {
            return None;
        }
        self.filters.ask(now_us, minor)
    }

    /// What is asked of a sensor that was heard.
    fn ask_sensor(&mut self, now_us: u64, commands: &mut Vec<Command>) {
        if let Some((mut id, set, mut asking)) = self.configure
            && asking.ask(now_us)
        {
            if id == 0 {
                id = self.next_id(now_us);
            }
            self.configure = Some((id, set, asking));
            commands.push(Command::Configure { id, set });
        }
        if let Flush::Asked { mut id, mut asking } = self.flush
            && asking.ask(now_us)
        {
            if id == 0 {
                id = self.next_id(now_us);
            }
            self.flush = Flush::Asked { id, asking };
            commands.push(Command::Flush { id });
        }
        // A clock taken from the frames is not this host's to measure.
        if self.clock_kind == Some(ClockKind::SinceBoot) && self.sync.ask(now_us) {
            self.sync.pause_us = SYNC_EVERY_US;
            self.sync.due_us = now_us.saturating_add(SYNC_EVERY_US);
            self.sync_id = self.sync_id.wrapping_add(1);
            self.pending_sync = Some(self.sync_id);
            commands.push(Command::TimeSync {
                id: self.sync_id,
                host_us: now_us,
            });
        }
    }
}
