//! `magpie sensor info`: who is there?

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use magpie_collector::{Limits, Picture, Session};
use magpie_protocol::{
    ClockKind, FilterAction, FilterState, FilterStatus, Port, VERSION_MAJOR, VERSION_MINOR,
};
use magpie_sources::{Incoming, OpenOptions, Source, Uplink, open_all};

use super::shared::now_us;
use crate::cli::{Info, InfoFormat};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::text::{clock, percent, plain, thousands};
use crate::views::{Seen, json, names, rows};

/// Longest wait for one batch.
const TURN: Duration = Duration::from_millis(50);
/// Once it said who it is, so long for its time and its port.
const MORE: Duration = Duration::from_secs(2);

pub(crate) fn info(options: &Info) -> anyhow::Result<Exit> {
    let wait = Duration::try_from_secs_f64(options.wait)
        .with_context(|| format!("--wait {}: not a time", options.wait))?;
    let mut how = OpenOptions::default();
    crate::GIT.clone_into(&mut how.sensor.git);
    let mut opened = open_all(std::slice::from_ref(&options.source), &how)?;
    let Some(mut source) = opened.pop() else {
        bail!("{}: it gave nothing to listen to", options.source);
    };
    let mut picture = Picture::new(source.name(), Limits::default());
    listen(source.as_mut(), &mut picture, wait)?;
    if picture.hello().is_none() {
        bail!(
            "{}: no sensor answered within {} s; check cable, port and speed, and that no other \
             program reads it",
            options.source,
            options.wait
        );
    }
    let seen = Seen::new(&picture, None, now_us());
    let mut out = output::stdout();
    match options.format {
        InfoFormat::Json => {
            if let Some(mut row) = rows::sensor(&seen) {
                // One object, for who asks `jq .boot_id`.
                let port = picture.port().map(|port| {
                    let mut port = rows::port(&seen, port);
                    port.retain(|name, _| name != "type" && name != "source");
                    port
                });
                row.insert("port".into(), port.into());
                json::line(&row, &mut out)?;
            }
        }
        InfoFormat::Table => {
            for (name, value) in lines(&seen) {
                writeln!(out, "{name:<18}{value}")?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}

/// Listens until the sensor said who it is, what time it has, and what its port is at.
fn listen(source: &mut dyn Source, picture: &mut Picture, wait: Duration) -> anyhow::Result<()> {
    let mut session = Session::new(source.name());
    let mut until = Instant::now() + wait;
    let mut known = false;
    while Instant::now() < until {
        let now_us = source.received_at().unwrap_or_else(now_us);
        while let Some(batch) = session.poll_transmit(now_us) {
            source.send(&batch)?;
        }
        match source.receive(TURN)? {
            Incoming::Batch(batch) => {
                if let Err(error) = session.handle_batch(now_us, &batch, picture) {
                    if error.is_fatal() {
                        return Err(error.into());
                    }
                    say(&error.to_string());
                }
            }
            Incoming::Reconnected => session.reconnected(),
            Incoming::Idle | Incoming::FeedDone => {}
            Incoming::Ended => break,
        }
        for warning in source.warnings() {
            say(&warning);
        }
        let Some(hello) = picture.hello() else {
            continue;
        };
        let wants_time = hello.clock == ClockKind::SinceBoot && picture.clock().is_none();
        let has_port = hello.minor >= Port::SINCE && source.uplink() != Some(Uplink::InProcess);
        let wants_port = has_port && picture.port().is_none();
        if !(wants_time || wants_port) {
            break;
        }
        if !known {
            known = true;
            until = until.min(Instant::now() + MORE);
        }
    }
    Ok(())
}

/// What a filter that somebody set does.
fn filter(status: &FilterStatus) -> String {
    let action = match status.action {
        FilterAction::Count => "counts".to_owned(),
        FilterAction::Capture { .. } => "captures".to_owned(),
        FilterAction::Only => "chooses what the tables see".to_owned(),
        FilterAction::Unknown(code) => format!("does what this program does not know ({code})"),
    };
    let state = match status.state {
        FilterState::Running => "",
        FilterState::Unheard => " (stopped, nobody asked for it any more)",
        _ => " (stopped)",
    };
    let dropped = match status.action {
        FilterAction::Capture { .. } => {
            let dropped = thousands(status.dropped.frames);
            format!(", {dropped} of them found no room")
        }
        _ => String::new(),
    };
    let frames = thousands(status.matched.frames);
    format!("{}{state} {action}: {frames} frames{dropped}", status.slot)
}

fn lines(seen: &Seen<'_>) -> Vec<(&'static str, String)> {
    let picture = seen.picture;
    let Some(hello) = picture.hello() else {
        return Vec::new();
    };
    let sizes = &hello.capacities;
    let mut lines = vec![
        ("name", plain(&hello.name)),
        ("board", plain(&hello.board)),
        (
            "firmware",
            format!("{} ({})", plain(&hello.firmware), plain(&hello.git)),
        ),
        (
            "protocol",
            format!(
                "{}.{} (this program: {VERSION_MAJOR}.{VERSION_MINOR})",
                hello.major, hello.minor
            ),
        ),
        ("boot id", format!("{:08x}", hello.boot_id)),
    ];
    let uptime = match hello.clock {
        ClockKind::SinceBoot => clock(hello.at_us.max(picture.latest_us())),
        ClockKind::Unix => "unknown (its clock is that of the frames)".to_owned(),
        ClockKind::Unknown(kind) => format!("unknown (clock of kind {kind})"),
    };
    lines.push(("uptime", uptime));
    let boot = &hello.boot;
    if boot.count > 0 {
        let reason = rows::boot_reason(boot.reason);
        let text = format!(
            "{} since power came ({reason})",
            thousands(boot.count.into())
        );
        lines.push(("boots", text));
        if let Some(watchdogs) = boot.watchdogs {
            lines.push(("by watchdog", thousands(watchdogs.into())));
        }
    }
    if !boot.last_word.is_empty() {
        lines.push(("last word", plain(&boot.last_word)));
    }
    if let Some(port) = picture.port() {
        let link = names::link(port.link).unwrap_or_else(|| "unknown".to_owned());
        lines.push(("link", link));
        let net = match rows::address(port.net) {
            None => names::net(port.net),
            Some(address) => format!("{} as {address}", names::net(port.net)),
        };
        lines.push(("port", net));
        if let Some(permille) = port.cpu_permille {
            let text = format!("{}% busy", percent(permille.into(), 1_000));
            lines.push(("processor", text));
        }
    }
    if let Some(measured) = picture.clock() {
        lines.push((
            "clock",
            format!("known to +-{} us", measured.bound_at(seen.now_us)),
        ));
    }
    let seed = if hello.zero_seed {
        "zero: the hash is guessable by who sends frames"
    } else {
        "random"
    };
    lines.push(("seed", seed.to_owned()));
    for (name, n) in [
        ("flow table", sizes.flows),
        ("echo table", sizes.echoes),
        ("echo requests", sizes.echo_requests),
        ("outbox octets", sizes.outbox_octets),
        ("resend octets", sizes.resend_octets),
        ("longest frame", sizes.max_frame),
    ] {
        lines.push((name, thousands(n.into())));
    }
    let filters = &sizes.filters;
    lines.push(("filters", thousands(filters.slots.into())));
    // A sensor before protocol 1.4 has no filters, either.
    let packets = if filters.payload || filters.slots == 0 {
        thousands(filters.ring_octets.into())
    } else {
        "none (built without: no-payload)".to_owned()
    };
    lines.push(("packet octets", packets));
    lines.extend(picture.filters().map(|status| ("filter", filter(status))));
    if let Some(port) = picture.port().filter(|port| port.refused > 0) {
        let refused = thousands(port.refused.into());
        let text = format!("{refused} commands about filters, because they came by UDP");
        lines.push(("refused", text));
    }
    lines
}
