//! Frames of one interface.

use std::io;
use std::mem::size_of;
use std::time::Duration;

use libc::c_int;
use socket2::Socket;

use super::block::TAG;
use super::card;
use super::interface::{failed, is_up, offloads, open};
use super::ring::Ring;
use super::sys;
use crate::{CaptureOptions, Card, Frame, Offload, OsError, Stats, Wake};

/// `ETH_P_ALL`: frames of every protocol, going in and out.
const ALL: u16 = 0x0003;
/// How often it is looked whether an interface that went down is up again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What passes one interface, in both directions.
#[derive(Debug)]
pub struct Capture {
    interface: String,
    index: c_int,
    is_loopback: bool,
    longest: u32,
    // What the card had dropped before.
    card: Card,
    // Before the socket: unmapped first.
    ring: Ring,
    socket: Socket,
    stats: Stats,
    state: State,
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Gone,
}

impl Capture {
    /// Listens to an interface. Frames that come from now on wait in the ring.
    pub fn open(interface: &str, options: &CaptureOptions) -> Result<Self, OsError> {
        let opened = open(interface)?;
        let socket = opened.socket;
        let wrong = |what| move |reason| failed(interface, what, reason);
        let packet = |name: c_int, value: c_int| {
            sys::set_option(&socket, libc::SOL_PACKET, name, &value)
                .map_err(wrong("the kernel lacks an option of packet sockets"))
        };
        packet(
            libc::PACKET_VERSION,
            libc::tpacket_versions::TPACKET_V3 as c_int,
        )?;
        // Room before each frame, for a tag to be put back.
        packet(libc::PACKET_RESERVE, c_int::try_from(TAG).unwrap_or(4))?;
        if opened.is_loopback {
            packet(libc::PACKET_IGNORE_OUTGOING, 1)?;
        }
        // Stamped when they are received and not when they reach the ring;
        // without it they are stamped there.
        let _ = sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1);
        let size = options.blocks.checked_mul(options.block_octets);
        if size.is_none_or(|octets| octets == 0) || !options.block_octets.is_multiple_of(4096) {
            let reason = io::ErrorKind::InvalidInput.into();
            return Err(failed(interface, "a ring of an odd size", reason));
        }
        let request = libc::tpacket_req3 {
            tp_block_size: options.block_octets,
            tp_block_nr: options.blocks,
            // Blocks hold frames of any length; the kernel wants to hear one.
            tp_frame_size: 2048,
            tp_frame_nr: (options.block_octets / 2048).saturating_mul(options.blocks),
            tp_retire_blk_tov: options.retire_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        sys::set_option(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)
            .map_err(wrong("no memory for the ring of frames"))?;
        let ring = Ring::map(&socket, options.blocks, options.block_octets)
            .map_err(wrong("the ring of frames cannot be mapped"))?;
        if options.promiscuous {
            join(&socket, opened.index).map_err(wrong("it does not become promiscuous"))?;
        }
        sys::bind(&socket, opened.index, ALL).map_err(wrong("nobody may listen"))?;
        Ok(Self {
            interface: interface.to_owned(),
            index: opened.index,
            is_loopback: opened.is_loopback,
            longest: opened.longest,
            card: card::read(interface, opened.index),
            ring,
            socket,
            stats: Stats::default(),
            state: State::Up,
            stopped: false,
        })
    }

    /// Its name, as it was when it was opened.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The next frame that waits; `None` when none does.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let (entry, data) = self.ring.next()?;
        let stats = &mut self.stats;
        stats.read += 1;
        stats.outgoing += u64::from(entry.outgoing);
        stats.merged += u64::from(entry.wire_len > self.longest);
        Some(Frame {
            at_ns: entry.at_ns,
            data,
            wire_len: entry.wire_len,
            outgoing: entry.outgoing,
        })
    }

    /// Waits for frames, at most so long, and notices when the interface goes
    /// down, comes up or is gone. Call it when there is no frame: what came
    /// before is read first.
    pub fn wait(&mut self, timeout: Duration) -> Result<Wake, OsError> {
        // The end of an interface that is down already is no event.
        if self.state == State::Down && self.is_gone()? {
            self.state = State::Gone;
            return Ok(Wake::Gone);
        }
        match self.state {
            State::Gone => {
                std::thread::sleep(timeout);
                return Ok(Wake::Gone);
            }
            State::Down if is_up(&self.socket, &self.interface) => {
                self.state = State::Up;
                return Ok(Wake::Up);
            }
            State::Down | State::Up => {}
        }
        let timeout = if self.state == State::Down {
            timeout.min(LOOK_AGAIN)
        } else {
            timeout
        };
        let events = sys::poll(&self.socket, timeout).map_err(|e| self.lost(e))?;
        if events & libc::POLLERR != 0 {
            return match self.socket.take_error() {
                Ok(Some(e)) if e.raw_os_error() == Some(libc::ENETDOWN) => self.went_down(),
                Ok(None) => Ok(Wake::Quiet),
                Ok(Some(e)) | Err(e) => Err(self.lost(e)),
            };
        }
        Ok(if events & libc::POLLIN == 0 {
            Wake::Quiet
        } else {
            Wake::Frames
        })
    }

    fn is_gone(&self) -> Result<bool, OsError> {
        let index = sys::bound_to(&self.socket).map_err(|e| self.lost(e))?;
        Ok(index < 0)
    }

    fn went_down(&mut self) -> Result<Wake, OsError> {
        if self.is_gone()? {
            self.state = State::Gone;
            return Ok(Wake::Gone);
        }
        // Down and up again, and down: one Down.
        let news = self.state != State::Down;
        self.state = State::Down;
        Ok(if news { Wake::Down } else { Wake::Quiet })
    }

    /// What was seen and dropped so far.
    pub fn stats(&mut self) -> Result<Stats, OsError> {
        // The kernel starts at 0 again each time it is asked.
        let name = libc::PACKET_STATISTICS;
        let news: libc::tpacket_stats_v3 =
            sys::option(&self.socket, libc::SOL_PACKET, name).map_err(|e| self.lost(e))?;
        self.stats.packets += u64::from(news.tp_packets);
        self.stats.dropped += u64::from(news.tp_drops);
        Ok(self.stats)
    }

    /// What the network card dropped before the kernel saw it.
    pub fn card(&self) -> Card {
        match (card::read(&self.interface, self.index), self.card) {
            (Card::Drops(now), Card::Drops(before)) => Card::Drops(now.since(&before)),
            // The last word of an interface that is gone was not heard.
            (Card::None, Card::None) => Card::None,
            _ => Card::Unknown,
        }
    }

    /// Takes no more frames. Those in the ring can be read, the last of them
    /// only after the block's time: read until [`Stats::waiting`] is 0.
    pub fn stop(&mut self) -> Result<(), OsError> {
        if self.stopped {
            return Ok(());
        }
        sys::refuse_all(&self.socket).map_err(|e| self.lost(e))?;
        self.stopped = true;
        Ok(())
    }

    /// What merges frames on this interface, so that they are counted longer
    /// and fewer than they are on the wire. (The loopback interface has none.)
    pub fn offloads(&self) -> Vec<Offload> {
        if self.is_loopback {
            return Vec::new();
        }
        offloads(&self.socket, &self.interface)
    }

    fn lost(&self, reason: io::Error) -> OsError {
        failed(&self.interface, "the capture failed", reason)
    }
}

/// Frames for others too, as long as the socket lives.
fn join(socket: &Socket, index: c_int) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or(1),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    sys::set_option(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        &membership,
    )
}

const _: () = assert!(size_of::<libc::tpacket_stats_v3>() == 12);
