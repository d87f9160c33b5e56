//! `magpie sockets`: this machine's own connections, and its routes.

use std::io::Write as _;
use std::net::{IpAddr, ToSocketAddrs as _};

use magpie_os::{Filter, Holders, Names, Services, SocketQuery};

use crate::cli::{InfoFormat, Sockets};
use crate::exit::Exit;
use crate::output::{self, say};
use crate::views::sockets::Shape;
use crate::views::{json, routes, sockets};

pub(crate) fn run(options: &Sockets) -> anyhow::Result<Exit> {
    let mut out = output::stdout();
    if options.route {
        show_routes(options, &mut out)?;
        out.flush()?;
        return Ok(Exit::Success);
    }
    let services = Services::of_system();
    let kinds = options.kinds();
    let names = Names {
        services: &services,
        kinds: &kinds,
        resolve: &resolve,
    };
    let filter = Filter::parse(&options.filter, &names)?;
    if options.summary {
        let summary = magpie_os::socket_summary()?;
        match options.format {
            InfoFormat::Json => json::line(&sockets::summary_row(&summary), &mut out)?,
            InfoFormat::Table => sockets::write_summary(&summary, &mut out)?,
        }
        // As ss does: more than this is shown to who asks for more.
        if options.names_no_kind() && options.filter.is_empty() {
            out.flush()?;
            return Ok(Exit::Success);
        }
    }
    let json = options.format == InfoFormat::Json;
    let (ipv4, ipv6) = options.families();
    let query = SocketQuery {
        states: filter.states().unwrap_or_else(|| options.states()),
        kinds,
        ipv4,
        ipv6,
        memory: options.memory || json,
        tcp_info: options.info || json,
    };
    let mut found = magpie_os::sockets(&query)?;
    for note in &found.notes {
        say(note);
    }
    if filter.asks_for_marks() && !magpie_os::may_administer() {
        say(
            "fwmark: the kernel tells marks to who has CAP_NET_ADMIN alone, so all are 0 here; run \
             it as root",
        );
    }
    let holders = if options.processes {
        let holders = magpie_os::socket_holders()?;
        if holders.hidden > 0 {
            say(&hidden(holders.hidden, magpie_os::may_trace()));
        }
        if holders.are_unlisted {
            say(
                "-p: /proc lists no processes of other users (it is mounted with hidepid), so \
                 sockets may stand here without theirs; run it as root to see them",
            );
        }
        holders
    } else {
        Holders::default()
    };
    found.sockets.retain(|socket| filter.matches(socket));
    if json {
        for socket in &found.sockets {
            let row = sockets::row(socket, options.processes.then_some(&holders));
            json::line(&row, &mut out)?;
        }
    } else {
        let shape = Shape {
            kind: query.kinds.len() > 1,
            state: query.states.len() > 1,
            heading: !options.no_header,
            numeric: options.numeric,
            processes: options.processes,
            extended: options.extended,
            memory: options.memory,
            timers: options.options || options.extended,
            info: options.info,
        };
        sockets::write(&found.sockets, &holders, &services, &shape, &mut out)?;
    }
    out.flush()?;
    Ok(Exit::Success)
}

/// So many processes do not say what they have open; `may_trace`: we may look
/// into those of others.
fn hidden(processes: usize, may_trace: bool) -> String {
    let (who, have, them) = match processes {
        1 => ("1 process does".to_owned(), "it has", "it"),
        n => (format!("{n} processes do"), "they have", "them"),
    };
    let why = if may_trace {
        format!("the system keeps {them} even from root with CAP_SYS_PTRACE")
    } else {
        "run it as root, with CAP_SYS_PTRACE, which root of a container has if it was given"
            .to_owned()
    };
    format!("-p: {who} not show what {have} open, so sockets may stand here without {them}; {why}")
}

fn show_routes(options: &Sockets, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    let (ipv4, ipv6) = options.families();
    for (asked, six) in [(ipv4, false), (ipv6, true)] {
        if !asked {
            continue;
        }
        let found = magpie_os::routes(six)?;
        match options.format {
            InfoFormat::Json => {
                for route in &found {
                    json::line(&routes::row(route), out)?;
                }
            }
            InfoFormat::Table => routes::write(&found, six, !options.no_header, out)?,
        }
    }
    Ok(())
}

fn resolve(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    let mut addresses: Vec<_> = found.into_iter().flatten().map(|a| a.ip()).collect();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_said_with_what_helps() {
        assert_eq!(
            hidden(1, false),
            "-p: 1 process does not show what it has open, so sockets may stand here without it; \
             run it as root, with CAP_SYS_PTRACE, which root of a container has if it was given"
        );
        assert_eq!(
            hidden(2, true),
            "-p: 2 processes do not show what they have open, so sockets may stand here without \
             them; the system keeps them even from root with CAP_SYS_PTRACE"
        );
    }
}
