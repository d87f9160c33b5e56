//! What `replay` and `watch` have in common: the end of a run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use magpie_collector::{Picture, State};
use magpie_sources::{FlushOutcome, Report, SourceError};

use crate::cli::{Format, ViewOptions};
use crate::exit::Exit;
use crate::output::say;
use crate::views::{Seen, csv, exact, json, table};

/// Host time in microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A picture that a source's thread paints.
pub(crate) type SharedPicture = Arc<Mutex<Picture>>;

/// What a thread that died left is better than nothing.
pub(crate) fn lock(picture: &Mutex<Picture>) -> MutexGuard<'_, Picture> {
    picture.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The picture of a source that has ended.
pub(crate) fn finish(picture: SharedPicture) -> Picture {
    let mut picture = match Arc::try_unwrap(picture) {
        Ok(alone) => alone.into_inner().unwrap_or_else(PoisonError::into_inner),
        Err(shared) => lock(&shared).clone(),
    };
    picture.finish();
    picture
}

/// Tells what went wrong with a source; the exit code that follows from it.
pub(crate) fn judge(report: &Report, seen: &Seen<'_>, format: Format) -> Exit {
    let mut exit = Exit::Success;
    let mut fail = |error: &Option<SourceError>| {
        if let Some(error) = error {
            say(&error.to_string());
            exit = exit.and(Exit::Usage);
        }
    };
    fail(&report.failure);
    fail(&report.record_failure);
    if report.flush == FlushOutcome::Missing {
        say(&format!(
            "{}: the sensor did not hand over what it still holds; the numbers are those of its \
             last word. Check the connection, then watch it again",
            report.name
        ));
    }
    let books = seen.books();
    if let State::Open { .. } = books.state {
        exit = exit.and(Exit::Open);
        for broken in &books.broken {
            say(&format!("{}: books open at {broken}", report.name));
        }
    }
    if format == Format::Exact {
        let mut shortfalls = exact::shortfalls(seen.picture);
        if shortfalls.is_empty() {
            // What only the sensor itself can tell.
            shortfalls.clone_from(&report.shortfalls);
        }
        for what in &shortfalls {
            say(&format!("{}: not exact: {what}", report.name));
            exit = exit.and(Exit::NotExact);
        }
        // stdout holds the object alone.
        say(&books.to_string());
    }
    exit
}

/// Writes the summary of several sources; `streamed` says that flows and echo
/// pairs were written while they ended.
pub(crate) fn summary(
    sources: &[Seen<'_>],
    view: &ViewOptions,
    streamed: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let choice = view.choice();
    match (view.format, view.table) {
        (Format::Csv, Some(table)) => csv::write(sources, table, &choice, out)?,
        // The command line does not come through without a table.
        (Format::Csv, None) => {}
        (Format::Table, _) => {
            for seen in sources {
                table::write(seen, &choice, out)?;
            }
        }
        (Format::Json, _) => {
            for seen in sources {
                json::write(seen, &choice, !streamed, out)?;
            }
        }
        (Format::Exact, _) => {
            for seen in sources {
                exact::write(seen.picture, out)?;
            }
        }
    }
    out.flush()
}
