//! `magpie ping`: sockets, clocks and signals around the pings of `probe`.

mod host;
mod open;
mod show;
mod targets;

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use magpie_os::probe::Family;
use magpie_os::{ProbeSocket, Signals, drop_privileges, wait};
use magpie_probe::ip_options;
use magpie_probe::manners::{self, Plan};
use magpie_probe::ping::HEADER;

use self::host::{BUFFER, Clock, Host};
use self::open::{Refused, open};
use self::show::{DRAW_EVERY, Show};
use self::targets::{Target, resolve};
use crate::cli::ping::Ping as Options;
use crate::exit::Exit;
use crate::output::say;

/// Hosts are begun with so much between them at most, as fping does.
const BETWEEN_HOSTS: Duration = Duration::from_millis(25);
/// Transmit stamps cost a system call each: not for what is faster.
const STAMPS_FROM: Duration = Duration::from_millis(10);
/// So much is sent, or read from a socket, before times and signals are looked
/// at again: answers that come faster than we read are not to stop either.
pub(super) const AT_ONCE: usize = 256;
/// Longest wait: nothing is due for a long time.
const LONG: Duration = Duration::from_hours(1);

pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let mut failed = false;
    let targets = targets(options, &mut failed)?;
    let is_fast = judge(options, &targets)?;
    if is_fast && !options.fast {
        return Ok(Exit::Usage);
    }
    let clock = Clock::new();
    let mut hosts = Vec::new();
    let mut sources = Vec::new();
    let gap = BETWEEN_HOSTS
        .min(interval(options) / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX));
    let several = targets.len() > 1;
    for target in targets {
        let begins = if hosts.is_empty() || is_quick(options) {
            clock.now()
        } else {
            gap * u32::try_from(hosts.len()).unwrap_or(u32::MAX)
        };
        match open(options, target, begins) {
            Ok((host, source)) => {
                hosts.push(host);
                sources.push(source);
            }
            Err(error @ Refused::Host(_)) if several => {
                say(&format!("{:#}", error.into_error()));
                failed = true;
            }
            Err(error) => return Err(error.into_error()),
        }
    }
    if hosts.is_empty() {
        return Ok(Exit::Usage);
    }
    // After the last socket, and before the first thread.
    drop_privileges()?;
    // Without a handler Ctrl-C ends at once, which is no reason not to run.
    let signals = Signals::catch().ok();
    let mut show = Show::new(options, clock, &hosts);
    for (host, source) in hosts.iter().zip(sources) {
        tell_socket(options, host);
        show.begin(host, source).context("stdout")?;
    }
    drive(options, &mut hosts, &mut show, clock, signals.as_ref())?;
    show.end(&hosts).context("stdout")?;
    let answered = hosts.iter().all(|host| is_answered(options, host));
    Ok(if answered && !failed {
        Exit::Success
    } else {
        Exit::Unanswered
    })
}

/// As iputils decides it.
fn is_answered(options: &Options, host: &Host) -> bool {
    let received = host.ping.summary().received;
    let wanted = options
        .deadline()
        .and(options.count)
        .map_or(1, NonZeroU64::get);
    received >= wanted
}

fn targets(options: &Options, failed: &mut bool) -> anyhow::Result<Vec<Target>> {
    let family = match (options.ipv4, options.ipv6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        _ => None,
    };
    let mut targets = Vec::new();
    for host in &options.hosts {
        match resolve(host, family) {
            Ok(found) => targets.extend(found),
            Err(error) if options.hosts.len() > 1 => {
                say(&format!("{error:#}"));
                *failed = true;
            }
            Err(error) => return Err(error),
        }
    }
    if options.identifier.is_some() && targets.len() > 1 {
        bail!("-e: several hosts need an identifier each; leave it to the system");
    }
    Ok(targets)
}

fn interval(options: &Options) -> Duration {
    let flood = options.flood || options.adaptive;
    let default = Duration::from_secs(u64::from(!flood));
    options.interval.unwrap_or(default)
}

/// Faster than that the system should be asked for more than it must.
fn is_quick(options: &Options) -> bool {
    options.adaptive || interval(options) < STAMPS_FROM
}

/// Whether it is more than the budget allows: said, with what will be sent.
fn judge(options: &Options, targets: &[Target]) -> anyhow::Result<bool> {
    let addresses: Vec<IpAddr> = targets.iter().map(|target| target.address.ip()).collect();
    let ip = if addresses.iter().any(IpAddr::is_ipv6) {
        40
    } else {
        20 + ip_option_octets(options).len()
    };
    let has_ip_options = options.record_route || options.ip_timestamp.is_some();
    if let Some(v6) = addresses.iter().find(|address| address.is_ipv6())
        && has_ip_options
    {
        bail!("{v6}: IPv6 has neither record route nor time stamps");
    }
    let plan = Plan {
        destinations: &addresses,
        interval: interval(options),
        flood: options.flood && options.interval.is_none(),
        adaptive: options.adaptive,
        burst: options.preload,
        octets: ip + HEADER + options.size,
    };
    let excess = manners::judge(&plan);
    if excess.is_empty() {
        return Ok(false);
    }
    let reasons: Vec<String> = excess.iter().map(ToString::to_string).collect();
    let reasons = reasons.join("; ");
    let words = plan.words();
    if options.fast {
        say(&format!("sending to {words}"));
    } else {
        say(&format!(
            "{reasons}. Say --fast if that is meant; it would send to {words}"
        ));
    }
    Ok(true)
}

fn ip_option_octets(options: &Options) -> Vec<u8> {
    match &options.ip_timestamp {
        Some(stamps) => ip_options::timestamps(stamps),
        None if options.record_route => ip_options::record_route(),
        None => Vec::new(),
    }
}

fn tell_socket(options: &Options, host: &Host) {
    if options.verbose {
        say(&format!(
            "{}: {:?}: {}; identifier {}",
            host.target.name,
            host.socket.kind(),
            host.socket.why(),
            host.ping.config().identifier
        ));
    }
}

/// Room for what is received. Here, and not on the heap, a page of it that no
/// packet reaches costs nothing, at a start that a short ping consists of.
static ROOM: Mutex<[u8; BUFFER]> = Mutex::new([0; BUFFER]);

/// Until all is sent and answered, or somebody says that it is enough.
fn drive(
    options: &Options,
    hosts: &mut [Host],
    show: &mut Show<'_>,
    clock: Clock,
    signals: Option<&Signals>,
) -> anyhow::Result<()> {
    let mut octets = Vec::new();
    // Nobody panics while he has it.
    let mut room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let room = &mut room[..];
    loop {
        let now = clock.now();
        let mut next: Option<Duration> = None;
        let mut is_over = true;
        for (index, host) in hosts.iter_mut().enumerate() {
            if host.ping.is_done() {
                continue;
            }
            is_over = false;
            if host.begins > now {
                next = Some(next.map_or(host.begins, |next| next.min(host.begins)));
                continue;
            }
            for _ in 0..AT_ONCE {
                let wall = clock.wall_at(now);
                let Some(number) = host.ping.poll_transmit(now, wall, &mut octets) else {
                    break;
                };
                host.send(number, &octets, clock, room);
                if host.has_stamps {
                    host.read_errors(clock, room, None);
                }
                show.events(index, host).context("stdout")?;
                // What is quick has its answer already, as often as not.
                if is_quick(options) {
                    take_replies(host, clock, room)?;
                    show.events(index, host).context("stdout")?;
                }
            }
            host.ping.handle_timeout(now);
            show.events(index, host).context("stdout")?;
            if let Some(at) = host.ping.poll_timeout() {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        if signals.is_some_and(Signals::is_end) {
            for host in hosts.iter_mut() {
                host.ping.stop();
            }
        }
        if signals.is_some_and(Signals::take_status) {
            show.status(hosts).context("stderr")?;
        }
        if is_over {
            return Ok(());
        }
        let next = next.unwrap_or_default();
        if next <= now && hosts.len() == 1 && !show.is_live() {
            continue;
        }
        let mut timeout = next.saturating_sub(clock.now()).min(LONG);
        if show.is_live() {
            timeout = timeout.min(DRAW_EVERY);
        }
        show.flush(hosts).context("stdout")?;
        read_all(hosts, show, clock, signals, timeout, room)?;
    }
}

/// Waits, and takes what came.
fn read_all(
    hosts: &mut [Host],
    show: &mut Show<'_>,
    clock: Clock,
    signals: Option<&Signals>,
    timeout: Duration,
    room: &mut [u8],
) -> anyhow::Result<()> {
    let sockets: Vec<&ProbeSocket> = hosts.iter().map(|host| &host.socket).collect();
    let ready = wait(&sockets, signals, timeout).context("waiting for replies")?;
    for (index, (host, ready)) in hosts.iter_mut().zip(ready).enumerate() {
        // A transmit stamp comes before the reply.
        if ready.errors {
            host.read_errors(clock, room, None);
            show.events(index, host).context("stdout")?;
        }
        if ready.data {
            for _ in 0..AT_ONCE {
                let may_be_more = take_replies(host, clock, room)?;
                show.events(index, host).context("stdout")?;
                if !may_be_more {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Takes a reply, and more of them as long as some are waited for; true if
/// there may be more. What it tells is to be shown after each.
fn take_replies(host: &mut Host, clock: Clock, room: &mut [u8]) -> anyhow::Result<bool> {
    match host.read_reply(clock, room) {
        Ok(took) => Ok(took && !host.ping.is_idle()),
        Err(error) => {
            let name = &host.target.name;
            Err(error).with_context(|| format!("{name}: nothing can be received"))
        }
    }
}
