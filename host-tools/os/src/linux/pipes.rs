//! Pipes and stdout, seen from who writes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::sys;

/// Waits until nobody reads a pipe any more, at most so long; false: time is
/// over. Who writes nothing would not notice otherwise.
pub fn reader_is_gone(pipe: &File, timeout: Duration) -> io::Result<bool> {
    sys::reader_is_gone(pipe.as_fd(), timeout)
}

/// False where this program was started with its stdout closed (`>&-`). What
/// is written there then vanishes without an error.
pub fn had_stdout() -> bool {
    sys::had_stdout()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_without_readers_is_told() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        let short = Duration::from_millis(20);
        assert!(!reader_is_gone(&writer, short).expect("a pipe"));
        drop(reader);
        assert!(reader_is_gone(&writer, Duration::from_secs(5)).expect("a pipe"));
    }
}
