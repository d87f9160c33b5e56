//! Signals that a program at work listens to.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level::pipe};

/// Ctrl-C and its like. Without a thread: a signal wakes [`super::wait`].
#[derive(Debug)]
pub struct Signals {
    woken: UnixStream,
    end: Arc<AtomicBool>,
    status: Arc<AtomicBool>,
}

impl Signals {
    /// From now on SIGINT and SIGTERM (end) and SIGQUIT (say how it stands)
    /// are heard here, and do nothing else; but a second SIGINT or SIGTERM
    /// ends the program at once.
    pub fn catch() -> io::Result<Self> {
        let (woken, wakes) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let end = Arc::new(AtomicBool::new(false));
        let status = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: only the second one finds the flag raised.
            flag::register_conditional_default(signal, Arc::clone(&end))?;
            flag::register(signal, Arc::clone(&end))?;
        }
        flag::register(SIGQUIT, Arc::clone(&status))?;
        for signal in [SIGINT, SIGTERM, SIGQUIT] {
            pipe::register(signal, wakes.try_clone()?)?;
        }
        Ok(Self { woken, end, status })
    }

    /// True once it is to end.
    pub fn is_end(&self) -> bool {
        self.end.load(Ordering::SeqCst)
    }

    /// True once each time somebody wants to know how it stands.
    pub fn take_status(&self) -> bool {
        self.status.swap(false, Ordering::SeqCst)
    }

    /// Takes what woke us.
    pub(super) fn heard(&self) {
        let mut octets = [0; 64];
        while matches!((&self.woken).read(&mut octets), Ok(1..)) {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

/// From now on a file that may not grow any more (`RLIMIT_FSIZE`) is an error
/// of writing, and not the end of the program.
pub fn survive_file_limit() {
    // Caught and not looked at. It cannot fail for this signal.
    let _ = flag::register(SIGXFSZ, Arc::default());
}
