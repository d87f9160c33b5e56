//! One line a packet, as tcpdump's habit has it: time, ends, flags, sequence
//! numbers, names and answers of DNS, ICMP in words, dumps. What is deeper
//! than that is tshark's job.
//!
//! Reads no clock, no file and no network: the time zone and the names of
//! ports come from outside, and hosts stay numbers. Everything in a packet is
//! hostile: no octets make it panic or loop, headers in headers are followed
//! to a bounded depth, and no control character of a packet reaches the
//! terminal (but for line ends and tabs of `-A`, which exists for them).
//!
//! The headers are read here, by offsets that are checked at every access,
//! and not by one of the crates that do it well: those give all of a header or
//! an error, and a line has to say what a cut or contradictory header still
//! shows, where exactly the capture ends (`[|tcp]`), and the rest of the truth
//! (`bad hdr length 12`).
//!
//! Order of use: [`Printer::new`], then [`Printer::print`] for each packet.

mod arp;
mod checksum;
mod dns;
mod dump;
mod ether;
mod icmp;
mod icmp6;
mod ip;
mod ip6;
mod llc;
mod loopback;
mod octets;
mod page;
mod ppp;
mod records;
mod registry;
mod sequences;
mod stamp;
mod talk;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
mod udp;
mod words;

use jiff::tz::TimeZone;
use magpie_os::Services;

use octets::Octets;
use page::{Ink, Page, put};
use sequences::Sequences;
use stamp::Stamps;
pub use talk::Talk;

/// Longest frame that is printed, in octets, on the wire as captured:
/// libpcap's bound.
const MAX_LENGTH: usize = 262_144;

/// How a time is shown, and from when it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Time {
    /// The time of day.
    #[default]
    OfDay,
    /// Not at all (`-t`).
    None,
    /// Seconds since 1970 (`-tt`).
    Seconds,
    /// Since the line before (`-ttt`).
    SincePrevious,
    /// Date and time of day (`-tttt`).
    Date,
    /// Since the first line (`-ttttt`).
    SinceFirst,
}

impl Time {
    /// That of so many `-t`; more than five begin anew nowhere and are five.
    pub fn of_flags(count: u8) -> Self {
        match count {
            0 => Self::OfDay,
            1 => Self::None,
            2 => Self::Seconds,
            3 => Self::SincePrevious,
            4 => Self::Date,
            _ => Self::SinceFirst,
        }
    }
}

/// Octets shown below a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dump {
    /// None.
    #[default]
    None,
    /// In hex, without the link header (`-x`).
    Hex,
    /// In hex, all (`-xx`).
    HexLink,
    /// In hex and ASCII, without the link header (`-X`).
    HexAscii,
    /// In hex and ASCII, all (`-XX`).
    HexAsciiLink,
    /// In ASCII, without the link header (`-A`).
    Ascii,
    /// In ASCII, all (`-AA`).
    AsciiLink,
}

/// What lines look like; the default is tcpdump's, with times in UTC.
#[derive(Debug, Clone)]
// Each is one flag of tcpdump's.
#[allow(clippy::struct_excessive_bools)]
pub struct Style {
    /// Numbers instead of names of ports, protocols and those whose MAC
    /// addresses are (`-n`). Hosts are always numbers.
    pub numeric: bool,
    /// Less of each protocol (`-q`).
    pub quiet: bool,
    /// More of each protocol (`-v`, `-vv`, `-vvv`).
    pub verbose: u8,
    /// The link header (`-e`).
    pub link: bool,
    /// Sequence numbers as they are on the wire (`-S`).
    pub absolute: bool,
    /// Octets below the line.
    pub dump: Dump,
    /// How the time is shown.
    pub time: Time,
    /// Times to the nanosecond instead of the microsecond (`--nano`).
    pub nanoseconds: bool,
    /// The packet's number before its line, from 1 on (`--number`).
    pub number: bool,
    /// Colours, for a terminal.
    pub colour: bool,
    /// Of times of day and dates.
    pub zone: TimeZone,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            numeric: false,
            quiet: false,
            verbose: 0,
            link: false,
            absolute: false,
            dump: Dump::None,
            time: Time::OfDay,
            nanoseconds: false,
            number: false,
            colour: false,
            zone: TimeZone::UTC,
        }
    }
}

/// What a packet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet (LINKTYPE 1), without the FCS.
    Ethernet,
    /// An IP header (LINKTYPE 101, 228, 229).
    Raw,
    /// Something that is only counted, by its LINKTYPE number.
    Other(u16),
}

impl LinkType {
    /// Of the number that pcap and pcapng files have
    /// (<https://www.tcpdump.org/linktypes.html>).
    pub fn of_number(number: u16) -> Self {
        match number {
            1 => Self::Ethernet,
            101 | 228 | 229 => Self::Raw,
            other => Self::Other(other),
        }
    }
}

/// Which way a packet went, seen from the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To this machine.
    In,
    /// From this machine.
    Out,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
    /// To another machine; seen by promiscuity.
    Other,
}

impl Direction {
    /// As tcpdump has it on `any`.
    fn word(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::Out => "Out",
            Self::Broadcast => "B",
            Self::Multicast => "M",
            Self::Other => "P",
        }
    }
}

/// A captured packet.
#[derive(Debug, Clone, Copy)]
pub struct PacketRef<'a> {
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
    /// What was captured.
    pub octets: &'a [u8],
    /// Octets on the wire.
    pub wire_len: usize,
    /// What it begins with.
    pub link: LinkType,
    /// Where it was seen; named where there are several.
    pub interface: Option<&'a str>,
    /// Which way it went, where that is known.
    pub direction: Option<Direction>,
}

/// Prints packets, and remembers what later lines need of earlier ones.
pub struct Printer {
    style: Style,
    services: Services,
    stamps: Stamps,
    sequences: Sequences,
    printed: u64,
}

impl Printer {
    /// A printer of packets that has seen none. `services` names ports and
    /// protocols.
    pub fn new(style: Style, services: Services) -> Self {
        Self {
            style,
            services,
            stamps: Stamps::default(),
            sequences: Sequences::default(),
            printed: 0,
        }
    }

    /// Appends the lines of a packet, the last one ended, to `out`; who talks to
    /// whom in it.
    pub fn print(&mut self, packet: &PacketRef<'_>, out: &mut String) -> Talk {
        self.printed += 1;
        let number = self.printed;
        let mut page = Page::new(out, &self.style, &self.services, &mut self.sequences);
        if self.style.number {
            put!(page, "{number:5}  ");
        }
        let (captured, wire_len) = (packet.octets.len(), packet.wire_len);
        let wrong = [
            (captured == 0, "caplen==0".to_owned()),
            (wire_len == 0, "len==0".to_owned()),
            (
                0 < wire_len && wire_len < captured,
                format!("len({wire_len}) < caplen({captured})"),
            ),
            (
                wire_len > MAX_LENGTH,
                format!("len({wire_len}) > {MAX_LENGTH}"),
            ),
        ];
        let wrong: Vec<String> = wrong
            .into_iter()
            .filter_map(|(is_so, words)| is_so.then_some(words))
            .collect();
        if !wrong.is_empty() {
            let words = format_args!("[Invalid header: {}]", wrong.join(", "));
            page.paint(Ink::Alarm, words);
            out.push('\n');
            return Talk::default();
        }
        let stamp = self.stamps.show(packet.at_ns, &self.style);
        if !stamp.is_empty() {
            page.paint(Ink::Dim, format_args!("{stamp}"));
        }
        if let Some(interface) = packet.interface {
            put!(page, "{:<5} ", page::printable(interface.as_bytes()));
        }
        if let Some(direction) = packet.direction {
            put!(page, "{:<3} ", direction.word());
        }
        let octets = Octets::new(packet.octets, wire_len, "ether");
        let told = match packet.link {
            LinkType::Ethernet => ether::print(&mut page, octets),
            LinkType::Raw => ip::print_any(&mut page, octets),
            LinkType::Other(number) => {
                put!(page, "link type {number}, length {wire_len}");
                page.unknown(octets);
                Ok(())
            }
        };
        if let Err(cut) = told {
            page.cut(cut);
            if !cut.foreseen {
                page.link_header(0);
            }
        }
        let payload = page.payload(packet.octets);
        let talk = std::mem::take(&mut page.talk);
        match self.style.dump {
            Dump::None => {}
            Dump::Hex => dump::hex(out, dump::INDENT, payload),
            Dump::HexLink => dump::hex(out, dump::INDENT, packet.octets),
            Dump::HexAscii => dump::hex_and_ascii(out, payload),
            Dump::HexAsciiLink => dump::hex_and_ascii(out, packet.octets),
            Dump::Ascii if payload.is_empty() => {}
            Dump::Ascii => dump::ascii(out, payload),
            Dump::AsciiLink => dump::ascii(out, packet.octets),
        }
        out.push('\n');
        talk
    }
}
