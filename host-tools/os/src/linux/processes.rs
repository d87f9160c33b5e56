//! Who has a socket open: the links of `/proc/PID/fd`.

use std::fs;
use std::io;
use std::path::Path;

use crate::{Holder, Holders, OsError};

/// All processes that may be looked into.
pub fn socket_holders() -> Result<Holders, OsError> {
    let processes = fs::read_dir("/proc").map_err(|reason| OsError::Io {
        thing: "/proc".to_owned(),
        what: "processes cannot be listed",
        reason,
        advice: "see that it is mounted",
    })?;
    let mut found = Holders::default();
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match sockets_of(&process.path()) {
            Ok(sockets) if sockets.is_empty() => {}
            Ok(sockets) => {
                let name = command(&process.path());
                for (inode, fd) in sockets {
                    let holder = Holder {
                        name: name.clone(),
                        pid,
                        fd,
                    };
                    found.by_inode.entry(inode).or_default().push(holder);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                found.hidden += usize::from(!is_kernel_thread(&process.path()));
            }
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    for holders in found.by_inode.values_mut() {
        holders.sort_unstable();
    }
    Ok(found)
}

fn sockets_of(process: &Path) -> io::Result<Vec<(u32, u32)>> {
    let mut sockets = Vec::new();
    for link in fs::read_dir(process.join("fd"))? {
        let link = link?;
        let (Ok(target), name) = (fs::read_link(link.path()), link.file_name()) else {
            continue;
        };
        let inode = target.to_str().and_then(inode);
        let fd = name.to_str().and_then(|name| name.parse().ok());
        sockets.extend(inode.zip(fd));
    }
    Ok(sockets)
}

/// The kernel's own threads have nothing open; `PF_KTHREAD` among the flags of
/// `/proc/PID/stat`, which anyone may read.
fn is_kernel_thread(process: &Path) -> bool {
    let octets = fs::read(process.join("stat")).unwrap_or_default();
    flags(&octets).is_some_and(|flags| flags & 0x0020_0000 != 0)
}

/// `PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS`; the name may hold any
/// octets, so its last parenthesis counts.
fn flags(stat: &[u8]) -> Option<u32> {
    let name_ends = stat.iter().rposition(|octet| *octet == b')')?;
    let rest = std::str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
    rest.split_whitespace().nth(6)?.parse().ok()
}

/// `socket:[4242]`
fn inode(target: &str) -> Option<u32> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Its name, which it may choose: any octets but a zero, 15 at most.
fn command(process: &Path) -> String {
    let octets = fs::read(process.join("comm")).unwrap_or_default();
    let octets = octets.strip_suffix(b"\n").unwrap_or(&octets);
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = sockets_of(Path::new("/proc/self")).unwrap();
        let fd = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(&socket)).unwrap();
        let (inode, _) = own.iter().find(|(_, found)| *found == fd).unwrap();
        let holders = socket_holders().unwrap();
        let mine: HashMap<_, _> = holders.by_inode[inode]
            .iter()
            .map(|holder| (holder.pid, holder.fd))
            .collect();
        assert_eq!(mine.get(&std::process::id()), Some(&fd));
    }

    #[test]
    fn kernel_threads_are_told_apart() {
        let thread = b"2 (kthr) 1 (x) S 0 0 0 0 -1 2129984 0 0 0";
        assert_eq!(flags(thread), Some(2_129_984));
        assert_eq!(flags(b"2 kthreadd S 0"), None);
        assert!(!is_kernel_thread(Path::new("/proc/self")));
    }

    #[test]
    fn other_links_are_no_sockets() {
        assert_eq!(inode("socket:[4242]"), Some(4242));
        for other in ["pipe:[1]", "socket:[", "socket:[x]", "/tmp/socket:[1]", ""] {
            assert_eq!(inode(other), None, "{other}");
        }
    }
}
