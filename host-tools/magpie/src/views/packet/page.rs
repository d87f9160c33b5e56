//! Where lines are written to, and how single words of them look.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};

use magpie_os::{Services, SocketKind};

use super::octets::{Cut, Octets};
use super::sequences::Sequences;
use super::{Dump, Style, Talk, registry};

/// Outcome of printing a header: an error tells that the capture ended in it.
pub(super) type Told = Result<(), Cut>;

/// Headers in headers (tunnels, quoted packets) that are followed. A frame of
/// 64 KiB has room for thousands, and each is a call in a call.
const MAX_DEPTH: u8 = 16;

/// Writes words onto a page; writing to a `String` cannot fail.
macro_rules! put {
    ($page:expr, $($words:tt)*) => { $page.write(format_args!($($words)*)) };
}
pub(super) use put;

/// The lines of one packet as they come to be.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut String,
    pub(super) style: &'a Style,
    pub(super) services: &'a Services,
    pub(super) sequences: &'a mut Sequences,
    pub(super) talk: Talk,
    link_header: usize,
    depth: u8,
}

/// What a word is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// A time.
    Dim,
    /// Who sends and who receives.
    Ends,
    /// Something is wrong with the packet.
    Alarm,
}

impl Ink {
    /// Select Graphic Rendition (ECMA-48) that begins it.
    fn begin(self) -> &'static str {
        match self {
            Self::Dim => "\x1b[2m",
            Self::Ends => "\x1b[36m",
            Self::Alarm => "\x1b[31m",
        }
    }
}

impl<'a> Page<'a> {
    pub(super) fn new(
        out: &'a mut String,
        style: &'a Style,
        services: &'a Services,
        sequences: &'a mut Sequences,
    ) -> Self {
        Self {
            out,
            style,
            services,
            sequences,
            talk: Talk::default(),
            link_header: 0,
            depth: 0,
        }
    }

    pub(super) fn write(&mut self, words: fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(words);
    }

    /// Likewise, in a colour where colours are wanted.
    pub(super) fn paint(&mut self, ink: Ink, words: fmt::Arguments<'_>) {
        if self.style.colour {
            self.out.push_str(ink.begin());
            self.write(words);
            self.out.push_str("\x1b[0m");
        } else {
            self.write(words);
        }
    }

    /// ` [|tcp]`: the capture ends within this header.
    pub(super) fn cut(&mut self, at: Cut) {
        self.paint(Ink::Alarm, format_args!(" [|{}]", at.of));
    }

    /// ` (invalid)`: the header contradicts itself.
    pub(super) fn invalid(&mut self) {
        self.paint(Ink::Alarm, format_args!(" (invalid)"));
    }

    /// Prints a header in a header, unless that is too deep a nest.
    pub(super) fn nested(&mut self, print: impl FnOnce(&mut Self) -> Told) -> Told {
        if self.depth >= MAX_DEPTH {
            self.paint(Ink::Alarm, format_args!("[more than {MAX_DEPTH} headers]"));
            return Ok(());
        }
        self.depth += 1;
        let told = print(self);
        self.depth -= 1;
        told
    }

    /// Says how many octets the link header has, which `-x` leaves out; heard
    /// in the frame itself, not in a frame that it carries.
    pub(super) fn link_header(&mut self, octets: usize) {
        if self.depth == 0 {
            self.link_header = octets;
        }
    }

    /// The frame itself, and not one that it carries: what it says of who talks
    /// to whom.
    pub(super) fn frame(&mut self) -> Option<&mut Talk> {
        (self.depth == 0).then_some(&mut self.talk)
    }

    /// What of the packet follows the link header.
    pub(super) fn payload<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        packet.get(self.link_header..).unwrap_or_default()
    }

    /// The octets in hex, as for a payload that nobody here understands; not
    /// where all are shown in hex anyhow, nor where less is wanted. Whether they
    /// are.
    pub(super) fn unknown(&mut self, octets: Octets<'_>) -> bool {
        let shown = !matches!(self.style.dump, Dump::None | Dump::Ascii | Dump::AsciiLink);
        let wanted = !shown && !self.style.quiet;
        if wanted {
            self.hex_and_ascii(octets);
        }
        wanted
    }

    /// Likewise, whatever is wanted: of what is cut before anybody knows it.
    pub(super) fn hex_and_ascii(&mut self, octets: Octets<'_>) {
        super::dump::hex_and_ascii(self.out, octets.seen());
    }

    /// Octets in hex, each line behind `indent`.
    pub(super) fn hex(&mut self, indent: &str, octets: Octets<'_>) {
        super::dump::hex(self.out, indent, octets.seen());
    }

    /// `a.port > b.port`, or `a > b` without ports.
    pub(super) fn ends(&mut self, [from, to]: [IpAddr; 2], ports: Option<(SocketKind, [u16; 2])>) {
        let (from, to) = (address(from), address(to));
        if let Some((kind, [source, destination])) = ports {
            let (source, destination) = (self.port(kind, source), self.port(kind, destination));
            self.paint(
                Ink::Ends,
                format_args!("{from}.{source} > {to}.{destination}"),
            );
        } else {
            self.paint(Ink::Ends, format_args!("{from} > {to}"));
        }
    }

    /// Name of a port, or its number.
    pub(super) fn port(&self, kind: SocketKind, port: u16) -> String {
        let named = (!self.style.numeric).then(|| self.services.name(kind, port));
        named
            .flatten()
            .map_or_else(|| port.to_string(), |name| printable(name.as_bytes()))
    }

    /// Name of an IP protocol, or `ip-proto-n`.
    pub(super) fn protocol(&self, number: u8) -> String {
        let name = (!self.style.numeric).then(|| registry::protocol(number));
        name.flatten()
            .map_or_else(|| format!("ip-proto-{number}"), str::to_owned)
    }

    /// See [`mac`].
    pub(super) fn mac(&self, address: &[u8]) -> String {
        mac(self.style, address)
    }
}

/// A MAC address, and whose it is; one of another length as it is.
pub(super) fn mac(style: &Style, address: &[u8]) -> String {
    let digits = colons(address);
    match *address {
        _ if style.numeric => digits,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "Broadcast".to_owned(),
        [a, b, c, _, _, _] => {
            let whose = registry::organization([a, b, c]).unwrap_or("Unknown");
            format!("{digits} (oui {whose})")
        }
        _ => digits,
    }
}

/// An address as tcpdump writes it.
pub(super) fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => address_v6(v6),
    }
}

/// `::192.0.2.1` for the deprecated IPv4-compatible ones (RFC 4291, section
/// 2.5.5.1), else as RFC 5952 has it.
pub(super) fn address_v6(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => address.to_string(),
    }
}

/// A string of octets with colons.
pub(super) fn colons(octets: &[u8]) -> String {
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    pairs.join(":")
}

/// Octets in hex without anything between them.
pub(super) fn hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * octets.len());
    for octet in octets {
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// A stranger's text, made harmless for terminals as tcpdump does it: `^X` for
/// controls, `M-` before what is not ASCII.
pub(super) fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &octet in text {
        if octet >= 0x80 {
            out.push_str("M-");
        }
        let ascii = octet & 0x7f;
        if ascii == b' ' || ascii.is_ascii_graphic() {
            out.push(ascii.into());
        } else {
            out.push('^');
            out.push((ascii ^ 0x40).into());
        }
    }
    out
}

/// Names of the bits that are set, joined by `between`; `none` without any.
pub(super) fn bits(value: u32, names: &[(u32, &str)], between: &str, none: &str) -> String {
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| value & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        none.to_owned()
    } else {
        set.join(between)
    }
}
