//! What comes back is what tcpdump selects from the same file.

use magpie_emulator::FeedFrame;
use magpie_protocol::{FilterAction, FilterState};
use magpie_tests::boards;
use magpie_tests::corpus::{self, Capture, own, own_named};

use super::{assert_same, capture_action, compiled, read, request, selected, through, write};

/// Least captures of a corpus that must be run.
const CORPUS_RUNS: usize = 12;
/// Larger captures are left out: the board's line carries 300 kB a second.
const MOST_OCTETS: u64 = 1_500_000;

/// What is asked of each capture, in turns.
const EXPRESSIONS: [&str; 6] = [
    "ip or ip6 or arp",
    "tcp port 80 or udp port 53",
    "not tcp",
    "greater 200",
    "icmp or icmp6 or (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0)",
    "",
];

fn chosen() -> Vec<Capture> {
    let small = |c: &Capture| c.truth().frame_bytes <= MOST_OCTETS && boards::fits(c);
    let mut all: Vec<Capture> = own().into_iter().filter(small).collect();
    assert!(all.iter().any(|c| c.name == "vlan.pcap"));
    if let Some(corpus) = corpus::corpus() {
        let some: Vec<Capture> = corpus
            .into_iter()
            .filter(|c| c.truth().frames >= 100 && small(c))
            .take(CORPUS_RUNS)
            .collect();
        assert_eq!(some.len(), CORPUS_RUNS, "too few captures fit the boards");
        all.extend(some);
    }
    all
}

/// The packets that tcpdump selects from the same file.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn what_tcpdump_selects_comes_back() {
    let board = boards::ready("mps2-an386");
    let (mut runs, mut packets) = (0, 0);
    for (n, capture) in chosen().iter().enumerate() {
        let expression = EXPRESSIONS[n % EXPRESSIONS.len()];
        let what = format!("{} '{expression}'", capture.name);
        let want = selected(expression, &capture.path);
        let program = compiled(expression, &capture.path);
        let ran = through(
            board,
            &capture.path,
            request(program, true, capture_action(true)),
        );
        ran.assert_closed(&what);
        assert_same(&what, &ran, &want);
        runs += 1;
        packets += want.len();
    }
    assert!(packets > 1000, "only {packets} packets");
    println!("{runs} captures, {packets} packets as tcpdump selects them");
}

/// Where tags are taken away for the filter, the packets are those that tcpdump
/// selects from the untagged copy, with their tags.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn tags_do_not_hide_packets() {
    let board = boards::ready("mps2-an386");
    let folder = tempfile::tempdir().expect("a folder");
    let capture = own_named("vlan.pcap");
    let frames = read(&capture.path);
    // Times that are all different tell which frame is which.
    let untagged: Vec<FeedFrame> = (0_u64..)
        .zip(&frames)
        .map(|(n, f)| without_tags(f, n))
        .collect();
    assert!(
        frames
            .iter()
            .zip(&untagged)
            .any(|(f, u)| f.octets != u.octets)
    );
    let copy = folder.path().join("untagged.pcap");
    write(&copy, &untagged);
    for expression in [
        "tcp",
        "not tcp",
        "arp or icmp",
        "host 10.0.10.23 and not port 53",
    ] {
        let want: Vec<FeedFrame> = selected(expression, &copy)
            .iter()
            .map(|frame| frames[usize::try_from(frame.at_us).expect("its number")].clone())
            .collect();
        let program = compiled(expression, &copy);
        let ran = through(
            board,
            &capture.path,
            request(program, false, capture_action(true)),
        );
        ran.assert_closed(expression);
        assert_same(expression, &ran, &want);
    }
}

fn without_tags(frame: &FeedFrame, at_us: u64) -> FeedFrame {
    let mut octets = frame.octets.clone();
    while octets.len() >= 16 && matches!(octets[12..14], [0x81 | 0x91, 0] | [0x88, 0xa8]) {
        octets.drain(12..16);
    }
    FeedFrame {
        at_us,
        wire_octets: u32::try_from(octets.len()).expect("short"),
        octets,
    }
}

/// A filter that only counts, one that chooses what the tables see, and limits.
#[test]
#[ignore = "needs QEMU and images: cargo verify runs it"]
fn counting_choosing_and_limits() {
    let board = boards::ready("mps2-an386");
    let capture = own_named("lab.pcap");
    let truth = capture.truth();
    let want = selected("tcp", &capture.path);
    assert!(want.len() > 100);
    let program = || compiled("tcp", &capture.path);
    let octets: u64 = want.iter().map(|f| u64::from(f.wire_octets)).sum();
    for action in [FilterAction::Count, FilterAction::Only] {
        let ran = through(board, &capture.path, request(program(), true, action));
        ran.assert_closed(&format!("{action:?}"));
        let matched = ran.account().matched;
        assert_eq!(
            (matched.frames, matched.octets),
            (want.len() as u64, octets)
        );
        let ledger = ran
            .capture
            .picture()
            .ledger()
            .expect("a flushed sensor's ledger");
        assert_eq!(ledger.counted.frames, truth.frames);
        let filtered = if action == FilterAction::Only {
            truth.frames - want.len() as u64
        } else {
            0
        };
        assert_eq!(ledger.filtered.frames, filtered, "{action:?}");
    }
    let limited = FilterAction::Capture {
        snap_len: 96,
        max_packets: 10,
        max_octets: 0,
        wait: true,
    };
    let ran = through(board, &capture.path, request(program(), true, limited));
    assert_eq!(ran.account().state, FilterState::PacketLimit);
    let cut: Vec<FeedFrame> = want[..10]
        .iter()
        .map(|f| FeedFrame {
            octets: f.octets[..f.octets.len().min(96)].to_vec(),
            ..f.clone()
        })
        .collect();
    assert_same("ten of 96 octets", &ran, &cut);
    assert!(ran.account().is_closed());
}
