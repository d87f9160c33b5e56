//! Which packets are chosen, beside tcpdump: the whole program's way from file
//! to file, and through a board.

use std::fs;
use std::path::Path;

use magpie_tests::corpus;

use crate::readers::{blocks, capinfos, magpie, packets, rewritten, tcpdump_says, tshark};

/// Each asks for something else of the program: an offset, a list of words, a
/// length, a program of its own. (Hundreds more: `tests/filter`.)
const EXPRESSIONS: &[&str] = &[
    "tcp port 80 or udp port 53",
    "not ip",
    "ip6 and not tcp",
    "host 10.0.10.23 and port 443",
    "greater 200",
    "less 64 or ether multicast",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "icmp or icmp6 or arp",
    "ip[6:2] & 0x1fff != 0",
    "vlan and host 10.0.10.23",
    "vlan 10 or pppoes or mpls",
    "src net 10.0.0.0/8 and not dst port 53",
];

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

#[test]
#[ignore = "needs tcpdump, libpcap: cargo verify runs it"]
fn the_packets_that_tcpdump_chooses() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    for (n, capture) in corpus::all().iter().enumerate() {
        // Of a large corpus each file has its share of them.
        let few = capture
            .path
            .metadata()
            .is_ok_and(|about| about.len() > 1 << 22);
        let share = EXPRESSIONS.iter().enumerate();
        for (_, expression) in share.filter(|(m, _)| !few || m % 6 == n % 6) {
            let what = format!("{}: {expression}", capture.name);
            let words = [
                "-r",
                text(&capture.path),
                "--no-vlan",
                "-w",
                text(&out),
                "--force",
            ];
            let words: Vec<_> = words.into_iter().chain(expression.split(' ')).collect();
            let (said, _) = magpie(0, &words);
            assert!(said.contains("books CLOSED "), "{what}: {said}");
            assert!(
                rewritten(&out, &[]) == rewritten(&capture.path, &[expression]),
                "{what}"
            );
        }
    }
}

#[test]
#[ignore = "needs tcpdump, libpcap: cargo verify runs it"]
fn an_expression_may_stand_in_a_file_and_be_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, one, two) = ("expression", "one", "two");
    let [file, one, two] = [file, one, two].map(|name| folder.path().join(name));
    fs::write(&file, "udp port 53\n").expect("a file");
    let lab = corpus::own_folder().join("lab.pcap");
    // What else is said does not count, as in tcpdump.
    magpie(
        0,
        &["-r", text(&lab), "-F", text(&file), "-w", text(&one), "arp"],
    );
    magpie(0, &["-r", text(&lab), "-w", text(&two), "udp port 53"]);
    assert_eq!(packets(&one), packets(&two));
    assert!(!packets(&one).is_empty());
    assert!(capinfos(&one).contains("udp port 53"), "{}", capinfos(&one));
    for how in ["-d", "-dd", "-ddd"] {
        let (_, ours) = magpie(0, &[how, "-s", "262144", "udp", "port", "53"]);
        assert_eq!(
            String::from_utf8_lossy(&ours),
            tcpdump_says(&[how, "udp port 53"])
        );
    }
    let (said, _) = magpie(2, &["-r", text(&lab), "udp", "prt", "53"]);
    assert!(
        said.contains("`udp prt 53`") && said.contains("syntax error"),
        "{said}"
    );
}

#[test]
#[ignore = "needs tcpdump, libpcap: cargo verify runs it"]
fn tags_do_not_hide_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let vlan = corpus::own_folder().join("vlan.pcap");
    let count = |words: &[&str]| {
        magpie(
            0,
            &[&["-r", text(&vlan), "-w", text(&out), "--force"], words].concat(),
        );
        packets(&out).len()
    };
    let all = packets(&vlan).len();
    let (is, is_not) = (count(&["ip"]), count(&["not", "ip"]));
    assert_eq!(is + is_not, all);
    // Nearly all are tagged: so tcpdump sees hardly any IP.
    let literal = count(&["--no-vlan", "ip"]);
    assert!(is > literal, "{is} {literal}");
    // An expression that speaks of tags sees them.
    assert_eq!(count(&["vlan"]), count(&["--no-vlan", "vlan"]));
}

#[test]
#[ignore = "needs QEMU, tcpdump, libpcap: cargo verify runs it"]
fn through_a_board_come_the_packets_that_tcpdump_chooses() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, expression) in [
        ("lab.pcap", "udp port 53"),
        ("lab.pcap", "tcp and greater 1000"),
        ("vlan.pcap", "vlan"),
    ] {
        let capture = corpus::own_folder().join(name);
        let out = folder.path().join("out");
        let source = format!("qemu:mps2-an386,feed={}", text(&capture));
        let words = [
            "-i",
            &source,
            "--no-vlan",
            "-w",
            text(&out),
            "--force",
            expression,
        ];
        let (said, _) = magpie(0, &words);
        assert!(
            rewritten(&out, &[]) == rewritten(&capture, &[expression]),
            "{name} {said}"
        );
        let n = packets(&out).len();
        let books = format!(
            "books CLOSED received={n} kept={n} filtered=0 beyond=0 dropped=0 unaccounted=0"
        );
        assert!(n > 0 && said.contains(&books), "{said}");
        assert!(said.contains("0 packets dropped by sensor"), "{said}");
        assert_eq!(tshark(&out, &[]).len(), n);
        blocks(&out);
        let about = capinfos(&out);
        assert!(
            about.contains(&format!("Filter string  = {expression}")) || about.contains(expression),
            "{about}"
        );
        assert!(about.contains("qemu-mps2-an386"), "{about}");
    }
    // Enough is enough.
    let lab = corpus::own_folder().join("lab.pcap");
    let source = format!("qemu:mps2-an386,feed={}", text(&lab));
    let out = folder.path().join("few");
    let (said, _) = magpie(0, &["-i", &source, "-w", text(&out), "-c", "5", "-s", "40"]);
    let first = packets(&lab);
    let got = packets(&out);
    assert_eq!(got.len(), 5, "{said}");
    for (got, whole) in got.iter().zip(&first) {
        assert_eq!((got.0 / 1000, got.1), (whole.0 / 1000, whole.1));
        assert_eq!(got.2, whole.2[..whole.2.len().min(40)]);
    }
}

#[test]
#[ignore = "needs QEMU: cargo verify runs it"]
fn what_a_sensor_cannot_is_told() {
    let lab = corpus::own_folder().join("lab.pcap");
    let source = format!("qemu:lm3s6965evb,feed={}", text(&lab));
    let (said, _) = magpie(2, &["-i", &source, "--count"]);
    assert!(said.contains("does not run the filter"), "{said}");
}
