//! One line a packet. STUB until the branch `w-lines` is merged.
#![allow(missing_docs, dead_code)]
use jiff::tz::TimeZone;
use magpie_os::Services;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Time {
    #[default]
    OfDay,
    None,
    Seconds,
    SincePrevious,
    Date,
    SinceFirst,
}
impl Time {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dump {
    #[default]
    None,
    Hex,
    HexLink,
    HexAscii,
    HexAsciiLink,
    Ascii,
    AsciiLink,
}
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct Style {
    pub numeric: bool,
    pub quiet: bool,
    pub verbose: u8,
    pub link: bool,
    pub absolute: bool,
    pub dump: Dump,
    pub time: Time,
    pub nanoseconds: bool,
    pub number: bool,
    pub colour: bool,
    pub zone: TimeZone,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    Ethernet,
    Raw,
    Other(u16),
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
    Broadcast,
    Multicast,
    Other,
}
#[derive(Debug, Clone, Copy)]
pub struct PacketRef<'a> {
    pub at_ns: u64,
    pub octets: &'a [u8],
    pub wire_len: usize,
    pub link: LinkType,
    pub interface: Option<&'a str>,
    pub direction: Option<Direction>,
}
pub struct Printer {
    style: Style,
}
impl Printer {
    pub fn new(style: Style, _: Services) -> Self {
        Self { style }
    }
    pub fn print(&mut self, packet: &PacketRef<'_>, out: &mut String) {
        use std::fmt::Write as _;
        let _ = writeln!(out, "{} length {}", packet.at_ns, packet.wire_len);
    }
}
