//! `magpie interfaces`: what there is to listen to.

use std::io::Write as _;
use std::time::Instant;

use anyhow::bail;
use magpie_os::Interface;

use crate::cli::{InfoFormat, Interfaces};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::interfaces::{self, Seen};
use crate::views::json;
use crate::views::text::plain;

pub(crate) fn run(options: &Interfaces) -> anyhow::Result<Exit> {
    let before = match options.rate {
        None => None,
        Some(time) => {
            let first = (Instant::now(), chosen(options)?);
            std::thread::sleep(time);
            Some(first)
        }
    };
    let now = Instant::now();
    let found = chosen(options)?;
    let seen: Vec<Seen<'_>> = found
        .iter()
        .map(|interface| Seen {
            interface,
            before: before.as_ref().and_then(|(at, list)| {
                let same = list.iter().find(|other| other.index == interface.index)?;
                Some((now.duration_since(*at), &same.counters))
            }),
        })
        .collect();
    let mut out = output::stdout();
    match options.format {
        InfoFormat::Json => {
            let listed = |seen: &&Seen<'_>| {
                !options.list_interfaces || seen.interface.cannot_be_captured().is_none()
            };
            for seen in seen.iter().filter(listed) {
                json::line(&interfaces::row(seen), &mut out)?;
            }
        }
        InfoFormat::Table if options.list_interfaces => interfaces::write_list(&seen, &mut out)?,
        InfoFormat::Table => interfaces::write(&seen, &mut out)?,
    }
    out.flush()?;
    let can = |interface: &Interface| interface.cannot_be_captured().is_none();
    if found.iter().any(can) && !magpie_os::may_capture() {
        let program = std::env::current_exe().unwrap_or_else(|_| "magpie".into());
        say(&format!(
            "listening to them needs CAP_NET_RAW: sudo setcap cap_net_raw+ep {}, or run it as root",
            program.display()
        ));
    }
    Ok(Exit::Success)
}

fn chosen(options: &Interfaces) -> anyhow::Result<Vec<Interface>> {
    let mut found = magpie_os::interfaces()?;
    for name in &options.names {
        if !found.iter().any(|interface| interface.name == *name) {
            let names: Vec<_> = found.iter().map(|i| plain(&i.name)).collect();
            bail!("{name}: no such interface; there are: {}", names.join(", "));
        }
    }
    if !options.names.is_empty() {
        found.retain(|interface| options.names.contains(&interface.name));
    }
    Ok(found)
}
