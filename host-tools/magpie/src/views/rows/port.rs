//! The row of a sensor's port.

use std::net::Ipv4Addr;

use magpie_protocol::{LinkState, NetState, Port};

use super::{Row, Seen, put, row};
use crate::views::names;

/// What port and processor are at.
pub fn port(seen: &Seen<'_>, port: &Port) -> Row {
    let mut row = row("port", seen);
    put(&mut row, "at_us", seen.times().show(port.at_us));
    let (link, mbit, full_duplex) = match port.link {
        LinkState::Unknown => (None, None, None),
        LinkState::Down => (Some("down"), None, None),
        LinkState::Up { mbit, full_duplex } => {
            (Some("up"), (mbit > 0).then_some(mbit), Some(full_duplex))
        }
    };
    put(&mut row, "link", link);
    put(&mut row, "mbit", mbit);
    put(&mut row, "full_duplex", full_duplex);
    put(&mut row, "net", names::net(port.net));
    put(
        &mut row,
        "address",
        address(port.net).map(|a| a.to_string()),
    );
    put(&mut row, "cpu_permille", port.cpu_permille);
    put(&mut row, "refused_commands", port.refused);
    row
}

/// The address of a port that speaks.
pub(crate) fn address(net: NetState) -> Option<Ipv4Addr> {
    match net {
        NetState::Up(octets) => Some(octets.into()),
        _ => None,
    }
}
