//! stdout is data, stderr is progress and log.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use magpie_capture::write::WriteError;

/// Whether somebody had something for stdout.
static IS_NEEDED: AtomicBool = AtomicBool::new(false);

/// stdout, buffered; a program behind it that stops reading is an error of
/// kind `BrokenPipe`.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    IS_NEEDED.store(true, Relaxed);
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// True where something was for stdout, which was closed from the beginning:
/// that is lost, and no write says so.
pub(crate) fn is_lost() -> bool {
    IS_NEEDED.load(Relaxed) && !magpie_os::had_stdout()
}

/// True where the error is that nobody reads our output any more.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let file = cause.downcast_ref::<WriteError>();
        io == Some(io::ErrorKind::BrokenPipe) || file.is_some_and(WriteError::is_unread)
    })
}

/// True where a person reads stdout.
pub(crate) fn is_screen() -> bool {
    io::stdout().is_terminal()
}

/// Whether stderr is for what went wrong only.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on stderr is for what went wrong only: whoever runs us shows all
/// that stands there as an error.
pub(crate) fn be_quiet() {
    QUIET.store(true, Relaxed);
}

/// Whether progress and sums are wanted on stderr.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Relaxed)
}

/// Tells the user how it goes, on stderr, unless that is not wanted there.
pub(crate) fn note(text: &str) {
    if !is_quiet() {
        say(text);
    }
}

/// Tells the user something, on stderr. Nobody listening is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "magpie: {text}");
}
