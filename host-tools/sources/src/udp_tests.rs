use std::io::Cursor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use magpie_collector::{Limits, Picture, State};

use super::*;
use crate::tests::{capture, options};
use crate::{DriveOptions, FlushOutcome, InProcess, Lane, Notice, SensorOptions, Stop, drive};

/// A batch of this run with nothing in it.
fn batch(boot_id: u32) -> Vec<u8> {
    let mut out = vec![0; Header::OCTETS];
    out[0] = magpie_protocol::VERSION_MAJOR;
    out[1] = magpie_protocol::VERSION_MINOR;
    // Live.
    out[2] = 1;
    out[4..8].copy_from_slice(&boot_id.to_le_bytes());
    out
}

fn crowd() -> Crowd {
    Crowd {
        followed: None,
        others: BTreeSet::new(),
        counts: DatagramCounts::default(),
        garbage: None,
    }
}

#[test]
fn the_first_sensor_is_followed_until_it_is_gone() {
    let [a, b, c] = [1, 2, 3].map(|n| SocketAddr::from(([10, 0, 0, n], 4739)));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut crowd = crowd();
    let steps = [
        (a, 1, 0, Verdict::Follow(None)),
        (a, 1, 1, Verdict::Batch),
        (b, 2, 2, Verdict::Other),
        (b, 2, 3, Verdict::Drop),
        // Rebooted, at its own address.
        (a, 7, 4, Verdict::Batch),
        // The same run from elsewhere: a new address of the same sensor.
        (c, 7, 5, Verdict::Follow(Some(a))),
        (a, 1, 6, Verdict::Other),
        (b, 2, 14, Verdict::Drop),
        (b, 2, 15, Verdict::Follow(Some(c))),
        (c, 7, 16, Verdict::Other),
    ];
    for (n, (from, boot, seconds, verdict)) in steps.into_iter().enumerate() {
        assert_eq!(
            crowd.judge(from, &batch(boot), at(seconds)),
            verdict,
            "step {n}"
        );
    }
    let counts = crowd.counts;
    assert_eq!((counts.batches, counts.others, counts.garbage), (5, 5, 0));
}

#[test]
fn strangers_are_counted_and_neither_followed_nor_kept_without_end() {
    let from = SocketAddr::from(([10, 0, 0, 9], 1));
    let mut crowd = crowd();
    let now = Instant::now();
    let mut other_major = batch(1);
    other_major[0] += 1;
    let mut command = batch(1);
    command[2] = 2;
    let mut long = batch(1);
    long.resize(MAX_BATCH + 1, 0);
    let bad = [&b""[..], b"GET / HTTP/1.1", &other_major, &command, &long];
    for datagram in bad {
        assert_eq!(crowd.judge(from, datagram, now), Verdict::Drop);
    }
    assert_eq!(crowd.counts.garbage, bad.len() as u64);
    assert!(crowd.followed.is_none());
    assert_eq!(crowd.judge(from, &batch(1), now), Verdict::Follow(None));
    let mut named = 0;
    for port in 2..2000 {
        let from = SocketAddr::from(([10, 0, 0, 10], port));
        named += usize::from(crowd.judge(from, &batch(2), now) == Verdict::Other);
    }
    assert_eq!((named, crowd.others.len()), (NAMED, NAMED));
}

/// What a bad network does to a datagram.
#[derive(Clone, Copy)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// Overtaken by the next one.
    Late,
}

/// A sensor that counts a capture and speaks over UDP to `host`, through a
/// network that is as `fate` says.
fn sensor(host: SocketAddr, frames: u32, fate: fn(u32) -> Fate, end: &AtomicBool) {
    let file = Cursor::new(capture(frames, 300));
    // A sensor that says nothing unasked cannot be asked over UDP: as boards
    // do, it shows its ledger now and then.
    let options = SensorOptions {
        live: Duration::from_millis(100),
        ..options()
    };
    let mut core = InProcess::new("sensor", "x.pcap", file, &options).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut held: Option<Vec<u8>> = None;
    let mut buffer = [0; 2048];
    for n in 0.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        while let Ok((len, _)) = socket.recv_from(&mut buffer) {
            core.send(&buffer[..len]).unwrap();
        }
        let Incoming::Batch(batch) = core.receive(Duration::from_millis(5)).unwrap() else {
            continue;
        };
        let send = |batch: &[u8]| {
            // What the socket has no room for is lost on the way.
            let _ = socket.send_to(batch, host);
        };
        match fate(n) {
            Fate::Arrives => send(&batch),
            Fate::Lost => {}
            Fate::Twice => {
                send(&batch);
                send(&batch);
            }
            Fate::Late => {
                held = Some(batch);
                continue;
            }
        }
        if let Some(late) = held.take() {
            send(&late);
        }
    }
}

fn run(fate: fn(u32) -> Fate) {
    const FRAMES: u32 = 4000;
    let source = Datagrams::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = source.local_addr().unwrap();
    assert_eq!(source.name(), format!("udp://{host}"));
    let end = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&end);
    let sensor = std::thread::spawn(move || sensor(host, FRAMES, fate, &ended));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let picture = Arc::new(Mutex::new(Picture::new("test", Limits::EXACT)));
    let lane = Lane {
        source: Box::new(source),
        picture: Arc::clone(&picture),
        record: None,
    };
    let stop = Stop::new();
    let started = Instant::now();
    let mut warnings = Vec::new();
    let mut uplink = None;
    let how = DriveOptions {
        refresh: Duration::from_millis(20),
        ..DriveOptions::default()
    };
    let reports = drive(vec![lane], &stop, &how, |notice| match notice {
        Notice::Warning(text) => warnings.push(text.to_owned()),
        Notice::Refresh(shown) => {
            uplink = shown[0].status().uplink;
            let picture = shown[0].picture();
            if picture.hello().is_some() {
                stranger.send_to(b"who is there?", host).unwrap();
                stranger.send_to(&batch(5), host).unwrap();
            }
            // The capture is read by then; and if not, the sums below differ.
            let long = started.elapsed() > Duration::from_secs(2);
            if long && stop.raised() == 0 {
                stop.raise();
            }
        }
    });
    end.store(true, Ordering::Relaxed);
    sensor.join().unwrap();
    let Some(Uplink::Udp { octets, from }) = uplink else {
        panic!("{uplink:?}");
    };
    assert!(octets > u64::from(FRAMES) && from.is_some(), "{uplink:?}");
    let report = &reports[0];
    assert!(report.failure.is_none(), "{:?}", report.failure);
    assert_eq!(report.flush, FlushOutcome::Came);
    let picture = picture.lock().unwrap();
    let books = picture.books(None);
    assert_eq!(books.counted, u64::from(FRAMES), "{books}");
    let packets: u64 = picture
        .flows()
        .sorted()
        .iter()
        .map(|(_, sums)| sums.packets())
        .sum();
    assert_eq!(packets, u64::from(FRAMES), "{books}");
    assert!(
        !matches!(books.state, State::Open { .. }),
        "{books} {:?}",
        books.broken
    );
    for part in [
        "a sensor sends from",
        "another sensor sends from",
        "no sensor of ours",
    ] {
        let told = warnings.iter().filter(|w| w.contains(part)).count();
        assert_eq!(told, 1, "{part}: {warnings:?}");
    }
}

#[test]
fn a_sensor_over_udp_gives_the_whole_picture() {
    run(|_| Fate::Arrives);
}

#[test]
fn lost_repeated_and_overtaken_datagrams_change_nothing() {
    run(|n| match n % 11 {
        0 | 7 => Fate::Lost,
        3 => Fate::Twice,
        5 => Fate::Late,
        _ => Fate::Arrives,
    });
}

#[test]
fn addresses_that_cannot_be_listened_at_say_what_to_do() {
    let taken = Datagrams::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let said = |address| Datagrams::bind(address).err().unwrap().to_string();
    let in_use = said(address);
    assert!(
        in_use.contains(&address.to_string()) && in_use.contains("another program"),
        "{in_use}"
    );
    // TEST-NET-1: nobody has it.
    let foreign = said("192.0.2.1:4739".parse().unwrap());
    assert!(foreign.contains("udp://0.0.0.0:PORT"), "{foreign}");
}
