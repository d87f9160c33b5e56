//! Routes, as `netstat -rn` shows them, and as rows.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use magpie_os::Route;

use super::rows::Row;
use super::text::{Columns, plain};

/// Writes the table of one version of IP.
pub fn write(routes: &[Route], ipv6: bool, heading: bool, out: &mut impl Write) -> io::Result<()> {
    let (title, mut columns) = if ipv6 {
        let names = ["Destination", "Next Hop", "Flag", "Met", "Ref", "Use", "If"];
        let columns = Columns::new("<<<<<><", &names);
        ("Kernel IPv6 routing table", columns)
    } else {
        let names = [
            "Destination",
            "Gateway",
            "Genmask",
            "Flags",
            "MSS",
            "Window",
            "irtt",
            "Iface",
        ];
        ("Kernel IP routing table", Columns::new("<<<<><><", &names))
    };
    for route in routes {
        columns.cells(if ipv6 { cells6(route) } else { cells4(route) });
    }
    if heading {
        writeln!(out, "{title}")?;
    }
    for line in columns.lines("").iter().skip(usize::from(!heading)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn cells4(route: &Route) -> Vec<String> {
    let host_bits = 32_u32.saturating_sub(route.prefix.into());
    let mask = Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0));
    let mut cells = vec![
        route.destination.to_string(),
        route.gateway.to_string(),
        mask.to_string(),
        route.flag_letters(),
        route.mss.to_string(),
        route.window.to_string(),
        route.irtt_ms.to_string(),
        plain(&route.interface),
    ];
    if route.is_reject() {
        // Nobody and nothing takes it.
        for cell in cells.iter_mut().skip(4).chain([]) {
            "-".clone_into(cell);
        }
        if let Some(gateway) = cells.get_mut(1) {
            "-".clone_into(gateway);
        }
    }
    cells
}

fn cells6(route: &Route) -> Vec<String> {
    vec![
        format!("{}/{}", route.destination, route.prefix),
        route.gateway.to_string(),
        route.flag_letters(),
        // As netstat: the greatest metric is -1.
        route.metric.cast_signed().to_string(),
        route.references.to_string(),
        route.uses.to_string(),
        plain(&route.interface),
    ]
}

/// A route as a row.
pub fn row(route: &Route) -> Row {
    let gateway = |address: IpAddr| (!address.is_unspecified()).then(|| address.to_string());
    let mut row = Row::new();
    let mut put = |name: &str, value: serde_json::Value| row.insert(name.to_owned(), value);
    let of_ipv4 = |number: u32| route.destination.is_ipv4().then_some(number).into();
    put("type", "route".into());
    let version = if route.destination.is_ipv6() { 6 } else { 4 };
    put("ip_version", version.into());
    put("destination", route.destination.to_string().into());
    put("prefix", route.prefix.into());
    put("gateway", gateway(route.gateway).into());
    put("flags", route.flag_letters().into());
    put("metric", route.metric.into());
    put("references", route.references.into());
    put("uses", route.uses.into());
    put("mss_octets", of_ipv4(route.mss));
    put("window_octets", of_ipv4(route.window));
    put("irtt_ms", of_ipv4(route.irtt_ms));
    let interface = (route.interface != "*").then(|| plain(&route.interface));
    put("interface", interface.into());
    row
}
