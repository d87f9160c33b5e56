//! stdout is data, stderr is progress and log.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

/// stdout, buffered; a program behind it that stops reading is an error of
/// kind `BrokenPipe`.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// True where the error is that nobody reads our output any more.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        io == Some(io::ErrorKind::BrokenPipe)
    })
}

/// True where a person reads stdout.
pub(crate) fn is_screen() -> bool {
    io::stdout().is_terminal()
}

/// Tells the user something, on stderr. Nobody listening is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "magpie: {text}");
}
