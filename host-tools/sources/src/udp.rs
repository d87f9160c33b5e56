//! A sensor that sends datagrams.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use magpie_link::{Header, LinkError, MAX_BATCH, Stream};

use crate::serial::waits;
use crate::{Incoming, Source, SourceError, Uplink};

/// A sensor that sent nothing for so long (its ledger comes every second) is
/// taken for gone, and another one is followed.
const GONE: Duration = Duration::from_secs(10);
/// Addresses of others that are named.
const NAMED: usize = 8;
/// At most so often the user is told about datagrams that are no batches, and
/// about answers that cannot be sent.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Records from datagrams, one batch each. The first sensor heard is
/// followed, and gets the answers at the address it sends from; others on the
/// same port are named and dropped, until the first one is silent for ten
/// seconds. Whatever else arrives is counted and dropped.
pub struct Datagrams {
    name: String,
    socket: UdpSocket,
    crowd: Crowd,
    // What came together with the news that somebody else is followed.
    next: Option<Vec<u8>>,
    // Octets of the sensor that is followed.
    octets: u64,
    buffer: Box<[u8; MAX_BATCH + 1]>,
    told: Option<Instant>,
    told_garbage: u64,
    told_unsent: Option<Instant>,
    warnings: Vec<String>,
}

/// What arrived at the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramCounts {
    /// Batches of the sensor that is followed.
    pub batches: u64,
    /// Batches of other sensors.
    pub others: u64,
    /// Datagrams that are no batches of a sensor.
    pub garbage: u64,
}

/// Whom to follow: no sockets, no clock.
struct Crowd {
    followed: Option<Followed>,
    others: BTreeSet<SocketAddr>,
    counts: DatagramCounts,
    // The last datagram that was no batch, and why.
    garbage: Option<(SocketAddr, LinkError)>,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    at: SocketAddr,
    boot_id: u32,
    heard: Instant,
}

/// What a datagram is.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// A batch of the sensor that is followed.
    Batch,
    /// A batch of the one that is followed from now on; the address before.
    Follow(Option<SocketAddr>),
    /// A batch of another one, heard for the first time.
    Other,
    /// To be dropped without a word.
    Drop,
}

impl Crowd {
    fn judge(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Verdict {
        let header = match Header::parse(datagram) {
            Ok((header, _)) if header.stream != Stream::Command => header,
            other => {
                // Another version too: here anybody could end us by one
                // datagram, were it fatal as on a line.
                let why = other.map_or_else(|why| why, |(h, _)| LinkError::WrongStream(h.stream));
                self.counts.garbage += 1;
                self.garbage = Some((from, why));
                return Verdict::Drop;
            }
        };
        let fresh = Followed {
            at: from,
            boot_id: header.boot_id,
            heard: now,
        };
        let before = self.followed;
        if let Some(followed) = before
            && followed.at != from
            // The same run of the same sensor may come from another address.
            && followed.boot_id != header.boot_id
            && now.saturating_duration_since(followed.heard) < GONE
        {
            self.counts.others += 1;
            let is_news = self.others.len() < NAMED && self.others.insert(from);
            return if is_news {
                Verdict::Other
            } else {
                Verdict::Drop
            };
        }
        self.counts.batches += 1;
        self.followed = Some(fresh);
        match before {
            Some(followed) if followed.at == from => Verdict::Batch,
            _ => {
                self.others.remove(&from);
                Verdict::Follow(before.map(|followed| followed.at))
            }
        }
    }
}

impl Datagrams {
    /// Listens at a local address; port 0 is any free one.
    pub fn bind(address: SocketAddr) -> Result<Self, SourceError> {
        let cannot = |e| cannot_bind(address, e);
        let socket = UdpSocket::bind(address).map_err(cannot)?;
        let bound = socket.local_addr().map_err(cannot)?;
        Ok(Self {
            name: format!("udp://{bound}"),
            socket,
            crowd: Crowd {
                followed: None,
                others: BTreeSet::new(),
                counts: DatagramCounts::default(),
                garbage: None,
            },
            next: None,
            octets: 0,
            buffer: Box::new([0; MAX_BATCH + 1]),
            told: None,
            told_garbage: 0,
            told_unsent: None,
            warnings: Vec::new(),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What arrived so far.
    pub fn counts(&self) -> DatagramCounts {
        self.crowd.counts
    }

    /// Takes one datagram of `len` octets in the buffer.
    fn take(&mut self, from: SocketAddr, len: usize) -> Option<Incoming> {
        let datagram = self.buffer.get(..len).unwrap_or_default();
        let verdict = self.crowd.judge(from, datagram, Instant::now());
        if matches!(verdict, Verdict::Batch | Verdict::Follow(_)) {
            self.octets = self.octets.saturating_add(len as u64);
        }
        match verdict {
            Verdict::Batch => Some(Incoming::Batch(datagram.to_vec())),
            Verdict::Follow(before) => {
                self.next = Some(datagram.to_vec());
                self.warnings.push(match before {
                    None => format!("{}: a sensor sends from {from}", self.name),
                    Some(before) => format!(
                        "{}: the sensor sends from {from} now, or another one does; {before} before",
                        self.name
                    ),
                });
                Some(Incoming::Reconnected)
            }
            Verdict::Other => {
                self.warnings.push(format!(
                    "{}: another sensor sends from {from}; it is not watched here: give each a port of its own",
                    self.name
                ));
                None
            }
            Verdict::Drop => None,
        }
    }

    fn complain(&mut self) {
        let garbage = self.crowd.counts.garbage;
        let soon = self.told.is_some_and(|at| at.elapsed() < TELL_EVERY);
        if soon || garbage == self.told_garbage {
            return;
        }
        if let Some((from, why)) = self.crowd.garbage {
            self.warnings.push(format!(
                "{}: {} datagrams dropped that no sensor of ours sent, the last from {from} ({why}); \
                 see what sends there",
                self.name,
                garbage - self.told_garbage
            ));
        }
        self.told = Some(Instant::now());
        self.told_garbage = garbage;
    }
}

impl Source for Datagrams {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&mut self, timeout: Duration) -> Result<Incoming, SourceError> {
        if let Some(batch) = self.next.take() {
            return Ok(Incoming::Batch(batch));
        }
        let failed = |name: &str, e| SourceError::io(name, e, "start it again");
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Incoming::Idle);
            }
            // Zero would mean no time limit.
            let left = left.max(Duration::from_millis(1));
            self.socket
                .set_read_timeout(Some(left))
                .map_err(|e| failed(&self.name, e))?;
            match self.socket.recv_from(&mut self.buffer[..]) {
                Ok((len, from)) => {
                    if let Some(incoming) = self.take(from, len) {
                        return Ok(incoming);
                    }
                }
                // An answer to a sensor that is gone came back.
                Err(e) if waits(&e) || e.kind() == ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(failed(&self.name, e)),
            }
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<(), SourceError> {
        let Some(followed) = self.crowd.followed else {
            return Ok(());
        };
        if let Err(e) = self.socket.send_to(batch, followed.at)
            && !waits(&e)
            && e.kind() != ErrorKind::ConnectionRefused
            && self.told_unsent.is_none_or(|at| at.elapsed() > TELL_EVERY)
        {
            // A route may come back, and the session repeats what matters.
            self.told_unsent = Some(Instant::now());
            self.warnings.push(format!(
                "{}: no answer reaches {} ({e}); check the route to it",
                self.name, followed.at
            ));
        }
        Ok(())
    }

    fn uplink(&self) -> Option<Uplink> {
        Some(Uplink::Udp {
            octets: self.octets,
            from: self.crowd.followed.map(|followed| followed.at),
        })
    }

    fn warnings(&mut self) -> Vec<String> {
        self.complain();
        std::mem::take(&mut self.warnings)
    }
}

fn cannot_bind(address: SocketAddr, reason: io::Error) -> SourceError {
    let advice = match reason.kind() {
        ErrorKind::AddrInUse => "another program listens there: end it or take another port",
        ErrorKind::AddrNotAvailable => {
            "no interface of this machine has this address; udp://0.0.0.0:PORT and udp://[::]:PORT listen on all"
        }
        ErrorKind::PermissionDenied => "ports below 1024 are root's: take another one",
        _ => "take another address or port",
    };
    SourceError::io(format!("udp://{address}"), reason, advice)
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
