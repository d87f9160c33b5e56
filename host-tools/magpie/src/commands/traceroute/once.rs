//! A trace as traceroute does it.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use magpie_probe::trace::{Event, Machine as _, Once, Place};

use super::{NAMES_EVERY, Run, key, tell};
use crate::exit::Exit;
use crate::output;
use crate::views::json::line;
use crate::views::trace::json;
use crate::views::trace::text::Lines;

/// No longer than this without a look at names and signals.
const TURN: Duration = Duration::from_millis(500);

pub(super) fn run(mut run: Run<'_>) -> anyhow::Result<Exit> {
    let mut machine = Once::new(run.plan.clone(), key()?)?;
    let mut out = output::stdout();
    let words = format!(
        "traceroute to {} ({}), {} hops max, {} byte packets",
        run.options.host, run.plan.destination, run.plan.max_hops, run.plan.packet_octets
    );
    run.begin("once", Some(&words), &mut out)?;
    let mut lines = Lines::new(run.options.numeric, run.options.extensions);
    let mut places: VecDeque<Place> = VecDeque::new();
    let mut of_hop: Vec<Place> = Vec::new();
    // Told when no line is open any more: both may go to one terminal.
    let mut notes = Vec::new();
    let mut is_over = false;
    while (!is_over || !places.is_empty()) && !run.signals.is_end() {
        let most = if places.is_empty() { TURN } else { NAMES_EVERY };
        run.turn(&mut machine, if is_over { NAMES_EVERY } else { most })?;
        while let Some(event) = machine.poll_event() {
            run.heed(&event);
            match event {
                Event::Place(place) => places.push_back(place),
                Event::Note(note) if run.is_json() => line(&json::note(note), &mut out)?,
                Event::Note(note) => notes.push(note),
                Event::Finished => is_over = true,
                _ => {}
            }
        }
        while let Some(place) = places.front() {
            let from = place.answer.as_ref().map(|answer| answer.from);
            if from.is_some_and(|from| !run.names.is_settled(from)) {
                break;
            }
            let Some(place) = places.pop_front() else {
                break;
            };
            show(&run, place, &mut lines, &mut of_hop, &mut out)?;
        }
        out.flush()?;
    }
    lines.end(&mut out)?;
    out.flush()?;
    notes.into_iter().for_each(tell);
    let mtu = run.plan.find_mtu.then(|| machine.mtu());
    Ok(run.end(&machine, machine.is_reached(), mtu, &mut out)?)
}

fn show(
    run: &Run<'_>,
    place: Place,
    lines: &mut Lines,
    of_hop: &mut Vec<Place>,
    out: &mut impl std::io::Write,
) -> std::io::Result<()> {
    let labels = |address| run.label(address);
    if !run.is_json() {
        return lines.place(&place, &labels, out);
    }
    let sent_us = run.wire.unix_us(place.probe.sent_at);
    line(
        &json::probe(&place, run.wire.key(place.probe.serial), sent_us, &labels),
        out,
    )?;
    of_hop.push(place);
    if of_hop.len() >= usize::from(run.plan.queries) {
        if let Some(row) = json::hop(of_hop) {
            line(&row, out)?;
        }
        of_hop.clear();
    }
    Ok(())
}
