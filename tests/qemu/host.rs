//! A host one can stop in mid-sentence: the program's session over a source,
//! turned by hand, every finished flow record kept.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_collector::{Limits, Picture, Session};
use magpie_link::Receiver;
use magpie_protocol::{EndReason, FlowRecord, Record, decode_record};
use magpie_sources::{Incoming, SerialLine, Source};
use magpie_tests::line::Line;

/// Longest without a batch, and longest in all, that anything may take here:
/// the machine may be busy with much else.
const PATIENCE: Duration = Duration::from_mins(2);
const MOST: Duration = Duration::from_mins(10);

pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(since.as_micros()).expect("this era")
}

/// The host's end of a line, or a cable.
pub(crate) struct Host<S = SerialLine> {
    pub(crate) source: S,
    pub(crate) session: Session,
    pub(crate) picture: Picture,
    /// A second receiver, for a look at the records themselves.
    ear: Receiver,
    /// Every finished flow record, by boot and id.
    pub(crate) records: BTreeMap<(u32, u64), FlowRecord>,
    /// Answers to the session's requests for the sensor's time.
    pub(crate) syncs: u64,
}

impl Host {
    pub(crate) fn on(line: &Line) -> Self {
        Self::with(*line.open())
    }
}

impl<S: Source> Host<S> {
    pub(crate) fn with(source: S) -> Self {
        Self {
            source,
            session: Session::new("host"),
            picture: Picture::new("host", Limits::EXACT),
            ear: Receiver::new(),
            records: BTreeMap::new(),
            syncs: 0,
        }
    }

    /// Speaks, then listens for a moment.
    pub(crate) fn turn(&mut self) {
        while let Some(batch) = self.session.poll_transmit(now_us()) {
            self.source.send(&batch).expect("a socket of ours");
        }
        self.listen();
    }

    /// Listens for a moment, and says nothing.
    pub(crate) fn listen(&mut self) {
        match self.source.receive(Duration::from_millis(5)) {
            Ok(Incoming::Batch(batch)) => self.take(&batch),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn take(&mut self, batch: &[u8]) {
        self.session
            .handle_batch(now_us(), batch, &mut self.picture)
            .unwrap_or_else(|e| panic!("an unharmed line: {e}"));
        let Ok(delivery) = self.ear.handle_batch(batch) else {
            return;
        };
        let boot_id = delivery.boot_id;
        for item in delivery.items.flatten() {
            match decode_record(item) {
                Ok(Record::Flow(flow)) if flow.reason.is_final() => {
                    self.records.insert((boot_id, flow.flow_id), flow);
                }
                // (What a harness asks has no time of the host in it.)
                Ok(Record::TimeReply(reply)) if reply.host_us > 0 => self.syncs += 1,
                _ => {}
            }
        }
        // Nobody sends what this one would acknowledge.
        let _ = self.ear.poll_ack();
    }

    fn heard(&self) -> u64 {
        self.session.receiver().counts().batches
    }

    /// Turns until it is as wished.
    pub(crate) fn until(&mut self, what: &str, mut wish: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        let (mut last, mut since) = (self.heard(), begin);
        while !wish(self) {
            assert!(
                since.elapsed() < PATIENCE && begin.elapsed() < MOST,
                "{what}: not after {:?}, of which {:?} without a batch; {:?}",
                begin.elapsed(),
                since.elapsed(),
                self.picture.ledger()
            );
            self.turn();
            if self.heard() != last {
                (last, since) = (self.heard(), Instant::now());
            }
        }
    }

    /// Compares the clocks.
    pub(crate) fn synchronise(&mut self) {
        let before = self.syncs;
        // A session asks at once when its connection is back.
        self.session.reconnected();
        self.until("the time", |host| host.syncs > before);
    }

    /// Asks for everything and waits for it.
    pub(crate) fn flush(&mut self) {
        self.session.request_flush();
        self.until("a flush", |host| host.session.flushed());
        // The last acknowledgement.
        self.turn();
    }

    /// How many finished flow records ended so.
    pub(crate) fn ended(&self, reason: EndReason) -> usize {
        self.records.values().filter(|r| r.reason == reason).count()
    }
}
