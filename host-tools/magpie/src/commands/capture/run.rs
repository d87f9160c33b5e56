//! The run: packets from their sources through the filter to where they go.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use magpie_capture::anonymize::Anonymizer;
use magpie_sources::Stop;

use super::desk::Desk;
use super::expression::Expression;
use super::output::Output;
use super::source::{PacketSource, SourceBooks, State};
use crate::output::say;
use crate::views::capture::{Books, Interface};

/// How long one source is waited for before files are flushed.
const WAIT: Duration = Duration::from_millis(100);
/// Likewise several, one after the other.
const NAP: Duration = Duration::from_millis(5);
/// `-v` with `-w` says this often how many there are.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// What is wanted of a run.
pub(super) struct Wants<'a> {
    pub(super) expression: &'a Expression,
    /// Octets kept of a packet; `None`: as many as there are.
    pub(super) snap_len: Option<u32>,
    /// End after so many.
    pub(super) limit: Option<u64>,
    pub(super) anonymizer: Option<Anonymizer>,
    /// Say now and then how many there are.
    pub(super) says: bool,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) books: Books,
    pub(super) interfaces: Vec<Interface>,
    pub(super) output: Output,
    /// Packets chosen.
    pub(super) chosen: u64,
    /// Books of sources that have some.
    pub(super) source_books: Vec<SourceBooks>,
    pub(super) failure: Option<anyhow::Error>,
    /// A source could not be read to its end, which was said.
    pub(super) source_failed: bool,
}

/// The time here, in nanoseconds since 1970.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Runs until the sources end, enough was chosen or the user ends it.
pub(super) fn run(
    mut sources: Vec<Box<dyn PacketSource>>,
    wants: Wants<'_>,
    output: Output,
    stop: &Stop,
) -> anyhow::Result<Ended> {
    let mut desk = Desk::new(&sources, wants, output);
    for (stream, source) in sources.iter().enumerate() {
        if let Some(info) = source.interface() {
            desk.number(stream, source.name(), 0, Some(info), info.longest())?;
        }
    }
    let is_now = sources.iter().all(|source| source.is_now());
    let is_file = sources.len() == 1 && sources.iter().all(|source| !source.is_live());
    desk.open(is_now, is_file)?;
    let source_failed = drive(&mut sources, &mut desk, stop);
    Ok(desk.end(&sources, source_failed))
}

fn drive(sources: &mut [Box<dyn PacketSource>], desk: &mut Desk<'_>, stop: &Stop) -> bool {
    let mut ended = vec![false; sources.len()];
    let mut ending = false;
    let mut failed = false;
    let mut say_at = Instant::now() + SAY_EVERY;
    let wait = if sources.len() == 1 {
        WAIT
    } else {
        Duration::ZERO
    };
    loop {
        let mut quiet = true;
        let behind = desk.behind(sources, &ended);
        for (stream, source) in sources.iter_mut().enumerate() {
            // Files are read in step, so that little has to wait.
            if ended[stream] || !source.is_live() && behind.is_some_and(|b| b != stream) {
                continue;
            }
            let name = source.name().to_owned();
            let state = source.packets(wait, &mut |packet| desk.take(stream, &name, packet));
            match state {
                Ok(State::More) => quiet = false,
                Ok(State::Quiet) => {}
                Ok(State::Ended) => {
                    ended[stream] = true;
                    quiet = false;
                }
                Err(error) => {
                    say(&error.to_string());
                    failed = true;
                    quiet = false;
                }
            }
            desk.update(stream, source.counted());
        }
        desk.release(sources, &ended);
        if ended.iter().all(|ended| *ended) {
            return failed;
        }
        if (stop.raised() > 0 || desk.wants_no_more()) && !ending {
            ending = true;
            for source in sources.iter_mut() {
                source.end();
            }
        }
        if stop.raised() > 1 {
            for (stream, source) in sources.iter_mut().enumerate() {
                source.end_now();
                desk.update(stream, source.counted());
            }
            return failed;
        }
        if quiet {
            desk.flush();
            if sources.len() > 1 {
                std::thread::sleep(NAP);
            }
        }
        if desk.says() && Instant::now() >= say_at {
            say_at = Instant::now() + SAY_EVERY;
            say(&format!("Got {}", desk.chosen()));
        }
    }
}
