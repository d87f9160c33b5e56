//! Interfaces, for people and as rows.

use std::io::{self, Write};
use std::time::Duration;

use magpie_os::{Interface, InterfaceCounters};
use serde_json::{Value, json};

use super::rows::Row;
use super::text::{Columns, megabits, plain, thousands};

/// An interface, and what it had counted before.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// As it is now.
    pub interface: &'a Interface,
    /// How long ago, and what it had counted then; for rates.
    pub before: Option<(Duration, &'a InterfaceCounters)>,
}

/// Packets and octets a second, received and sent.
struct Rates {
    rx_packets: f64,
    rx_octets: f64,
    tx_packets: f64,
    tx_octets: f64,
}

impl Seen<'_> {
    fn rates(&self) -> Option<Rates> {
        let (time, before) = self.before?;
        let seconds = time.as_secs_f64();
        let now = &self.interface.counters;
        // A driver that was loaded anew begins at 0.
        let rate = |now: u64, before: u64| {
            #[allow(clippy::cast_precision_loss)] // of what passes in a moment
            let more = now.saturating_sub(before) as f64;
            if seconds > 0.0 { more / seconds } else { 0.0 }
        };
        Some(Rates {
            rx_packets: rate(now.rx_packets, before.rx_packets),
            rx_octets: rate(now.rx_octets, before.rx_octets),
            tx_packets: rate(now.tx_packets, before.tx_packets),
            tx_octets: rate(now.tx_octets, before.tx_octets),
        })
    }
}

/// Whether frames pass, in a word or two.
fn state(interface: &Interface) -> &'static str {
    const RUNNING: u32 = 0x40;
    if !interface.is_up() {
        "down"
    } else if interface.flags & RUNNING == 0 {
        "no link"
    } else {
        "up"
    }
}

fn link(interface: &Interface) -> String {
    let speed = interface.mbit.map(|mbit| match mbit {
        // Not 2500.
        mbit if mbit >= 1000 && mbit % 1000 == 0 => format!("{}G", mbit / 1000),
        mbit => format!("{mbit}M"),
    });
    let duplex = interface.full_duplex;
    let duplex = duplex.map(|full| if full { "full" } else { "half" }.to_owned());
    let both: Vec<_> = [speed, duplex].into_iter().flatten().collect();
    if both.is_empty() {
        "-".to_owned()
    } else {
        both.join(" ")
    }
}

fn hardware_address(interface: &Interface) -> Option<String> {
    // The loopback interface has one of zeroes, which is none.
    let any = interface.address.iter().any(|octet| *octet != 0);
    let octets = interface.address.iter().map(|o| format!("{o:02x}"));
    any.then(|| octets.collect::<Vec<_>>().join(":"))
}

fn merges(interface: &Interface) -> Vec<&'static str> {
    interface.offloads.iter().map(|o| o.name()).collect()
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// Writes the tables for people: what they are, what they counted and, where
/// it was counted twice, rates.
pub fn write(all: &[Seen<'_>], out: &mut impl Write) -> io::Result<()> {
    let names = [
        "INTERFACE",
        "STATE",
        "MTU",
        "LINK",
        "WATCH",
        "MERGES",
        "ADDRESSES",
    ];
    let mut what = Columns::new("<<><<<<", &names);
    let names = [
        "INTERFACE",
        "RX PACKETS",
        "OCTETS",
        "ERRORS",
        "DROPPED",
        "TX PACKETS",
        "OCTETS",
        "ERRORS",
        "DROPPED",
    ];
    let mut counted = Columns::new("<>>>>>>>>", &names);
    let names = ["INTERFACE", "RX PACKETS/S", "Mb/s", "TX PACKETS/S", "Mb/s"];
    let mut rates = Columns::new("<>>>>", &names);
    let mut refusals = Vec::new();
    for seen in all {
        let interface = seen.interface;
        let name = plain(&interface.name);
        let refusal = interface.cannot_be_captured();
        let ip = interface.addresses.iter().map(|a| match a.peer {
            Some(peer) => format!("{} peer {peer}/{}", a.address, a.prefix),
            None => format!("{}/{}", a.address, a.prefix),
        });
        let addresses: Vec<String> = hardware_address(interface).into_iter().chain(ip).collect();
        what.row([
            name.clone(),
            state(interface).to_owned(),
            interface.mtu.to_string(),
            link(interface),
            if refusal.is_none() { "yes" } else { "no" }.to_owned(),
            or_dash(merges(interface).join(",")),
            or_dash(addresses.join(" ")),
        ]);
        if let Some(why) = refusal {
            refusals.push(format!("{name}: {why}"));
        }
        let c = &interface.counters;
        counted.row([
            name.clone(),
            thousands(c.rx_packets),
            thousands(c.rx_octets),
            thousands(c.rx_errors),
            thousands(c.rx_dropped),
            thousands(c.tx_packets),
            thousands(c.tx_octets),
            thousands(c.tx_errors),
            thousands(c.tx_dropped),
        ]);
        if let Some(found) = seen.rates() {
            rates.row([
                name,
                format!("{:.1}", found.rx_packets),
                megabits(found.rx_octets),
                format!("{:.1}", found.tx_packets),
                megabits(found.tx_octets),
            ]);
        }
    }
    for line in what.lines("") {
        writeln!(out, "{line}")?;
    }
    for table in [counted, rates].iter().filter(|table| !table.is_empty()) {
        writeln!(out)?;
        for line in table.lines("") {
            writeln!(out, "{line}")?;
        }
    }
    if !refusals.is_empty() {
        writeln!(out, "\nnot for watch: {}", refusals.join("; "))?;
    }
    Ok(())
}

/// Writes a numbered line for each that can be listened to.
pub fn write_list(all: &[Seen<'_>], out: &mut impl Write) -> io::Result<()> {
    let can = |seen: &&Seen<'_>| seen.interface.cannot_be_captured().is_none();
    for (n, seen) in all.iter().filter(can).enumerate() {
        let interface = seen.interface;
        let mut words = Vec::new();
        for (flag, word) in [
            ("UP", "Up"),
            ("RUNNING", "Running"),
            ("LOOPBACK", "Loopback"),
        ] {
            if interface.flag_names().any(|name| name == flag) {
                words.push(word);
            }
        }
        let name = plain(&interface.name);
        writeln!(out, "{}.{name} [{}]", n + 1, or_dash(words.join(", ")))?;
    }
    Ok(())
}

/// An interface as a row.
pub fn row(seen: &Seen<'_>) -> Row {
    let interface = seen.interface;
    let mut row = Row::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("type", "interface".into());
    put("name", plain(&interface.name).into());
    put("index", interface.index.into());
    put("kind", interface.kind.as_deref().map(plain).into());
    put("hardware_type", interface.hardware.into());
    put(
        "controller",
        interface.controller.as_deref().map(plain).into(),
    );
    put("up", interface.is_up().into());
    put("state", interface.state.into());
    put("flags", interface.flag_names().collect());
    put("mtu_octets", interface.mtu.into());
    put("hardware_address", hardware_address(interface).into());
    let addresses = interface.addresses.iter().map(|a| {
        let peer = a.peer.map(|peer| peer.to_string());
        json!({"address": a.address.to_string(), "prefix": a.prefix, "peer": peer})
    });
    put("addresses", addresses.collect());
    put("mbit", interface.mbit.into());
    put("full_duplex", interface.full_duplex.into());
    put("offloads", merges(interface).into());
    let refusal = interface.cannot_be_captured();
    put("watch", refusal.is_none().into());
    put("watch_refused", refusal.into());
    for (name, value) in interface.counters.fields() {
        put(name, value.into());
    }
    let rates = seen.rates();
    let of = |take: fn(&Rates) -> f64| rates.as_ref().map(take).map(whole).into();
    put("rx_packets_per_s", of(|r| r.rx_packets));
    put("rx_octets_per_s", of(|r| r.rx_octets));
    put("tx_packets_per_s", of(|r| r.tx_packets));
    put("tx_octets_per_s", of(|r| r.tx_octets));
    row
}

fn whole(rate: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // stops at the ends
    let whole = rate.round() as u64;
    whole
}
