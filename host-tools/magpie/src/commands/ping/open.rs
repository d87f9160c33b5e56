//! From the command line to a host's socket and its ping.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use magpie_os::probe::{Family, LARGE_BUFFER, PathMtu, ProbeOptions, Purpose};
use magpie_os::{OsError, ProbeSocket};
use magpie_probe::ping::{Answers, Config, Pace, Ping};

use super::host::Host;
use super::targets::Target;
use super::{interval, ip_option_octets, is_quick};
use crate::cli::ping::{PathMtu as PathMtuOption, Ping as Options};
use crate::commands::link;
use crate::output::say;

/// Why a host is not pinged.
pub(super) enum Refused {
    /// It concerns this host.
    Host(anyhow::Error),
    /// It concerns all of them.
    All(anyhow::Error),
}

impl Refused {
    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Host(error) | Self::All(error) => error,
        }
    }
}

/// Opens a host's socket; also the address that it is pinged from, if one or
/// an interface was named.
pub(super) fn open(
    options: &Options,
    target: Target,
    begins: Duration,
) -> Result<(Host, Option<IpAddr>), Refused> {
    let mut target = target;
    let family = Family::of(target.address.ip());
    let mut socket_options = socket_options(options, target.address);
    let is_named = socket_options.interface.is_some();
    link::check(&target.name, target.address, is_named, "-I").map_err(Refused::Host)?;
    let (source, to) = way_to(options, &target, &mut socket_options)?;
    if let Some(to) = to.filter(|_| target.address.ip().is_unspecified()) {
        target.address.set_ip(to);
    }
    let address = target.address;
    let is_several = address.ip().is_multicast() || socket_options.broadcast;
    // What is sent to several comes back to this machine before the card has it.
    socket_options.transmit_stamps = !is_quick(options) && !is_several;
    socket_options.hears_others = true;
    if is_several || is_quick(options) || options.preload > 1 {
        socket_options.receive_buffer = Some(LARGE_BUFFER);
    }
    let socket = ProbeSocket::open(Purpose::Echo, family, &socket_options)
        .map_err(|error| Refused::All(error.into()))?;
    if options.connect {
        socket
            .connect(address)
            .with_context(|| format!("{}: connect", target.name))
            .map_err(Refused::Host)?;
    }
    let config = Config {
        destination: address.ip(),
        answers: if is_several {
            Answers::Anybody
        } else {
            Answers::Destination
        },
        identifier: socket.identifier().unwrap_or(0),
        size: options.size,
        pattern: options.pattern.clone().unwrap_or_default(),
        count: options.count,
        pace: if options.adaptive {
            Pace::Adaptive
        } else if options.flood && options.interval.is_none() {
            Pace::Flood
        } else {
            Pace::Steady(interval(options))
        },
        preload: options.preload,
        timeout: options.timeout,
        deadline: options.deadline(),
        tells_outstanding: options.outstanding,
        is_silent: options.quiet && !options.plot,
    };
    let named = options.interface.as_deref();
    let zone = match target.name.split_once('%') {
        Some((_, zone)) => Some(zone),
        None => named.filter(|name| name.parse::<IpAddr>().is_err()),
    };
    let host = Host {
        zone: zone.map(str::to_owned),
        target,
        socket,
        ping: Ping::new(config, begins),
        begins,
        to: (!options.connect).then_some(address),
        has_stamps: socket_options.transmit_stamps,
        keys: VecDeque::new(),
        next_key: 0,
        reply_zone: 0,
        ip_options: Vec::new(),
    };
    Ok((host, source.filter(|_| named.is_some())))
}

fn socket_options(options: &Options, to: SocketAddr) -> ProbeOptions {
    let named = options.interface.as_deref();
    let source: Option<IpAddr> = named.and_then(|name| name.parse().ok());
    let interface = named.filter(|_| source.is_none()).map(str::to_owned);
    let source = source.map(|source| {
        let mut address = SocketAddr::new(source, 0);
        // An address of one link is one of the link that is sent to.
        if let (SocketAddr::V6(from), SocketAddr::V6(to)) = (&mut address, to) {
            from.set_scope_id(to.scope_id());
        }
        address
    });
    ProbeOptions {
        source,
        interface,
        ttl: options.ttl,
        traffic_class: options.tos,
        path_mtu: options.pmtudisc.map(|how| match how {
            PathMtuOption::Do => PathMtu::Do,
            PathMtuOption::Want => PathMtu::Want,
            PathMtuOption::Dont => PathMtu::Dont,
            PathMtuOption::Probe => PathMtu::Probe,
        }),
        mark: options.mark,
        ip_options: ip_option_octets(options),
        send_buffer: options.sndbuf,
        no_loop: options.no_loop,
        dont_route: options.bypass_routing,
        identifier: options.identifier,
        terse: true,
        ..ProbeOptions::default()
    }
}

/// Finds the way to a host without sending anything: the address that it is
/// pinged from, and the one that it is pinged at, which of all zeroes is
/// another. A broadcast address is refused, or allowed and said.
fn way_to(
    options: &Options,
    target: &Target,
    socket_options: &mut ProbeOptions,
) -> Result<(Option<IpAddr>, Option<IpAddr>), Refused> {
    let family = Family::of(target.address.ip());
    let mut to = target.address;
    to.set_port(1_025); // some port: nothing is sent
    let connect = |asked: &ProbeOptions| -> Result<io::Result<ProbeSocket>, OsError> {
        let plain = ProbeOptions {
            source: asked.source,
            interface: asked.interface.clone(),
            dont_route: asked.dont_route,
            mark: asked.mark,
            broadcast: asked.broadcast,
            terse: true,
            ..ProbeOptions::default()
        };
        let socket = ProbeSocket::open(Purpose::Udp, family, &plain)?;
        Ok(socket.connect(to).map(|()| socket))
    };
    let all = |error: OsError| Refused::All(error.into());
    let mut connected = connect(socket_options).map_err(all)?;
    let is_refused = |tried: &io::Result<ProbeSocket>| matches!(tried, Err(e) if e.kind() == io::ErrorKind::PermissionDenied);
    if is_refused(&connected) {
        if !options.broadcast {
            return Err(Refused::Host(anyhow::anyhow!(
                "{}: do you want to ping broadcast? Then -b. If not, check your routes and local \
                 firewall rules",
                target.name
            )));
        }
        socket_options.broadcast = true;
        connected = connect(socket_options).map_err(all)?;
        if connected.is_ok() {
            say(&format!(
                "WARNING: pinging broadcast address {}: every host there may answer each packet, \
                 one every {} ms",
                target.name,
                interval(options).as_millis()
            ));
        }
    }
    let socket = connected
        .with_context(|| format!("{}: connect", target.name))
        .map_err(Refused::Host)?;
    let ip = |known: io::Result<Option<SocketAddr>>| Some(known.ok()??.ip());
    Ok((ip(socket.local_address()), ip(socket.peer_address())))
}
