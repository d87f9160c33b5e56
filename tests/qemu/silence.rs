//! The switch's side of the mirror link: what comes out of the sensor's port
//! in the first minute after boot. QEMU's clock runs ahead of ours where the
//! board sleeps, so a minute takes seconds.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use magpie_emulator::{Board, BoardClock, Emulator, Network, Options, Wire};
use magpie_link::{Deframer, Header, MAX_BATCH};
use magpie_protocol::{Items, Record, decode_record};
use magpie_tests::udp;
use magpie_tests::udp::board::{ETHERNET, PORT};
use magpie_tests::udp::host::{BOARD, HOST, Host, PREFIX};
use magpie_tests::udp::own::{Said, said};

on_each_board!(
    nothing_at_all_by_default,
    a_speaking_port_says_no_more_than_it_must
);

const MINUTE_US: u64 = 60_000_000;
/// It takes seconds; the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(4);

/// A minute of a board's life: what it sent, and how many frames it counted.
struct Minute {
    sent: Vec<Vec<u8>>,
    counted: u64,
}

/// The sensor's clock and its count of frames, as its ledgers tell.
#[derive(Default)]
struct Told {
    at_us: AtomicU64,
    counted: AtomicU64,
}

impl Told {
    fn take(&self, batch: &[u8]) {
        let Ok((_, octets)) = Header::parse(batch) else {
            return;
        };
        for item in Items::new(octets).flatten() {
            if let Ok(Record::Ledger(ledger)) = decode_record(item) {
                self.at_us.fetch_max(ledger.at_us, Relaxed);
                self.counted.fetch_max(ledger.counted.frames, Relaxed);
            }
        }
    }
}

/// Frames that ask for an answer, one of each kind: ARP for any address, a
/// ping and a datagram to the board's Ethernet address, IPv6 neighbour
/// solicitation, a lease that nobody asked for, PAUSE.
fn temptations() -> Vec<Vec<u8>> {
    let stranger = [2, 0, 0, 0, 0, 0x77];
    let frame = |to: [u8; 6], kind: [u8; 2], payload: &[u8]| {
        let mut frame = [&to[..], &stranger, &kind, payload].concat();
        frame.resize(frame.len().max(60), 0);
        frame
    };
    let ip = |protocol: u8, payload: &[u8]| {
        let total = u8::try_from(20 + payload.len()).expect("short");
        let mut packet = vec![0x45, 0, 0, total, 0, 1, 0, 0, 64, protocol, 0, 0];
        packet.extend([10, 99, 0, 77]);
        packet.extend(BOARD.octets());
        let sum: u32 = packet
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("a short header");
        packet[10..12].copy_from_slice(&(!folded).to_be_bytes());
        packet.extend(payload);
        packet
    };
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(stranger);
    arp.extend([10, 99, 0, 77, 0, 0, 0, 0, 0, 0]);
    arp.extend(BOARD.octets());
    let ping = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    let datagram = [0, 99, 0, 7, 0, 8, 0, 0];
    let mut solicitation = vec![0x60, 0, 0, 0, 0, 24, 58, 255];
    solicitation.resize(40 + 24, 0xfe);
    vec![
        frame([0xff; 6], [8, 6], &arp),
        frame(ETHERNET.0, [8, 0], &ip(1, &ping)),
        frame(ETHERNET.0, [8, 0], &ip(17, &datagram)),
        frame([0xff; 6], [8, 0], &ip(1, &ping)),
        frame([0x33, 0x33, 0xff, 0, 0, 2], [0x86, 0xdd], &solicitation),
        frame([1, 0x80, 0xc2, 0, 0, 1], [0x88, 8], &[0, 1, 0xff, 0xff]),
    ]
}

fn watch(board: &'static Board, image: Option<PathBuf>, network: Network, host: bool) -> Minute {
    let options = Options {
        image,
        network,
        clock: BoardClock::Own,
        icount: Some("shift=7,sleep=off".into()),
        ..Options::default()
    };
    let mut emulator = Emulator::start(board, &options).unwrap_or_else(|e| panic!("{e}"));
    let mut wire: Wire = emulator.wire().unwrap_or_else(|e| panic!("{e}"));
    let mut line = emulator.uart().unwrap_or_else(|e| panic!("{e}"));
    let told = Arc::new(Told::default());
    let hears = Arc::clone(&told);
    let reader = std::thread::spawn(move || {
        let mut deframer: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = line.read(&mut chunk) {
            for octet in &chunk[..n] {
                if let Some(Ok(batch)) = deframer.push(*octet) {
                    hears.take(batch);
                }
            }
        }
    });
    let mut host = host.then(|| Host::new(true));
    let mut minute = Minute {
        sent: Vec::new(),
        counted: 0,
    };
    let mut tempted_us = 0;
    let since = Instant::now();
    while told.at_us.load(Relaxed) < MINUTE_US {
        assert!(
            since.elapsed() < PATIENCE,
            "{}: only {} us of its first minute have passed",
            board.name,
            told.at_us.load(Relaxed)
        );
        emulator.check().unwrap_or_else(|e| panic!("{e}"));
        // The port is open once it has said a ledger.
        let now_us = told.at_us.load(Relaxed);
        if now_us > tempted_us {
            tempted_us = now_us + 4_000_000;
            for frame in temptations() {
                wire.send(&frame).expect("QEMU takes frames");
            }
        }
        while let Some(frame) = wire
            .receive(Duration::from_millis(1))
            .expect("QEMU gives frames")
        {
            minute.sent.push(frame.clone());
            if let Some(host) = &mut host {
                host.take(frame);
            }
        }
        let Some(host) = &mut host else { continue };
        for frame in host.poll() {
            wire.send(&frame).expect("QEMU takes frames");
        }
        while let Some(batch) = host.receive() {
            told.take(&batch);
        }
    }
    minute.counted = told.counted.load(Relaxed);
    drop((wire, emulator));
    reader.join().expect("it only reads");
    minute
}

fn nothing_at_all_by_default(board: &'static Board) {
    // Settings for a network change nothing in an image that is silent.
    let network = Network {
        host: Some(HOST),
        own: Some((BOARD, PREFIX)),
        gateway: None,
    };
    let minute = watch(board, None, network, false);
    let tempted = u64::try_from(temptations().len()).expect("a few");
    assert!(
        minute.counted >= 5 * tempted,
        "{}: it saw only {} frames",
        board.name,
        minute.counted
    );
    assert_eq!(minute.sent, Vec::<Vec<u8>>::new(), "{}", board.name);
}

fn a_speaking_port_says_no_more_than_it_must(board: &'static Board) {
    let network = |own| Network {
        host: Some(HOST),
        own,
        gateway: None,
    };
    // How far they come in a minute that takes seconds is chance; that records
    // do go out is tested elsewhere, in a time of its own (`udp`).
    for (own, host, allowed) in [
        // Nobody there at all, not even a lease.
        (None, false, vec![Said::Dhcp]),
        // A lease, and a host that never answers what is exported.
        (None, true, vec![Said::Arp, Said::Dhcp, Said::Export]),
        (Some((BOARD, PREFIX)), true, vec![Said::Arp, Said::Export]),
    ] {
        let minute = watch(board, Some(udp::image(board)), network(own), host);
        assert!(!minute.sent.is_empty(), "{} says nothing", board.name);
        for frame in &minute.sent {
            let kind = said(frame, PORT).unwrap_or_else(|e| panic!("{}: {e}", board.name));
            assert!(allowed.contains(&kind), "{}: {kind:?}", board.name);
        }
        assert!(minute.counted > 0, "{}", board.name);
    }
}
