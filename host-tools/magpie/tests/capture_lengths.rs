//! What `magpie capture` writes keeps its word: no packet is longer than its
//! file says packets can be, or than it was on the wire. libpcap reads on from
//! no other, and tshark complains.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The longest packet that other programs believe.
const LONGEST: u32 = 262_144;

/// Runs it; what it says.
fn capture(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_magpie"))
        .arg("capture")
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_le_bytes).collect()
}

/// An Ethernet frame of so many octets.
fn frame(octets: u32) -> Vec<u8> {
    let mut frame = [&[2; 12][..], &[0x88, 0xb5]].concat();
    frame.resize(octets as usize, 7);
    frame
}

/// A pcap file: snap length, then octets that are there and those on the wire.
fn pcap(snap_len: u32, packets: &[(u32, u32)]) -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, snap_len, 1]);
    for (captured, wire) in packets {
        file.extend(words(&[1, 0, *captured, *wire]));
        file.extend(frame(*captured));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len().next_multiple_of(4)).unwrap();
    let mut block = [&words(&[kind, length])[..], body].concat();
    block.resize(length as usize - 4, 0);
    [block, words(&[length])].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

fn interface(snap_len: u32) -> Vec<u8> {
    block(1, &words(&[1, snap_len]))
}

/// Of this interface and so long.
fn packet(interface: u32, captured: u32, wire: u32) -> Vec<u8> {
    let head = words(&[interface, 0, 1_000_000, captured, wire]);
    block(6, &[head, frame(captured)].concat())
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*octets[at..].first_chunk().unwrap())
}

/// Snap lengths that a file declares, and each packet's octets that are there
/// and those on the wire.
type Lengths = (Vec<u32>, Vec<(u32, u32)>);

/// Read without our reader, and held against each other.
fn lengths(file: &Path) -> Lengths {
    let octets = fs::read(file).unwrap();
    let (mut declared, mut packets) = (Vec::new(), Vec::new());
    let mut at = 0;
    if octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        while at < octets.len() {
            match word(&octets, at) {
                1 => declared.push(word(&octets, at + 12)),
                6 => packets.push((word(&octets, at + 20), word(&octets, at + 24))),
                _ => {}
            }
            at += word(&octets, at + 4) as usize;
        }
    } else {
        declared.push(word(&octets, 16));
        at = 24;
        while at < octets.len() {
            packets.push((word(&octets, at + 8), word(&octets, at + 12)));
            at += 16 + packets[packets.len() - 1].0 as usize;
        }
    }
    // libpcap reads no file whose interfaces declare different ones.
    let most = declared[0];
    assert!(declared.iter().all(|other| *other == most), "{declared:?}");
    assert!(most > 0 && most <= LONGEST, "{most}");
    for (captured, wire) in &packets {
        assert!(captured <= &most && captured <= wire, "{captured} {wire}");
    }
    (declared, packets)
}

/// What a file becomes in each format, and what is said.
fn written(files: &[&[u8]], options: &[&str]) -> Vec<(Lengths, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (number, file) in files.iter().enumerate() {
        names.push(folder.path().join(number.to_string()));
        fs::write(&names[number], file).unwrap();
    }
    let mut all = Vec::new();
    for format in ["pcapng", "pcap", "nsecpcap"] {
        let to = folder.path().join(format);
        let names = names.iter().flat_map(|name| ["-r", name.to_str().unwrap()]);
        let mut line: Vec<&str> = names.collect();
        line.extend(["--file-format", format, "-w", to.to_str().unwrap()]);
        let said = capture(&[&line, options].concat());
        all.push((lengths(&to), said));
    }
    all
}

#[test]
fn a_file_declares_what_it_was_told() {
    let ours = pcap(96, &[(60, 60), (96, 1500)]);
    let theirs = [
        section(),
        interface(96),
        packet(0, 60, 60),
        packet(0, 96, 1500),
    ]
    .concat();
    for file in [ours, theirs] {
        for ((declared, packets), said) in written(&[&file], &[]) {
            assert_eq!(declared, [96]);
            assert_eq!(packets, [(60, 60), (96, 1500)]);
            assert!(!said.contains("longer"), "{said}");
        }
        for ((declared, packets), said) in written(&[&file], &["-s", "70"]) {
            assert_eq!(declared, [70]);
            assert_eq!(packets, [(60, 60), (70, 1500)]);
            assert!(!said.contains("longer"), "{said}");
        }
    }
}

#[test]
fn interfaces_of_one_file_may_differ() {
    let both = [interface(64), interface(1500)].concat();
    let file = [section(), both, packet(0, 64, 900), packet(1, 900, 900)].concat();
    for ((declared, packets), _) in written(&[&file], &[]) {
        assert_eq!(declared[0], 1500);
        assert_eq!(packets, [(64, 900), (900, 900)]);
    }
    // One without a limit.
    let both = [interface(64), interface(0)].concat();
    let file = [section(), both, packet(0, 64, 900), packet(1, 900, 900)].concat();
    for ((declared, packets), _) in written(&[&file], &[]) {
        assert_eq!(declared[0], LONGEST);
        assert_eq!(packets, [(64, 900), (900, 900)]);
    }
    // What is told of when it is too late is cut, and counted.
    let late = [section(), interface(64), packet(0, 64, 900)].concat();
    let late = [late, interface(1500), packet(1, 900, 900)].concat();
    for ((declared, packets), said) in written(&[&late], &[]) {
        assert_eq!(declared[0], 64);
        assert_eq!(packets, [(64, 900), (64, 900)]);
        assert!(
            said.contains("1 packet was longer than 64 octets"),
            "{said}"
        );
    }
    for ((declared, packets), said) in written(&[&late], &["-s", "2000"]) {
        assert_eq!(declared[0], 2000);
        assert_eq!(packets, [(64, 900), (900, 900)]);
        assert!(!said.contains("longer"), "{said}");
    }
}

#[test]
fn no_packet_is_longer_than_readers_believe() {
    for snap_len in [0, 300_000, u32::MAX] {
        let file = pcap(snap_len, &[(300_000, 300_000), (60, 60)]);
        for options in [&[][..], &["-s", "400000"]] {
            for ((declared, packets), said) in written(&[&file], options) {
                assert_eq!(declared, [LONGEST]);
                assert_eq!(packets, [(LONGEST, 300_000), (60, 60)]);
                assert!(
                    said.contains("1 packet was longer than 262144 octets"),
                    "{said}"
                );
            }
        }
        // Of several sources.
        let other = pcap(96, &[(60, 60)]);
        for ((declared, packets), said) in written(&[&file, &other], &[]) {
            assert!(declared.iter().all(|most| *most == LONGEST), "{declared:?}");
            assert_eq!(packets.len(), 3);
            assert!(
                said.contains("1 packet was longer than 262144 octets"),
                "{said}"
            );
        }
    }
}

#[test]
fn no_more_was_captured_than_there_was() {
    let file = pcap(65_535, &[(60, 40), (60, 60), (60, 0)]);
    for ((_, packets), said) in written(&[&file], &[]) {
        assert_eq!(packets, [(40, 40), (60, 60), (0, 0)]);
        assert!(
            said.contains("2 packets were longer than on the wire"),
            "{said}"
        );
    }
}
