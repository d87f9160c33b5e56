use std::fmt::Write as _;

use magpie_os::Services;
use proptest::prelude::*;

use super::*;

mod hostile;
mod style;

/// Frames of every kind that is looked into: in hex, blanks between headers.
const FRAMES: &[&str] = &[
    SYN,
    QUERY,
    // An answer over a VLAN, with a name behind a pointer.
    "020000000017020000000066 8100200a 0800 \
     4500004900000000401100000101010 10a000a17 0035c0000035 0000 \
     30398180000100010000000007 6578616d706c6503636f6d0000010001 c00c000100010000003c0004 5db8d822",
    // Port unreachable, quoting a datagram.
    "020000000017020000000066 0800 45000038000000004001000 00a000a010a000a17 \
     0303000000000000 45000020000000004011000 00a000a17c0000201 30390035000c0000",
    ARP,
    // Hop-by-hop options and a report of listeners.
    "333300000016020000000066 86dd 6000000000240001fe800000000000000000000000000001 \
     ff020000000000000000000000000016 3a00050200000100 8f00000000000001 \
     04000000ff0200000000000000000001ff000001",
    // A routing header, a fragment header, then UDP.
    "020000000017020000000066 86dd 60000000003c2b4020010db8000000000000000000000001 \
     20010db8000000000000000000000002 2c02000100000000 20010db8000000000000000000000003 \
     1100000000000001 0fa00fa100140000 000102030405060708090a0b",
    // Router advertisement with a prefix.
    "333300000001020000000066 86dd 6000000000303afffe800000000000000000000000000001 \
     ff020000000000000000000000000001 86000000400800780000000000000000 \
     030440c0000151800000384000000000 20010db8000000000000000000000000",
    // Two labels, an IPv4 header below them.
    "020000000017020000000066 8847 0001003f00021140 \
     45000020000000004011000 00a000a17c0000201 30390035000c0000",
    // PPPoE session, IPv6.
    "020000000017020000000066 8864 1100001100320057 \
     6000000000083aff fe800000000000000000000000000001fe800000000000000000000000000002 8000000000010002",
    // PPPoE discovery.
    "ffffffffffff020000000066 8863 1109000000100101000001030008 0001020304050607",
    // GRE with key and sequence number, a frame in it.
    "020000000017020000000066 0800 4500003a00000000402f0000 0a000a010a000a17 \
     300065580000002a00000001 020000000017020000000066 0806 00010800060400010200",
    // VXLAN.
    "020000000017020000000066 0800 4500004000000000401100000a000a010a000a17 \
     c00012b5002c0000 0800000000007b00 020000000017020000000066 88cc 0207040200000000660403057031060200780000",
    // Geneve with options.
    "020000000017020000000066 0800 4500004400000000401100000a000a010a000a17 \
     c00017c100300000 02406558 00007b00 0102030401010101 020000000017020000000066 88f7 0000",
    // A spanning tree's BPDU.
    "0180c2000000020000000066 0026 424203 0000020 23c800300 1ef67359 80000000000080 \
     03001ef673598080010000140002000f0000000000000000",
    // SNAP, an unknown organization.
    "0180c2000000020000000066 000b aaaa03 123456 0001 ffff",
    // IPv4 options and a fragment.
    "020000000017020000000066 0800 4700002c00012000401100000a000a010a000a17 \
     0707040000000000 000fa00fa1001c0000 0001020304050607",
    // SCTP.
    "020000000017020000000066 0800 4500002c00000000408400000a000a010a000a17 \
     0b590b590000000000000000 0100000800000001 0a000000",
    // AH before ESP.
    "020000000017020000000066 0800 4500003000000000403300000a000a010a000a17 \
     320400000000010000000001 000000000000000000000000 0000020000000003",
];

/// The first segment of a connection, its options those of Linux.
const SYN: &str = "020000000017020000000066 0800 4500003cabcd40004006 0000 0a000a170a000a42 \
     c0000050000003e800000000a002faf0 0000 0000 020405b40402080a00000001000000000103 0307";

/// `12345+ A? example.com. (29)`.
const QUERY: &str = "020000000017020000000066 0800 45000039000000004011 0000 0a000a1701010101 \
     c000003500250000 30390100000100000000000007 6578616d706c6503636f6d0000010001";

const ARP: &str = "ffffffffffff020000000066 0806 0001080006040001 020000000066 0a000a42 \
     000000000000 0a000a17";

/// The octets of hex digits; an odd one out is left.
fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("four bits"))
        .collect();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

fn plain() -> Style {
    Style {
        numeric: true,
        time: Time::None,
        ..Style::default()
    }
}

fn lines_of(style: &Style, frames: &[Vec<u8>]) -> String {
    let mut printer = Printer::new(style.clone(), Services::default());
    let mut out = String::new();
    for (n, octets) in frames.iter().enumerate() {
        let packet = PacketRef {
            at_ns: 1_700_000_000_123_456_789 + 1_000_000_000 * n as u64,
            octets,
            wire_len: octets.len(),
            link: LinkType::Ethernet,
            interface: None,
            direction: None,
        };
        printer.print(&packet, &mut out);
    }
    out
}

fn line_of(style: &Style, hex: &str) -> String {
    let mut line = lines_of(style, &[octets(hex)]);
    assert_eq!(line.pop(), Some('\n'));
    line
}

/// What is said of who talks to whom, short.
fn talk_of(hex: &str) -> String {
    let octets = octets(hex);
    let mut printer = Printer::new(plain(), Services::default());
    let packet = PacketRef {
        at_ns: 0,
        octets: &octets,
        wire_len: octets.len(),
        link: LinkType::Ethernet,
        interface: None,
        direction: None,
    };
    let talk = printer.print(&packet, &mut String::new());
    let [from, to] = talk.macs.unwrap().map(|mac| page::hex(&mac));
    let mut words = format!("{from}>{to} {:?} {:x?}", talk.vlan, talk.ethertype);
    if let Some([from, to]) = talk.ends {
        let _ = write!(words, " {from}>{to}");
    }
    let _ = write!(words, " {:?} {:?}", talk.protocol, talk.ports);
    words
}

#[test]
fn who_talks_to_whom_is_what_the_first_headers_say() {
    const ENDS: &str = "020000000066>020000000017";
    for (frame, said) in [
        (
            SYN,
            "[] Some(800) 10.0.10.23>10.0.10.66 Some(6) Some([49152, 80])",
        ),
        (
            FRAMES[2],
            "[10] Some(800) 1.1.1.1>10.0.10.23 Some(17) Some([53, 49152])",
        ),
        // Not those of what is quoted, or carried.
        (FRAMES[3], "[] Some(800) 10.0.10.1>10.0.10.23 Some(1) None"),
        (
            FRAMES[11],
            "[] Some(800) 10.0.10.1>10.0.10.23 Some(47) None",
        ),
        (
            FRAMES[12],
            "[] Some(800) 10.0.10.1>10.0.10.23 Some(17) Some([49152, 4789])",
        ),
        // Behind labels and a session, though.
        (
            FRAMES[8],
            "[] Some(8847) 10.0.10.23>192.0.2.1 Some(17) Some([12345, 53])",
        ),
        (FRAMES[9], "[] Some(8864) fe80::1>fe80::2 Some(58) None"),
        // What is behind the headers of IPv6, and of AH.
        (
            FRAMES[6],
            "[] Some(86dd) 2001:db8::1>2001:db8::2 Some(17) Some([4000, 4001])",
        ),
        (
            FRAMES[18],
            "[] Some(800) 10.0.10.1>10.0.10.23 Some(50) None",
        ),
        (
            FRAMES[17],
            "[] Some(800) 10.0.10.1>10.0.10.23 Some(132) Some([2905, 2905])",
        ),
    ] {
        assert_eq!(talk_of(frame), format!("{ENDS} {said}"));
    }
    assert_eq!(
        talk_of(ARP),
        "020000000066>ffffffffffff [] Some(806) 10.0.10.66>10.0.10.23 None None"
    );
    // A later fragment has no ports; what is cut has what is there.
    let mut later: String = SYN.split_whitespace().collect();
    later.replace_range(40..44, "00b9");
    assert_eq!(
        talk_of(&later),
        format!("{ENDS} [] Some(800) 10.0.10.23>10.0.10.66 Some(6) None")
    );
    let cut = |octets: usize| talk_of(&SYN.split_whitespace().collect::<String>()[..2 * octets]);
    assert_eq!(
        cut(36),
        format!("{ENDS} [] Some(800) 10.0.10.23>10.0.10.66 Some(6) None")
    );
    assert_eq!(cut(33), format!("{ENDS} [] Some(800) None None"));
}

#[test]
fn one_line_a_packet() {
    for (frame, line) in [
        (
            SYN,
            "IP 10.0.10.23.49152 > 10.0.10.66.80: Flags [S], seq 1000, win 64240, \
             options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0",
        ),
        (
            QUERY,
            "IP 10.0.10.23.49152 > 1.1.1.1.53: 12345+ A? example.com. (29)",
        ),
        (
            ARP,
            "ARP, Request who-has 10.0.10.23 tell 10.0.10.66, length 28",
        ),
        (
            FRAMES[3],
            "IP 10.0.10.1 > 10.0.10.23: ICMP 192.0.2.1 udp port 53 unreachable, length 36",
        ),
        (
            FRAMES[2],
            "IP 1.1.1.1.53 > 10.0.10.23.49152: 12345 1/0/0 A 93.184.216.34 (45)",
        ),
    ] {
        // What IPv4's length counts stands in the vectors by hand.
        assert_eq!(line_of(&plain(), frame), line);
    }
    let link = Style {
        link: true,
        ..plain()
    };
    assert!(
        line_of(&link, FRAMES[2]).starts_with(
            "02:00:00:00:00:66 > 02:00:00:00:00:17, ethertype 802.1Q (0x8100), length 91: \
             vlan 10, p 1, ethertype IPv4 (0x0800), 1.1.1.1.53 > "
        ),
        "{}",
        line_of(&link, FRAMES[2])
    );
}

#[test]
fn what_nobody_could_read_to_its_end_is_dumped_from_its_beginning() {
    let dump = |dump, hex: &str| line_of(&Style { dump, ..plain() }, hex);
    let macs = "020000000017020000000066";
    // Nobody looks for the first octet of an IP header: it is read.
    let line = dump(Dump::Hex, &format!("{macs} 0800"));
    let whole = "\n\t0x0000:  0200 0000 0017 0200 0000 0066 0800";
    assert_eq!(line, format!(" [|ip]{whole}"));
    // Somebody looks for the rest, and knows where the header begins.
    let line = dump(Dump::Hex, &format!("{macs} 0800 4500"));
    assert_eq!(line, "IP  [|ip]\n\t0x0000:  4500");
    let line = dump(Dump::Hex, &format!("{macs} 0806 0001"));
    assert_eq!(
        line,
        " [|arp]\n\t0x0000:  0200 0000 0017 0200 0000 0066 0806 0001"
    );
    let line = dump(Dump::Ascii, &format!("{macs} 0806 0001"));
    assert_eq!(line, " [|arp]\n...........f....");
    // No frame at all, and half a tag.
    assert_eq!(dump(Dump::HexAscii, "020000000017"), " [|ether]");
    assert_eq!(dump(Dump::Hex, &format!("{macs} 8100 20")), " [|vlan]");
    // What is no LLC is shown even where octets are shown anyhow.
    let line = dump(Dump::Hex, &format!("{macs} 0003 42"));
    assert_eq!(line, format!(" [|llc]\n\t0x0000:  42{:39}B", ""));
}

#[test]
fn what_stations_and_switches_say_to_each_other() {
    let macs = "020000000017020000000066";
    for (hex, line) in [
        (
            "9000 0000 0100 0700 0102030405",
            "Loopback, skipCount 0, Reply, receipt number 7, data (5 octets)",
        ),
        (
            "9000 0000 0200 020000000066 0100 00",
            "Loopback, skipCount 0, Forward Data, forwarding address 02:00:00:00:00:66, data (3 octets)",
        ),
        ("9000 0000 0900", "Loopback, skipCount 0,  invalid (9)"),
        ("9000 0500 0000", "Loopback, skipCount 5 (bogus) (invalid)"),
        ("9000 00", "Loopback (invalid)"),
        (
            "0011 aaaa03 00000c 2004 01 0001000800000000",
            "DTPv1, length 9",
        ),
        ("0008 aaaa03 00000c 2004", "[zero packet length] (invalid)"),
        ("0003 e0e003", "IPX  [|ipx]"),
        ("8137 ffff0000", "(NOV-ETHII) IPX  [|ipx]"),
    ] {
        assert_eq!(line_of(&plain(), &format!("{macs} {hex}")), line, "{hex}");
    }
}

#[test]
fn numbers_of_segments_are_relative_to_the_first() {
    // Both ends of a connection: SYN, SYN+ACK, ACK.
    let mut answer = octets(SYN);
    answer.splice(26..34, [10, 0, 10, 66, 10, 0, 10, 23]);
    answer.splice(34..38, [0, 80, 0xc0, 0]);
    answer.splice(38..46, [0, 0, 0x13, 0x88, 0, 0, 0x03, 0xe9]);
    answer[47] = 0x12;
    let mut last = octets(SYN);
    last.splice(38..46, [0, 0, 0x03, 0xe9, 0, 0, 0x13, 0x89]);
    last[47] = 0x10;
    let frames = [octets(SYN), answer, last];
    let acks = |style: &Style| -> Vec<String> {
        let lines = lines_of(style, &frames);
        let ack = |line: &str| Some(line.split_once("ack ")?.1.split_once(',')?.0.to_owned());
        lines.lines().filter_map(ack).collect()
    };
    assert_eq!(acks(&plain()), ["1001", "1"]);
    let absolute = Style {
        absolute: true,
        ..plain()
    };
    assert_eq!(acks(&absolute), ["1001", "5001"]);
}

#[test]
fn connections_are_forgotten_beyond_a_bound() {
    let mut sequences = Sequences::default();
    let end = |n: u32| (1, std::net::IpAddr::from(n.to_be_bytes()));
    let other = (2, std::net::IpAddr::from([0; 4]));
    sequences.origin([end(0), other], false, 100, 1);
    let known = sequences.origin([end(0), other], false, 100, 1);
    assert_eq!((known.seq, known.ack), (100, 0));
    for n in 1..=70_000 {
        sequences.origin([end(n), other], false, 0, 0);
    }
    assert!(sequences.len() <= 65_536);
    // Seen as the first again.
    assert_eq!(sequences.origin([end(0), other], false, 100, 1).seq, 0);
    assert_eq!(sequences.origin([end(0), other], false, 100, 1).seq, 100);
}

#[test]
fn checksums_have_a_verdict() {
    let style = Style {
        verbose: 1,
        ..plain()
    };
    let line = line_of(&style, SYN);
    assert!(
        line.starts_with(
            "IP (tos 0x0, ttl 64, id 43981, offset 0, flags [DF], proto TCP (6), length 60, \
             bad cksum 0 (->"
        ),
        "{line}"
    );
    let Some((_, right)) = line.split_once("(incorrect -> 0x") else {
        panic!("no verdict: {line}");
    };
    let mut frame = octets(SYN);
    let right = u16::from_str_radix(&right[..4], 16).expect("four digits");
    frame.splice(50..52, right.to_be_bytes());
    let line = lines_of(&style, &[frame]);
    assert!(
        line.contains(&format!("cksum 0x{right:04x} (correct)")),
        "{line}"
    );
}

#[test]
fn headers_in_headers_are_followed_so_far() {
    // IPv4 in IPv4, three hundred times.
    let mut frame = octets("020000000017020000000066 0800");
    let mut left = 300 * 20;
    while left > 0 {
        let header = [
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        frame.extend(header);
        let at = frame.len() - 18;
        frame.splice(at..at + 2, u16::try_from(left).expect("6000").to_be_bytes());
        left -= 20;
    }
    let line = lines_of(&plain(), &[frame]);
    assert!(line.contains("[more than 16 headers]"), "{line}");
    assert_eq!(line.matches("10.0.0.1 > 10.0.0.2").count(), 16);
}
