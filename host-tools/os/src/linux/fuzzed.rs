//! Every decoder of what the kernel says, for the fuzz target `machine`.

use super::{inet_diag, links, netlink, proc_net, routes, unix_diag};
use crate::SocketKind;

/// Gives these octets to the decoder of this number.
pub fn decode(which: u8, octets: &[u8]) {
    match which % 5 {
        0 => {
            let mut bodies = Vec::new();
            let _ = netlink::messages(octets, &mut |body: &[u8]| bodies.push(body.to_vec()));
            for body in bodies {
                decode(which / 5, &body);
            }
        }
        1 => drop(inet_diag::socket(SocketKind::Tcp, octets)),
        2 => drop(unix_diag::socket(octets)),
        3 => {
            drop(links::link(octets));
            let _ = links::address(octets);
        }
        _ => {
            drop(proc_net::unix(octets));
            let line = String::from_utf8_lossy(octets);
            drop(proc_net::inet(SocketKind::Tcp, &line));
            drop(routes::route4(&line));
            drop(routes::route6(&line));
        }
    }
}
