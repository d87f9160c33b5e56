//! Systems on which nothing of this exists: every way in says so.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::probe::{
    Family, ProbeOptions, Purpose, Ready, Received, SendOptions, SocketKind, Stamp,
};
use crate::{
    CaptureOptions, Card, Frame, Holders, Interface, Offload, OsError, Route, SocketQuery,
    SocketSummary, Sockets, Stats, Wake,
};

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

/// A socket that sends probes: none can be opened here.
#[derive(Debug)]
pub enum ProbeSocket {}

#[allow(missing_docs)] // as on Linux
impl ProbeSocket {
    pub fn open(_: Purpose, _: Family, _: &ProbeOptions) -> Result<Self, OsError> {
        Err(OsError::UnsupportedProbes)
    }
    pub fn kind(&self) -> SocketKind {
        match *self {}
    }
    pub fn family(&self) -> Family {
        match *self {}
    }
    pub fn refuse_others(&self) {
        match *self {}
    }
    pub fn why(&self) -> String {
        match *self {}
    }
    pub fn identifier(&self) -> Option<u16> {
        match *self {}
    }
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match *self {}
    }
    pub fn peer_address(&self) -> io::Result<Option<SocketAddr>> {
        match *self {}
    }
    pub fn drops(&self) -> Option<u32> {
        match *self {}
    }
    pub fn connect(&self, _: SocketAddr) -> io::Result<()> {
        match *self {}
    }
    pub fn send(&self, _: &[u8], _: Option<SocketAddr>, _: SendOptions) -> io::Result<Stamp> {
        match *self {}
    }
    pub fn receive(&self, _: &mut [u8]) -> io::Result<Option<Received>> {
        match *self {}
    }
    pub fn receive_error(&self, _: &mut [u8]) -> io::Result<Option<Received>> {
        match *self {}
    }
}

/// There are no sockets to wait for.
pub fn wait(_: &[&ProbeSocket], _: Option<&Signals>, _: Duration) -> io::Result<Vec<Ready>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are none here.
pub fn zone_name(_: u32) -> Option<String> {
    None
}

/// Nobody can say here.
pub fn source_address(_: IpAddr, _: &ProbeOptions) -> Result<IpAddr, OsError> {
    Err(OsError::UnsupportedProbes)
}

/// Signals: none are caught here.
#[derive(Debug)]
pub enum Signals {}

#[allow(missing_docs)] // as on Linux
impl Signals {
    pub fn catch() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub fn is_end(&self) -> bool {
        match *self {}
    }
    pub fn take_status(&self) -> bool {
        match *self {}
    }
}

/// There is no such limit.
pub fn survive_file_limit() {}

/// Nobody knows here.
pub fn reader_is_gone(_: &std::fs::File, timeout: Duration) -> io::Result<bool> {
    std::thread::sleep(timeout);
    Ok(false)
}

/// There is nothing to lay down.
pub fn drop_privileges() -> Result<(), OsError> {
    Ok(())
}

/// Likewise.
pub fn no_new_privileges() -> Result<(), OsError> {
    Ok(())
}

/// None can be read here.
pub fn sockets(_: &SocketQuery) -> Result<Sockets, OsError> {
    Err(SOCKETS)
}

/// Likewise.
pub fn socket_summary() -> Result<SocketSummary, OsError> {
    Err(SOCKETS)
}

/// Likewise.
pub fn socket_holders() -> Result<Holders, OsError> {
    Err(SOCKETS)
}

/// Likewise.
pub fn routes(_: bool) -> Result<Vec<Route>, OsError> {
    Err(OsError::NotHere {
        what: "the list of routes is",
    })
}

/// Likewise.
pub fn interfaces() -> Result<Vec<Interface>, OsError> {
    Err(OsError::NotHere {
        what: "the list of interfaces is",
    })
}

/// Nobody may.
pub fn may_capture() -> bool {
    false
}

/// Likewise.
pub fn may_administer() -> bool {
    false
}

/// Likewise.
pub fn may_trace() -> bool {
    false
}

/// Nobody looked.
pub fn had_stdout() -> bool {
    true
}

const SOCKETS: OsError = OsError::NotHere {
    what: "the list of sockets is",
};

fn unsupported(interface: &str) -> OsError {
    OsError::Unsupported {
        interface: interface.to_owned(),
    }
}
