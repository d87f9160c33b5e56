//! What a finished flow costs behind the tables: its record encoded, kept for
//! acknowledgement, gathered into a batch; and framed, on a serial line.

use magpie_link::{Overflow, Sender, command_batch, frame};
use magpie_protocol::{
    Command, Emitted, FlowRecord, Record, RecordSource, Tally, UplinkCounts, Want, encode_record,
};
use static_cell::ConstStaticCell;

use super::captures::Capture;
use super::counter::Counter;
use super::run::Bench;
use super::storage;
use super::sum::Sum;

/// Different records.
const RECORDS: usize = 8;
/// Handed to the link at once.
const AT_ONCE: u32 = 16;
const ROUNDS: u64 = 32;
/// The link's clock goes on by more than it waits for company.
const STEP_US: u64 = 20_000;
const BOOT_ID: u32 = 1;

type Flows = [Option<FlowRecord>; RECORDS];

static FLOWS: ConstStaticCell<Flows> = ConstStaticCell::new([None; RECORDS]);

/// Flows of the bundled capture, again and again.
struct Source<'f> {
    flows: &'f Flows,
    next: usize,
    left: u32,
}

impl RecordSource for Source<'_> {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        if want == Want::Live || self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.next = (self.next + 1) % RECORDS;
        let flow = self.flows[self.next]?;
        let len = encode_record(&Record::Flow(flow), out).ok()?;
        let tally = Tally {
            records: 1,
            flows: 1,
            ..Tally::default()
        };
        Some(Emitted { len, tally })
    }

    fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

    fn note_dropped(&mut self, _: &[u8], _: &Tally, _: bool) {}
}

/// What is counted.
#[inline(never)]
fn poll(
    sender: &mut Sender<'_>,
    now_us: u64,
    source: &mut Source<'_>,
    out: &mut [u8],
) -> Option<usize> {
    sender.poll_transmit(now_us, source, out)
}

/// Likewise; within `main` the count would depend on what else is there.
#[inline(never)]
fn put_frame(batch: &[u8], framed: &mut [u8]) -> bool {
    frame(batch, framed).is_ok()
}

/// Plays both cases, `uplink` and `uplink_framing`.
pub(crate) fn all(bench: &mut Bench) {
    let flows = FLOWS.take();
    bench.play(&mut |run, buffer| {
        let mut capture =
            Capture::open("tests/captures/lab.pcap\0").expect("tests/captures/lab.pcap");
        while let Some((at_us, frame)) = capture.next(buffer) {
            run.at(at_us);
            run.show(frame);
        }
        run.flush(flows);
    });
    assert!(flows.iter().all(Option::is_some), "not enough flows");
    let mut source = Source {
        flows,
        next: 0,
        left: 0,
    };
    let mut sender = Sender::new(BOOT_ID, storage::resend(), Overflow::Hold);
    let (counter, buffers) = bench.parts();
    let (mut batches, mut framing) = (Sum::NONE, Sum::NONE);
    for round in 1..=ROUNDS {
        source.left = AT_ONCE;
        let (sent, framed) = exchange(
            counter,
            &mut sender,
            &mut source,
            round,
            buffers.scratch,
            buffers.framed,
        );
        batches.add_mean(sent, AT_ONCE);
        framing.add_mean(framed, AT_ONCE);
        assert!(sender.all_acked(), "a record stayed behind");
        assert_eq!(sender.counts().acked, round * u64::from(AT_ONCE));
    }
    batches.print("uplink");
    framing.print("uplink_framing");
}

/// Everything out, and acknowledged; instructions of batches and framing.
fn exchange(
    counter: &Counter,
    sender: &mut Sender<'_>,
    source: &mut Source<'_>,
    round: u64,
    batch: &mut [u8],
    framed: &mut [u8],
) -> (u32, u32) {
    let (mut batches, mut framing) = (0, 0);
    let mut now_us = round * 100 * STEP_US;
    while source.left > 0 || sender.poll_at().is_some() {
        let (instructions, len) = counter.count(|| poll(sender, now_us, source, batch));
        batches += instructions;
        if let Some(len) = len {
            let (instructions, is_framed) = counter.count(|| put_frame(&batch[..len], framed));
            assert!(is_framed);
            framing += instructions;
        } else if source.left == 0 && sender.poll_at().is_some_and(|at| at > now_us + STEP_US) {
            break; // all is sent, and only an answer is waited for
        }
        now_us += STEP_US;
    }
    let ack = Command::Ack {
        boot_id: BOOT_ID,
        next: round * u64::from(AT_ONCE),
    };
    let len = command_batch(BOOT_ID, round, &[ack], batch).expect("an acknowledgement fits");
    let done = sender.handle_batch(now_us, &batch[..len]);
    assert!(done.is_ok());
    (batches, framing)
}
