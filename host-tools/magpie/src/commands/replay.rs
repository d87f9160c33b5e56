//! `magpie replay`: captures through the sensor core, recordings again.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use magpie_collector::{Offered, Picture};
use magpie_sources::{
    DriveOptions, Lane, Notice, Report, SensorOptions, Shown, SourceError, Stop, drive, open_file,
};

use super::shared::{finish, judge, now_us, summary};
use crate::cli::{Format, Replay};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::Seen;

/// Progress is told from then on, and again after this long where stderr is
/// no terminal.
const PROGRESS_FROM: Duration = Duration::from_secs(2);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

static STOP: Stop = Stop::new();

/// One file's picture, and how reading it went.
struct Done {
    picture: Picture,
    offered: Option<Offered>,
    report: Report,
}

pub(crate) fn run(options: &Replay) -> anyhow::Result<Exit> {
    // Without a handler Ctrl-C ends at once, which is no reason not to run.
    let _ = ctrlc::set_handler(|| STOP.raise());
    let mut exit = Exit::Success;
    let mut kept = Vec::new();
    for file in &options.files {
        if STOP.raised() > 0 {
            break;
        }
        let done = match read(file, options) {
            Ok(done) => done,
            Err(error) => {
                say(&error.to_string());
                exit = exit.and(Exit::Usage);
                continue;
            }
        };
        if options.view.format == Format::Csv {
            // One table of all files.
            kept.push(done);
        } else {
            exit = exit.and(show(std::slice::from_ref(&done), options)?);
        }
    }
    if !kept.is_empty() {
        exit = exit.and(show(&kept, options)?);
    }
    Ok(exit)
}

fn read(file: &Path, options: &Replay) -> Result<Done, SourceError> {
    let open = options
        .core
        .open(options.view.format, SensorOptions::bounded());
    let source = open_file(file, &open.sensor)?;
    let name = source.name().to_owned();
    let picture = Picture::new(&name, options.view.limits(0));
    let picture = Arc::new(Mutex::new(picture));
    let lane = Lane {
        source,
        picture: Arc::clone(&picture),
        record: None,
    };
    let mut progress = Progress::new(name);
    let reports = drive(
        vec![lane],
        &STOP,
        &DriveOptions::default(),
        |notice| match notice {
            Notice::Warning(text) => {
                progress.clear();
                say(text);
            }
            Notice::Refresh(shown) => progress.tell(shown),
        },
    );
    progress.clear();
    let Some(report) = reports.into_iter().next() else {
        let reason = "it was not run";
        return Err(SourceError::failed(
            file.display().to_string(),
            reason,
            "please report it",
        ));
    };
    Ok(Done {
        picture: finish(picture),
        offered: report.offered.clone(),
        report,
    })
}

fn show(done: &[Done], options: &Replay) -> anyhow::Result<Exit> {
    let now_us = now_us();
    let seen: Vec<Seen<'_>> = done
        .iter()
        .map(|done| Seen::new(&done.picture, done.offered.as_ref(), now_us))
        .collect();
    let mut exit = Exit::Success;
    for (done, seen) in done.iter().zip(&seen) {
        exit = exit.and(judge(&done.report, seen, options.view.format));
    }
    summary(&seen, &options.view, false, &mut output::stdout()).context("stdout")?;
    Ok(exit)
}

/// How far reading has come, on stderr.
struct Progress {
    name: String,
    started: Instant,
    due: Instant,
    screen: bool,
    shown: bool,
}

impl Progress {
    fn new(name: String) -> Self {
        let started = Instant::now();
        Self {
            name,
            started,
            due: started + PROGRESS_FROM,
            screen: io::stderr().is_terminal(),
            shown: false,
        }
    }

    fn tell(&mut self, shown: &[Shown]) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        let Some(offered) = shown.first().and_then(|shown| shown.status().offered) else {
            return;
        };
        let seconds = (now - self.started).as_secs();
        let text = format!(
            "{}: {} frames, {} octets after {seconds} s",
            self.name,
            crate::views::text::thousands(offered.frames),
            crate::views::text::thousands(offered.octets),
        );
        if self.screen {
            // Nobody listening is no reason to stop.
            let _ = write!(io::stderr(), "\r{text}\x1b[K");
            self.shown = true;
        } else {
            say(&text);
            self.due = now + PROGRESS_EVERY;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
