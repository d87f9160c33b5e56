//! The sensor's end of the link with a hostile host, a clock that jumps and a
//! source of any records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::input::{Input, push_piece};
use magpie_link::{Header, MAX_BATCH, Overflow, Receiver, SEAL_OCTETS, Sender, command_batch};
use magpie_protocol::{Command, Emitted, RecordSource, Tally, UplinkCounts, Want};

const BOOT: u32 = 1;
/// More batches than any state can have to send without time passing.
const MANY: usize = 4_000;

magpie_fuzz::seeds!({
    let hosts = magpie_fuzz::batches::of_a_host(BOOT);
    let mut seeds: Vec<Vec<u8>> = hosts
        .iter()
        .map(|batch| {
            let mut seed = vec![0, 4, 0, 20, 9, 6, 5, 4];
            push_piece(&mut seed, batch);
            seed
        })
        .collect();
    // Records, sent, acknowledged in part, and again after a time-out.
    seeds.push(vec![
        3, 0, 30, 50, 1, 9, 6, 5, 7, 2, 0, 0xff, 0xff, 6, 2, 0xff, 0xff, 6, 7,
    ]);
    seeds
});

/// Gives as many items as it was told to, all of the same length.
#[derive(Default)]
struct Source {
    finals: u32,
    live: u32,
    packets: u32,
    len: u8,
    taken: Tally,
    /// What it was told was dropped: never sent, unconfirmed.
    dropped: [Tally; 2],
}

impl RecordSource for Source {
    fn poll_record(&mut self, _: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        let waiting = match want {
            Want::Final => &mut self.finals,
            Want::Live => &mut self.live,
            Want::Packet if out.len() < 2 + usize::from(self.len & 0x7f) => return None,
            Want::Packet => &mut self.packets,
        };
        *waiting = waiting.checked_sub(1)?;
        let len = self.len & 0x7f;
        let body = usize::from(len);
        out[..2].copy_from_slice(&[3, len]);
        out[2..2 + body].fill(len);
        let mut tally = Tally::default();
        if want == Want::Final {
            tally = Tally {
                records: 1,
                flows: 1,
                packets: u64::from(len),
                octets: 60,
            };
            self.taken.add(&tally);
        }
        Some(Emitted {
            len: 2 + body,
            tally,
        })
    }

    fn note_uplink(&mut self, _: &UplinkCounts, _: u8) {}

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        let [3, len, body @ ..] = item else {
            panic!("not an item of ours: {item:?}");
        };
        assert!(body.len() == usize::from(*len) && body.iter().all(|octet| octet == len));
        assert_eq!(tally.packets, u64::from(*len));
        self.dropped[usize::from(sent)].add(tally);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let setup = input.u8();
    let mut storage = vec![0; 200 << (setup & 7)];
    let overflow = if setup & 8 == 0 {
        Overflow::Hold
    } else {
        Overflow::DropOldest
    };
    let mut sender = Sender::new(BOOT, &mut storage, overflow);
    let mut receiver = Receiver::new();
    let mut source = Source::default();
    let mut now = 1_000_000_u64;
    for _ in 0..80 {
        if input.is_empty() {
            break;
        }
        match input.u8() % 8 {
            0 => {
                source.finals = source.finals.saturating_add(u32::from(input.u8()));
                source.len = input.u8();
            }
            1 => {
                let n = u32::from(input.u8());
                let waiting = if n % 2 == 0 {
                    &mut source.live
                } else {
                    &mut source.packets
                };
                *waiting = waiting.saturating_add(n);
            }
            2 => now = now.saturating_add(u64::from(input.u16()) * 100),
            3 => now = input.u64(),
            4 => drop(sender.handle_batch(now, input.piece())),
            5 => {
                let ack = receiver.poll_ack();
                acknowledge(&mut sender, now, ack);
            }
            6 => {
                let deliver = input.u8();
                poll(&mut sender, now, &mut source, &mut receiver, deliver);
            }
            _ => {
                let next = u64::from(input.u16());
                acknowledge(
                    &mut sender,
                    now,
                    Some(Command::Ack {
                        boot_id: BOOT,
                        next,
                    }),
                );
            }
        }
        check(&sender, &source);
    }
});

fn acknowledge(sender: &mut Sender<'_>, now: u64, ack: Option<Command>) {
    let Some(ack) = ack else { return };
    let mut out = [0; MAX_BATCH];
    let len = command_batch(BOOT, 0, &[ack], &mut out).expect("an acknowledgement fits");
    sender
        .handle_batch(now, &out[..len])
        .expect("a sound batch");
}

/// Sends all there is; of eight batches those arrive whose bit is set.
fn poll(
    sender: &mut Sender<'_>,
    now: u64,
    source: &mut Source,
    receiver: &mut Receiver,
    deliver: u8,
) {
    let mut out = [0; MAX_BATCH];
    for n in 0..MANY {
        let Some(len) = sender.poll_transmit(now, source, &mut out) else {
            return;
        };
        assert!((Header::OCTETS..=MAX_BATCH - SEAL_OCTETS).contains(&len));
        if deliver >> (n % 8) & 1 == 1 {
            receiver.handle_batch(&out[..len]).expect("a sound batch");
        }
    }
    panic!("it never has sent everything");
}

/// Taken from the source = acknowledged + kept + never sent + unconfirmed.
fn check(sender: &Sender<'_>, source: &Source) {
    let counts = sender.counts();
    assert_eq!(source.dropped, [counts.never_sent, counts.unconfirmed]);
    let lost = counts.never_sent.records + counts.unconfirmed.records;
    assert_eq!(source.taken.records, counts.acked + sender.held() + lost);
    assert!(counts.never_sent.packets + counts.unconfirmed.packets <= source.taken.packets);
    assert!(counts.resent <= counts.batches);
    assert_eq!(sender.all_acked(), sender.held() == 0);
}
