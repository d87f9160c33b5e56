//! One line a packet, beside tcpdump: the same captures, the same flags.
//!
//! Whole lines are equal but for what is listed in [`BY_DESIGN`]; behind
//! `length n` tcpdump may say more of an application than we do. Another
//! version of tcpdump than Debian 12's (4.99.3) may word things differently.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use magpie::views::packet::{Dump, LinkType, PacketRef, Printer, Style, Time};
use magpie_capture::Reader;
use magpie_tests::corpus::{self, Capture};

/// Stands for no `-n`: names are wanted.
const NAMED: &str = "names";

/// tcpdump's flags, and ours.
fn styles() -> Vec<(Vec<&'static str>, Style)> {
    let plain = || Style {
        numeric: true,
        ..Style::default()
    };
    let dump = |dump| Style { dump, ..plain() };
    let time = |time| Style { time, ..plain() };
    let verbose = |verbose| Style { verbose, ..plain() };
    let link = Style {
        link: true,
        ..plain()
    };
    let quiet = Style {
        quiet: true,
        ..plain()
    };
    let absolute = Style {
        absolute: true,
        ..plain()
    };
    let nano = Style {
        nanoseconds: true,
        ..plain()
    };
    vec![
        (vec![], plain()),
        (vec!["-e"], link.clone()),
        (vec!["-q"], quiet.clone()),
        (
            vec!["-eq"],
            Style {
                link: true,
                ..quiet
            },
        ),
        (vec!["-S"], absolute),
        (vec!["-v"], verbose(1)),
        (vec!["-vv"], verbose(2)),
        (vec!["-vvv"], verbose(3)),
        (vec!["-ev"], Style { verbose: 1, ..link }),
        (vec!["-x"], dump(Dump::Hex)),
        (vec!["-xx"], dump(Dump::HexLink)),
        (vec!["-X"], dump(Dump::HexAscii)),
        (vec!["-XX"], dump(Dump::HexAsciiLink)),
        (vec!["-A"], dump(Dump::Ascii)),
        (vec!["-AA"], dump(Dump::AsciiLink)),
        (vec!["-t"], time(Time::None)),
        (vec!["-tt"], time(Time::Seconds)),
        (vec!["-ttt"], time(Time::SincePrevious)),
        (vec!["-tttt"], time(Time::Date)),
        (vec!["-ttttt"], time(Time::SinceFirst)),
        (vec!["--nano"], nano),
    ]
}

/// Where our line is another one, and why. The words stand in tcpdump's.
const BY_DESIGN: &[(&str, &str)] = &[
    // Protocols that we only name: what they say is tshark's job.
    ("LLDP, length", "named only"),
    ("STP 802.1", "named only"),
    ("CDPv", "named only"),
    ("UDLDv1", "named only"),
    ("AoE length", "named only"),
    ("Realtek unknown", "named only"),
    ("NSH, ", "named only"),
    ("PAP, Auth", "named only"),
    ("EAPOL ", "named only"),
    ("EAP packet", "named only"),
    ("IPX ", "named only"),
    ("IS-IS, ", "named only"),
    ("CLNP", "named only"),
    ("ES-IS", "named only"),
    ("802.1AE MACsec", "named only"),
    ("[|macsec]", "named only"),
    (": sctp", "named only"),
    ("truncated-sctp", "named only"),
    ("OSPFv", "named only"),
    ("EIGRP", "named only"),
    ("VRRPv", "named only"),
    ("PIMv", "named only"),
    ("mobility: ", "named only"),
    ("RPL, (CLR)", "named only"),
    ("ha discovery re", "named only"),
    ("mobile router", "named only"),
    ("LCP, Conf-", "named only"),
    ("IPCP, ", "named only"),
    ("IP6CP, ", "named only"),
    ("timestamp TS{", "named only"),
    ("options [class ", "named only"),
    ("igmp v3", "named only"),
    ("NFS re", "named only"),
    ("[|isakmp_rfc3948]", "named only"),
    ("RADIUS, ", "named only"),
    ("OSI NLPID", "named only"),
    ("ethertype 802.1AE", "named only"),
    ("ethertype OSI", "named only"),
    // We know more names.
    ("ethertype Unknown (0x8892)", "PROFINET"),
    ("Unknown Ethertype (0x8892)", "PROFINET"),
    ("Type65", "newer types of DNS records"),
    ("Type257", "newer types of DNS records"),
    ("Type50", "newer types of DNS records"),
    // What tcpdump says is not so.
    (
        "bad-len 0",
        "length 0 is segmentation left to the interface",
    ),
    ("|18446744073709551", "a fragment's negative length"),
    ("[No valid Jumbo Payload", "no payload is told as cut"),
    ("802.3LLC", "a comma is missing behind a VLAN tag"),
    ("802.3 [|llc]", "a comma is missing behind a VLAN tag"),
    (
        "[bad length 20] [bad ptr 114]",
        "reads an address beyond its option",
    ),
    ("RRSIG, . (1472)", "does not tell that an answer is cut"),
    (
        "1 A 199.60.103.6, (74)",
        "does not tell that an answer is cut",
    ),
    ("AH(", "tells the ends a second time"),
    ("packet not supported", "takes MPLS payload for CLNP"),
    (": tcp 4294967", "a length below nothing"),
];

/// Lines of packets as tcpdump prints them; it numbers them, so that a packet
/// of several lines is known.
fn theirs(file: &Path, flags: &[&str]) -> Vec<String> {
    let output = Command::new("tcpdump")
        .env("TZ", "UTC")
        // Addresses that a resolver has no name for are not long asked for.
        .env("RES_OPTIONS", "timeout:1 attempts:1")
        .arg("--number")
        .args((!flags.contains(&NAMED)).then_some("-n"))
        .args(flags.iter().filter(|flag| **flag != NAMED))
        .arg("-r")
        .arg(file)
        .output()
        .expect("tcpdump, which `cargo xtask setup` installs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut packets: Vec<String> = Vec::new();
    for line in text.lines() {
        let number = format!("{:5}  ", packets.len() + 1);
        if let Some(line) = line.strip_prefix(&number) {
            packets.push(line.to_owned());
        } else if let Some(last) = packets.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    packets
}

/// Ours, without the last line's end.
fn ours(file: &Path, style: Style) -> Vec<String> {
    let open = File::open(file).expect("a capture of the corpus");
    let Ok(mut capture) = Reader::new(file.display().to_string(), open) else {
        return Vec::new();
    };
    let mut printer = Printer::new(style, magpie_os::Services::default());
    let mut packets = Vec::new();
    while let Ok(Some(frame)) = capture.next_frame() {
        let mut lines = String::new();
        let packet = PacketRef {
            at_ns: u64::try_from(frame.at_ns()).unwrap_or(u64::MAX),
            octets: frame.data,
            wire_len: frame.wire_len as usize,
            link: LinkType::Ethernet,
            interface: None,
            direction: None,
        };
        printer.print(&packet, &mut lines);
        assert_eq!(lines.pop(), Some('\n'), "{lines}");
        packets.push(lines);
    }
    packets
}

/// Why two packets' lines may differ.
fn excuse(theirs: &str, ours: &str) -> Option<&'static str> {
    let their_first = theirs.lines().next().unwrap_or_default();
    let our_first = ours.lines().next().unwrap_or_default();
    // Hours of what lies days apart: tcpdump begins again at 24.
    let hours = |line: &str| {
        let line = line.strip_prefix([' ', '-'])?;
        let (hours, rest) = line.split_once(':')?;
        Some((hours.parse::<u64>().ok()?, rest.to_owned()))
    };
    if let (Some((their, their_rest)), Some((our, our_rest))) = (hours(theirs), hours(ours))
        && our >= 24
        && their == our % 24
        && (their_rest == our_rest || excuse(&their_rest, &our_rest).is_some())
    {
        return Some("hours beyond a day");
    }
    // Behind the length stands what an application says; below it, the dump.
    let said = [theirs, their_first].into_iter().zip([ours, our_first]);
    for (theirs, ours) in said {
        if theirs.len() > ours.len() && theirs.starts_with(ours) && ours.contains("length ") {
            return Some("what the application says");
        }
        if let Some((before, _)) = ours.split_once("UDP, length ")
            && theirs.starts_with(before)
        {
            return Some("what the application says");
        }
    }
    let below = |packet: &str, first: &str| packet.get(first.len()..).map(str::to_owned);
    if let Some(before) = our_first.strip_suffix(" [|domain]")
        && their_first.starts_with(before)
        && below(theirs, their_first) == below(ours, our_first)
    {
        return Some("does not tell that an answer is cut");
    }
    if ours.contains("802.1AE MACsec") {
        return Some("named only");
    }
    // Of which nothing is told, for nothing is there.
    if their_first.ends_with("IPX  [|ipx]") {
        return None;
    }
    let mut listed = BY_DESIGN.iter().filter(|(words, _)| theirs.contains(words));
    listed.next().map(|(_, why)| *why)
}

/// Packets by how they compare; what differs for no known reason fails.
fn compare(captures: &[Capture], styles: &[(Vec<&str>, Style)]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for capture in captures {
        for (flags, style) in styles {
            let theirs = theirs(&capture.path, flags);
            let ours = ours(&capture.path, style.clone());
            let name = format!("{} {flags:?}", capture.name);
            // tcpdump goes on where we refuse a file, or the other way round.
            if theirs.len() != ours.len() {
                println!("{name}: {} packets, {} of ours", theirs.len(), ours.len());
            }
            for (n, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
                let how = if theirs == ours {
                    "equal"
                } else if let Some(why) = excuse(theirs, ours) {
                    why
                } else {
                    wrong.push(format!("{name} packet {}\n< {theirs}\n> {ours}", n + 1));
                    "for no known reason"
                };
                *counts.entry(how).or_default() += 1;
            }
        }
    }
    println!("{counts:#?}");
    let shown: Vec<_> = wrong.iter().take(20).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} packets differ; the first:\n{}",
        wrong.len(),
        shown.join("\n")
    );
    counts
}

#[test]
#[ignore = "needs tcpdump: cargo verify runs it"]
fn our_captures_are_printed_as_tcpdump_prints_them() {
    let counts = compare(&corpus::own(), &styles());
    let all: u64 = counts.values().sum();
    // Nine of ten, so that excuses do not hide that nothing is compared.
    assert!(counts["equal"] * 10 > all * 9, "{counts:?}");
}

/// What a pcap file begins with.
fn head() -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    file
}

fn put(file: &mut Vec<u8>, seen: &[u8], wire_len: u32) {
    let length = u32::try_from(seen.len()).expect("a small one");
    for number in [0, 0, length, wire_len] {
        file.extend(number.to_le_bytes());
    }
    file.extend(seen);
}

/// A pcap file of frames of a capture that are cut, each in several places.
fn cut_anywhere(capture: &Capture, folder: &Path) -> Capture {
    /// Frames of a capture that are cut.
    const FRAMES: usize = 400;
    /// Places of a frame, and beyond which nothing new is cut.
    const PLACES: usize = 8;
    const BEYOND: usize = 160;
    let name = format!("{} cut", capture.name);
    let path = folder.join(&capture.name).with_extension("cut.pcap");
    let mut file = head();
    let open = File::open(&capture.path).expect("a capture");
    let mut reader = Reader::new(name.clone(), open).expect("a capture");
    let mut n = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        if n == FRAMES {
            break;
        }
        for place in 0..PLACES {
            // All lengths come, since the steps have no factor in common.
            let length = 1 + (n * 37 + place * 19) % BEYOND;
            let Some(seen) = frame.data.get(..length) else {
                continue;
            };
            put(&mut file, seen, frame.wire_len);
        }
        n += 1;
    }
    std::fs::write(&path, file).expect("a file");
    Capture {
        name,
        path,
        truth: capture.truth.clone(),
    }
}

#[test]
#[ignore = "needs tcpdump: cargo verify runs it"]
fn frames_that_are_cut_anywhere_are_printed_as_tcpdump_prints_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let captures: Vec<Capture> = corpus::own()
        .iter()
        .map(|capture| cut_anywhere(capture, folder.path()))
        .collect();
    let some = ["", "-q", "-e", "-x", "-XX", "-A"];
    let mut styles = styles();
    styles.retain(|(flags, _)| some.contains(&flags.first().copied().unwrap_or_default()));
    let counts = compare(&captures, &styles);
    let all: u64 = counts.values().sum();
    assert!(counts["equal"] * 10 > all * 9, "{counts:?}");
}

/// A pcap file of all that has a name: protocols, and those whose MAC addresses
/// are; between addresses of documentation, which nobody resolves.
fn all_that_has_a_name(folder: &Path) -> Capture {
    let (from, to) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let mut frames = Vec::new();
    for protocol in 0..=u8::MAX {
        let mut frame = vec![2, 0, 0, 0, 0, 0x17, 2, 0, 0, 0, 0, protocol, 8, 0];
        // A fragment: only the name is told.
        frame.extend([0x45, 0, 0, 24, 0, 0, 0, 1, 64, protocol, 0, 0]);
        frame.extend(from);
        frame.extend(to);
        frame.extend([0; 4]);
        frames.push(frame);
    }
    let known = [
        [0, 0, 0],
        [0, 0, 0x0c],
        [0, 0x1b, 0x21],
        [0, 0x24, 0x81],
        [8, 0, 9],
        [0x5c, 0x16, 0xc7],
        [0xd0, 0xf0, 0xdb],
        [2, 0, 0],
        [0xff, 0xff, 0xff],
    ];
    for [a, b, c] in known {
        let mac = [a, b, c, 0xff, 0xff, 0xff];
        for operation in [1, 2, 3, 4, 8, 9] {
            let mut frame = [mac, mac].concat();
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
            frame.extend(mac);
            frame.extend(from);
            frame.extend(mac);
            frame.extend(to);
            frames.push(frame);
        }
        // NetBEUI, an unknown organization's SNAP, a looped frame, and nothing.
        for behind in [
            &[0, 3, 0xf0, 0xf0, 3][..],
            &[0, 8, 0xaa, 0xaa, 3, 0x12, 0x34, 0x56, 0, 1],
            &[0x90, 0, 0, 0, 2, 0, a, b, c, 1, 2, 3, 1, 0],
            &[0x12, 0x34],
        ] {
            frames.push([&mac[..], &mac, behind].concat());
        }
    }
    let path = folder.join("names.pcap");
    let mut file = head();
    for frame in &frames {
        let length = u32::try_from(frame.len()).expect("a small one");
        put(&mut file, frame, length);
    }
    std::fs::write(&path, file).expect("a file");
    Capture {
        name: "names".to_owned(),
        path,
        truth: folder.to_owned(),
    }
}

#[test]
#[ignore = "needs tcpdump: cargo verify runs it"]
fn names_are_those_that_tcpdump_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let styles = [(vec![NAMED], false), (vec![NAMED, "-e"], true)];
    let styles = styles.map(|(flags, link)| {
        let style = Style {
            link,
            ..Style::default()
        };
        (flags, style)
    });
    let counts = compare(&[all_that_has_a_name(folder.path())], &styles);
    let all: u64 = counts.values().sum();
    assert_eq!(counts["equal"], all);
}

#[test]
#[ignore = "needs tcpdump and a corpus: cargo verify runs it"]
fn a_corpus_is_printed_as_tcpdump_prints_it() {
    let Some(captures) = corpus::corpus() else {
        println!("left out: {} names no corpus", corpus::VARIABLE);
        return;
    };
    // Some of the flags: all would take minutes.
    let some = ["", "-e", "-q", "-vv", "-X", "-A"];
    let mut styles = styles();
    styles.retain(|(flags, _)| some.contains(&flags.first().copied().unwrap_or_default()));
    assert_eq!(styles.len(), some.len());
    let counts = compare(&captures, &styles);
    let all: u64 = counts.values().sum();
    assert!(counts["equal"] * 10 > all * 8, "{counts:?}");
}
