//! All sockets of this network: by netlink, else from `/proc/net`.

use std::collections::HashMap;
use std::io;

use super::{inet_diag, links, proc_net, unix_diag};
use crate::{End, OsError, SocketInfo, SocketKind, SocketQuery, SocketSummary, Sockets, States};

/// The sockets of this network that are asked for.
pub fn sockets(query: &SocketQuery) -> Result<Sockets, OsError> {
    let mut found = Sockets::default();
    unix_sockets(query, &mut found)?;
    for kind in [SocketKind::Raw, SocketKind::Udp, SocketKind::Tcp] {
        if query.kinds.contains(&kind) {
            inet_sockets(kind, query, &mut found)?;
        }
    }
    name_interfaces(&mut found);
    Ok(found)
}

/// Of one protocol. The whole protocol comes from one place, so that a note
/// says of all its sockets what they lack.
fn inet_sockets(kind: SocketKind, query: &SocketQuery, found: &mut Sockets) -> Result<(), OsError> {
    let families = [(query.ipv4, false), (query.ipv6, true)];
    let families = families.into_iter().filter(|(asked, _)| *asked);
    let before = found.sockets.len();
    for (_, ipv6) in families.clone() {
        let Err(reason) = inet_diag::read(kind, ipv6, query, &mut found.sockets) else {
            continue;
        };
        found.sockets.truncate(before);
        let mut unread = 0;
        for (_, ipv6) in families {
            unread += proc_net::read(kind, ipv6, query.states, &mut found.sockets)
                .map_err(|reason| failed(kind.name(), reason))?;
        }
        if unread > 0 {
            found.notes.push(format!(
                "{}: {unread} lines of /proc/net could not be read, so sockets are missing here",
                kind.name()
            ));
        }
        if found.sockets.len() == before {
            return Ok(()); // nothing lacks anything
        }
        found.notes.push(lacks(
            kind.name(),
            &format!("{}_diag", kind.name()),
            &reason,
            "without interface, memory and what TCP knows",
        ));
        return Ok(());
    }
    Ok(())
}

fn unix_sockets(query: &SocketQuery, found: &mut Sockets) -> Result<(), OsError> {
    if !query.kinds.iter().any(|kind| kind.is_unix()) {
        return Ok(());
    }
    // In every state: the other end of one that is asked for may be any.
    let mut all = Vec::new();
    if let Err(reason) = unix_diag::read(States::ALL, &mut all) {
        all.clear();
        let before = proc_net::unix_in_use();
        let unread = proc_net::read(SocketKind::UnixStream, false, States::ALL, &mut all)
            .map_err(|reason| failed("unix", reason))?;
        let in_use = before.max(proc_net::unix_in_use());
        found.notes.extend(doubts(all.len(), unread, in_use));
        if !all.is_empty() {
            let what = "without queues, peers and memory";
            found.notes.push(lacks("unix", "unix_diag", &reason, what));
        }
    }
    name_peers(&mut all);
    all.retain(|socket| query.kinds.contains(&socket.kind) && query.states.contains(socket.state));
    found.sockets.extend(all);
    Ok(())
}

/// Whoever makes a socket chooses its name, line breaks and all, and
/// `/proc/net/unix` shows it as it is: what follows one is a line that cannot be
/// read, or one that looks like another socket.
fn doubts(rows: usize, unread: usize, in_use: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    if unread > 0 {
        notes.push(format!(
            "unix: {unread} lines of /proc/net/unix could not be read: sockets are missing here, \
             or names with line breaks in them are cut"
        ));
    }
    // Sockets may have come and gone meanwhile, so the most of two counts.
    if let Some(more) = in_use.and_then(|in_use| rows.checked_sub(in_use))
        && more > 0
    {
        notes.push(format!(
            "unix: /proc/net/unix shows {more} sockets more than there are: a line break in a name \
             makes it look like one (which one cannot be told)"
        ));
    }
    notes
}

fn lacks(table: &str, module: &str, reason: &io::Error, what: &str) -> String {
    format!(
        "{table}: the kernel's {module} does not answer ({reason}); read from /proc/net, {what}"
    )
}

/// The kernel tells the number of the other end alone.
fn name_peers(sockets: &mut [SocketInfo]) {
    let names: HashMap<u32, Vec<u8>> = sockets
        .iter()
        .filter_map(|socket| match &socket.local {
            End::Unix {
                name: Some(name), ..
            } => Some((socket.inode, name.clone())),
            _ => None,
        })
        .collect();
    for socket in sockets {
        if let End::Unix { name, inode } = &mut socket.peer
            && *inode != 0
        {
            *name = names.get(inode).cloned();
        }
    }
}

fn name_interfaces(found: &mut Sockets) {
    if found.sockets.iter().all(|s| s.interface_index == 0) {
        return;
    }
    // One without a name is shown by its number.
    let names = links::names().unwrap_or_default();
    for socket in &mut found.sockets {
        socket.interface = names.get(&socket.interface_index).cloned();
    }
}

/// How many sockets there are, as `ss -s` says it.
pub fn socket_summary() -> Result<SocketSummary, OsError> {
    let text = |name| {
        let octets = proc_net::text(name).map_err(|reason| failed(name, reason))?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    };
    let sockstat = text("sockstat")?;
    // A kernel without IPv6 has none.
    let sockstat6 = text("sockstat6").unwrap_or_default();
    Ok(summary(&sockstat, &sockstat6, &text("snmp")?))
}

/// `TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0`
fn summary(sockstat: &str, sockstat6: &str, snmp: &str) -> SocketSummary {
    let number = |text: &str, line: &str, name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(line))?;
        let mut words = line.split_whitespace();
        words.find(|word| *word == name)?;
        words.next()?.parse().ok()
    };
    let of = |line, name| number(sockstat, line, name).unwrap_or(0);
    let of6 = |line, name| number(sockstat6, line, name).unwrap_or(0);
    SocketSummary {
        sockets: of("sockets:", "used"),
        tcp_established: counter(snmp, "Tcp:", "CurrEstab").unwrap_or(0),
        tcp_allocated: of("TCP:", "alloc"),
        tcp_orphaned: of("TCP:", "orphan"),
        tcp_time_wait: of("TCP:", "tw"),
        tcp4: of("TCP:", "inuse"),
        tcp6: of6("TCP6:", "inuse"),
        udp4: of("UDP:", "inuse"),
        udp6: of6("UDP6:", "inuse"),
        raw4: of("RAW:", "inuse"),
        raw6: of6("RAW6:", "inuse"),
        frag4: of("FRAG:", "inuse"),
        frag6: of6("FRAG6:", "inuse"),
    }
}

/// Names in one line, values in the next.
fn counter(snmp: &str, line: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|l| l.strip_prefix(line));
    let at = lines.next()?.split_whitespace().position(|n| n == name)?;
    lines.next()?.split_whitespace().nth(at)?.parse().ok()
}

fn failed(what: &str, reason: io::Error) -> OsError {
    OsError::Io {
        thing: what.to_owned(),
        what: "its sockets cannot be read",
        reason,
        advice: "see that /proc is mounted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the kernel has no diag for is read from text.
    #[test]
    fn text_and_netlink_say_the_same() {
        use std::net::{TcpListener, TcpStream, UdpSocket};
        use std::os::fd::AsRawFd as _;
        use std::os::unix::net::{UnixDatagram, UnixListener};

        let folder = std::env::temp_dir().join(format!("magpie-table-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let udp = UdpSocket::bind("[::1]:0").or_else(|_| UdpSocket::bind("127.0.0.1:0"));
        let udp = udp.unwrap();
        let stream = UnixListener::bind(folder.join("a name")).unwrap();
        let datagram = UnixDatagram::bind(folder.join("\u{ff}")).unwrap();
        let own: Vec<u32> = [
            listener.as_raw_fd(),
            client.as_raw_fd(),
            udp.as_raw_fd(),
            stream.as_raw_fd(),
            datagram.as_raw_fd(),
        ]
        .into_iter()
        .map(|fd| {
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
            let link = link.to_str().unwrap().to_owned();
            link["socket:[".len()..link.len() - 1].parse().unwrap()
        })
        .collect();
        let query = SocketQuery {
            kinds: SocketKind::ALL.to_vec(),
            states: States::ALL,
            ipv4: true,
            ipv6: true,
            memory: true,
            tcp_info: true,
        };
        let told = sockets(&query).unwrap().sockets;
        let mut text = Vec::new();
        for kind in [SocketKind::Tcp, SocketKind::Udp, SocketKind::Raw] {
            for ipv6 in [false, true] {
                proc_net::read(kind, ipv6, States::ALL, &mut text).unwrap();
            }
        }
        proc_net::read(SocketKind::UnixStream, false, States::ALL, &mut text).unwrap();
        for inode in own {
            let of = |list: &[SocketInfo]| {
                let mut found = list.iter().filter(|socket| socket.inode == inode).cloned();
                let first = found.next().unwrap();
                assert_eq!(found.next(), None);
                first
            };
            // A kernel without a diag gives the same twice.
            let (told, text) = (of(&told), of(&text));
            assert_eq!((told.kind, told.state), (text.kind, text.state));
            assert_eq!(told.local, text.local);
            if !told.kind.is_unix() {
                assert_eq!((told.peer, told.uid), (text.peer, text.uid));
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn more_sockets_than_there_are_is_said() {
        assert!(doubts(7, 0, Some(7)).is_empty());
        assert!(doubts(7, 0, Some(9)).is_empty());
        assert!(doubts(7, 0, None).is_empty());
        let notes = doubts(9, 1, Some(7));
        assert!(notes[0].starts_with("unix: 1 lines "), "{notes:?}");
        assert!(notes[1].contains(" shows 2 sockets more "), "{notes:?}");
    }

    #[test]
    fn the_summary_is_read() {
        let sockstat = "sockets: used 17\nTCP: inuse 3 orphan 1 tw 2 alloc 5 mem 0\nUDP: inuse 4 mem 0\nUDPLITE: inuse 9\nRAW: inuse 1\nFRAG: inuse 6 memory 0\n";
        let sockstat6 = "TCP6: inuse 2\nUDP6: inuse 0\nUDPLITE6: inuse 9\nRAW6: inuse 8\nFRAG6: inuse 7 memory 0\n";
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm MaxConn CurrEstab\nTcp: 1 -1 2\n";
        let got = summary(sockstat, sockstat6, snmp);
        assert_eq!((got.sockets, got.tcp_established), (17, 2));
        assert_eq!((got.tcp4, got.tcp6, got.tcp_time_wait), (3, 2, 2));
        assert_eq!((got.udp4, got.udp6, got.raw6, got.frag6), (4, 0, 8, 7));
        assert_eq!(got.tcp_closed(), 2);
        assert_eq!(summary("", "", ""), SocketSummary::default());
    }
}
