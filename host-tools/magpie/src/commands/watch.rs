//! `magpie watch`: sensors, live.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use magpie_collector::{Event, Mirror, Picture};
use magpie_protocol::FlowRecord;
use magpie_sources::{
    BoardClock, DriveOptions, Lane, Notice, Pace, RecordWriter, Repeat, SensorOptions, Shown, Stop,
    drive, open_all,
};

use super::live::{self, KEYS_EVERY, Live};
use super::shared::{SharedPicture, finish, judge, now_us, summary};
use crate::cli::{Format, Watch};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::{Seen, Sort, json, rows, table};

/// Changes that may wait between two refreshes.
const EVENTS: usize = 1 << 14;

static STOP: Stop = Stop::new();

pub(crate) fn run(options: &Watch) -> anyhow::Result<Exit> {
    if options.record.is_some() && options.sources.len() > 1 {
        bail!("--record keeps one source; watch the others in programs of their own");
    }
    let until = match options.seconds {
        None => None,
        Some(seconds) => Some(
            Duration::try_from_secs_f64(seconds)
                .with_context(|| format!("--seconds {seconds}: not a time"))?,
        ),
    };
    let shows = Shows::choose(options);
    let (lanes, pictures) = open(options, shows)?;
    // After opening, which gives up rights that other threads would keep.
    // Without a handler Ctrl-C ends at once, which is no reason not to run.
    let _ = ctrlc::set_handler(|| STOP.raise());
    let screen = match shows {
        Shows::Screen => {
            let sort = options.view.sort.unwrap_or(Sort::Rate);
            Some(Live::start(sort, &STOP).context("the terminal")?)
        }
        Shows::Lines | Shows::Json | Shows::Nothing => None,
    };
    let mut how = DriveOptions {
        settings: options.core.settings(),
        ..DriveOptions::default()
    };
    if screen.is_some() {
        how.refresh = KEYS_EVERY;
    }
    let mut view = View {
        shows,
        screen,
        failed: None,
    };
    let started = Instant::now();
    let mut timed_out = false;
    let reports = drive(lanes, &STOP, &how, |notice| {
        match notice {
            Notice::Warning(text) => view.say(text),
            Notice::Refresh(shown) => view.refresh(shown),
        }
        if !timed_out && until.is_some_and(|until| started.elapsed() >= until) {
            timed_out = true;
            STOP.raise();
        }
        if view.failed.is_some() {
            // Nobody reads: there is nobody to flush for.
            STOP.raise();
            STOP.raise();
        }
    });
    if let Some(screen) = view.screen.take() {
        screen.end();
    }
    if let Some(error) = view.failed.take() {
        let what = match shows {
            Shows::Screen => "the terminal",
            Shows::Lines | Shows::Json | Shows::Nothing => "stdout",
        };
        return Err(error).context(what);
    }
    let pictures: Vec<Picture> = pictures.into_iter().map(finish).collect();
    let now_us = now_us();
    let seen: Vec<Seen<'_>> = pictures
        .iter()
        .zip(&reports)
        .map(|(picture, report)| Seen::new(picture, report.offered.as_ref(), now_us))
        .collect();
    let mut exit = Exit::Success;
    for (report, seen) in reports.iter().zip(&seen) {
        exit = exit.and(judge(report, seen, options.view.format));
    }
    let streamed = shows == Shows::Json;
    summary(&seen, &options.view, streamed, &mut output::stdout()).context("stdout")?;
    Ok(exit)
}

type Opened = (Vec<Lane>, Vec<SharedPicture>);

fn open(options: &Watch, shows: Shows) -> anyhow::Result<Opened> {
    let mut how = options
        .core
        .open(options.view.format, SensorOptions::default());
    if options.own_clock {
        how.qemu.emulator.clock = BoardClock::Own;
    }
    how.qemu.emulator.image.clone_from(&options.image);
    how.qemu.emulator.log.clone_from(&options.board_log);
    if let Some(times) = options.multiplier {
        how.qemu.feed.pace = Pace::Capture(times);
    }
    if options.repeat {
        how.qemu.repeat = Repeat::Forever;
    }
    // Who shows nothing before a flow has ended needs no update of it.
    if matches!(shows, Shows::Screen | Shows::Json) {
        how.sensor.live = Duration::from_secs(1);
    }
    let mut lanes = Vec::new();
    let mut pictures = Vec::new();
    let events = match shows {
        Shows::Json | Shows::Lines => EVENTS,
        Shows::Screen | Shows::Nothing => 0,
    };
    for source in open_all(&options.sources, &how)? {
        let picture = Picture::new(source.name(), options.view.limits(events));
        let picture = Arc::new(Mutex::new(picture));
        pictures.push(Arc::clone(&picture));
        let record = match &options.record {
            None => None,
            Some(path) => Some(RecordWriter::create(path)?),
        };
        lanes.push(Lane {
            source,
            picture,
            record,
        });
    }
    Ok((lanes, pictures))
}

/// What is shown while sources run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The live screen, on a terminal.
    Screen,
    /// A line for each change, for people.
    Lines,
    /// A line for each change, for programs.
    Json,
    /// Nothing before the end.
    Nothing,
}

impl Shows {
    fn choose(options: &Watch) -> Self {
        match options.view.format {
            Format::Table if output::is_screen() && live::is_possible() => Self::Screen,
            Format::Table => Self::Lines,
            Format::Json => Self::Json,
            Format::Csv | Format::Exact => Self::Nothing,
        }
    }
}

/// What is shown while sources run, and whether anybody still reads it.
struct View {
    shows: Shows,
    screen: Option<Live>,
    failed: Option<io::Error>,
}

impl View {
    fn say(&mut self, text: &str) {
        match &mut self.screen {
            Some(screen) => screen.warn(text),
            None => say(text),
        }
    }

    fn refresh(&mut self, shown: &[Shown]) {
        if self.failed.is_some() {
            return;
        }
        let done = match (&mut self.screen, self.shows) {
            (Some(screen), _) => screen.refresh(shown),
            (None, Shows::Json | Shows::Lines) => self.lines(shown),
            (None, Shows::Screen | Shows::Nothing) => Ok(()),
        };
        if let Err(error) = done {
            self.failed = Some(error);
        }
    }

    fn lines(&self, shown: &[Shown]) -> io::Result<()> {
        let mut out = output::stdout();
        for one in shown {
            let offered = one.status().offered;
            let mut picture = one.picture();
            let events: Vec<Event> = picture.take_events().collect();
            let seen = Seen::new(&picture, offered.as_ref(), now_us());
            // Only echo pairs need it, and it looks at every flow.
            let nothing = Mirror::default();
            let mirror = if events.iter().any(|event| matches!(event, Event::Echo(_))) {
                seen.mirror()
            } else {
                &nothing
            };
            for event in &events {
                if self.shows == Shows::Json {
                    if let Some(row) = rows::event(&seen, mirror, event) {
                        json::line(&row, &mut out)?;
                    }
                } else if let Some(line) = event_line(event) {
                    writeln!(out, "{line}")?;
                }
            }
        }
        out.flush()
    }
}

/// A change for people, where it is worth a line.
fn event_line(event: &Event) -> Option<String> {
    use magpie_collector::{EntryId, TableRecord as _};
    let sums = |record: &FlowRecord| record.sums(EntryId { boot: 0, id: 0 });
    match event {
        Event::Sensor(hello) => Some(format!(
            "sensor {} on {}, firmware {}, boot {:08x}",
            crate::views::text::plain(&hello.name),
            crate::views::text::plain(&hello.board),
            crate::views::text::plain(&hello.firmware),
            hello.boot_id
        )),
        Event::Reboot { boot_id, boots } => Some(format!(
            "reboot: boot {boot_id:08x} is the {boots}. one seen"
        )),
        Event::Flow(record) => Some(table::flow_line(&record.key, &sums(record))),
        Event::Gap {
            boot_id,
            is_final,
            records,
        } => {
            let what = if *is_final {
                "finished records will not come: dropped, or gone to another host"
            } else {
                "live records did not arrive; later ones make up for them"
            };
            Some(format!("gap: {records} {what} (boot {boot_id:08x})"))
        }
        // Warnings say what of a port must be known.
        Event::Echo(_) | Event::Ledger(_) | Event::Port(_) | Event::Clock(_) => None,
    }
}
