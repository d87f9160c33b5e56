//! The sensor's end: numbering, batches, acknowledgement, repetition.

mod batches;
mod take;

use magpie_protocol::{Command, DecodeError, Items, RecordSource, UplinkCounts, decode_command};

use self::batches::split_batch;
use crate::MAX_BATCH;
use crate::batch::{Header, LinkError, MAX_ITEMS_OCTETS, Stream, count_items};
use crate::commands::Commands;
use crate::retain::MAX_ENTRY;
use crate::window::Window;

/// Least octets of storage with which finished records flow at all.
pub const MIN_STORAGE: usize = MAX_ENTRY;

/// A small batch of finished records waits so long for company.
const GATHER_US: u64 = 20_000;
/// First repetition after so long without acknowledgement; then twice as long
/// each time.
const RESEND_US: u64 = 250_000;
/// Longest wait between repetitions.
const RESEND_MAX_US: u64 = 4_000_000;
/// After so many batches of finished records a live one has its turn.
const FINALS_A_TURN: u8 = 8;

/// What happens when the storage for unacknowledged records is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// No more finished records are taken; they wait in the source.
    Hold,
    /// While the host acknowledges, as [`Self::Hold`]. When it has not for
    /// four seconds, the oldest are dropped for new ones and counted:
    /// `never_sent`, or `unconfirmed` if they had been sent.
    DropOldest,
}

/// Sensor's end of one wire.
///
/// Finished records are numbered when they are taken from the source, and
/// stay in the storage until the host acknowledged them. They are sent in
/// order without waiting for each acknowledgement; when one is missing, all
/// from the lowest unacknowledged are sent again (go-back-N: the receiver
/// needs no buffer, and wires lose little). After a time-out only one batch
/// goes out at a time until the host answers, so an absent host costs little.
///
/// At any time, in records: taken from the source = acknowledged + stored +
/// never sent + unconfirmed.
#[derive(Debug)]
pub struct Sender<'b> {
    boot_id: u32,
    overflow: Overflow,
    window: Window<'b>,
    next_live: u64,
    /// Minor version in the header of the host's latest batch; 0 before.
    host_minor: u8,
    counts: UplinkCounts,
    /// When the first record not yet sent was taken.
    waiting_since: Option<u64>,
    /// Sends what there is without waiting for company.
    hurry: bool,
    /// When finished records were last sent.
    sent_at: u64,
    resend_us: u64,
    probe: Probe,
    /// A repeated acknowledgement means loss only beyond this number: below
    /// it may answer our own repetitions.
    recovered: Option<u64>,
    /// Last sign that the host takes finished records; reset when the first
    /// one is kept.
    heard_at: u64,
    finals_in_turn: u8,
}

/// After a time-out one batch is sent, then the host's answer awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// The host answers: send on.
    Off,
    /// One batch may be sent.
    Ready,
    /// It has been.
    Sent,
}

impl<'b> Sender<'b> {
    /// A sender for this run of the sensor. `storage` keeps records until they
    /// are acknowledged; with fewer than [`MIN_STORAGE`] octets none are taken.
    pub fn new(boot_id: u32, storage: &'b mut [u8], overflow: Overflow) -> Self {
        Self {
            boot_id,
            overflow,
            window: Window::new(storage),
            next_live: 0,
            host_minor: 0,
            counts: UplinkCounts::default(),
            waiting_since: None,
            hurry: false,
            sent_at: 0,
            resend_us: RESEND_US,
            probe: Probe::Off,
            recovered: None,
            heard_at: 0,
            finals_in_turn: 0,
        }
    }

    /// The run of the sensor.
    pub fn boot_id(&self) -> u32 {
        self.boot_id
    }

    /// Counters, as they go into the ledger.
    pub fn counts(&self) -> UplinkCounts {
        self.counts
    }

    /// True when nothing waits for acknowledgement (records may still be in
    /// the source).
    pub fn all_acked(&self) -> bool {
        self.window.held() == 0
    }

    /// Octets free for finished records.
    pub fn room(&self) -> usize {
        self.window.kept().room()
    }

    /// Records that wait to be sent or acknowledged.
    pub fn held(&self) -> u64 {
        self.window.held()
    }

    /// For how long finished records have been kept without the host
    /// acknowledging one, in microseconds; 0 when none is kept.
    pub fn unanswered_us(&self, now_us: u64) -> u64 {
        if self.window.held() == 0 {
            0
        } else {
            now_us.saturating_sub(self.heard_at)
        }
    }

    /// True while something was sent and is not acknowledged.
    pub fn is_unanswered(&self) -> bool {
        self.window.unanswered()
    }

    /// What is sent goes to another host from now on, or by another way to the
    /// same. It may not have what was sent and not acknowledged: that goes out
    /// again at once. And it has its own time to answer before anything is
    /// dropped.
    pub fn redirect(&mut self, now_us: u64) {
        self.heard_at = now_us;
        if self.awaits_answer() {
            self.go_back();
            self.probe = Probe::Ready;
            self.resend_us = RESEND_US;
            self.sent_at = now_us;
        }
    }

    /// Writes a batch without records: for a host that gets none just now, to
    /// say that this sensor is here. It takes no number, so nobody misses it; who
    /// hears it acknowledges, and so answers. The batch's length.
    pub fn announce(&self, out: &mut [u8]) -> Option<usize> {
        let (head, _) = split_batch(out)?;
        let oldest = self.window.oldest();
        *head = Header::new(Stream::Final, self.boot_id, oldest, oldest).to_octets();
        Some(Header::OCTETS)
    }

    /// Writes the next batch, unframed, to `out` (at least [`MAX_BATCH`]
    /// octets) and returns its length; `None` when there is nothing to send
    /// now. `now_us` is any clock that runs; it is handed on to the source.
    /// Call until `None`.
    pub fn poll_transmit<S: RecordSource>(
        &mut self,
        now_us: u64,
        source: &mut S,
        out: &mut [u8],
    ) -> Option<usize> {
        let out = out.get_mut(..MAX_BATCH)?;
        source.note_uplink(&self.counts, self.host_minor);
        let exhausted = self.take_finals(now_us, source, out);
        self.check_time_out(now_us);
        let ready = self.finals_ready(now_us);
        let len = if ready && self.finals_in_turn < FINALS_A_TURN {
            self.final_batch(now_us, out)
        } else {
            self.finals_in_turn = 0;
            match self.live_batch(now_us, ready, source, out) {
                None if ready => self.final_batch(now_us, out),
                live => live,
            }
        };
        if exhausted && self.window.all_sent() {
            self.hurry = false;
        }
        self.counts.batches = self.counts.batches.saturating_add(u64::from(len.is_some()));
        len
    }

    /// When [`Self::poll_transmit`] has something to do though nothing new
    /// came in; `None` when never.
    pub fn poll_at(&self) -> Option<u64> {
        let answer_due = self
            .awaits_answer()
            .then(|| self.sent_at.saturating_add(self.resend_us));
        let send = (!self.window.all_sent() && self.probe != Probe::Sent).then(|| {
            let since = self.waiting_since.unwrap_or(0);
            if self.must_wait() {
                since.saturating_add(GATHER_US)
            } else {
                since
            }
        });
        [answer_due, send].into_iter().flatten().min()
    }

    /// Takes a batch of the host. Acknowledgements are dealt with; the other
    /// commands are handed back, in order.
    pub fn handle_batch<'c>(
        &mut self,
        now_us: u64,
        batch: &'c [u8],
    ) -> Result<Commands<'c>, LinkError> {
        let commands = self.accept(now_us, batch);
        if commands.is_err() {
            self.count_bad_frame();
        }
        commands
    }

    /// Counts a frame from the host that could not even be unframed.
    pub fn count_bad_frame(&mut self) {
        self.counts.bad_frames = self.counts.bad_frames.saturating_add(1);
    }

    fn accept<'c>(&mut self, now_us: u64, batch: &'c [u8]) -> Result<Commands<'c>, LinkError> {
        let (header, octets) = Header::parse(batch)?;
        if header.stream != Stream::Command {
            return Err(LinkError::WrongStream(header.stream));
        }
        if header.boot_id != 0 && header.boot_id != self.boot_id {
            return Err(LinkError::OtherBoot {
                boot_id: header.boot_id,
            });
        }
        count_items(octets)?;
        self.host_minor = header.minor;
        // A host that speaks may have just come: try again without delay.
        if self.probe != Probe::Off {
            self.resend_us = RESEND_US;
        }
        for item in Items::new(octets).flatten() {
            match decode_command(item) {
                Ok(Command::Ack { boot_id, next }) => self.acknowledge(now_us, boot_id, next),
                Ok(Command::Flush { .. }) => self.hurry = true,
                // A command of a newer version is no fault.
                Ok(_) | Err(DecodeError::UnknownType(_)) => {}
                Err(_) => self.count_bad_frame(),
            }
        }
        Ok(Commands::new(octets))
    }

    fn acknowledge(&mut self, now_us: u64, boot_id: u32, next: u64) {
        if boot_id != self.boot_id {
            return;
        }
        if next > self.window.sent_end() {
            // Nobody can have what was never sent.
            self.count_bad_frame();
            return;
        }
        self.heard_at = now_us;
        let oldest = self.window.oldest();
        if next > oldest {
            while self.window.oldest() < next {
                let Some((tally, _)) = self.window.forget_oldest() else {
                    break;
                };
                self.counts.acked = self.counts.acked.saturating_add(tally.records);
            }
            self.probe = Probe::Off;
            self.resend_us = RESEND_US;
        } else if next == oldest
            && self.window.cursor() > oldest
            && self.probe == Probe::Off
            && self.recovered.is_none_or(|end| oldest > end)
        {
            // The host repeats itself: a batch in between was lost.
            self.go_back();
        }
    }

    /// Sends again from the oldest record kept.
    fn go_back(&mut self) {
        self.window.go_back();
        self.recovered = Some(self.window.sent_end());
    }

    fn check_time_out(&mut self, now_us: u64) {
        if self.sent_at > now_us {
            self.sent_at = now_us; // the clock stepped back
        }
        if self.waiting_since.is_some_and(|since| since > now_us) {
            self.waiting_since = Some(now_us);
        }
        if self.awaits_answer() && now_us.saturating_sub(self.sent_at) >= self.resend_us {
            self.go_back();
            self.probe = Probe::Ready;
            self.sent_at = now_us;
            self.resend_us = self.resend_us.saturating_mul(2).min(RESEND_MAX_US);
        }
    }

    /// A probe may wait though all that was sent has been dropped since.
    fn awaits_answer(&self) -> bool {
        self.window.unanswered() || self.probe == Probe::Sent
    }

    /// Whether what is unsent is too little to be sent at once.
    fn must_wait(&self) -> bool {
        !self.hurry
            && !self.window.sends_again()
            && self.window.octets_to_send() < MAX_ITEMS_OCTETS
            && self.window.kept().room() >= MAX_ENTRY
    }

    fn finals_ready(&self, now_us: u64) -> bool {
        if self.window.all_sent() || self.probe == Probe::Sent {
            return false;
        }
        let since = self.waiting_since.unwrap_or(0);
        !self.must_wait() || now_us.saturating_sub(since) >= GATHER_US
    }
}

fn is_one_item(octets: &[u8]) -> bool {
    count_items(octets) == Ok(1)
}

#[cfg(test)]
mod tests {
    use magpie_protocol::{Emitted, MAX_ITEM, Tally, Want};

    use super::take::ABSENT_US;
    use super::*;
    use crate::{SEAL_OCTETS, command_batch};

    /// Finals and live records of so many octets, each with its tally.
    #[derive(Default)]
    struct Source {
        finals: u32,
        live: u32,
        packets: u32,
        octets: u8,
        /// What it was told of the host.
        host_minor: u8,
    }

    impl Source {
        fn finals(finals: u32) -> Self {
            Self {
                finals,
                octets: 60,
                ..Self::default()
            }
        }
    }

    impl RecordSource for Source {
        fn poll_record(&mut self, _now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
            let left = match want {
                Want::Final => &mut self.finals,
                Want::Live => &mut self.live,
                Want::Packet if out.len() < usize::from(self.octets) => return None,
                Want::Packet => &mut self.packets,
            };
            *left = left.checked_sub(1)?;
            let len = usize::from(self.octets);
            out[..len].fill(0);
            out[0] = 3;
            out[1] = self.octets - 2;
            let tally = Tally {
                records: 1,
                flows: 1,
                packets: 2,
                octets: 100,
            };
            Some(Emitted { len, tally })
        }

        fn note_uplink(&mut self, _: &UplinkCounts, host_minor: u8) {
            self.host_minor = host_minor;
        }

        fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
    }

    struct Bench {
        sender: Sender<'static>,
        source: Source,
    }

    impl Bench {
        fn new(storage: usize, overflow: Overflow, source: Source) -> Self {
            let sender = Sender::new(7, Vec::leak(vec![0; storage]), overflow);
            Self { sender, source }
        }

        /// Header and number of items of the next batch.
        fn poll(&mut self, now_us: u64) -> Option<(Header, u64)> {
            let mut out = [0; MAX_BATCH];
            let len = self
                .sender
                .poll_transmit(now_us, &mut self.source, &mut out)?;
            assert!(len <= MAX_BATCH - SEAL_OCTETS);
            let (header, items) = Header::parse(&out[..len]).unwrap();
            assert_eq!(header.boot_id, 7);
            Some((header, count_items(items).unwrap()))
        }

        /// Stream, first number and items of all that can be sent now.
        fn drain(&mut self, now_us: u64) -> Vec<(Stream, u64, u64)> {
            let mut all = Vec::new();
            while let Some((header, count)) = self.poll(now_us) {
                all.push((header.stream, header.first_seq, count));
            }
            all
        }

        fn tell(&mut self, now_us: u64, boot_id: u32, command: Command) -> Vec<Command> {
            let mut out = [0; 256];
            let len = command_batch(boot_id, 0, &[command], &mut out).unwrap();
            self.sender
                .handle_batch(now_us, &out[..len])
                .unwrap()
                .collect()
        }

        fn ack(&mut self, now_us: u64, next: u64) {
            let ack = Command::Ack { boot_id: 7, next };
            assert_eq!(self.tell(now_us, 7, ack), []);
        }
    }

    #[test]
    fn few_records_wait_for_company_unless_in_a_hurry() {
        let mut bench = Bench::new(4096, Overflow::Hold, Source::finals(2));
        assert_eq!(bench.drain(1000), []);
        assert_eq!(bench.sender.poll_at(), Some(1000 + GATHER_US));
        bench.source.finals = 1;
        assert_eq!(bench.drain(1000 + GATHER_US - 1), []);
        assert_eq!(bench.drain(1000 + GATHER_US), [(Stream::Final, 0, 3)]);
        // A batch's worth does not wait.
        bench.source.finals = 25;
        assert_eq!(bench.drain(50_000), [(Stream::Final, 3, 22)]);
        // Nor does what a Flush asked for.
        let flush = Command::Flush { id: 1 };
        assert_eq!(bench.tell(50_000, 7, flush), [flush]);
        bench.source.finals = 1;
        assert_eq!(bench.drain(50_000), [(Stream::Final, 25, 4)]);
        bench.source.finals = 1;
        assert_eq!(bench.drain(50_000), [], "the Flush is over");
    }

    #[test]
    fn what_is_not_acknowledged_comes_again_ever_more_slowly() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(50));
        assert_eq!(bench.drain(0).len(), 2);
        assert_eq!(bench.drain(GATHER_US), [(Stream::Final, 44, 6)]);
        let mut now = GATHER_US;
        for wait in [250, 500, 1000, 2000, 4000, 4000, 4000] {
            let due = now + wait * 1000;
            assert_eq!(bench.sender.poll_at(), Some(due));
            assert_eq!(bench.drain(due - 1), []);
            // One batch, to see whether anyone is there.
            assert_eq!(bench.drain(due), [(Stream::Final, 0, 22)]);
            now = due;
        }
        assert_eq!(bench.sender.counts().resent, 7);
        // The host is back: all the rest at once, and no slower than at first.
        bench.ack(now, 22);
        let rest = [(Stream::Final, 22, 22), (Stream::Final, 44, 6)];
        assert_eq!(bench.drain(now), rest);
        assert_eq!(bench.sender.poll_at(), Some(now + RESEND_US));
        bench.ack(now, 50);
        assert!(bench.sender.all_acked());
        assert_eq!(bench.sender.poll_at(), None);
        assert_eq!(bench.sender.counts().acked, 50);
    }

    #[test]
    fn a_host_that_speaks_is_tried_at_once() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(22));
        bench.drain(0);
        let mut now = 0;
        while bench.sender.resend_us < RESEND_MAX_US {
            now = bench.sender.poll_at().unwrap();
            bench.drain(now);
        }
        now += 300_000;
        assert_eq!(bench.drain(now), []);
        let hello = Command::Hello { major: 1, minor: 0 };
        assert_eq!(bench.tell(now, 0, hello), [hello]);
        assert_eq!(bench.drain(now), [(Stream::Final, 0, 22)]);
    }

    #[test]
    fn a_repeated_acknowledgement_means_loss_once() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(66));
        assert_eq!(bench.drain(0).len(), 3);
        bench.ack(1, 22);
        // 22 to 43 were lost: the host answers 44 to 65 with the same number.
        bench.ack(2, 22);
        let again = [(Stream::Final, 22, 22), (Stream::Final, 44, 22)];
        assert_eq!(bench.drain(2), again);
        // Whatever else answers the first time round changes nothing.
        bench.ack(3, 22);
        bench.ack(3, 44);
        bench.ack(3, 44);
        assert_eq!(bench.drain(3), []);
        bench.ack(4, 66);
        assert_eq!(bench.sender.counts().resent, 2);
        assert!(bench.sender.all_acked());
    }

    #[test]
    fn acknowledgements_of_others_and_of_the_unsent_are_ignored() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(30));
        assert_eq!(bench.drain(0), [(Stream::Final, 0, 22)]);
        bench.tell(
            1,
            0,
            Command::Ack {
                boot_id: 8,
                next: 22,
            },
        );
        bench.tell(
            1,
            7,
            Command::Ack {
                boot_id: 8,
                next: u64::MAX,
            },
        );
        assert_eq!(
            bench.sender.counts(),
            UplinkCounts {
                batches: 1,
                ..UplinkCounts::default()
            }
        );
        // 22 to 29 were taken but never sent.
        for (count, next) in [(1, 23), (2, 30), (3, 31), (4, u64::MAX)] {
            bench.ack(1, next);
            assert_eq!(bench.sender.counts().bad_frames, count);
            assert_eq!((bench.sender.held(), bench.sender.counts().acked), (30, 0));
        }
        bench.ack(1, 22);
        bench.ack(1, 3);
        assert_eq!((bench.sender.held(), bench.sender.counts().acked), (8, 22));
    }

    #[test]
    fn the_source_is_told_what_the_host_reads() {
        let mut bench = Bench::new(2048, Overflow::Hold, Source::finals(0));
        let mut told = |boot_id, minor| {
            let mut out = [0; 256];
            let len = command_batch(boot_id, 0, &[], &mut out).unwrap();
            out[1] = minor;
            let _ = bench.sender.handle_batch(0, &out[..len]);
            bench.drain(0);
            bench.source.host_minor
        };
        assert_eq!(told(8, 9), 0, "said to another run: as before any word");
        assert_eq!([7, 2, 0].map(|minor| told(7, minor)), [7, 2, 0]);
    }

    #[test]
    fn batches_for_another_run_or_direction_are_refused() {
        let mut bench = Bench::new(2048, Overflow::Hold, Source::finals(0));
        let mut out = [0; 256];
        let len = command_batch(8, 0, &[Command::Flush { id: 1 }], &mut out).unwrap();
        let error = bench.sender.handle_batch(0, &out[..len]).unwrap_err();
        assert_eq!(error, LinkError::OtherBoot { boot_id: 8 });
        out[2] = Stream::Live as u8;
        let error = bench.sender.handle_batch(0, &out[..len]).unwrap_err();
        assert_eq!(error, LinkError::WrongStream(Stream::Live));
        out[0] = 2;
        let error = bench.sender.handle_batch(0, &out[..len]).unwrap_err();
        assert_eq!(error, LinkError::BadVersion { major: 2, minor: 4 });
        assert_eq!(bench.sender.counts().bad_frames, 3);
    }

    #[test]
    fn live_records_have_every_ninth_turn() {
        let source = Source {
            live: 100,
            ..Source::finals(22 * 20)
        };
        let mut bench = Bench::new(65_536, Overflow::Hold, source);
        let streams: Vec<_> = bench
            .drain(0)
            .into_iter()
            .map(|(stream, ..)| stream)
            .collect();
        assert_eq!(streams[..8], [Stream::Final; 8]);
        assert_eq!(streams[8], Stream::Live);
        assert_eq!(streams[9..17], [Stream::Final; 8]);
        assert_eq!(streams[17], Stream::Live);
    }

    /// Packets have no turn of their own: they fill batches of live records,
    /// and have what is left when finished records are sent or wait for company.
    #[test]
    fn packets_come_last() {
        let source = Source {
            live: 3,
            packets: 500,
            ..Source::finals(22 * 20)
        };
        let mut bench = Bench::new(65_536, Overflow::Hold, source);
        let kinds: Vec<_> = bench.drain(0).into_iter().collect();
        let finals = kinds.iter().take_while(|(s, ..)| *s == Stream::Final);
        assert_eq!(finals.count(), 8);
        // The live turn: three live records, and no packet beside them.
        assert_eq!(kinds[8], (Stream::Live, 0, 3));
        let sent: Vec<_> = kinds[9..].iter().map(|(s, ..)| *s).collect();
        let last = sent.iter().rposition(|s| *s == Stream::Final);
        assert!(
            last < sent.iter().position(|s| *s == Stream::Live),
            "{sent:?}"
        );
        assert_eq!((bench.source.finals, bench.source.packets), (0, 0));
        // A batch of packets is filled to the brim.
        assert_eq!(kinds[kinds.len() - 2].2, 22);
    }

    /// A host that does not answer gets none: they stay where they are.
    #[test]
    fn packets_wait_for_a_host_that_answers() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(1));
        bench.drain(0);
        assert_eq!(bench.drain(GATHER_US), [(Stream::Final, 0, 1)]);
        bench.source.packets = 5;
        bench.source.live = 1;
        // Time out: the record is sent again, and nothing is known of the host.
        let again = GATHER_US + RESEND_US;
        let sent = bench.drain(again);
        assert_eq!(sent, [(Stream::Final, 0, 1), (Stream::Live, 0, 1)]);
        assert_eq!(bench.source.packets, 5);
        bench.ack(again + 1, 1);
        assert_eq!(bench.drain(again + 1), [(Stream::Live, 1, 5)]);
    }

    #[test]
    fn a_call_takes_no_more_than_it_can_soon_send() {
        let mut bench = Bench::new(65_536, Overflow::Hold, Source::finals(440));
        bench.poll(0).unwrap();
        assert!(bench.source.finals > 300, "{}", bench.source.finals);
        assert!(bench.sender.held() >= 44);
        // And still all comes, none waiting for company at the end of a Flush.
        let flush = Command::Flush { id: 1 };
        bench.tell(0, 7, flush);
        let sent: u64 = bench.drain(0).iter().map(|(.., count)| count).sum();
        assert_eq!((sent, bench.source.finals), (440 - 22, 0));
    }

    #[test]
    fn a_full_storage_holds_or_drops() {
        // Room for one entry of any size, or for 10 of these beside.
        let storage = MIN_STORAGE + 640;
        let mut hold = Bench::new(storage, Overflow::Hold, Source::finals(100));
        hold.drain(0);
        hold.drain(100_000_000);
        assert_eq!((hold.sender.held(), hold.source.finals), (11, 89));

        let mut drop = Bench::new(storage, Overflow::DropOldest, Source::finals(100));
        drop.drain(0);
        assert_eq!((drop.sender.held(), drop.source.finals), (11, 89));
        drop.drain(ABSENT_US - 1);
        assert_eq!(drop.source.finals, 89, "the host may yet answer");
        let mut now = ABSENT_US;
        drop.drain(now);
        // The work of one call is bounded.
        assert!(drop.source.finals > 0);
        drop.drain(now);
        assert_eq!(drop.source.finals, 0);
        let counts = drop.sender.counts();
        // The first batch was full when it went; the rest never went.
        assert_eq!(counts.unconfirmed.records, 11);
        assert_eq!(counts.unconfirmed.packets, 22);
        assert_eq!(counts.never_sent.records + drop.sender.held(), 89);
        // All that was sent is gone, and still the newest get their chance.
        let first = 100 - drop.sender.held();
        loop {
            now = drop.sender.poll_at().unwrap();
            assert!(now < 20_000_000);
            if let Some((header, count)) = drop.poll(now) {
                assert_eq!((header.first_seq, header.oldest), (first, first));
                assert_eq!(count, drop.sender.held());
                break;
            }
        }
        drop.ack(now, 100);
        assert!(drop.sender.all_acked());
    }

    #[test]
    fn a_clock_that_steps_back_stops_nothing() {
        let mut bench = Bench::new(8192, Overflow::Hold, Source::finals(1));
        assert_eq!(bench.drain(u64::MAX), []);
        assert_eq!(bench.drain(5), []);
        assert_eq!(bench.drain(5 + GATHER_US), [(Stream::Final, 0, 1)]);
        assert_eq!(bench.drain(3), []);
        assert_eq!(bench.drain(3 + RESEND_US), [(Stream::Final, 0, 1)]);
    }

    /// The first host falls silent, another one is told all that it may have
    /// missed, at once, and nothing is dropped before it had its time.
    #[test]
    fn another_host_gets_what_the_first_may_not_have() {
        let mut bench = Bench::new(2048, Overflow::DropOldest, Source::finals(40));
        assert_eq!(bench.sender.unanswered_us(5), 0, "none is kept");
        let sent = bench.drain(0);
        assert!(matches!(sent[0], (Stream::Final, 0, _)), "{sent:?}");
        let now = ABSENT_US - 1;
        assert_eq!(bench.sender.unanswered_us(now), now);
        let never = bench.drain(now);
        assert!(never.len() <= 1, "a probe at most: {never:?}");
        bench.sender.redirect(now);
        assert_eq!(bench.sender.unanswered_us(now), 0);
        let (first, count) = match bench.drain(now)[..] {
            [(Stream::Final, first, count)] => (first, count),
            ref other => panic!("one batch, then the answer: {other:?}"),
        };
        assert_eq!(first, 0);
        bench.ack(now, count);
        bench.drain(now + ABSENT_US - 1);
        let counts = bench.sender.counts();
        assert_eq!(
            (counts.unconfirmed.records, counts.never_sent.records),
            (0, 0)
        );
        // With nothing under way there is nothing to repeat.
        let mut idle = Bench::new(2048, Overflow::Hold, Source::default());
        idle.sender.redirect(5);
        assert_eq!(idle.drain(5), []);
        assert_eq!(idle.sender.poll_at(), None);
    }

    #[test]
    fn an_announcement_has_no_number_and_is_answered() {
        let mut bench = Bench::new(2048, Overflow::Hold, Source::finals(3));
        bench.source.live = 2;
        let mut out = [0; MAX_BATCH];
        let mut receiver = crate::Receiver::new();
        let mut announce = |bench: &Bench| {
            let len = bench.sender.announce(&mut out).unwrap();
            let delivery = receiver.handle_batch(&out[..len]).unwrap();
            assert_eq!(delivery.items.count(), 0);
            let counts = receiver.counts();
            assert_eq!((counts.live_gap, counts.lost_finals), (0, 0));
            receiver.poll_ack()
        };
        let ack = |next| Some(Command::Ack { boot_id: 7, next });
        assert_eq!(announce(&bench), ack(0));
        bench.drain(0);
        bench.drain(GATHER_US);
        assert_eq!(announce(&bench), ack(0));
        // Another host has had the three: they are no loss of a newcomer's.
        bench.ack(GATHER_US, 3);
        assert_eq!(announce(&bench), ack(3));
        assert_eq!(bench.sender.announce(&mut [0; 20]), None);
    }

    /// A source that claims what it did not write is stopped, and booked.
    #[test]
    fn a_faulty_source_is_booked() {
        struct Faulty(usize);
        impl RecordSource for Faulty {
            fn poll_record(&mut self, _: u64, _: Want, out: &mut [u8]) -> Option<Emitted> {
                out.fill(9);
                let tally = Tally {
                    records: 1,
                    ..Tally::default()
                };
                Some(Emitted { len: self.0, tally })
            }
            fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

            fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
        }
        let mut out = [0; MAX_BATCH];
        for len in [0, 1, 5, 22, MAX_ITEM, MAX_ITEM + 1, usize::MAX] {
            let mut storage = [0; 2048];
            let mut sender = Sender::new(7, &mut storage, Overflow::Hold);
            let sent = sender.poll_transmit(0, &mut Faulty(len), &mut out);
            assert_eq!((sent, sender.held()), (None, 0), "{len}");
            assert_eq!(sender.counts().never_sent.records, 1);
        }
    }

    #[test]
    fn too_little_storage_or_room_sends_no_finals() {
        let mut bench = Bench::new(MIN_STORAGE - 1, Overflow::DropOldest, Source::finals(5));
        bench.source.live = 1;
        assert_eq!(bench.drain(0), [(Stream::Live, 0, 1)]);
        bench.drain(100_000_000);
        assert_eq!(bench.source.finals, 5);
        let mut short = [0; MAX_BATCH - 1];
        let none = bench.sender.poll_transmit(0, &mut bench.source, &mut short);
        assert_eq!(none, None);
    }
}
