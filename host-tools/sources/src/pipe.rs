//! Reading from a pipe without being held up by its silence.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be taken; the reading thread waits then.
const CHUNKS: usize = 16;
/// How long a read waits before it says that nothing is there yet.
const PATIENCE: Duration = Duration::from_millis(20);

/// A pipe, a terminal or whatever else may be silent: a thread reads it, and a
/// read that finds nothing for a moment says `WouldBlock`. So the sensor core
/// goes on sweeping, and the user can end it.
///
/// The thread ends with its pipe, or with the next octets after this is gone.
pub struct Pipe {
    from: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Pipe {
    /// Reads on from here in a thread of its own.
    pub fn new(mut from: impl Read + Send + 'static) -> Self {
        let (give, take) = sync_channel(CHUNKS);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = from.read(&mut chunk);
                let is_last = match &read {
                    Ok(n) => *n == 0,
                    Err(e) => e.kind() != ErrorKind::Interrupted,
                };
                let read = read.map(|n| {
                    chunk.truncate(n);
                    chunk
                });
                if give.send(read).is_err() || is_last {
                    break;
                }
            }
        });
        Self {
            from: take,
            chunk: io::Cursor::default(),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.chunk.read(buffer)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        match self.from.recv_timeout(PATIENCE) {
            Ok(Ok(chunk)) => {
                self.chunk = io::Cursor::new(chunk);
                self.chunk.read(buffer)
            }
            Ok(Err(e)) => Err(e),
            Err(RecvTimeoutError::Timeout) => Err(ErrorKind::WouldBlock.into()),
            Err(RecvTimeoutError::Disconnected) => Ok(0),
        }
    }
}

/// Waits where a reader says `WouldBlock`.
pub(crate) struct Patient<R>(pub(crate) R);

impl<R: Read> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}
