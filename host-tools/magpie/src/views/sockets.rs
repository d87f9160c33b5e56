//! Sockets in the columns of `ss`, and as rows.

use std::io::{self, Write};
use std::net::IpAddr;

use magpie_os::{End, Holder, Holders, Services, SocketInfo, SocketKind, SocketSummary};

use super::text::{Columns, plain};

mod details;
mod row;

pub use row::{row, summary_row};

/// Which columns and details are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one a flag
pub struct Shape {
    /// Several kinds of sockets: each says its own.
    pub kind: bool,
    /// Several states: likewise.
    pub state: bool,
    /// Names of the columns.
    pub heading: bool,
    /// Numbers in place of names of ports.
    pub numeric: bool,
    /// Who has it open.
    pub processes: bool,
    /// User, inode, cookie, what is shut.
    pub extended: bool,
    /// Memory.
    pub memory: bool,
    /// Timers and TCP's options.
    pub timers: bool,
    /// What TCP knows.
    pub info: bool,
}

/// Writes a line for each, and a second one where there is more to say.
pub fn write(
    sockets: &[SocketInfo],
    holders: &Holders,
    services: &Services,
    shape: &Shape,
    out: &mut impl Write,
) -> io::Result<()> {
    // The first two columns may be left out.
    let (names, align) = match (shape.kind, shape.state) {
        (true, true) => (vec!["Netid", "State"], "<<<<<<<"),
        (true, false) => (vec!["Netid"], "<<<<<<"),
        (false, true) => (vec!["State"], "<<<<<<"),
        (false, false) => (vec![], "<<<<<"),
    };
    let process = if shape.processes { "Process" } else { "" };
    let addresses = ["Local Address:Port", "Peer Address:Port"];
    let names = names
        .into_iter()
        .chain(["Recv-Q", "Send-Q"])
        .chain(addresses)
        .chain([process]);
    let mut columns = Columns::new(align, &names.collect::<Vec<_>>());
    let mut second_lines = Vec::new();
    for socket in sockets {
        let mut cells = Vec::new();
        if shape.kind {
            cells.push(socket.kind.name().to_owned());
        }
        if shape.state {
            cells.push(socket.state.name().to_owned());
        }
        cells.push(socket.recv_queue.to_string());
        cells.push(socket.send_queue.to_string());
        let interface = interface(socket);
        cells.push(end(
            socket,
            &socket.local,
            interface.as_deref(),
            services,
            shape,
        ));
        cells.push(end(socket, &socket.peer, None, services, shape));
        let mut rest = Vec::new();
        if shape.processes {
            rest.extend(users(holders.by_inode.get(&socket.inode)));
        }
        rest.extend(details::of(socket, shape));
        cells.push(rest.join(" "));
        columns.cells(cells);
        second_lines.push(details::second_line(socket, shape));
    }
    let mut lines = columns.lines("").into_iter();
    if let Some(heading) = lines.next().filter(|_| shape.heading) {
        writeln!(out, "{heading}")?;
    }
    for (line, second) in lines.zip(second_lines) {
        writeln!(out, "{line}")?;
        if !second.is_empty() {
            writeln!(out, "\t{second}")?;
        }
    }
    Ok(())
}

fn interface(socket: &SocketInfo) -> Option<String> {
    match (&socket.interface, socket.interface_index) {
        (Some(name), _) => Some(plain(name)),
        (None, 0) => None,
        (None, index) => Some(format!("if{index}")),
    }
}

/// One end: `10.0.0.1:ssh`, `[::1]:22`, `*:*`, `/run/bus 4711`.
fn end(
    socket: &SocketInfo,
    end: &End,
    interface: Option<&str>,
    services: &Services,
    shape: &Shape,
) -> String {
    match end {
        End::Unix { name, inode } => {
            let name = name.as_deref().map_or_else(|| "*".to_owned(), unix_name);
            format!("{name} {inode}")
        }
        End::Inet { address, port } => {
            let address = match address {
                // Of both versions.
                IpAddr::V6(any) if any.is_unspecified() && socket.v6_only != Some(true) => {
                    "*".to_owned()
                }
                IpAddr::V6(address) => format!("[{address}]"),
                IpAddr::V4(address) => address.to_string(),
            };
            let interface = interface.map_or_else(String::new, |name| format!("%{name}"));
            let port = port_name(socket.kind, *port, services, shape.numeric);
            format!("{address}{interface}:{port}")
        }
    }
}

fn port_name(kind: SocketKind, port: u16, services: &Services, numeric: bool) -> String {
    if port == 0 {
        return "*".to_owned();
    }
    match services.name(kind, port).filter(|_| !numeric) {
        Some(name) => plain(name),
        None if kind == SocketKind::Raw && !numeric => format!("ipproto-{port}"),
        None => port.to_string(),
    }
}

/// A name that is safe to show; `@` for each zero of one without a file.
pub(super) fn unix_name(name: &[u8]) -> String {
    let octets: Vec<u8> = match name {
        [0, ..] => name
            .iter()
            .map(|octet| if *octet == 0 { b'@' } else { *octet })
            .collect(),
        _ => name.to_vec(),
    };
    plain(&String::from_utf8_lossy(&octets))
}

/// `users:(("sshd",pid=1,fd=3))`
fn users(holders: Option<&Vec<Holder>>) -> Option<String> {
    let all: Vec<String> = holders?
        .iter()
        .map(|holder| {
            // A quote would look like the end of its name.
            let name = plain(&holder.name).replace(['"', '\\'], "?");
            format!("(\"{name}\",pid={},fd={})", holder.pid, holder.fd)
        })
        .collect();
    Some(format!("users:({})", all.join(",")))
}

/// Writes how many there are, as `ss -s` does.
pub fn write_summary(summary: &SocketSummary, out: &mut impl Write) -> io::Result<()> {
    let s = summary;
    writeln!(out, "Total: {}", s.sockets)?;
    writeln!(
        out,
        "TCP:   {} (estab {}, closed {}, orphaned {}, timewait {})\n",
        s.tcp_allocated + s.tcp_time_wait,
        s.tcp_established,
        s.tcp_closed(),
        s.tcp_orphaned,
        s.tcp_time_wait
    )?;
    let mut columns = Columns::new("<<<<", &["Transport", "Total", "IP", "IPv6"]);
    for (name, four, six) in [
        ("RAW", s.raw4, s.raw6),
        ("UDP", s.udp4, s.udp6),
        ("TCP", s.tcp4, s.tcp6),
        ("INET", s.raw4 + s.udp4 + s.tcp4, s.raw6 + s.udp6 + s.tcp6),
        ("FRAG", s.frag4, s.frag6),
    ] {
        columns.row([
            name.to_owned(),
            (four + six).to_string(),
            four.to_string(),
            six.to_string(),
        ]);
    }
    for line in columns.lines("") {
        writeln!(out, "{line}")?;
    }
    writeln!(out)
}
