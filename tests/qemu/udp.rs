//! Boards that speak: the capture on the mirrored wire and the records on the
//! same cable, and what the sensor itself says told apart.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use magpie_collector::State;
use magpie_emulator::{Board, BoardClock, BootBlock, Image, Network};
use magpie_protocol::{Ledger, NetState};
use magpie_sources::QemuOptions;
use magpie_tests::corpus::{self, Capture, own, own_named};
use magpie_tests::program::{self, stderr};
use magpie_tests::truth::{Level, compare};
use magpie_tests::udp::board::ETHERNET;
use magpie_tests::udp::own::{Said, addressed_to, without};
use magpie_tests::udp::{self, SpeakingBoard, Wiring};
use magpie_tests::{answer, boards};

on_each_board!(
    captures_over_udp,
    an_address_by_dhcp,
    a_host_that_is_learnt,
    a_hub_and_a_forger,
    the_program_listens_on_a_real_socket,
    without_a_lease_records_stay_on_the_serial_line
);

/// Least captures of a corpus that must be run.
const CORPUS_RUNS: usize = 8;
/// Captures of more frames are left to the serial line.
const MOST_FRAMES: u64 = 4_000;

/// Captures that both boards take whole, and not too long: the feed waits for
/// the board again and again.
fn chosen() -> Vec<Capture> {
    let fits = |c: &Capture| c.truth().frames <= MOST_FRAMES && boards::fits(c);
    let mut all: Vec<Capture> = own().into_iter().filter(fits).collect();
    assert!(all.iter().any(|c| c.name == "lab.pcap"));
    if let Some(corpus) = corpus::corpus() {
        let some: Vec<Capture> = corpus
            .into_iter()
            .filter(|c| c.truth().frames >= 50 && fits(c))
            .take(CORPUS_RUNS)
            .collect();
        assert_eq!(some.len(), CORPUS_RUNS, "too few captures fit the boards");
        all.extend(some);
    }
    all
}

/// A run, held against the truth; its ledger and what passed.
fn exact(board: &'static Board, capture: &Capture, wiring: Wiring) -> (Ledger, udp::Passed) {
    let what = format!("{} {} {wiring:?}", board.name, capture.name);
    let truth = capture.truth();
    let (outcome, passed) = SpeakingBoard::start(board, capture, wiring).run();
    let ledger = outcome.picture.ledger().expect("a flushed sensor's ledger");
    let counted = ledger.counted.frames;
    let books = outcome
        .picture
        .books(Some(&passed.offered(&[Some(counted)])));
    assert_eq!(
        books.state,
        State::Closed,
        "{what}: {books} {:?} {:?}",
        books.broken,
        books.doubts
    );
    let own = passed.counted(counted);
    let mut got = answer::of(&outcome.picture);
    without(&mut got, own);
    let differences = compare(&truth, &got, Level::Sums);
    assert!(
        differences.is_empty(),
        "{what}: {} differences; first: {}",
        differences.len(),
        differences[0]
    );
    assert_eq!(ledger.own_rx, addressed_to(own, ETHERNET), "{what}");
    (ledger, passed)
}

fn captures_over_udp(board: &'static Board) {
    let captures = chosen();
    for capture in &captures {
        let (ledger, passed) = exact(board, capture, Wiring::default());
        assert_eq!((ledger.own_tx, ledger.forged), (0, 0), "{}", capture.name);
        assert_eq!(passed.kinds(), [Said::Arp, Said::Export]);
    }
    println!("{}: {} captures over UDP", board.name, captures.len());
}

fn an_address_by_dhcp(board: &'static Board) {
    let wiring = Wiring {
        dhcp: true,
        ..Wiring::default()
    };
    let (_, passed) = exact(board, &own_named("lab.pcap"), wiring);
    assert_eq!(passed.leases, 1);
    assert_eq!(passed.kinds(), [Said::Arp, Said::Dhcp, Said::Export]);
}

/// One board is enough: what is built in is the node's matter.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn settings_that_were_built_in() {
    let wiring = Wiring {
        built_in: true,
        ..Wiring::default()
    };
    let board = boards::ready("mps2-an386");
    let (_, passed) = exact(board, &own_named("lab.pcap"), wiring);
    assert_eq!(passed.kinds(), [Said::Arp, Said::Export]);
}

fn a_host_that_is_learnt(board: &'static Board) {
    let wiring = Wiring {
        host_unknown: true,
        ..Wiring::default()
    };
    exact(board, &own_named("lab.pcap"), wiring);
}

/// On a hub the sensor sees what it sends: its own, as many as it sent. More
/// than that under its address is somebody else's.
fn a_hub_and_a_forger(board: &'static Board) {
    let wiring = Wiring {
        hub: true,
        forged: 7,
        ..Wiring::default()
    };
    let (ledger, passed) = exact(board, &own_named("lab.pcap"), wiring);
    assert_eq!(ledger.forged, 7);
    let sent = passed.said.len() as u64;
    assert!(
        ledger.own_tx > 10 && ledger.own_tx <= sent,
        "{} of {sent}",
        ledger.own_tx
    );
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program as a user runs it, `magpie watch udp://…`, and a board behind
/// QEMU's own network, which gives it a lease and carries its datagrams here.
fn the_program_listens_on_a_real_socket(board: &'static Board) {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = free.expect("a free port").port();
    let mut watch = Command::new(program::path())
        .args([
            "watch",
            &format!("udp://127.0.0.1:{port}"),
            "--format",
            "json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let image = Image::open(&udp::image(board)).unwrap_or_else(|e| panic!("{e}"));
    let network = Network {
        // What QEMU's network calls this machine.
        host: Some(std::net::SocketAddrV4::new([10, 0, 2, 2].into(), port)),
        ..Network::default()
    };
    let boot = BootBlock::new(None, BoardClock::Own, network).unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().expect("a folder");
    let boot_file = folder.path().join("boot");
    std::fs::write(&boot_file, boot.encode()).expect("a folder of ours");
    let loader = format!(
        "loader,file={},addr={:#x},force-raw=on",
        boot_file.display(),
        image.boot
    );
    let qemu = Command::new("qemu-system-arm")
        .args(["-M", board.machine, "-display", "none", "-monitor", "none"])
        .args(["-serial", "null", "-nic", "user", "-device", &loader])
        .arg("-kernel")
        .arg(&image.path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _qemu = Running(qemu.expect("QEMU runs"));
    let mut out = BufReader::new(watch.stdout.take().expect("a pipe"));
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut first = String::new();
        out.read_line(&mut first).expect("a line of JSON");
        let _ = tell.send(());
        out.lines().map_while(Result::ok).collect::<Vec<String>>()
    });
    let heard = told.recv_timeout(Duration::from_mins(1));
    std::thread::sleep(Duration::from_secs(2));
    let end = Command::new("kill")
        .args(["-INT", &watch.id().to_string()])
        .status();
    assert!(end.expect("kill").success());
    let lines = reader.join().expect("it only reads");
    assert!(heard.is_ok(), "no sensor was heard: {lines:?}");
    let output = watch.wait_with_output().expect("a child of ours");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let books = lines
        .iter()
        .rev()
        .find(|line| line.contains(r#""type":"books""#))
        .expect("the books at the end");
    let books: serde_json::Value = serde_json::from_str(books).expect("an object");
    let number = |name: &str| {
        books[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {books}"))
    };
    assert!(number("own") > 0, "{books}");
    assert!(number("acked") > 0, "{books}");
    assert_eq!(number("acked"), number("records"), "{books}");
}

/// Nobody answers the board's DHCP: it goes on as if it were silent, and says so
/// after ten seconds.
fn without_a_lease_records_stay_on_the_serial_line(board: &'static Board) {
    let capture = own_named("lab.pcap");
    let mut options = QemuOptions::default();
    options.emulator.image = Some(udp::image(board));
    // A port that speaks makes nobody wait; and the feed outlasts the ten seconds.
    let frames = u32::try_from(capture.truth().frames).expect("a short capture");
    options.feed.pace = magpie_emulator::Pace::PerSecond(frames / 15);
    let source = boards::start(board, &capture, &options);
    let outcome = boards::run(Box::new(source), |_, _| {}).sound(board.name);
    let books = outcome.books();
    assert_eq!(books.state, State::Closed, "{}: {books}", board.name);
    let got = answer::of(&outcome.picture);
    assert_eq!(
        compare(&capture.truth(), &got, Level::Sums),
        [],
        "{}",
        board.name
    );
    let port = outcome.picture.port().expect("a board has a port");
    assert_eq!(port.net, NetState::NoLease, "{}", board.name);
    let told = "no DHCP lease in 10 s; records stay on the serial line";
    let told = outcome
        .warnings
        .iter()
        .filter(|text| text.contains(told))
        .count();
    assert_eq!(told, 1, "{}: {:?}", board.name, outcome.warnings);
}
