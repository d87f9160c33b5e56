//! The live screen: what one wants to see at three in the morning.
//!
//! [`Screen::scene`] takes out of pictures what is in view and makes lines of
//! it, [`paint()`] puts lines on a terminal, [`Controls`] says what keys do.
//! None of them knows a terminal or a clock, so all of it is tested without.
//! Order of use: [`Screen::scene`] for each drawing, with what the user chose
//! so far; the scene's [`Extent`] goes with the next key.

mod controls;
mod filter;
mod grid;
mod help;
mod ledger;
mod line;
mod look;
mod pace;
mod paint;
mod summary;
mod tables;
mod waiting;
mod words;

use std::collections::HashMap;

use magpie_protocol::FlowKey;
use magpie_sources::Status;

pub use controls::{Controls, Effect, Extent, Page};
pub use line::{Line, Piece, Tone};
pub use look::Findings;
pub use paint::{Colour, paint};

use super::Seen;
use filter::Filter;
use look::{Facts, FlowRow, Ranked, Window};
use pace::{Carried, Pace};
use summary::Listing;
use waiting::Heard;

/// Less than this shows nothing useful.
const LEAST_COLUMNS: usize = 48;
const LEAST_ROWS: usize = 8;

/// Pictures as the screen gets at them: held for as long as one look takes.
pub trait Pictures {
    /// How many sources there are.
    fn count(&self) -> usize;

    /// Looks at one.
    fn look<T>(&self, index: usize, with: impl FnOnce(&Seen<'_>, &Status) -> T) -> T;
}

/// How large the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// What a drawing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// No more than there are rows, none longer than there are columns.
    pub lines: Vec<Line>,
    /// How far the user may scroll.
    pub extent: Extent,
}

/// What is remembered of a source between two drawings.
#[derive(Debug, Default)]
struct Memory {
    pace: Pace,
    carried: Carried,
    heard: Heard,
}

/// Makes scenes; remembers what it saw, for rates.
#[derive(Debug, Default)]
pub struct Screen {
    memory: HashMap<usize, Memory>,
    /// Kept for its room.
    ranked: Vec<Ranked<FlowKey>>,
}

/// The rows of one drawing, from the top and from the bottom.
#[derive(Default)]
struct Body {
    above: Vec<Line>,
    middle: Vec<Line>,
    below: Vec<Line>,
    lines: usize,
    room: usize,
}

impl Screen {
    /// The lines of the screen. `findings` are of each picture, in their
    /// order; `notice` is the latest warning.
    pub fn scene(
        &mut self,
        pictures: &impl Pictures,
        findings: &[Findings],
        controls: &Controls,
        notice: Option<&str>,
        size: Size,
    ) -> Scene {
        if size.columns < LEAST_COLUMNS || size.rows < LEAST_ROWS {
            return too_small(pictures.count(), size);
        }
        let facts: Vec<Facts> = (0..pictures.count())
            .map(|i| pictures.look(i, Facts::of))
            .collect();
        for (i, facts) in facts.iter().enumerate() {
            let memory = self.memory.entry(i).or_default();
            memory.heard.note(facts);
            if let Some(ledger) = &facts.ledger {
                memory.pace.note(ledger);
            }
            let status = &facts.status;
            if let Some(octets) = status.uplink.and_then(|uplink| uplink.octets()) {
                memory.carried.note(status.as_of_us, octets);
            }
        }
        let mut body = match controls.page {
            Page::Help => scrolled(help::page(size.columns), controls.top, size.rows - 1),
            Page::Ledger | Page::Flows => {
                self.body(pictures, &facts, findings, controls, notice, size)
            }
        };
        let mut lines = body.above;
        lines.append(&mut body.middle);
        let bottom = (size.rows - 1).saturating_sub(body.below.len());
        lines.truncate(bottom);
        lines.resize_with(bottom, Line::default);
        lines.append(&mut body.below);
        let extent = Extent {
            sources: facts.len(),
            lines: body.lines,
            room: body.room,
        };
        lines.push(keys(controls, extent, size.columns));
        Scene { lines, extent }
    }

    /// All but the line of keys.
    fn body(
        &mut self,
        pictures: &impl Pictures,
        facts: &[Facts],
        findings: &[Findings],
        controls: &Controls,
        notice: Option<&str>,
        size: Size,
    ) -> Body {
        let mut body = Body::default();
        let all: Vec<_> = facts
            .iter()
            .zip(findings)
            .enumerate()
            .map(|(i, (facts, findings))| {
                let memory = self.memory.get(&i);
                let paces = memory.map(|memory| (memory.pace, memory.carried));
                (facts, findings, paces.unwrap_or_default())
            })
            .collect();
        let chosen = controls.source.min(all.len().saturating_sub(1));
        let Some((facts, findings, (pace, carried))) = all.get(chosen) else {
            return body;
        };
        let heard = self.memory.get(&chosen).map(|memory| memory.heard);
        let heard = heard.unwrap_or_default();
        let waits = waiting::before_the_first_frame(facts, &heard, size.columns);
        if waits.is_none() {
            body.below.extend(waiting::state(facts, &heard));
        }
        if let Some(notice) = notice {
            let text = format!("! {}", super::text::plain(notice));
            let said = line::wrap(&text, size.columns).into_iter().take(3);
            body.below
                .extend(said.map(|line| Line::of(Tone::Doubt, line)));
        }
        if all.len() > 1 {
            let all: Vec<_> = all.iter().map(|(f, g, (pace, _))| (*f, *g, pace)).collect();
            let room = (size.rows / 4).max(2);
            body.above = tables::sources(&all, chosen, room, size.columns);
        }
        body.above
            .push(summary::head(facts, findings, controls, size.columns));
        if let Some(said) = waits {
            body.middle = said;
        } else if controls.page == Page::Ledger {
            let taken = body.above.len() + body.below.len() + 1;
            let page = ledger::page(facts, findings, carried, size.columns);
            let page = scrolled(page, controls.top, size.rows.saturating_sub(taken));
            return Body {
                above: body.above,
                below: body.below,
                ..page
            };
        } else {
            let place = Place {
                chosen,
                facts,
                findings,
                pace,
                carried,
                size,
                controls,
            };
            self.fill(pictures, &place, &mut body);
        }
        body
    }

    /// The rows, flows and echo pairs of the chosen source.
    fn fill(&mut self, pictures: &impl Pictures, place: &Place<'_>, body: &mut Body) {
        let Place {
            chosen,
            facts,
            findings,
            pace,
            carried,
            size,
            controls,
        } = *place;
        let columns = size.columns;
        let ledger = facts.ledger.unwrap_or_default();
        let filter = Filter::new(&controls.filter);
        let ranked = &mut self.ranked;
        let mut echoes = pictures.look(chosen, |seen, _| {
            look::rank_flows(seen, controls.sort, ranked);
            look::rank_echoes(seen)
        });
        let pairs = look::choose(
            &mut echoes,
            |key| filter.passes_echo(key),
            0,
            (size.rows / 8).max(2),
        );
        let mut below = Vec::new();
        below.extend(summary::icmp(facts, columns));
        below.push(summary::sensor(facts, findings, &ledger, carried, columns));
        // Rows above the flows, their heading, and the echo pairs' heading.
        let echo_rows = pairs.keys.len() + usize::from(!pairs.keys.is_empty());
        let taken = body.above.len() + 4 + 1 + echo_rows + below.len() + body.below.len() + 1;
        let room = size.rows.saturating_sub(taken);
        let Window { keys, passing, top } = look::choose_flows(ranked, &filter, controls.top, room);
        let (flows, pairs): (Vec<FlowRow>, _) = pictures.look(chosen, |seen, _| {
            (
                look::flow_rows(seen, &keys),
                look::echo_rows(seen, &pairs.keys),
            )
        });
        let listing = Listing {
            controls,
            passing,
            top,
            shown: flows.len(),
        };
        body.above
            .push(summary::link(facts, &ledger, pace, columns));
        body.above.push(summary::lost(facts, &ledger, columns));
        body.above.push(summary::mirror(findings, columns));
        body.above
            .push(summary::flows(facts, &ledger, pace, &listing, columns));
        let mirror = &findings.mirror;
        body.middle = tables::flows(&flows, mirror, facts.latest_us, columns);
        if flows.is_empty() && !filter.is_empty() {
            body.middle.push(Line::plain(
                "No flow has all these words; Esc drops the filter.",
            ));
        }
        below.splice(0..0, tables::echoes(&pairs, mirror, columns));
        below.append(&mut body.below);
        body.below = below;
        body.lines = passing;
        body.room = room;
    }
}

/// What one source's rows are made from.
#[derive(Clone, Copy)]
struct Place<'a> {
    chosen: usize,
    facts: &'a Facts,
    findings: &'a Findings,
    pace: &'a Pace,
    carried: &'a Carried,
    size: Size,
    controls: &'a Controls,
}

/// A page of which a part is in view.
fn scrolled(page: Vec<Line>, top: usize, room: usize) -> Body {
    let lines = page.len();
    let top = top.min(lines.saturating_sub(room));
    Body {
        middle: page.into_iter().skip(top).take(room).collect(),
        lines,
        room,
        ..Body::default()
    }
}

/// The last line: the keys, or the filter while it is typed.
fn keys(controls: &Controls, extent: Extent, columns: usize) -> Line {
    if controls.typing {
        let mut line = Line::of(Tone::Mark, format!("/{}", controls.filter));
        line.push(Tone::Mark, "_");
        let rest = "   Enter keeps it, Esc drops it";
        if line.width() + rest.len() <= columns {
            line.push(Tone::Plain, rest);
        }
        return line;
    }
    let mut row = line::Row::new("");
    row.say(0, 0, "-- q quit");
    row.say(
        3,
        2,
        if controls.frozen {
            "f follow"
        } else {
            "f freeze"
        },
    );
    row.say(4, 2, "s sort");
    row.say(5, 2, "/ filter");
    row.say(6, 2, "l ledger");
    row.say(1, 2, "? help");
    let filter = controls.filter.trim();
    if !filter.is_empty() && controls.page == Page::Flows {
        row.part(2, 2, Line::of(Tone::Mark, format!("/{filter}")));
    }
    if controls.page != Page::Flows && extent.lines > extent.room {
        let top = controls.top.min(extent.lines - extent.room);
        let range = format!("{}-{} of {}", top + 1, top + extent.room, extent.lines);
        row.part(2, 2, Line::of(Tone::Mark, range));
    }
    row.fit(columns)
}

fn too_small(sources: usize, size: Size) -> Scene {
    let text = format!("magpie needs {LEAST_COLUMNS}x{LEAST_ROWS}; q quit");
    let mut lines = line::wrap(&text, size.columns);
    lines.retain(|line| line.len() <= size.columns);
    Scene {
        lines: lines.into_iter().take(size.rows).map(Line::plain).collect(),
        extent: Extent {
            sources,
            ..Extent::default()
        },
    }
}
