//! One host: its socket, and what is known of it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use magpie_os::ProbeSocket;
use magpie_os::probe::{
    Family, Origin, ProbeError, Queued, Received, SendOptions, SocketKind, Stamp,
};
use magpie_probe::Time;
use magpie_probe::icmp::IcmpError;
use magpie_probe::ping::{Cause, Framing, Ping, parse_advice, parse_quote, parse_reply};

use super::AT_ONCE;
use super::targets::Target;

/// Longer than any packet.
pub(super) const BUFFER: usize = 1 << 16;
/// `EMSGSIZE` of Linux; elsewhere there are no sockets to say it.
const TOO_LONG: i32 = 90;
/// A transmit stamp that is further from the call is that of another packet.
const STAMP_AFTER: Duration = Duration::from_millis(500);
/// Transmit stamps that are waited for.
const KEYS: usize = 1_024;

/// Time as the state machine has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
    /// Since 1970, on the wall.
    origin_wall: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            origin: Instant::now(),
            origin_wall: wall.unwrap_or_default(),
        }
    }

    pub(super) fn now(self) -> Time {
        self.origin.elapsed()
    }

    fn of(self, stamp: &Stamp) -> Time {
        stamp.at.saturating_duration_since(self.origin)
    }

    /// When that was on the wall, since 1970, as if nobody set that clock
    /// meanwhile.
    pub(super) fn wall_at(self, at: Time) -> Duration {
        self.origin_wall.saturating_add(at)
    }
}

/// A host that is pinged.
pub(super) struct Host {
    pub(super) target: Target,
    pub(super) socket: ProbeSocket,
    pub(super) ping: Ping,
    /// Not before then.
    pub(super) begins: Time,
    /// `None`: the socket is connected.
    pub(super) to: Option<SocketAddr>,
    /// Transmit stamps are to be had.
    pub(super) has_stamps: bool,
    /// Requests whose transmit stamps may come, by the kernel's number.
    pub(super) keys: VecDeque<(u32, u64, Time)>,
    pub(super) next_key: u32,
    /// The interface of its link-local addresses, if one was named.
    pub(super) zone: Option<String>,
    /// Number of the interface of a link-local address that the reply that is
    /// told next came from; else 0.
    pub(super) reply_zone: u32,
    /// IPv4 options of that reply.
    pub(super) ip_options: Vec<u8>,
}

impl Host {
    fn framing(&self) -> Framing {
        match (self.socket.family(), self.socket.kind()) {
            (Family::V6, _) => Framing::Icmp6,
            (Family::V4, SocketKind::IcmpRaw) => Framing::Ip4,
            (Family::V4, _) => Framing::Icmp4,
        }
    }

    /// Sends a request that the ping wrote.
    pub(super) fn send(&mut self, number: u64, octets: &[u8], clock: Clock, room: &mut [u8]) {
        let mut sent = self.socket.send(octets, self.to, SendOptions::default());
        let mut is_told = is_too_long(&sent) && self.read_errors(clock, room, Some(number));
        if is_too_long(&sent) && !is_told {
            // That was said of an earlier packet.
            sent = self.socket.send(octets, self.to, SendOptions::default());
            is_told = is_too_long(&sent) && self.read_errors(clock, room, Some(number));
        }
        match sent {
            Ok(stamp) => {
                let at = clock.of(&stamp);
                self.ping.handle_sent(number, at);
                if self.has_stamps {
                    if self.keys.len() == KEYS {
                        self.keys.pop_front();
                    }
                    self.keys.push_back((self.next_key, number, at));
                    self.next_key = self.next_key.wrapping_add(1);
                }
            }
            Err(_) if is_told => {}
            Err(error) => {
                let cause = match error.raw_os_error() {
                    Some(TOO_LONG) => Cause::TooLong { mtu: None },
                    errno => Cause::Local {
                        errno: errno.unwrap_or(0),
                    },
                };
                self.ping.handle_unsent(number, clock.now(), cause);
            }
        }
    }

    /// Takes errors and transmit stamps that wait; an error that this
    /// machine made is one of the request that is being sent, or the latest.
    /// True if there was one of those.
    pub(super) fn read_errors(
        &mut self,
        clock: Clock,
        room: &mut [u8],
        sending: Option<u64>,
    ) -> bool {
        let mut was_local = false;
        for _ in 0..AT_ONCE {
            // A queue that cannot be read is as good as empty.
            let Ok(Some(received)) = self.socket.receive_error(room) else {
                break;
            };
            match received.what {
                Queued::Data => {}
                Queued::Sent(key) => self.sent(key, clock.of(&received.at)),
                Queued::Error(error) if error.origin == Origin::Local => {
                    was_local = true;
                    let number = sending.unwrap_or_else(|| self.ping.summary().transmitted);
                    let cause = if error.errno == TOO_LONG {
                        let mtu = Some(error.info).filter(|mtu| *mtu > 0);
                        Cause::TooLong { mtu }
                    } else {
                        Cause::Local { errno: error.errno }
                    };
                    self.ping
                        .handle_unsent(number, clock.of(&received.at), cause);
                }
                Queued::Error(error) => self.icmp_error(&received, &error, room, clock),
            }
        }
        was_local
    }

    fn icmp_error(&mut self, received: &Received, error: &ProbeError, room: &[u8], clock: Clock) {
        let is_v6 = self.socket.family() == Family::V6;
        let quoted = room.get(..received.octets).unwrap_or_default();
        // A stranger's: it quotes no request.
        let request = parse_quote(is_v6, quoted).unwrap_or_default();
        let cause = Cause::Icmp(IcmpError {
            is_v6,
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            info: error.info,
        });
        let to = received.peer.map(|peer| peer.ip());
        let at = clock.of(&received.at);
        self.ping
            .handle_error(at, error.offender, to, request, cause);
    }

    fn sent(&mut self, key: u32, at: Time) {
        let Some(index) = self.keys.iter().position(|(sent, ..)| *sent == key) else {
            return;
        };
        let Some((_, number, called)) = self.keys.remove(index) else {
            return;
        };
        if at >= called && at.saturating_sub(called) < STAMP_AFTER {
            self.ping.handle_sent(number, at);
        }
    }

    /// Takes one packet that waits; true if there was one.
    pub(super) fn read_reply(&mut self, clock: Clock, room: &mut [u8]) -> io::Result<bool> {
        let Some(received) = self.socket.receive(room)? else {
            return Ok(false);
        };
        let octets = room.get(..received.octets).unwrap_or_default();
        let framing = self.framing();
        let Some(from) = received.peer else {
            return Ok(true);
        };
        let at = clock.of(&received.at);
        let Some(reply) = parse_reply(framing, octets) else {
            // Of a raw socket; others have it in the queue of errors.
            let advice = parse_advice(octets).filter(|_| framing == Framing::Ip4);
            if let Some(advice) = advice {
                let cause = Cause::Icmp(advice.error);
                self.ping
                    .handle_error(at, Some(from.ip()), Some(advice.to), advice.request, cause);
            }
            return Ok(true);
        };
        if reply.identifier != self.ping.config().identifier {
            self.socket.refuse_others();
        }
        let options = if received.ip_options.is_empty() {
            reply.ip_options
        } else {
            received.ip_options.as_slice()
        };
        self.ip_options.clear();
        self.ip_options.extend_from_slice(options);
        self.reply_zone = match from {
            SocketAddr::V6(from) => from.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        self.ping.handle_reply(at, from.ip(), received.ttl, &reply);
        Ok(true)
    }
}

fn is_too_long<T>(sent: &io::Result<T>) -> bool {
    matches!(sent, Err(error) if error.raw_os_error() == Some(TOO_LONG))
}
