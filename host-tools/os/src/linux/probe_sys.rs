//! System calls of probe sockets as functions that cannot be misused.
#![allow(unsafe_code)] // each call says why it is sound

use std::io;
use std::mem::zeroed;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use libc::{c_int, c_short, nfds_t, socklen_t, time_t};
use socket2::{SockAddr, SockAddrStorage, Socket};

use super::sys::checked;

/// Room for what the kernel tells beside a packet: stamps, TTL, addresses, 40
/// octets of options and an error are less than 300 octets.
const CONTROL: usize = 320;

/// Control messages, aligned as the kernel wants them.
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL]);

impl Control {
    pub(super) fn new() -> Self {
        Self([0; CONTROL])
    }

    pub(super) fn octets(&self, len: usize) -> &[u8] {
        self.0.get(..len).unwrap_or_default()
    }
}

/// What recvmsg(2) says.
pub(super) struct Message {
    pub(super) octets: usize,
    pub(super) control: usize,
    pub(super) truncated: bool,
    pub(super) peer: Option<SocketAddr>,
}

/// recvmsg(2), without waiting.
pub(super) fn receive(
    socket: &Socket,
    flags: c_int,
    buffer: &mut [u8],
    control: &mut Control,
) -> io::Result<Message> {
    let mut name = SockAddrStorage::zeroed();
    let name_room = name.size_of();
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: zeroes are a value: numbers, and pointers that may be null. All
    // that it then points to lives as long as the call and is as long as is
    // said; the kernel writes octets there, and any octets are values of the
    // buffers and of a zeroed sockaddr_storage.
    let (header, octets) = unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = name_room;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL as _; // its type differs between C libraries
        let octets = libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut header,
            flags | libc::MSG_DONTWAIT,
        );
        (header, octets)
    };
    let Ok(octets) = usize::try_from(octets) else {
        return Err(io::Error::last_os_error());
    };
    // SAFETY: the kernel filled so much of the storage, or none of it.
    let peer = unsafe { SockAddr::new(name, header.msg_namelen.min(name_room)) };
    Ok(Message {
        octets: octets.min(buffer.len()),
        // Its type differs between C libraries.
        #[allow(clippy::unnecessary_cast)]
        control: (header.msg_controllen as usize).min(CONTROL),
        truncated: header.msg_flags & libc::MSG_TRUNC != 0,
        peer: if header.msg_namelen == 0 {
            None
        } else {
            peer.as_socket()
        },
    })
}

/// ppoll(2) for reading and errors, at most so long; what each has. A signal
/// ends it early.
pub(super) fn poll(
    sockets: &[BorrowedFd<'_>],
    timeout: Duration,
    events: &mut Vec<c_short>,
) -> io::Result<()> {
    let mut entries: Vec<_> = sockets
        .iter()
        .map(|socket| libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let timeout = libc::timespec {
        tv_sec: time_t::try_from(timeout.as_secs()).unwrap_or(time_t::MAX),
        tv_nsec: timeout.subsec_nanos().cast_signed().into(), // below 10^9
    };
    let count = nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    // SAFETY: so many entries, which live as long as the call, as does the
    // time; no mask of signals is given.
    let result = unsafe {
        libc::ppoll(
            entries.as_mut_ptr(),
            count,
            &raw const timeout,
            std::ptr::null(),
        )
    };
    events.clear();
    match checked(result) {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => {
            events.resize(sockets.len(), 0);
            Ok(())
        }
        Err(e) => Err(e),
        Ok(()) => {
            events.extend(entries.iter().map(|entry| entry.revents));
            Ok(())
        }
    }
}

/// setsockopt(2) with octets as the value.
pub(super) fn set_octets(
    socket: &Socket,
    level: c_int,
    name: c_int,
    value: &[u8],
) -> io::Result<()> {
    let length = socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads the octets of `value`, whose number it is told.
    checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            length,
        )
    })
}

/// The group by whose rights this process acts.
pub(super) fn group() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::getegid() }
}
