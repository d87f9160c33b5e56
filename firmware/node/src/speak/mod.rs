//! A port that speaks: an IP stack shares it with the capture, and records
//! go out of it as datagrams.
//!
//! The capture comes first: every frame is counted, and only then those to
//! the port's own address, and ARP and DHCP to all, are shown to the stack,
//! whose receive queue is short: what finds no room there is lost to the
//! stack, never to the counts. What the stack wants to send passes a gate ([`may_leave`]):
//! ARP, DHCP and the sensor's own datagrams, nothing else.
//!
//! | datagrams | go where |
//! |---|---|
//! | records | to the host of [`Settings::host`]; without it, to the one whose commands came last |
//! | commands | from that host to [`PORT`] |
//!
//! Without an address of its own, or a host, the sensor speaks by serial line
//! as if there were no network. Records go one way at a time:
//!
//! - by UDP, while there is a link, an address and a host;
//! - but by the serial line once that host is silent and another one speaks there
//!   (heard within 10 s). Silent: not a word for 25 s, or none for 3 s while finished
//!   records wait to be acknowledged, or never heard at all.
//! - The first word of the UDP host moves them back. It is told every 2 s that the
//!   sensor is here, by a batch without records.
//!
//! What is asked by the other way meanwhile is done (what is asked about filters: by
//! the line), and not answered: numbers of commands are each host's own, and another
//! one must not take the answer for his.
//!
//! A move loses nothing: what was not acknowledged is sent again by the new way, under
//! its number. Before it, a host that answers is waited for, for half a second; what
//! it has and could not acknowledge by then, both have.

mod host;
#[cfg(magpie_speak)]
mod net;
mod settings;
mod side;

use core::future::Future;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::AtomicU32;

pub(crate) use host::Ends;
pub use settings::{OwnAddress, SETTINGS_OCTETS, Settings};
pub use side::Speaking;
pub(crate) use side::{Sent, Side, Silent};

#[cfg(magpie_speak)]
pub use net::{Device, Memory, Network, NetworkRunner, start};

use crate::FrameReceiver;

/// UDP port of the sensor.
pub const PORT: u16 = 50_739;

/// Batches of commands that came by UDP and were obeyed, since boot and modulo
/// 2^32: for a lamp that says whether there is a host.
pub static COMMANDS_HEARD: AtomicU32 = AtomicU32::new(0);

/// What a port does with a frame to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is on its way out, and may fail yet ([`FrameSender::take_failed`]).
    Taken,
    /// No room now: it is to be offered again.
    Full,
    /// It cannot be sent. Offered again it would block all behind it.
    Never,
}

/// A port that can send.
pub trait FrameSender: FrameReceiver {
    /// Gives a frame to the port, from its destination address on and without
    /// FCS.
    fn poll_transmit(&mut self, frame: &[u8]) -> Placed;

    /// Frames taken that have not left after all, as far as the port can tell,
    /// since the last call.
    fn take_failed(&mut self) -> u64 {
        0
    }
}

/// What a datagram given to a [`Stack`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It will go out, or be lost like any datagram.
    Taken,
    /// No room now.
    Full,
}

/// An IP stack with one UDP socket at [`PORT`].
pub trait Stack {
    /// Shows it a received frame; without room it is dropped. False if so.
    fn hear(&mut self, frame: &[u8]) -> bool;

    /// The frame it wants to send next; the same again until
    /// [`Self::frame_done`].
    fn frame(&mut self) -> Option<&[u8]>;

    /// That frame was sent, or refused.
    fn frame_done(&mut self);

    /// Its IP address, while it has one.
    fn address(&mut self) -> Option<Ipv4Addr>;

    /// There is a cable, or there is none: an address by DHCP is given up
    /// without one, and asked for anew with the next.
    fn set_link(&mut self, up: bool);

    /// The next datagram, read into `buffer`: its octets, or `None` for one
    /// longer than that, and who sent it.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<(Option<usize>, SocketAddrV4)>;

    /// Takes a datagram.
    fn send(&mut self, datagram: &[u8], to: SocketAddrV4) -> Given;

    /// Waits until one of the above may have another answer.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

const TYPE_IPV4: [u8; 2] = [8, 0];
const TYPE_ARP: [u8; 2] = [8, 6];
const UDP: u8 = 17;
const DHCP_CLIENT: u16 = 68;
const DHCP_SERVER: u16 = 67;

/// Whether a frame may go out of the port: ARP, DHCP of a client, and UDP
/// from [`PORT`]. Whatever else a stack may think of (an ICMP error about
/// something it heard) stays here.
pub fn may_leave(frame: &[u8]) -> bool {
    match Kind::of(frame) {
        Kind::Arp => true,
        Kind::Udp { from, to } => from == PORT || (from, to) == (DHCP_CLIENT, DHCP_SERVER),
        Kind::Other => false,
    }
}

/// Whether a frame to all can concern the stack: ARP, and DHCP for a client.
/// A mirror port sees everybody's broadcasts, and they must not take the
/// places of what the host says.
fn may_concern(frame: &[u8]) -> bool {
    match Kind::of(frame) {
        Kind::Arp => true,
        Kind::Udp { to, .. } => to == DHCP_CLIENT,
        Kind::Other => false,
    }
}

/// A frame as far as it matters here.
enum Kind {
    Arp,
    /// UDP in a whole IPv4 packet without options, as a stack writes it.
    Udp {
        from: u16,
        to: u16,
    },
    Other,
}

impl Kind {
    fn of(frame: &[u8]) -> Self {
        match frame.get(12..14).and_then(|octets| octets.as_array()) {
            Some(&TYPE_ARP) => Self::Arp,
            Some(&TYPE_IPV4) => frame
                .get(14..)
                .and_then(Self::of_packet)
                .unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }

    fn of_packet(packet: &[u8]) -> Option<Self> {
        let octets = packet.first_chunk::<24>()?;
        let [0x45, _, _, _, _, _, a, b, _, UDP, .., p, q, r, s] = *octets else {
            return None;
        };
        let whole = (a & 0x3f, b) == (0, 0);
        whole.then_some(Self::Udp {
            from: u16::from_be_bytes([p, q]),
            to: u16::from_be_bytes([r, s]),
        })
    }
}

#[cfg(test)]
mod tests;
