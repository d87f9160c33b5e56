//! A sensor on a serial line: a tty, or a unix socket that stands for one.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use magpie_link::FrameCounts;

use crate::framed::{Framed, framed};
use crate::uplink::room_of_tty;
use crate::{Incoming, Source, SourceError, Uplink};

/// Speed where none is given, in baud.
pub const DEFAULT_BAUD: u32 = 115_200;
/// How often a lost line is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long a write may wait for a sensor that does not read.
const WRITE: Duration = Duration::from_millis(200);

/// Records from a serial line. A line that is lost (a cable pulled out, a
/// board that restarts) is opened again as soon as it is there.
pub struct SerialLine {
    name: String,
    path: PathBuf,
    baud: u32,
    // Octets a second, where known.
    room: Option<u32>,
    port: Option<Port>,
    tried: Instant,
    line: Framed,
    warnings: Vec<String>,
    buffer: Vec<u8>,
}

enum Port {
    Tty(Box<dyn serialport::SerialPort>),
    Socket(UnixStream),
}

impl SerialLine {
    /// Opens the line; it must be there now.
    pub fn open(path: &Path, baud: Option<u32>) -> Result<Self, SourceError> {
        let name = match baud {
            Some(baud) => format!("serial:{}@{baud}", path.display()),
            None => format!("serial:{}", path.display()),
        };
        let named = baud;
        let baud = named.unwrap_or(DEFAULT_BAUD);
        let port = Port::open(path, baud).map_err(|e| cannot_open(&name, path, e))?;
        let room = match &port {
            Port::Tty(_) => room_of_tty(path, named, baud),
            Port::Socket(_) => None,
        };
        Ok(Self {
            name,
            path: path.to_owned(),
            baud,
            room,
            port: Some(port),
            tried: Instant::now(),
            line: Framed::new(),
            warnings: Vec::new(),
            buffer: vec![0; 4096],
        })
    }

    /// What the line carried so far: frames, damage, garbage.
    pub fn counts(&self) -> FrameCounts {
        self.line.counts()
    }

    fn lost(&mut self, reason: &str) {
        self.port = None;
        self.tried = Instant::now();
        self.line.cut();
        self.warnings.push(format!(
            "{}: connection lost ({reason}); waiting for it to come back",
            self.name
        ));
    }

    /// While the line is down: waits, and tries it again.
    fn try_again(&mut self, deadline: Instant) -> Incoming {
        loop {
            let now = Instant::now();
            let next = self.tried + RETRY;
            if next > deadline {
                std::thread::sleep(deadline.saturating_duration_since(now));
                return Incoming::Idle;
            }
            std::thread::sleep(next.saturating_duration_since(now));
            self.tried = Instant::now();
            if let Ok(port) = Port::open(&self.path, self.baud) {
                self.port = Some(port);
                self.warnings
                    .push(format!("{}: connected again", self.name));
                return Incoming::Reconnected;
            }
        }
    }
}

impl Source for SerialLine {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(batch) = self.line.next() {
                return Ok(Incoming::Batch(batch));
            }
            let Some(port) = &mut self.port else {
                return Ok(self.try_again(deadline));
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Incoming::Idle);
            }
            match port.read(&mut self.buffer, left) {
                Ok(0) => self.lost("the other end closed it"),
                Ok(n) => self.line.fill(self.buffer.get(..n).unwrap_or_default()),
                Err(e) if waits(&e) => {}
                Err(e) => self.lost(&e.to_string()),
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let Some(port) = &mut self.port else {
            return Ok(());
        };
        let Some(octets) = framed(batch) else {
            return Err(SourceError::failed(
                self.name.clone(),
                "a command longer than any batch",
                "this is a fault of this program: report it",
            ));
        };
        match port.write(&octets) {
            Ok(()) => {}
            // The sensor does not read just now. What went out is cut, the
            // delimiter before the next frame mends that, and the session
            // repeats what matters.
            Err(e) if waits(&e) => {}
            Err(e) => self.lost(&e.to_string()),
        }
        Ok(())
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::Serial {
            octets: self.line.read(),
            room: self.room,
        })
    }

    fn warnings(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.warnings);
        let advice = "check the cable and the speed if there are more";
        all.extend(self.line.complaint(&self.name, advice));
        all
    }
}

impl Port {
    fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_socket() {
            let socket = UnixStream::connect(path)?;
            socket.set_write_timeout(Some(WRITE))?;
            Ok(Self::Socket(socket))
        } else if kind.is_char_device() {
            let name = path
                .to_str()
                .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path is not UTF-8"))?;
            let tty = serialport::new(name, baud)
                .timeout(WRITE)
                .open()
                .map_err(io::Error::from)?;
            Ok(Self::Tty(tty))
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidInput,
                "neither a tty nor a unix socket",
            ))
        }
    }

    fn read(&mut self, into: &mut [u8], timeout: Duration) -> io::Result<usize> {
        // Zero would mean no time limit to a socket.
        let timeout = timeout.max(Duration::from_millis(1));
        match self {
            Self::Tty(tty) => {
                tty.set_timeout(timeout).map_err(io::Error::from)?;
                tty.read(into)
            }
            Self::Socket(socket) => {
                socket.set_read_timeout(Some(timeout))?;
                socket.read(into)
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Tty(tty) => {
                tty.set_timeout(WRITE).map_err(io::Error::from)?;
                tty.write_all(octets)
            }
            Self::Socket(socket) => socket.write_all(octets),
        }
    }
}

/// Not broken, only not now.
pub(crate) fn waits(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}

fn cannot_open(name: &str, path: &Path, reason: io::Error) -> SourceError {
    let advice = match reason.kind() {
        ErrorKind::NotFound => "plug the board in and check the path (`ls /dev/tty*`)",
        ErrorKind::PermissionDenied => {
            "join the group of serial lines (`sudo usermod -a -G dialout $USER`, then log in anew), \
             or install the rule for our boards (in Magpie's sources `sudo cp \
             boards/70-magpie.rules /etc/udev/rules.d/ && sudo udevadm control --reload`, then \
             plug the board in anew)"
        }
        ErrorKind::ConnectionRefused => "nobody listens on this socket: start what should",
        ErrorKind::InvalidInput if path.is_file() => "to read a file write file:PATH",
        _ => "check that no other program uses it",
    };
    SourceError::io(name, reason, advice)
}

#[cfg(test)]
#[path = "serial_tests.rs"]
mod tests;
