//! Ways side by side.

use std::io::Write as _;
use std::time::{Duration, Instant};

use magpie_probe::trace::{Event, Machine as _, Multipath};

use super::{NAMES_EVERY, Run, key, tell};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::json::line;
use crate::views::trace::{graph, json};

/// No longer than this without a look at signals.
const TURN: Duration = Duration::from_millis(500);
/// At the end names are waited for so long.
const LAST_NAMES: Duration = Duration::from_secs(3);

pub(super) fn run(mut run: Run<'_>) -> anyhow::Result<Exit> {
    let mut machine = Multipath::new(run.plan.clone(), key()?)?;
    let mut out = output::stdout();
    let words = format!(
        "multipath to {} ({}), {} hops max, {} byte packets, 95% of each router",
        run.options.host, run.plan.destination, run.plan.max_hops, run.plan.packet_octets
    );
    run.begin("multipath", Some(&words), &mut out)?;
    let mut is_over = false;
    while !is_over && !run.signals.is_end() {
        run.turn(&mut machine, TURN)?;
        while let Some(event) = machine.poll_event() {
            run.heed(&event);
            match event {
                Event::Note(note) if run.is_json() => line(&json::note(note), &mut out)?,
                Event::Note(note) => tell(note),
                Event::Hop(hop) if output::is_screen() && !run.is_json() => {
                    say(&format!("hop {hop}"));
                }
                Event::Finished => is_over = true,
                _ => {}
            }
        }
    }
    let found = machine.graph();
    let routers: Vec<_> = found
        .levels
        .iter()
        .flat_map(|level| level.vertices.keys().flatten().copied())
        .collect();
    let since = Instant::now();
    while since.elapsed() < LAST_NAMES
        && !routers.iter().all(|router| run.names.is_settled(*router))
    {
        std::thread::sleep(NAMES_EVERY);
    }
    let labels = |address| run.label(address);
    if run.is_json() {
        for row in json::graph(&found, &labels) {
            line(&row, &mut out)?;
        }
    } else {
        for text in graph::lines(&found, &labels, run.options.numeric) {
            writeln!(out, "{text}")?;
        }
    }
    Ok(run.end(&machine, machine.is_reached(), None, &mut out)?)
}
