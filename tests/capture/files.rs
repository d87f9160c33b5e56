//! Every file it writes, read by others.

use std::fs;
use std::path::{Path, PathBuf};

use magpie_capture::write::{About, Files, InterfaceInfo, OUTBOUND, Packet, Rotation, Statistics};
use magpie_tests::corpus;

use crate::readers::{blocks, capinfos, fields, magpie, packets, rewritten, tshark};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn own(name: &str) -> PathBuf {
    corpus::own_folder().join(name)
}

#[test]
#[ignore = "needs tcpdump, tshark: cargo verify runs it"]
fn a_copy_of_every_capture_is_the_capture() {
    let folder = tempfile::tempdir().expect("a folder");
    for (n, capture) in corpus::all().iter().enumerate() {
        let want = rewritten(&capture.path, &[]);
        for (form, suffix) in [("pcapng", "ng"), ("nsecpcap", "ns")] {
            let copy = folder.path().join(format!("{n}.{suffix}"));
            let words = [
                "-r",
                text(&capture.path),
                "--no-vlan",
                "--file-format",
                form,
                "-w",
            ];
            let (said, _) = magpie(0, &[&words[..], &[text(&copy)]].concat());
            assert!(said.contains("books CLOSED "), "{}: {said}", capture.name);
            assert!(rewritten(&copy, &[]) == want, "{}: {form}", capture.name);
            // Of large ones once is enough for tshark.
            if want.len() < 1 << 20 {
                let count = tshark(&copy, &[]).len();
                assert_eq!(count, packets(&copy).len(), "{}", capture.name);
                capinfos(&copy);
            }
            fs::remove_file(copy).expect("a file of ours");
        }
    }
}

/// A pcapng file of two interfaces, with drops, a comment, directions.
fn telling(folder: &Path) -> PathBuf {
    let file = folder.join("telling");
    let interface = |name: &str| InterfaceInfo {
        name: Some(name.into()),
        description: Some(format!("{name}, at the uplink")),
        snap_len: 96,
        ..InterfaceInfo::default()
    };
    let interfaces = vec![interface("north"), interface("south")];
    let about = About::default();
    let mut files = Files::create(Rotation::none(&file), about, interfaces, 0).expect("a file");
    for (n, (interface, dropped, comment)) in [
        (0, 0, None),
        (1, 7, Some("after a gap")),
        (0, 3, None),
        (1, 2, None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut octets = [0; 60];
        octets[12..14].copy_from_slice(if n == 2 { &[0x08, 0x06] } else { &[0x88, 0xb5] });
        files
            .write(&Packet {
                interface,
                at_ns: 1_700_000_000_000_000_000 + n as u64 * 1_500,
                wire_len: 60 + u32::try_from(n).expect("a few"),
                octets: &octets,
                flags: OUTBOUND,
                dropped,
                comment,
            })
            .expect("room");
    }
    files.close(&[Statistics::default(); 2]).expect("room");
    file
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn drops_comments_and_statistics_are_seen_by_tshark() {
    let folder = tempfile::tempdir().expect("a folder");
    let given = telling(folder.path());
    let out = folder.path().join("out");
    let (said, _) = magpie(0, &["-r", text(&given), "-w", text(&out)]);
    let books = "books CLOSED received=4 kept=4 filtered=0 beyond=0 dropped=0 unaccounted=0";
    assert!(said.trim_end().ends_with(books), "{said}");
    let of = [
        "frame.interface_name",
        "frame.drop_count",
        "frame.comment",
        "frame.packet_flags",
    ];
    let sent = "0x00000002";
    assert_eq!(
        fields(&out, &of),
        [
            ["north", "", "", sent],
            ["south", "7", "after a gap", sent],
            ["north", "3", "", sent],
            ["south", "2", "", sent],
        ]
    );
    let verbose = tshark(&out, &["-V"]).join("\n");
    assert!(verbose.contains("Drop Count: 7"), "{verbose}");
    let blocks = blocks(&out);
    for line in [
        "Block: Interface Statistics Block",
        "Number of Received Packets: 2",
        "Number of Accepted by Filter Packets: 2",
        "Number of Delivered to the User Packets: 2",
    ] {
        let count = blocks
            .iter()
            .filter(|found| found.starts_with(line))
            .count();
        assert_eq!(count, 2, "{line}: {blocks:#?}");
    }
    let about = capinfos(&out);
    assert!(about.contains("Capture application: magpie "), "{about}");
    assert!(
        about.contains("Description = south, at the uplink"),
        "{about}"
    );
    assert!(about.contains("Capture length = 96"), "{about}");
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn several_files_become_one_in_the_order_of_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lab, vlan) = (own("lab.pcap"), own("vlan.pcap"));
    let out = folder.path().join("out");
    let words = ["-r", text(&vlan), "-r", text(&lab), "-w", text(&out)];
    let (said, _) = magpie(0, &words);
    assert!(said.contains("books CLOSED "), "{said}");
    let (a, b) = (packets(&lab), packets(&vlan));
    let mut want = [&a[..], &b].concat();
    let mut got = packets(&out);
    assert!(got.is_sorted_by_key(|packet| packet.0));
    want.sort();
    got.sort();
    assert!(want == got);
    let numbers = fields(&out, &["frame.interface_id"]);
    let ones = numbers.iter().filter(|number| number[0] == "1").count();
    assert_eq!((numbers.len() - ones, ones), (b.len(), a.len()));
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn an_anonymized_file_tells_no_address_and_has_right_checksums() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "5b".repeat(32)).expect("a file");
    let of = ["eth.src", "ip.src", "ipv6.src", "arp.src.proto_ipv4"];
    // What a fragment's checksum is over is not in its frame: it is given up.
    let bad = "(ip.checksum.status==0 or tcp.checksum.status==0 or udp.checksum.status==0 or \
               icmp.checksum.status==0 or icmpv6.checksum.status==0) and not ipv6.fraghdr and \
               not ip.fragments";
    let check = [
        "ip.check_checksum:1",
        "tcp.check_checksum:1",
        "udp.check_checksum:1",
    ];
    let check: Vec<_> = check.into_iter().flat_map(|o| ["-o", o]).collect();
    for name in ["lab.pcap", "vlan.pcap", "malformed.pcap"] {
        let given = own(name);
        for payload in [false, true] {
            let out = folder.path().join(format!("{name}.{payload}"));
            let mut words = vec!["-r", text(&given), "-w", text(&out), "--anonymize"];
            words.extend(["--anonymize-key", text(&key)]);
            words.extend(payload.then_some("--anonymize-payload"));
            magpie(0, &words);
            let (old, new) = (fields(&given, &of), fields(&out, &of));
            assert_eq!(old.len(), new.len());
            let known: std::collections::BTreeSet<_> = old
                .iter()
                .flatten()
                .filter(|text| is_somebodys(text))
                .collect();
            assert!(!known.is_empty());
            // Where a packet is malformed, what is behind may be anything.
            if payload && name == "malformed.pcap" {
                continue;
            }
            let told = new.iter().flatten().find(|text| known.contains(text));
            assert_eq!(told, None, "{name}");
            // Nothing is worse than it was.
            let wrong = |file: &Path| {
                let words = [
                    &check[..],
                    &["-Y", bad, "-T", "fields", "-e", "frame.number"],
                ];
                tshark(file, &words.concat())
            };
            if payload {
                assert_eq!(wrong(&given), wrong(&out), "{name}");
            } else {
                let lengths = |file| packets(file).into_iter().map(|packet| packet.1);
                assert!(
                    lengths(&given).eq(lengths(&out)),
                    "lengths on the wire stay"
                );
            }
        }
    }
    // Under one key the same, under others not.
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    for out in [&one, &two] {
        magpie(
            0,
            &[
                "-r",
                text(&own("vlan.pcap")),
                "-w",
                text(out),
                "--anonymize",
            ],
        );
    }
    assert!(packets(&one) != packets(&two));
}

/// An address that is nobody's, or this machine's own, is the same for all.
fn is_somebodys(text: &str) -> bool {
    let nobodys = ["", "0.0.0.0", "::", "00:00:00:00:00:00", "255.255.255.255"];
    !nobodys.contains(&text) && !text.starts_with("127.")
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn packets_are_cut_counted_and_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = own("lab.pcap");
    let out = folder.path().join("out");
    let (said, _) = magpie(
        0,
        &["-r", text(&lab), "-w", text(&out), "-s", "60", "-c", "9"],
    );
    assert!(said.contains("kept=9 "), "{said}");
    let whole = packets(&lab);
    let want: Vec<_> = whole[..9]
        .iter()
        .map(|(at, wire, octets)| (*at, *wire, octets[..octets.len().min(60)].to_vec()))
        .collect();
    assert_eq!(packets(&out), want);
    assert!(capinfos(&out).contains("Capture length = 60"));
    let (_, counted) = magpie(0, &["-r", text(&lab), "--count"]);
    assert_eq!(counted, format!("{} packets\n", whole.len()).into_bytes());
    // As it comes.
    let (_, piped) = magpie(0, &["-r", text(&lab), "-w", "-"]);
    let file = folder.path().join("piped");
    fs::write(&file, piped).expect("a file");
    assert_eq!(packets(&file), whole);
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn tshark_prints_what_is_too_deep_for_us() {
    let lab = own("lab.pcap");
    let (said, printed) = magpie(0, &["-r", text(&lab), "-n", "-c", "50", "--decode"]);
    let printed = String::from_utf8_lossy(&printed);
    // Our times have more digits.
    let words = |line: &str| -> Vec<String> {
        let words = line.split_whitespace().enumerate();
        let kept = words.filter(|(n, _)| *n != 1);
        kept.map(|(_, word)| word.to_owned()).collect()
    };
    let ours: Vec<_> = printed.lines().map(words).collect();
    let whole = tshark(&lab, &["-c", "50"]);
    let theirs: Vec<_> = whole.iter().map(|line| words(line)).collect();
    assert_eq!(ours, theirs, "{said}");
    assert!(said.contains("kept=50 "), "{said}");
}
