//! Frames onto an interface.

use std::io;

use socket2::Socket;

use super::interface::{failed, open};
use super::sys;
use crate::OsError;

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

    /// Sends one frame, from the Ethernet header on, without FCS; waits while
    /// the interface's queue is full.
    pub fn send(&self, frame: &[u8]) -> Result<(), OsError> {
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Ok(()),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => std::thread::yield_now(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(&self.interface, "a frame was not sent", e)),
            }
        }
    }
}
