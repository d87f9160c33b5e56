//! What the operating system alone can do: frames off an interface and onto
//! it, what an interface is, sockets for probes, and laying down the rights
//! this took.
//!
//! Order of use for probes: see [`ProbeSocket`]. For frames: [`Capture::open`], [`drop_privileges`] before any other
//! thread is started, then [`Capture::next_frame`] until it has none and
//! [`Capture::wait`] for more; at the end [`Capture::stop`] and what is left.
//!
//! Beside that, what this host knows of its own network: [`sockets`] with
//! [`socket_holders`] and [`Filter`], [`routes`], [`interfaces`]. These need
//! no rights; what they cannot see without, they say. [`compile_filter`] asks
//! the system's libpcap.
//!
//! What it never does: look into a frame or a packet, or decide what a count
//! means. It is the one host crate that may use `unsafe`, and has it in
//! `linux/sys.rs`, `linux/probe_sys.rs`, `linux/ring.rs` and `libpcap.rs` only.
//!
//! Linux only, but for [`compile_filter`]. Elsewhere it compiles, and opening
//! says so.
//!
//! # Why a ring
//!
//! Frames come through the kernel's shared ring (`AF_PACKET`, `TPACKET_V3`)
//! and not by `recvmmsg`: the buffer of a socket may hold 208 KiB unless one
//! has `CAP_NET_ADMIN` too, and every small frame counts there with about
//! 800 octets. A ring of any size needs `CAP_NET_RAW` alone, and a frame is
//! looked at where the kernel put it. Measured with 10^6 frames of 60 octets
//! at 220,000 a second on two busy cores: the ring lost none and took 0.04 s
//! of the reader's time; a loop of `recv` lost a third and took 1.3 s.
//!
//! # Times of probes
//!
//! When a packet came is what the kernel stamped, not when this program woke
//! up. Kernel stamps are of the wall clock, which may be set; they are turned
//! into times of the clock that never goes back as they are read. Where the
//! wall clock was set in between, the time is when it was read.
//!
//! # What is seen
//!
//! Everything the interface receives, whoever it is for (by a membership of
//! this socket, so the interface's own flags stay as they are; unless
//! [`CaptureOptions`] does without), and what this
//! host sends, as in tcpdump. On the loopback interface, where each frame
//! passes twice, only its arrival. A VLAN tag that the kernel keeps apart
//! from the frame is put back where it was.

mod error;
mod interfaces;
mod libpcap;
mod octets;
pub mod probe;
mod routes;
mod sockets;
mod stats;

pub use error::OsError;
pub use interfaces::{Interface, InterfaceAddress, InterfaceCounters};
pub use libpcap::{BpfInstruction, LibpcapError, compile_filter};
pub use routes::Route;
pub use sockets::{
    CongestionInfo, End, Filter, FilterError, Holder, Holders, Memory, Names, Services, SocketFile,
    SocketInfo, SocketKind, SocketQuery, SocketSummary, Sockets, State, States, TcpInfo, Timer,
};
pub use stats::{CaptureOptions, Card, CardDrops, Frame, Offload, Stats, Wake};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
#[doc(hidden)] // for the fuzz target
pub use linux::decode;
#[cfg(target_os = "linux")]
pub use linux::{
    Capture, FrameSender, ProbeSocket, Signals, drop_privileges, had_stdout, reader_is_gone,
    source_address, survive_file_limit, wait, zone_name,
};
#[cfg(target_os = "linux")]
pub use linux::{
    interfaces, may_administer, may_capture, may_trace, no_new_privileges, routes, socket_holders,
    socket_summary, sockets,
};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    Capture, FrameSender, ProbeSocket, Signals, drop_privileges, had_stdout, reader_is_gone,
    source_address, survive_file_limit, wait, zone_name,
};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    interfaces, may_administer, may_capture, may_trace, no_new_privileges, routes, socket_holders,
    socket_summary, sockets,
};
