//! Systems on which nothing of this exists: every way in says so.

use std::time::Duration;

use crate::{CaptureOptions, Card, Frame, Offload, OsError, Stats, Wake};

/// Frames of an interface: none can be opened here.
#[derive(Debug)]
pub enum Capture {}

#[allow(missing_docs)] // as on Linux
impl Capture {
    pub fn open(interface: &str, _: &CaptureOptions) -> Result<Self, OsError> {
        Err(unsupported(interface))
    }
    pub fn interface(&self) -> &str {
        match *self {}
    }
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        match *self {}
    }
    pub fn wait(&mut self, _: Duration) -> Result<Wake, OsError> {
        match *self {}
    }
    pub fn stats(&mut self) -> Result<Stats, OsError> {
        match *self {}
    }
    pub fn card(&self) -> Card {
        match *self {}
    }
    pub fn stop(&mut self) -> Result<(), OsError> {
        match *self {}
    }
    pub fn offloads(&self) -> Vec<Offload> {
        match *self {}
    }
}

/// Puts frames onto an interface: none can be opened here.
#[derive(Debug)]
pub enum FrameSender {}

#[allow(missing_docs)] // as on Linux
impl FrameSender {
    pub fn open(interface: &str) -> Result<Self, OsError> {
        Err(unsupported(interface))
    }
    pub fn send(&self, _: &[u8]) -> Result<(), OsError> {
        match *self {}
    }
}

/// There is nothing to lay down.
pub fn drop_privileges() -> Result<(), OsError> {
    Ok(())
}

fn unsupported(interface: &str) -> OsError {
    OsError::Unsupported {
        interface: interface.to_owned(),
    }
}
