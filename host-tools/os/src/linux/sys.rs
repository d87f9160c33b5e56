//! System calls as functions that cannot be misused.
#![allow(unsafe_code)] // each call says why it is sound

use std::ffi::{CStr, CString};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use libc::{c_int, c_short, c_ulong, socklen_t};
use socket2::{SockAddr, SockAddrStorage, Socket};

/// Plain numbers, valid whatever their octets are.
///
/// # Safety
///
/// Every pattern of octets must be a value, and there is no pointer in it.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: integers, and structs of integers.
unsafe impl Plain for c_int {}
// SAFETY: as above.
unsafe impl Plain for [u32; 9] {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_stats_v3 {}
// SAFETY: as above.
unsafe impl Plain for libc::packet_mreq {}

pub(super) fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Whether stdout was open when this program began.
static HAD_STDOUT: AtomicBool = AtomicBool::new(true);

/// Runs before Rust's own beginnings, which open `/dev/null` for what is closed:
/// from then on nothing tells it from a `/dev/null` that somebody meant.
extern "C" fn look_at_stdout() {
    // SAFETY: a number goes in, and nothing but its flags comes back.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    HAD_STDOUT.store(flags >= 0, Relaxed);
}

// SAFETY: this section is of pointers to functions that the C library calls
// once it is ready, before `main`; this one needs nothing but it.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_FIRST: extern "C" fn() = look_at_stdout;

pub(super) fn had_stdout() -> bool {
    HAD_STDOUT.load(Relaxed)
}

/// `PR_SET_NO_NEW_PRIVS` of prctl(2).
pub(super) fn no_new_privileges() -> io::Result<()> {
    const YES: c_ulong = 1;
    const NONE: c_ulong = 0;
    // SAFETY: there is no pointer among its arguments.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NONE, NONE, NONE) })
}

fn length<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// setsockopt(2).
pub(super) fn set_option<T: Plain>(
    socket: &Socket,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the kernel reads the octets of `value`, whose size it is told.
    checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length::<T>(),
        )
    })
}

/// getsockopt(2).
pub(super) fn option<T: Plain>(socket: &Socket, level: c_int, name: c_int) -> io::Result<T> {
    let mut len = length::<T>();
    // SAFETY: T is plain, so zeroes are a value and so is what the kernel
    // writes, which is no more than the size it is told.
    unsafe {
        let mut value: T = zeroed();
        checked(libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut len,
        ))?;
        Ok(value)
    }
}

/// Lets nothing more through to the socket, in front of what the kernel counts.
pub(super) fn refuse_all(socket: &Socket) -> io::Result<()> {
    // BPF_RET | BPF_K: of every frame take 0 octets.
    filter(
        socket,
        &mut [libc::sock_filter {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: 0,
        }],
    )
}

/// Only what this program of the kernel's packet filter takes comes through.
pub(super) fn filter(socket: &Socket, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `filter` points to as many instructions as it says, and the
    // kernel copies them during the call.
    checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            length::<libc::sock_fprog>(),
        )
    })
}

/// Binds a packet socket to an interface; `protocol` as in `linux/if_ether.h`.
pub(super) fn bind(socket: &Socket, index: c_int, protocol: u16) -> io::Result<()> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is an address that the storage is made for, and
    // zeroes are a value of it.
    let address = unsafe {
        let address = storage.view_as::<libc::sockaddr_ll>();
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index;
        SockAddr::new(storage, length::<libc::sockaddr_ll>())
    };
    socket.bind(&address)
}

/// The interface a packet socket is bound to; -1 once that is gone.
pub(super) fn bound_to(socket: &Socket) -> io::Result<c_int> {
    let address = socket.local_addr()?;
    if c_int::from(address.family()) != libc::AF_PACKET {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is of this family, and the storage behind it is large enough
    // and aligned for every address.
    Ok(unsafe { (*address.as_ptr().cast::<libc::sockaddr_ll>()).sll_ifindex })
}

/// Waits until there is something to read or to tell; no bits: time is over.
pub(super) fn poll(socket: &Socket, timeout: Duration) -> io::Result<c_short> {
    poll_for(socket.as_fd(), libc::POLLIN | libc::POLLERR, timeout)
}

/// Waits until no reader of a pipe is left; false: time is over.
pub(super) fn reader_is_gone(pipe: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    // Errors are told unasked, and nothing else is waited for.
    poll_for(pipe, 0, timeout).map(|events| events & libc::POLLERR != 0)
}

fn poll_for(fd: BorrowedFd<'_>, events: c_short, timeout: Duration) -> io::Result<c_short> {
    // Rounded up: a wait of less than a millisecond is one.
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one entry, which lives as long as the call.
    let result = unsafe {
        libc::poll(
            &raw mut entry,
            1,
            c_int::try_from(millis).unwrap_or(c_int::MAX),
        )
    };
    match checked(result) {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(e) => Err(e),
        Ok(()) => Ok(entry.revents),
    }
}

/// Number of an interface.
pub(super) fn index(name: &str) -> io::Result<c_int> {
    let name = CString::new(name)?;
    // SAFETY: a string that ends with a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    c_int::try_from(index).map_err(io::Error::other)
}

/// Name of an interface, in this network.
pub(super) fn name(index: u32) -> Option<String> {
    let mut room = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the room is as long as the call asks for, and what it writes ends
    // with a zero.
    let name = unsafe { libc::if_indextoname(index, room.as_mut_ptr().cast()) };
    if name.is_null() {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&room).ok()?;
    Some(name.to_string_lossy().into_owned())
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: zeroes are a value: numbers, and pointers that may be null.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last octet stays zero.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

fn ioctl(socket: &Socket, code: c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every code used here takes an ifreq, and whatever that points
    // to lives as long as the call. Its type differs between C libraries.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), code as _, std::ptr::from_mut(request)) })
}

/// `IFF_...` of an interface.
pub(super) fn flags(socket: &Socket, name: &str) -> io::Result<c_int> {
    let mut request = request(name)?;
    ioctl(socket, libc::SIOCGIFFLAGS as c_ulong, &mut request)?;
    // SAFETY: what this request fills in.
    Ok(c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// Longest payload of an interface, in octets.
pub(super) fn mtu(socket: &Socket, name: &str) -> io::Result<u32> {
    let mut request = request(name)?;
    ioctl(socket, libc::SIOCGIFMTU as c_ulong, &mut request)?;
    // SAFETY: what this request fills in.
    Ok(u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(0))
}

/// `ARPHRD_...` of an interface.
pub(super) fn hardware(socket: &Socket, name: &str) -> io::Result<u16> {
    let mut request = request(name)?;
    ioctl(socket, libc::SIOCGIFHWADDR as c_ulong, &mut request)?;
    // SAFETY: what this request fills in.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// A question to the driver that is answered by a number (`ETHTOOL_G...`).
pub(super) fn ethtool(socket: &Socket, name: &str, question: u32) -> io::Result<u32> {
    #[repr(C)]
    struct Value {
        question: u32,
        answer: u32,
    }
    let mut value = Value {
        question,
        answer: 0,
    };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    ioctl(socket, libc::SIOCETHTOOL as c_ulong, &mut request)?;
    Ok(value.answer)
}
