//! Frames onto an interface.

use std::io;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::interface::{failed, open};
use super::sys;
use crate::OsError;

/// How long a full queue may take to empty.
const PATIENCE: Duration = Duration::from_millis(500);

/// Puts frames onto an interface as they are. For laboratories and for what
/// the user asks to be sent; a sensor never does.
#[derive(Debug)]
pub struct FrameSender {
    interface: String,
    socket: Socket,
}

impl FrameSender {
    /// A sender that hears nothing.
    pub fn open(interface: &str) -> Result<Self, OsError> {
        let opened = open(interface)?;
        sys::bind(&opened.socket, opened.index, 0)
            .map_err(|reason| failed(interface, "nothing may be sent", reason))?;
        Ok(Self {
            interface: interface.to_owned(),
            socket: opened.socket,
        })
    }

    /// Sends one frame, from the Ethernet header on, without FCS; waits a
    /// moment while the interface's queue is full. A cable says the same of a
    /// frame that its other end refuses, so it is an error after that.
    pub fn send(&self, frame: &[u8]) -> Result<(), OsError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Ok(()),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) && Instant::now() < until => {
                    std::thread::yield_now();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(&self.interface, "a frame was not sent", e)),
            }
        }
    }
}
