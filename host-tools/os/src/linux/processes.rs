//! Who has a socket open: the links of `/proc/PID/fd`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::{Holder, Holders, OsError};

/// All processes that may be looked into.
pub fn socket_holders() -> Result<Holders, OsError> {
    let processes = fs::read_dir("/proc").map_err(|reason| OsError::Io {
        thing: "/proc".to_owned(),
        what: "processes cannot be listed",
        reason,
        advice: "see that it is mounted",
    })?;
    let mut found = Holders {
        are_unlisted: are_unlisted(),
        ..Holders::default()
    };
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match sockets_of(&process.path()) {
            Ok(open) => {
                found.hidden += usize::from(open.is_refused && is_there(&process.path()));
                if open.sockets.is_empty() {
                    continue;
                }
                let name = command(&process.path());
                for (inode, fd) in open.sockets {
                    let holder = Holder {
                        name: name.clone(),
                        pid,
                        fd,
                    };
                    found.by_inode.entry(inode).or_default().push(holder);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let path = process.path();
                found.hidden += usize::from(!is_kernel_thread(&path) && is_there(&path));
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

/// What a process has open.
#[derive(Debug, Default)]
struct Open {
    /// Inode and number of each socket.
    sockets: Vec<(u32, u32)>,
    /// Something that is open may be listed and not looked at: a process of
    /// the same user with more rights.
    is_refused: bool,
}

fn sockets_of(process: &Path) -> io::Result<Open> {
    open_of(process, |link| fs::read_link(link))
}

fn open_of(process: &Path, read: impl Fn(&Path) -> io::Result<PathBuf>) -> io::Result<Open> {
    let mut open = Open::default();
    for link in fs::read_dir(process.join("fd"))? {
        let link = link?;
        let target = match read(&link.path()) {
            Ok(target) => target,
            Err(e) => {
                // Any other was closed meanwhile.
                open.is_refused |= e.kind() == io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let inode = target.to_str().and_then(inode);
        let name = link.file_name();
        let fd = name.to_str().and_then(|name| name.parse().ok());
        open.sockets.extend(inode.zip(fd));
    }
    Ok(open)
}

/// What a process had that ended meanwhile is refused, too.
fn is_there(process: &Path) -> bool {
    fs::symlink_metadata(process).is_ok()
}

/// With `hidepid` `/proc` lists only processes that one may look into.
fn are_unlisted() -> bool {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    if !hides(&mounts) {
        return false;
    }
    // Who sees that of another user sees all: root, and the group `gid=`.
    let own = fs::metadata("/proc/self").map(|own| own.uid());
    match (fs::metadata("/proc/1"), own) {
        (Ok(first), Ok(own)) => first.uid() == own && own != 0,
        _ => true,
    }
}

/// Whether `/proc` is mounted so, the last time that it is mounted: `ID PARENT
/// DEVICE ROOT POINT OPTIONS ... - TYPE SOURCE OPTIONS`.
fn hides(mountinfo: &[u8]) -> bool {
    let text = String::from_utf8_lossy(mountinfo);
    let options = text.lines().rev().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_proc = mount.split(' ').nth(4)? == "/proc";
        filesystem.split(' ').nth(2).filter(|_| is_proc)
    });
    let hidden = ["2", "4", "invisible", "ptraceable"];
    let is_hiding = |option: &str| {
        let how = option.strip_prefix("hidepid=");
        how.is_some_and(|how| hidden.contains(&how))
    };
    options.is_some_and(|options| options.split(',').any(is_hiding))
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
        let (inode, _) = own.sockets.iter().find(|(_, found)| *found == fd).unwrap();
        let holders = socket_holders().unwrap();
        let mine: HashMap<_, _> = holders.by_inode[inode]
            .iter()
            .map(|holder| (holder.pid, holder.fd))
            .collect();
        assert_eq!(mine.get(&std::process::id()), Some(&fd));
    }

    #[test]
    fn what_may_not_be_looked_at_is_no_nothing() {
        let own = Path::new("/proc/self");
        let refused = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
        assert!(open_of(own, refused).unwrap().is_refused);
        let closed = |_: &Path| Err(io::ErrorKind::NotFound.into());
        assert!(!open_of(own, closed).unwrap().is_refused);
    }

    /// The kernel refuses what a process had that is no more.
    #[test]
    fn who_ended_hides_nothing() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        assert!(is_there(&process));
        let link = process.join("fd/0");
        let mut folder = fs::read_dir(process.join("fd")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(folder.next().is_none_or(|link| link.is_err()) || fs::read_link(link).is_err());
        assert!(!is_there(&process));
    }

    #[test]
    fn a_proc_that_hides_is_known() {
        let proc = "24 30 0:22 / /proc rw,nosuid - proc proc rw";
        let root = "30 1 8:1 / / rw - ext4 /dev/sda1 rw";
        let hides = |option: &str| hides(format!("{root}\n{proc}{option}\n").as_bytes());
        for option in [
            ",hidepid=2",
            ",hidepid=invisible",
            ",gid=4,hidepid=2",
            ",hidepid=4",
        ] {
            assert!(hides(option), "{option}");
        }
        for option in ["", ",hidepid=0", ",hidepid=1", ",hidepid=noaccess"] {
            assert!(!hides(option), "{option}");
        }
        // The one that is seen is the last that was mounted there.
        assert!(!hides(&format!(",hidepid=2\n{proc}")));
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
