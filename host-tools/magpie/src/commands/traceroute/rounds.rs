//! A trace that goes on, in mtr's table.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use magpie_probe::trace::{Event, Live, Machine as _};
use ratatui::crossterm::cursor::{Hide, MoveTo, Show};
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use ratatui::crossterm::{execute, queue};

use super::{Run, key, tell};
use crate::exit::Exit;
use crate::output;
use crate::views::json::line;
use crate::views::trace::{json, live};

/// The table is drawn anew this often at most, and names are looked at.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// The terminal's other screen, given back on every way out.
struct Other;

impl Other {
    fn take() -> io::Result<Self> {
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(Self)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // One that is gone needs nothing.
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            LeaveAlternateScreen,
            Show
        );
    }
}

pub(super) fn run(mut run: Run<'_>, interval: Duration) -> anyhow::Result<Exit> {
    let mut machine = Live::new(run.plan.clone(), key()?, interval, run.options.rounds)?;
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_drawn = output::is_screen() && !dumb && !run.is_json();
    run.begin("live", None, &mut output::stdout())?;
    let screen = if is_drawn { Some(Other::take()?) } else { None };
    let mut notes = Vec::new();
    let mut drawn = Instant::now();
    let mut is_over = false;
    while !is_over && !run.signals.is_end() {
        run.turn(&mut machine, DRAW_EVERY)?;
        while let Some(event) = machine.poll_event() {
            run.heed(&event);
            match event {
                Event::Round(done) if run.is_json() => report(&run, &machine, done)?,
                Event::Note(note) if run.is_json() => {
                    let mut out = output::stdout();
                    line(&json::note(note), &mut out)?;
                    out.flush()?;
                }
                Event::Note(note) => notes.push(note),
                Event::Finished => is_over = true,
                _ => {}
            }
        }
        if is_drawn && drawn.elapsed() >= DRAW_EVERY {
            drawn = Instant::now();
            draw(&mut run, &machine)?;
        }
    }
    drop(screen);
    let mut out = output::stdout();
    if !run.is_json() {
        let width = terminal::size().ok().filter(|_| is_drawn);
        let width = width.map(|(width, _)| usize::from(width));
        for text in lines(&mut run, &machine, width) {
            writeln!(out, "{text}")?;
        }
        for note in notes {
            tell(note);
        }
    }
    Ok(run.end(&machine, machine.is_reached(), None, &mut out)?)
}

/// A line a hop, as objects.
fn report(run: &Run<'_>, machine: &Live, rounds: u32) -> io::Result<()> {
    let mut out = output::stdout();
    for hop in machine.report() {
        line(
            &json::live(&hop, rounds, &|address| run.label(address)),
            &mut out,
        )?;
    }
    out.flush()
}

/// A heading, and the table.
fn lines(run: &mut Run<'_>, machine: &Live, width: Option<usize>) -> Vec<String> {
    // Takes what was found since.
    for hop in machine.report() {
        for (router, _) in &hop.routers {
            run.names.is_settled(*router);
        }
    }
    let options = run.options;
    let mut lines = vec![format!(
        "traceroute to {} ({}) by {}, {} rounds",
        options.host,
        run.plan.destination,
        run.plan.method.name(),
        machine.rounds_done()
    )];
    let labels = |address| run.label(address);
    let (numeric, extensions) = (options.numeric, options.extensions);
    lines.extend(live::table(
        &machine.report(),
        &labels,
        numeric,
        extensions,
        width,
    ));
    lines
}

fn draw(run: &mut Run<'_>, machine: &Live) -> io::Result<()> {
    let (width, height) = terminal::size().unwrap_or((80, 24));
    let (width, height) = (usize::from(width), usize::from(height));
    let mut lines = lines(run, machine, Some(width));
    lines.truncate(height.saturating_sub(1));
    lines.push("Ctrl-C ends, and leaves the table".to_owned());
    let mut out = io::stdout().lock();
    queue!(out, BeginSynchronizedUpdate)?;
    for (row, line) in (0_u16..).zip(&lines) {
        let line: String = line.chars().take(width).collect();
        queue!(
            out,
            MoveTo(0, row),
            Print(line),
            Clear(ClearType::UntilNewLine)
        )?;
    }
    queue!(out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
    out.flush()
}
