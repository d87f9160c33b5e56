//! The feeder against a network card made of a thread.

use super::*;
use crate::board::board;
use std::collections::VecDeque;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What the LAN9118 in QEMU holds: full means dropped, in silence.
const CARD_FRAMES: usize = 176;
const CARD_WORDS: usize = 2640;

/// The card, and the firmware that empties it.
struct Card {
    counter: AtomicU32,
    dropped: AtomicU32,
    sleeping: AtomicBool,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Card {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            counter: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            sleeping: AtomicBool::new(false),
            seen: Mutex::new(Vec::new()),
        })
    }

    /// `batch` frames are read out at a time, every `nap`.
    fn run(self: &Arc<Self>, wire: UnixStream, batch: usize, nap: Duration) {
        let fifo = Arc::new(Mutex::new(VecDeque::<Vec<u8>>::new()));
        let (card, inside) = (Arc::clone(self), Arc::clone(&fifo));
        std::thread::spawn(move || {
            let mut wire = wire;
            let mut length = [0; 4];
            while wire.read_exact(&mut length).is_ok() {
                let mut frame = vec![0; u32::from_be_bytes(length) as usize];
                wire.read_exact(&mut frame).unwrap();
                let mut fifo = inside.lock().unwrap();
                let words: usize = fifo.iter().map(|f| f.len().div_ceil(4) + 1).sum();
                if fifo.len() < CARD_FRAMES && words + frame.len().div_ceil(4) < CARD_WORDS {
                    fifo.push_back(frame);
                } else {
                    card.dropped.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let card = Arc::downgrade(self);
        std::thread::spawn(move || {
            while let Some(card) = card.upgrade() {
                if !card.sleeping.load(Ordering::SeqCst) {
                    let mut fifo = fifo.lock().unwrap();
                    for _ in 0..batch {
                        let Some(frame) = fifo.pop_front() else { break };
                        card.seen.lock().unwrap().push(frame);
                        card.counter.fetch_add(1, Ordering::SeqCst);
                    }
                }
                std::thread::sleep(nap);
            }
        });
    }

    fn feed(self: &Arc<Self>, name: &str, frames: Vec<FeedFrame>, options: FeedOptions) -> Feeder {
        self.feed_live(name, frames.into_iter().map(|f| Ok(Some(f))), options)
    }

    fn feed_live(
        self: &Arc<Self>,
        name: &str,
        frames: impl Iterator<Item = Result<Option<FeedFrame>, String>> + Send + 'static,
        options: FeedOptions,
    ) -> Feeder {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.run(theirs, 50, Duration::from_micros(200));
        let card = Arc::clone(self);
        Feeder::start(
            board(name).unwrap(),
            true,
            NetStream::Unix(ours),
            Box::new(frames),
            Box::new(move || Ok(card.counter.load(Ordering::SeqCst))),
            options,
        )
        .unwrap()
    }
}

fn frame(number: u32, octets: usize) -> FeedFrame {
    let mut data = vec![0; octets];
    data[..4].copy_from_slice(&number.to_be_bytes());
    FeedFrame {
        at_us: 1_000_000 + u64::from(number),
        wire_octets: u32::try_from(octets).unwrap(),
        octets: data,
    }
}

fn until(feeder: &Feeder, what: impl Fn(&Progress) -> bool) -> Progress {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        feeder.heartbeat();
        let progress = feeder.progress();
        if what(&progress) {
            return progress;
        }
        assert!(Instant::now() < deadline, "stuck at {progress:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ended(progress: &Progress) -> bool {
    progress.done || progress.failed.is_some()
}

#[test]
fn a_card_that_drops_in_silence_loses_nothing() {
    let card = Card::new();
    // Sizes from the smallest to the largest, so that both limits bind.
    let frames: Vec<_> = (0..6000_u32)
        .map(|n| {
            let large = (n / 500) % 2 == 0;
            frame(
                n,
                if large {
                    200 + (n as usize * 37) % 1839
                } else {
                    6 + n as usize % 60
                },
            )
        })
        .collect();
    let octets: u64 = frames.iter().map(|f| u64::from(f.wire_octets)).sum();
    let feeder = card.feed("mps2-an386", frames.clone(), FeedOptions::default());
    feeder.ready();
    let progress = until(&feeder, ended);
    assert_eq!(progress.failed, None);
    assert_eq!(card.dropped.load(Ordering::SeqCst), 0);
    assert_eq!((progress.frames, progress.octets), (6000, octets));
    assert_eq!((progress.sent, progress.read), (6000, 6000));
    let seen = card.seen.lock().unwrap();
    for (sent, got) in frames.iter().zip(seen.iter()) {
        let (data, stamp) = got.split_at(got.len() - 8);
        assert_eq!(data, sent.octets);
        assert_eq!(stamp, sent.at_us.to_be_bytes());
    }
    assert_eq!(seen.len(), 6000);
}

#[test]
fn without_credit_that_card_would_drop() {
    // The same card under the rule of another board: the test above means
    // something only if this one loses frames.
    let card = Card::new();
    card.sleeping.store(true, Ordering::SeqCst);
    let frames = (0..400).map(|n| frame(n, 60)).collect();
    let feeder = card.feed("lm3s6965evb", frames, FeedOptions::default());
    feeder.ready();
    let deadline = Instant::now() + Duration::from_secs(20);
    while card.dropped.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_cannot_be_delivered_is_refused_and_counted() {
    let card = Card::new();
    let mut cut = frame(3, 100);
    cut.wire_octets = 1400;
    let frames = vec![
        frame(0, 5),
        frame(1, 6),
        frame(2, 2039),
        cut,
        frame(4, 2040),
        frame(5, 9000),
    ];
    let feeder = card.feed("mps2-an386", frames, FeedOptions::default());
    feeder.ready();
    let progress = until(&feeder, ended);
    let refused = |frames, octets| Refused { frames, octets };
    assert_eq!(progress.failed, None);
    assert_eq!(progress.frames, 6);
    assert_eq!(progress.octets, 5 + 6 + 2039 + 1400 + 2040 + 9000);
    assert_eq!(progress.refused(Refusal::Short), refused(1, 5));
    assert_eq!(progress.refused(Refusal::Cut), refused(1, 1400));
    assert_eq!(progress.refused(Refusal::Oversize), refused(2, 11_040));
    assert_eq!((progress.sent, progress.read), (2, 2));
}

#[test]
fn nothing_goes_before_the_board_is_ready() {
    let card = Card::new();
    let options = FeedOptions {
        ready_within: Duration::from_millis(300),
        ..FeedOptions::default()
    };
    let feeder = card.feed("mps2-an386", vec![frame(0, 60)], options);
    let progress = until(&feeder, ended);
    assert!(matches!(progress.failed, Some(FeedError::NotReady { .. })));
    assert_eq!((progress.sent, progress.frames), (0, 0));
}

#[test]
fn a_board_that_hangs_is_told_from_a_host_that_sleeps() {
    let card = Card::new();
    card.sleeping.store(true, Ordering::SeqCst);
    let options = FeedOptions {
        stalled_after: Duration::from_millis(2500),
        ..FeedOptions::default()
    };
    let frames: Vec<_> = (0..500).map(|n| frame(n, 60)).collect();
    let feeder = card.feed("mps2-an386", frames.clone(), options.clone());
    feeder.ready();
    // Nobody reads the serial line: not the board's fault.
    std::thread::sleep(Duration::from_millis(4600));
    assert_eq!(feeder.progress().failed, None);
    card.sleeping.store(false, Ordering::SeqCst);
    assert_eq!(until(&feeder, ended).read, 500);

    let card = Card::new();
    card.sleeping.store(true, Ordering::SeqCst);
    let feeder = card.feed("mps2-an386", frames, options);
    feeder.ready();
    let progress = until(&feeder, ended);
    // 170 frames of 60 + 8 octets would be 3,060 words: the words bind.
    let under_way = 2600 / 18;
    assert_eq!(
        progress.failed,
        Some(FeedError::Stalled {
            board: "qemu-mps2-an386",
            seconds: 2,
            sent: under_way,
            read: 0,
        })
    );
}

#[test]
fn it_stands_still_for_a_reset_and_goes_on_after() {
    let card = Card::new();
    let frames = (0..5000).map(|n| frame(n, 60)).collect();
    let options = FeedOptions {
        pace: Pace::PerSecond(20_000),
        ..FeedOptions::default()
    };
    let feeder = card.feed("mps2-an386", frames, options);
    feeder.ready();
    until(&feeder, |p| p.sent > 300);
    feeder.hold();
    until(&feeder, |_| feeder.held());
    let before = feeder.progress();
    assert_eq!(before.sent, before.read);
    assert!(before.sent < 5000);
    // The board boots anew: its counter starts at 0.
    card.counter.store(0, Ordering::SeqCst);
    feeder.release_after_reset();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(
        feeder.progress().sent,
        before.sent,
        "it waits for the board"
    );
    feeder.ready();
    let progress = until(&feeder, ended);
    assert_eq!(progress.failed, None);
    assert_eq!((progress.frames, progress.read), (5000, 5000));
    assert_eq!(card.seen.lock().unwrap().len(), 5000);
}

#[test]
fn a_reset_behind_our_back_is_told() {
    let card = Card::new();
    let frames = (0..100_000).map(|n| frame(n, 60)).collect();
    let feeder = card.feed("mps2-an386", frames, FeedOptions::default());
    feeder.ready();
    until(&feeder, |p| p.read > 1000);
    card.counter.store(0, Ordering::SeqCst);
    let progress = until(&feeder, ended);
    assert!(matches!(progress.failed, Some(FeedError::Overrun { .. })));
}

#[test]
fn finishing_early_leaves_nothing_under_way() {
    let card = Card::new();
    let options = FeedOptions {
        pace: Pace::PerSecond(5000),
        ..FeedOptions::default()
    };
    let frames = (0..100_000).map(|n| frame(n, 60)).collect();
    let feeder = card.feed("mps2-an386", frames, options);
    feeder.ready();
    until(&feeder, |p| p.sent > 100);
    feeder.finish();
    let progress = until(&feeder, ended);
    assert_eq!(progress.failed, None);
    assert!(progress.frames < 100_000);
    assert_eq!(progress.frames, progress.sent);
    assert_eq!(progress.sent, progress.read);
    assert_eq!(card.seen.lock().unwrap().len() as u64, progress.read);
}

#[test]
fn the_pace_of_the_capture_is_kept() {
    let card = Card::new();
    // 400 ms of capture, at twice the speed.
    let frames = (0..5)
        .map(|n| FeedFrame {
            at_us: 7_000_000 + u64::from(n) * 100_000,
            ..frame(n, 60)
        })
        .collect();
    let options = FeedOptions {
        pace: Pace::Capture(2.0),
        ..FeedOptions::default()
    };
    let feeder = card.feed("lm3s6965evb", frames, options);
    let start = Instant::now();
    feeder.ready();
    assert_eq!(until(&feeder, ended).read, 5);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_quiet_feed_holds_nothing_back_and_does_as_it_is_told() {
    let card = Card::new();
    let (give, take) = std::sync::mpsc::channel();
    // Frames come when they come; nothing does, over and over.
    let frames =
        std::iter::from_fn(move || Some(Ok(take.recv_timeout(Duration::from_millis(5)).ok())));
    let feeder = card.feed_live("mps2-an386", frames, FeedOptions::default());
    feeder.ready();
    // Far less than is gathered for a write.
    give.send(frame(1, 60)).unwrap();
    assert_eq!(until(&feeder, |p| p.read == 1).frames, 1);
    feeder.hold();
    until(&feeder, |_| feeder.held());
    give.send(frame(2, 60)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(feeder.progress().sent, 1);
    feeder.release();
    assert_eq!(until(&feeder, |p| p.read == 2).failed, None);
    feeder.finish();
    let progress = until(&feeder, ended);
    assert_eq!((progress.done, progress.sent, progress.read), (true, 2, 2));
}

#[test]
fn unreadable_input_and_a_broken_wire_end_the_feed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let start = |wire, frames: Vec<Result<Option<FeedFrame>, String>>| {
        let feeder = Feeder::start(
            board("lm3s6965evb").unwrap(),
            true,
            NetStream::Unix(wire),
            Box::new(frames.into_iter()),
            Box::new(|| Err("no answer".to_owned())),
            FeedOptions::default(),
        )
        .unwrap();
        feeder.ready();
        until(&feeder, ended).failed
    };
    let failed = start(ours, vec![Err("x.pcap: cut at 7".to_owned())]);
    assert_eq!(
        failed,
        Some(FeedError::Input("x.pcap: cut at 7".to_owned()))
    );
    drop(theirs);
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let failed = start(ours, vec![Ok(Some(frame(0, 60)))])
        .unwrap()
        .to_string();
    assert!(failed.contains("lm3s6965evb"), "{failed}");
}

#[test]
fn dropping_it_ends_a_write_that_waits() {
    // A card that never takes anything: the socket fills up.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let frames = (0..200_000).map(|n| Ok(Some(frame(n, 1000))));
    let feeder = Feeder::start(
        board("lm3s6965evb").unwrap(),
        true,
        NetStream::Unix(ours),
        Box::new(frames),
        Box::new(|| Ok(0)),
        FeedOptions::default(),
    )
    .unwrap();
    feeder.ready();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    drop(feeder);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(theirs);
}
