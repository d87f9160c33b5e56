//! What became of captured packets: rows, the last lines, the books.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use magpie_capture::write::{INBOUND, OUTBOUND, Packet};
use serde_json::Value;

use super::names;
use super::packet::Talk;
use super::rows::Row;

/// What the source itself counted of an interface; `None` where it counts
/// nothing, and what was read is all there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Packets that came to this machine; of a sensor those that its filter
    /// took.
    pub received: Option<u64>,
    /// Dropped by the kernel.
    pub kernel: Option<u64>,
    /// Dropped by the network card, as far as its driver says.
    pub card: Option<u64>,
    /// Of a sensor: frames that it saw meanwhile, whatever the filter said.
    pub seen: Option<u64>,
    /// Dropped by the sensor, for want of room.
    pub sensor: Option<u64>,
    /// Lost between the sensor and here.
    pub link: Option<u64>,
    /// Of a sensor: frames that it lost before it saw them.
    pub lost_before: Option<u64>,
    /// What nobody tells.
    pub unknown: Option<&'static str>,
}

/// An interface whose packets came, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its source, as the user named it.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Packets that the source gave.
    pub read: u64,
    /// Those that the filter did not take.
    pub filtered: u64,
    /// Those that were written, printed or counted.
    pub kept: u64,
    /// Those that came when no more were wanted.
    pub beyond: u64,
    /// Those that were to be written when no more could be.
    pub unwritten: u64,
    /// What was counted outside this program.
    pub counted: Counted,
}

impl Interface {
    /// Nothing came yet.
    pub fn new(source: &str, name: &str) -> Self {
        Self {
            source: source.to_owned(),
            name: name.to_owned(),
            read: 0,
            filtered: 0,
            kept: 0,
            beyond: 0,
            unwritten: 0,
            counted: Counted::default(),
        }
    }

    /// So many of those kept are in no file after all: nobody read on, or it
    /// could not be written.
    pub fn take_back(&mut self, packets: u64, is_unread: bool) {
        self.kept = self.kept.saturating_sub(packets);
        let instead = if is_unread {
            &mut self.beyond
        } else {
            &mut self.unwritten
        };
        *instead = instead.saturating_add(packets);
    }

    /// Packets that came to this machine, or that a file holds as far as it was
    /// read.
    pub fn received(&self) -> u64 {
        let card = self.counted.card.unwrap_or(0);
        let received = self.counted.received.unwrap_or(self.read);
        received.saturating_add(card)
    }
}

/// The balance of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    received: u64,
    filtered: u64,
    kept: u64,
    kernel: Option<u64>,
    card: Option<u64>,
    sensor: Option<u64>,
    link: Option<u64>,
    unwritten: u64,
    unknown: Option<&'static str>,
    beyond: u64,
}

impl Books {
    /// Of all interfaces.
    pub fn of(interfaces: &[Interface]) -> Self {
        let sum = |of: fn(&Interface) -> u64| {
            let each = interfaces.iter().map(of);
            each.fold(0, u64::saturating_add)
        };
        let counted = |of: fn(&Counted) -> Option<u64>| {
            let each = interfaces.iter().filter_map(|i| of(&i.counted));
            each.reduce(u64::saturating_add)
        };
        Self {
            received: sum(Interface::received),
            filtered: sum(|i| i.filtered),
            kept: sum(|i| i.kept),
            kernel: counted(|counted| counted.kernel),
            card: counted(|counted| counted.card),
            sensor: counted(|counted| counted.sensor),
            link: counted(|counted| counted.link),
            unwritten: sum(|i| i.unwritten),
            unknown: interfaces.iter().find_map(|i| i.counted.unknown),
            beyond: sum(|i| i.beyond),
        }
    }

    /// Something that no interface tells is unknown, too.
    #[must_use]
    pub fn or_unknown(mut self, unknown: Option<&'static str>) -> Self {
        self.unknown = self.unknown.or(unknown);
        self
    }

    /// Packets that are nowhere.
    pub fn unaccounted(&self) -> i128 {
        i128::from(self.received)
            - i128::from(self.filtered)
            - i128::from(self.kept)
            - i128::from(self.beyond)
            - i128::from(self.dropped())
    }

    /// Whether the sums disagree.
    pub fn is_open(&self) -> bool {
        self.unaccounted() != 0
    }

    /// tcpdump's last lines, of interfaces.
    pub fn lines(&self) -> Vec<String> {
        let packets = |n: u64| format!("{n} packet{}", if n == 1 { "" } else { "s" });
        let mut lines = vec![
            format!("{} captured", packets(self.kept)),
            format!(
                "{} received by filter",
                packets(
                    self.filtered
                        .saturating_add(self.kept)
                        .saturating_add(self.unwritten)
                )
            ),
        ];
        for (count, by) in [
            (self.kernel, "dropped by kernel"),
            (self.sensor, "dropped by sensor"),
            (self.link, "lost on the link"),
        ] {
            if let Some(count) = count {
                lines.push(format!("{} {by}", packets(count)));
            }
        }
        if let Some(card) = self.card.filter(|n| *n > 0) {
            lines.push(format!("{} dropped by interface", packets(card)));
        }
        if self.unwritten > 0 {
            lines.push(format!("{} not written", packets(self.unwritten)));
        }
        lines
    }

    /// `CLOSED`, `PARTIAL(why)` or `OPEN`.
    fn state(&self) -> String {
        match self.unknown {
            _ if self.is_open() => "OPEN".into(),
            _ if self.unwritten > 0 => "PARTIAL(writing failed)".into(),
            Some(why) => format!("PARTIAL({why})"),
            None => "CLOSED".into(),
        }
    }

    /// Where packets were dropped, and how many.
    fn drops(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("kernel", self.kernel),
            ("card", self.card),
            ("sensor", self.sensor),
            ("link", self.link),
            ("file", Some(self.unwritten)),
        ]
    }

    fn dropped(&self) -> u64 {
        let counts = self.drops().into_iter().filter_map(|(_, count)| count);
        counts.fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<_> = self
            .drops()
            .into_iter()
            .filter_map(|(name, count)| Some((name, count.filter(|n| *n > 0)?)))
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let reasons = if each.is_empty() {
            String::new()
        } else {
            format!("({})", each.join(","))
        };
        write!(
            f,
            "books {} received={} kept={} filtered={} beyond={} dropped={}{reasons} unaccounted={}",
            self.state(),
            self.received,
            self.kept,
            self.filtered,
            self.beyond,
            self.dropped(),
            self.unaccounted()
        )
    }
}

fn put(row: &mut Row, name: &str, value: impl Into<Value>) {
    row.insert(name.into(), value.into());
}

/// A packet, as it goes into a file: its source, its interface, who talks to
/// whom, its line, and its octets in hex where they are wanted.
pub fn packet(
    number: u64,
    packet: &Packet<'_>,
    of: (&str, &str),
    (talk, line): (&Talk, &str),
    hex: bool,
) -> Row {
    let mut row = Row::new();
    put(&mut row, "type", "packet");
    put(&mut row, "source", of.0);
    put(&mut row, "interface", of.1);
    put(&mut row, "number", number);
    put(&mut row, "at_us", packet.at_ns / 1_000);
    put(&mut row, "nanos", packet.at_ns % 1_000);
    put(&mut row, "wire_octets", packet.wire_len);
    put(&mut row, "captured_octets", packet.octets.len());
    let direction = match packet.flags & 3 {
        INBOUND => Some("in"),
        OUTBOUND => Some("out"),
        _ => None,
    };
    put(&mut row, "direction", direction);
    put_talk(&mut row, talk);
    put(&mut row, "line", line);
    put(&mut row, "dropped_before", packet.dropped);
    put(&mut row, "comment", packet.comment);
    if hex {
        let mut text = String::with_capacity(packet.octets.len() * 2);
        for octet in packet.octets {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
        }
        put(&mut row, "octets", text);
    }
    row
}

fn put_talk(row: &mut Row, talk: &Talk) {
    /// Greatest value that is no type but a length (IEEE 802.3).
    const MAX_LENGTH: u16 = 1_500;
    let mac = |octets: [u8; 6]| octets.map(|octet| format!("{octet:02x}")).join(":");
    let [from_mac, to_mac] = each(talk.macs.map(|macs| macs.map(mac)));
    put(row, "from_mac", from_mac);
    put(row, "to_mac", to_mac);
    put(row, "vlan", talk.vlan.as_slice());
    let version = |ends: [IpAddr; 2]| if ends[0].is_ipv4() { 4 } else { 6 };
    let is_ip = talk.protocol.is_some();
    let version = talk.ends.filter(|_| is_ip).map(version);
    put(row, "ip_version", version);
    put(row, "protocol", talk.protocol);
    let name = match (talk.protocol, talk.ethertype) {
        (Some(protocol), _) => names::protocol(protocol),
        (None, Some(..=MAX_LENGTH)) => Some("llc"),
        (None, Some(ethertype)) => names::ethertype(ethertype.into()),
        (None, None) => None,
    };
    put(row, "protocol_name", name.map(str::to_lowercase));
    let [from, to] = each(talk.ends.map(|ends| ends.map(|end| end.to_string())));
    let [from_port, to_port] = each(talk.ports);
    put(row, "from", from);
    put(row, "from_port", from_port);
    put(row, "to", to);
    put(row, "to_port", to_port);
}

/// Both or none.
fn each<T>(both: Option<[T; 2]>) -> [Option<T>; 2] {
    both.map_or([None, None], |both| both.map(Some))
}

/// What became of an interface's packets.
pub fn interface(interface: &Interface) -> Row {
    let mut row = Row::new();
    put(&mut row, "type", "capture");
    put(&mut row, "source", interface.source.as_str());
    put(&mut row, "interface", interface.name.as_str());
    put(&mut row, "received", interface.received());
    put(&mut row, "kept", interface.kept);
    put(&mut row, "filtered", interface.filtered);
    put(&mut row, "beyond", interface.beyond);
    put(&mut row, "dropped_kernel", interface.counted.kernel);
    put(&mut row, "dropped_card", interface.counted.card);
    put(&mut row, "dropped_sensor", interface.counted.sensor);
    put(&mut row, "dropped_link", interface.counted.link);
    put(&mut row, "dropped_file", interface.unwritten);
    row
}

/// The books, and their line.
pub fn books(books: &Books) -> Row {
    let mut row = Row::new();
    put(&mut row, "type", "books");
    put(&mut row, "state", books.state());
    put(&mut row, "received", books.received);
    put(&mut row, "kept", books.kept);
    put(&mut row, "filtered", books.filtered);
    put(&mut row, "beyond", books.beyond);
    put(&mut row, "dropped", books.dropped());
    let unaccounted = i64::try_from(books.unaccounted()).unwrap_or(i64::MAX);
    put(&mut row, "unaccounted", unaccounted);
    put(&mut row, "line", books.to_string());
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listened() -> Interface {
        Interface {
            read: 90,
            filtered: 50,
            kept: 38,
            beyond: 2,
            counted: Counted {
                received: Some(97),
                kernel: Some(7),
                card: Some(3),
                ..Counted::default()
            },
            ..Interface::new("if:eth0", "eth0")
        }
    }

    #[test]
    fn what_was_received_is_somewhere() {
        let file = Interface {
            read: 10,
            kept: 10,
            ..Interface::new("a.pcap", "a.pcap")
        };
        let books = Books::of(&[listened(), file]);
        assert_eq!(
            books.to_string(),
            "books CLOSED received=110 kept=48 filtered=50 beyond=2 dropped=10(kernel 7,card 3) \
             unaccounted=0"
        );
        assert_eq!(
            books.lines(),
            [
                "48 packets captured",
                "98 packets received by filter",
                "7 packets dropped by kernel",
                "3 packets dropped by interface"
            ]
        );
    }

    #[test]
    fn a_packet_that_is_nowhere_opens_the_books() {
        for (change, by) in [(1, -1), (-1, 1)] {
            let mut one = listened();
            one.kept = one.kept.saturating_add_signed(change);
            let books = Books::of(&[one]);
            assert!(books.is_open());
            let line = books.to_string();
            assert!(line.starts_with("books OPEN "), "{line}");
            assert!(line.ends_with(&format!("unaccounted={by}")), "{line}");
        }
        let mut unknown = listened();
        unknown.counted.card = None;
        unknown.counted.unknown = Some("card unknown");
        let line = Books::of(&[unknown]).to_string();
        assert!(
            line.starts_with("books PARTIAL(card unknown) received=97 "),
            "{line}"
        );
    }
}
