//! The serial line of a board that speaks: read always, since a UART that nobody
//! reads stops QEMU; heard by whoever listens.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use magpie_link::{Deframer, MAX_BATCH, MAX_FRAME, frame};
use magpie_sources::{Incoming, Source, SourceError};

/// A host's end of the line.
pub struct SerialEnd {
    stream: UnixStream,
    batches: Receiver<Vec<u8>>,
}

impl SerialEnd {
    /// Begins to read; `heard` is set with the first octet.
    pub(super) fn new(mut stream: UnixStream, heard: Arc<AtomicBool>) -> Self {
        let (tell, batches) = mpsc::channel();
        let for_host = stream.try_clone().expect("a socket of ours");
        // Ends with QEMU.
        std::thread::spawn(move || {
            let mut deframer: Deframer<{ MAX_BATCH + 4 }> = Deframer::new();
            let mut octets = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut octets) {
                heard.store(true, Relaxed);
                for octet in &octets[..n] {
                    if let Some(Ok(batch)) = deframer.push(*octet) {
                        // Nobody listening is no reason not to read.
                        let _ = tell.send(batch.to_vec());
                    }
                }
            }
        });
        Self {
            stream: for_host,
            batches,
        }
    }

    /// Forgets what came before somebody listened.
    pub(super) fn plugged_in(self) -> Self {
        while self.batches.try_recv().is_ok() {}
        self
    }
}

impl Source for SerialEnd {
    fn name(&self) -> &'static str {
        "the serial line"
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        match self.batches.recv_timeout(timeout) {
            Ok(batch) => Ok(Incoming::Batch(batch)),
            Err(RecvTimeoutError::Timeout) => Ok(Incoming::Idle),
            Err(RecvTimeoutError::Disconnected) => Ok(Incoming::Ended),
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let mut framed = [0; MAX_FRAME];
        let len = frame(batch, &mut framed).expect("a short batch");
        self.stream.write_all(&framed[..len]).map_err(|e| {
            SourceError::failed("the serial line", e.to_string(), "see the board's log")
        })
    }
}
