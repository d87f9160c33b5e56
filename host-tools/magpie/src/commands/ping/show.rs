//! What is shown while pings run, and at the end.

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use magpie_os::probe::IpOptions;
use magpie_probe::ip_options::{self, IpOption};
use magpie_probe::ping::{Answers, Cause, Event, Reply, What};
use ratatui::crossterm::terminal;

use super::host::{Clock, Host};
use crate::cli::ping::{Format, Ping as Options};
use crate::commands::names::Names;
use crate::output::{self, say};
use crate::views::json;
use crate::views::ping::json::{self as rows, About};
use crate::views::ping::plot::Plot;
use crate::views::ping::text::{self, Header, ReplyLine};
use crate::views::text::queue_drops;

/// A picture is drawn anew this often at most.
pub(super) const DRAW_EVERY: Duration = Duration::from_millis(250);
/// A name is waited for so long before the line that has it.
const NAME_WAIT: Duration = Duration::from_secs(1);
/// Where nobody says how wide a line is.
const COLUMNS: usize = 80;

pub(super) struct Show<'a> {
    options: &'a Options,
    clock: Clock,
    out: BufWriter<StdoutLock<'static>>,
    names: Names,
    /// Width of the hosts before the lines, where there are several.
    prefix: Option<usize>,
    plots: Vec<Plot>,
    /// Lines of the picture that are on the screen.
    drawn: usize,
    drawn_at: Option<Instant>,
    routes: Vec<Vec<IpOption>>,
}

impl<'a> Show<'a> {
    pub(super) fn new(options: &'a Options, clock: Clock, hosts: &[Host]) -> Self {
        let all_numbers = hosts.iter().all(|host| host.target.is_number);
        let longest = hosts.iter().map(|host| host.target.name.len()).max();
        Self {
            options,
            clock,
            out: output::stdout(),
            names: Names::new(!options.numeric && !all_numbers),
            prefix: longest.filter(|_| hosts.len() > 1),
            plots: hosts.iter().map(|_| Plot::default()).collect(),
            drawn: 0,
            drawn_at: None,
            routes: hosts.iter().map(|_| Vec::new()).collect(),
        }
    }

    fn is_json(&self) -> bool {
        self.options.format == Format::Json
    }

    /// The picture is drawn while it grows.
    pub(super) fn is_live(&self) -> bool {
        self.options.plot && output::is_screen() && !self.options.quiet
    }

    fn prefix(&self, host: &Host) -> String {
        match self.prefix {
            Some(width) => format!("{:<width$} : ", host.target.name),
            None => String::new(),
        }
    }

    /// Who sent something; a link-local address with its interface.
    fn from(&mut self, address: IpAddr, zone: Option<&str>) -> String {
        let zone = zone.map_or_else(String::new, |zone| format!("%{zone}"));
        match self.names.wait_for(address, NAME_WAIT) {
            Some(name) => format!("{name}{zone} ({address}{zone})"),
            None => format!("{address}{zone}"),
        }
    }

    fn is_flood(&self) -> bool {
        self.options.flood && !self.options.quiet && !self.is_json()
    }

    /// The first line of each host.
    pub(super) fn begin(&mut self, host: &Host, source: Option<IpAddr>) -> io::Result<()> {
        if self.is_json() {
            return Ok(());
        }
        if let Some(pattern) = &self.options.pattern {
            writeln!(self.out, "{}", text::pattern(pattern.octets()))?;
        }
        if self.prefix.is_some() {
            return Ok(());
        }
        let device = self.options.interface.as_deref().unwrap_or_default();
        // An address in place of an interface stands in the line already.
        let device = if device.parse::<IpAddr>().is_ok() {
            ""
        } else {
            device
        };
        let line = text::header(&Header {
            host: &host.target.name,
            address: host.target.address.ip(),
            zone: zone_of_target(host).as_deref(),
            from: source.map(|source| (source, device)),
            size: self.options.size,
            // Room for all of them, as iputils counts it, whatever they take.
            options: if self.options.record_route || self.options.ip_timestamp.is_some() {
                IpOptions::MAX
            } else {
                0
            },
        });
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// What happened to the requests of a host.
    pub(super) fn events(&mut self, index: usize, host: &mut Host) -> io::Result<()> {
        while let Some(event) = host.ping.poll_event() {
            self.event(index, host, &event)?;
        }
        Ok(())
    }

    fn event(&mut self, index: usize, host: &Host, event: &Event) -> io::Result<()> {
        if self.options.plot {
            self.plot(index, event);
        }
        if self.options.quiet {
            return Ok(());
        }
        let found = match event.what {
            What::Reply(_) if !host.ip_options.is_empty() => ip_options::read(&host.ip_options),
            _ => Vec::new(),
        };
        if self.is_json() {
            let about = about(host);
            let wall = self.clock.wall_at(event.at);
            let zone = match event.what {
                What::Reply(reply) => zone_of(host, reply.from, host.reply_zone),
                _ => None,
            };
            if let Some(row) = rows::event(&about, event, wall, zone.as_deref(), &found) {
                json::line(&row, &mut self.out)?;
            }
            return Ok(());
        }
        if self.is_flood() {
            return self.flood(event);
        }
        match &event.what {
            What::Reply(_) if self.options.plot => self.bell(),
            What::Reply(reply) => self.reply(index, host, event, reply, &found),
            What::Error { from, cause } => self.error(host, event, *from, cause),
            What::Advice { from, error } => {
                let from = from.map(|from| self.from(from, zone_of(host, from, 0).as_deref()));
                let line = text::advice(from.as_deref(), event.sequence, error);
                self.line(host, event, &line)
            }
            What::NoAnswerYet if self.options.outstanding => self.line(
                host,
                event,
                &format!("no answer yet for icmp_seq={}", event.sequence),
            ),
            What::Sent { .. } | What::NoAnswerYet | What::TimedOut => Ok(()),
        }
    }

    fn flood(&mut self, event: &Event) -> io::Result<()> {
        let mark: &[u8] = match &event.what {
            What::Sent { .. } => b".",
            What::Reply(reply) if !reply.is_sum_right => b"\x08C",
            What::Reply(_) => b"\x08 \x08",
            What::Error { .. } => b"\x08E",
            What::Advice { .. } | What::NoAnswerYet | What::TimedOut => b"",
        };
        self.out.write_all(mark)?;
        if matches!(event.what, What::Reply(_)) {
            return self.bell();
        }
        Ok(())
    }

    fn bell(&mut self) -> io::Result<()> {
        if self.options.audible {
            self.out.write_all(b"\x07")?;
        }
        Ok(())
    }

    fn reply(
        &mut self,
        index: usize,
        host: &Host,
        event: &Event,
        reply: &Reply,
        found: &[IpOption],
    ) -> io::Result<()> {
        let zone = zone_of(host, reply.from, host.reply_zone);
        let from = self.from(reply.from, zone.as_deref());
        let config = host.ping.config();
        let mut line = text::reply(&ReplyLine {
            reply,
            sequence: event.sequence,
            from: &from,
            identifier: self.options.verbose.then_some(config.identifier),
            is_to_several: config.answers == Answers::Anybody && !self.options.verbose,
        });
        let same = !found.is_empty() && self.routes.get(index).is_some_and(|old| old == found);
        line.push_str(&text::options(found, same));
        if let Some(old) = self.routes.get_mut(index) {
            old.clear();
            old.extend_from_slice(found);
        }
        self.bell()?;
        self.line(host, event, &line)
    }

    fn error(
        &mut self,
        host: &Host,
        event: &Event,
        from: Option<IpAddr>,
        cause: &Cause,
    ) -> io::Result<()> {
        let text = text::cause(cause);
        if from.is_none() && !matches!(cause, Cause::Icmp(_)) {
            self.out.flush()?;
            say(&format!("{}{text}", self.prefix(host)));
            return Ok(());
        }
        let from = match from {
            Some(from) => self.from(from, zone_of(host, from, 0).as_deref()),
            None => "this machine".to_owned(),
        };
        let line = format!("From {from} icmp_seq={} {text}", event.sequence);
        self.line(host, event, &line)
    }

    fn line(&mut self, host: &Host, event: &Event, text: &str) -> io::Result<()> {
        self.wipe()?;
        let prefix = self.prefix(host);
        if self.options.timestamps {
            let wall = self.clock.wall_at(event.at);
            let (seconds, micros) = (wall.as_secs(), wall.subsec_micros());
            write!(self.out, "[{seconds}.{micros:06}] ")?;
        }
        writeln!(self.out, "{prefix}{text}")
    }

    fn plot(&mut self, index: usize, event: &Event) {
        let Some(plot) = self.plots.get_mut(index) else {
            return;
        };
        match &event.what {
            What::Sent { .. } => plot.sent(event.number),
            What::Reply(reply) if reply.is_sum_right => plot.answered(event.number, reply.rtt),
            What::Error { .. } | What::TimedOut => plot.lost(event.number),
            What::Reply(_) | What::Advice { .. } | What::NoAnswerYet => {}
        }
    }

    /// Takes the picture off the screen, so that lines can follow.
    fn wipe(&mut self) -> io::Result<()> {
        if self.drawn > 0 {
            // Up to its first line, and clear from there on.
            write!(self.out, "\x1b[{}A\r\x1b[J", self.drawn)?;
            self.drawn = 0;
            self.drawn_at = None;
        }
        Ok(())
    }

    /// Writes what waits; draws the picture, if it is time to.
    pub(super) fn flush(&mut self, hosts: &[Host]) -> io::Result<()> {
        let is_due = self.drawn_at.is_none_or(|at| at.elapsed() >= DRAW_EVERY);
        if self.is_live() && is_due {
            self.wipe()?;
            self.drawn = self.draw(hosts)?;
            self.drawn_at = Some(Instant::now());
        }
        self.out.flush()
    }

    fn draw(&mut self, hosts: &[Host]) -> io::Result<usize> {
        let (columns, lines): (usize, usize) = terminal::size()
            .map_or((COLUMNS, 24), |(columns, lines)| {
                (columns.into(), lines.into())
            });
        // All of it has to be on the screen, to be taken off again.
        let room = lines.saturating_sub(1) / self.plots.len().max(1);
        let rows = if self.prefix.is_some() { 3 } else { 8 };
        let rows = rows.min(room.saturating_sub(2)).max(1);
        let mut drawn = 0;
        for (plot, host) in self.plots.iter().zip(hosts) {
            if self.prefix.is_some() {
                writeln!(self.out, "{}", host.target.name)?;
                drawn += 1;
            }
            for line in plot.draw(columns, rows) {
                writeln!(self.out, "{line}")?;
                drawn += 1;
            }
        }
        Ok(drawn)
    }

    /// How it stands now, on stderr.
    pub(super) fn status(&mut self, hosts: &[Host]) -> io::Result<()> {
        self.out.flush()?;
        for host in hosts {
            let mut line = self.prefix(host);
            line.push_str(&text::status(&host.ping.summary()));
            // Not behind our name: as in ping.
            let _ = writeln!(io::stderr(), "\r{line}");
        }
        Ok(())
    }

    /// The summary.
    pub(super) fn end(&mut self, hosts: &[Host]) -> io::Result<()> {
        if self.options.plot {
            self.wipe()?;
            self.draw(hosts)?;
        }
        if !self.is_json() {
            writeln!(self.out)?;
        }
        for host in hosts {
            let (summary, drops) = (host.ping.summary(), host.socket.drops());
            if self.is_json() {
                json::line(&rows::summary(&about(host), &summary, drops), &mut self.out)?;
            } else if self.prefix.is_some() {
                let prefix = self.prefix(host);
                writeln!(self.out, "{prefix}{}", text::short_summary(&summary))?;
            } else {
                let has_gap = self.options.flood
                    || self.options.adaptive
                    || self.options.interval == Some(Duration::ZERO);
                let text = text::summary(&host.target.name, &summary, has_gap);
                self.out.write_all(text.as_bytes())?;
            }
            if let Some(drops) = drops.filter(|drops| *drops > 0 && !self.is_json()) {
                self.out.flush()?;
                let name = &host.target.name;
                say(&format!("{name}: {}", queue_drops(drops.into())));
            }
        }
        self.out.flush()
    }
}

/// The interface that a link-local address belongs to, by its name; `number` is
/// the one that the system told, or 0.
fn zone_of(host: &Host, address: IpAddr, number: u32) -> Option<String> {
    let is_of_link = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let named = || host.zone.clone();
    is_of_link.then(|| named().or_else(|| magpie_os::zone_name(number)))?
}

/// Likewise, of the address that is pinged, which may be one of many hosts.
fn zone_of_target(host: &Host) -> Option<String> {
    let SocketAddr::V6(to) = host.target.address else {
        return None;
    };
    let named = host.zone.clone();
    named
        .filter(|_| to.scope_id() != 0)
        .or_else(|| magpie_os::zone_name(to.scope_id()))
}

fn about(host: &Host) -> About<'_> {
    About {
        host: &host.target.name,
        address: host.target.address.ip(),
        identifier: host.ping.config().identifier,
    }
}
