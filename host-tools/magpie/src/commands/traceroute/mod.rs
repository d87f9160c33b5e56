//! `magpie traceroute`: which routers a packet passes.

mod once;
mod rounds;
mod systems;
mod ways;
mod wire;

use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use magpie_os::Signals;
use magpie_os::probe::ProbeOptions;
use magpie_probe::trace::manners::{self, Manner};
use magpie_probe::trace::{Event, Machine, Note, Plan};

use crate::cli::traceroute::{ASN_DB, Format, Traceroute};
use crate::commands::link;
use crate::commands::names::Names;
use crate::exit::Exit;
use crate::output::say;
use crate::views::json::line;
use crate::views::text::queue_drops;
use crate::views::trace::text::doubts;
use crate::views::trace::{Label, json};
use systems::Systems;
use wire::{Sent, Wire};

/// How often names are looked at while one is waited for.
const NAMES_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn run(options: &Traceroute) -> anyhow::Result<Exit> {
    let destination = resolve(options)?;
    let mut plan = plan(options, destination)?;
    let manner = match (options.live, options.multipath) {
        (true, _) => Manner::Live(options.interval),
        (_, true) => Manner::Multipath,
        _ => Manner::Once,
    };
    if manner == Manner::Multipath && options.sendwait.is_none() && !options.fast {
        plan.send_wait = manners::SPACING;
    }
    mind_manners(options, &plan, manner)?;
    let systems = systems(options)?;
    let sockets = wire::socket_options(
        &plan,
        options.source,
        interface(options),
        options.tos,
        options.dont_fragment,
    );
    let signals = Signals::catch().context("signals cannot be heard")?;
    let wire = Wire::open(&mut plan, sockets)?;
    magpie_os::drop_privileges()?;
    plan.check()?;
    let run = Run {
        wire,
        signals,
        names: Names::new(!options.numeric),
        systems,
        plan,
        options,
    };
    match manner {
        Manner::Once => once::run(run),
        Manner::Live(interval) => rounds::run(run, interval),
        Manner::Multipath => ways::run(run),
    }
}

/// What all kinds of traces need.
struct Run<'a> {
    wire: Wire,
    signals: Signals,
    names: Names,
    systems: Option<Systems>,
    plan: Plan,
    options: &'a Traceroute,
}

impl Run<'_> {
    fn is_json(&self) -> bool {
        self.options.format == Format::Json
    }

    /// What is known of an address.
    fn label(&self, address: IpAddr) -> Label {
        Label {
            name: self.names.of(address).map(str::to_owned),
            asn: self.systems.as_ref().map(|systems| systems.of(address)),
        }
    }

    /// Everything that can be done now: sends, waits until something comes or
    /// time is over (no longer than `most`), and hands it in.
    fn turn(&mut self, machine: &mut impl Machine, most: Duration) -> anyhow::Result<()> {
        // What comes in between is looked at now and then.
        for _ in 0..usize::from(self.plan.parallel) {
            let now = self.wire.now();
            let Some(transmit) = machine.poll_transmit(now) else {
                break;
            };
            if let Sent::TooLong(mtu) = self.wire.send(&transmit, machine)?
                && !machine.handle_too_long(transmit.probe.serial, Some(mtu))
            {
                bail!(
                    "a probe of {} octets is longer than the {mtu} that the link carries: ask for \
                     shorter ones, or for --mtu",
                    transmit.probe.octets
                );
            }
        }
        let now = self.wire.now();
        // One that is over has nothing to wait for but what the caller does.
        let longest = now.saturating_add(most);
        let until = machine.poll_timeout().unwrap_or(longest).min(longest);
        self.wire.collect(until, &self.signals, machine)?;
        machine.handle_timeout(self.wire.now());
        Ok(())
    }

    /// The first line: that object, or these words.
    fn begin(&self, mode: &str, words: Option<&str>, out: &mut impl Write) -> io::Result<()> {
        if self.is_json() {
            let at = self.wire.unix_us(self.wire.now());
            let row = json::trace(&self.options.host, &self.plan, mode, at);
            line(&row, out)?;
        } else if let Some(words) = words {
            writeln!(out, "{words}")?;
        }
        out.flush()
    }

    /// The last line, or what has to be known of those before it.
    fn end(
        &self,
        machine: &impl Machine,
        reached: bool,
        mtu: Option<u32>,
        out: &mut impl Write,
    ) -> io::Result<Exit> {
        let drops = self.wire.drops();
        if self.is_json() {
            let took = self.wire.now();
            let row = json::summary(&self.plan, machine.counts(), reached, mtu, took, drops);
            line(&row, out)?;
        }
        out.flush()?;
        if !self.is_json() {
            let drops = drops.filter(|drops| *drops > 0).map(queue_drops);
            for doubt in doubts(machine.counts()).into_iter().chain(drops) {
                say(&doubt);
            }
        }
        Ok(if reached {
            Exit::Success
        } else {
            Exit::Unanswered
        })
    }

    /// Looks for names of who answered.
    fn heed(&mut self, event: &Event) {
        if let Event::Answered(_, answer) | Event::Late(_, answer) = event {
            self.names.look_for(answer.from);
        }
    }
}

/// A note for people.
fn tell(note: Note) {
    let Note::ShortQuotes(router) = note;
    say(&format!(
        "{router} quotes only 28 octets of a probe: hops that stay open are asked from other \
         source ports, and may be seen on another path (-I does not need it)"
    ));
}

/// The address of a host: the first one of the wanted version, as the system
/// orders them.
fn resolve(options: &Traceroute) -> anyhow::Result<IpAddr> {
    let host = &options.host;
    let wanted = |address: &IpAddr| match (options.ipv4, options.ipv6) {
        (true, _) => address.is_ipv4(),
        (_, true) => address.is_ipv6(),
        _ => options
            .source
            .is_none_or(|source| source.is_ipv4() == address.is_ipv4()),
    };
    let number = host
        .split_once('%')
        .map_or(host.as_str(), |(number, _)| number);
    let all: Vec<IpAddr> = match number.parse() {
        Ok(address) => vec![address],
        Err(_) => (host.as_str(), 0)
            .to_socket_addrs()
            .with_context(|| format!("{host}: no such name"))?
            .map(|address| address.ip())
            .collect(),
    };
    let Some(address) = all.iter().find(|address| wanted(address)) else {
        bail!("{host}: it has no address of this version of IP");
    };
    let is_many = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    };
    if is_many || address.is_unspecified() {
        bail!("{address}: a path leads to one host, not to many");
    }
    let is_named = interface(options).is_some();
    link::check(host, (*address, 0).into(), is_named, "-i")?;
    Ok(*address)
}

/// By which interface, if it matters: `-i`, or the zone of an address
/// (`fe80::1%eth0`).
fn interface(options: &Traceroute) -> Option<&str> {
    let zone = options.host.split_once('%').map(|(_, zone)| zone);
    options.interface.as_deref().or(zone)
}

fn plan(options: &Traceroute, destination: IpAddr) -> anyhow::Result<Plan> {
    let source = match options.source {
        Some(source) => source,
        None => magpie_os::source_address(
            destination,
            &ProbeOptions {
                interface: interface(options).map(str::to_owned),
                ..ProbeOptions::default()
            },
        )?,
    };
    let mut plan = Plan::new(destination, source, options.method());
    plan.first_hop = options.first;
    plan.max_hops = options.max_hops;
    plan.queries = options.queries;
    plan.parallel = options.sim_queries;
    plan.wait = options.wait;
    plan.send_wait = options.sendwait.unwrap_or_default();
    plan.find_mtu = options.mtu;
    if let Some(port) = options.port {
        plan.port = port;
    }
    if let Some(octets) = options.packet_len {
        plan.packet_octets = octets.max(plan.least_octets());
    } else if options.mtu {
        plan.packet_octets = Plan::LONGEST;
    }
    plan.check()?;
    Ok(plan)
}

fn mind_manners(options: &Traceroute, plan: &Plan, manner: Manner) -> anyhow::Result<()> {
    let excess = manners::judge(plan, manner);
    if excess.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = excess.iter().map(ToString::to_string).collect();
    if !options.fast {
        bail!("{}; --fast allows it", words.join(", "));
    }
    say(&format!("--fast: {}", manners::words(plan, manner)));
    Ok(())
}

fn systems(options: &Traceroute) -> anyhow::Result<Option<Systems>> {
    let named = options.asn_db.clone();
    if named.is_none() && !options.as_path_lookups {
        return Ok(None);
    }
    let file = named.or_else(|| std::env::var_os(ASN_DB).map(PathBuf::from));
    let Some(file) = file else {
        bail!("-A needs a file: name one by --asn-db FILE, or by {ASN_DB} in the environment");
    };
    Systems::open(&file).map(Some)
}

/// A key that nobody can guess, for the tags of probes.
fn key() -> anyhow::Result<[u8; 16]> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(key)
}
