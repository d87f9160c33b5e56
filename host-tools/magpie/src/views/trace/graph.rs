//! Ways side by side.

use magpie_probe::trace::{Graph, Kind, Vertex};

use super::{Labels, ms};

/// The graph, a line a router: hop, address, the best round trip, how many
/// flows were seen to pass, and from which routers of the hop before.
pub fn lines(graph: &Graph, labels: &Labels<'_>, numeric: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut previous = 1;
    for level in &graph.levels {
        let width = level.vertices.len();
        for (at, (vertex, seen)) in level.vertices.iter().enumerate() {
            let branch = match (width, at) {
                (1, _) => ' ',
                (_, 0) => '┬',
                (width, at) if at + 1 == width => '└',
                _ => '├',
            };
            let hop = if at == 0 {
                format!("{:2}", level.hop)
            } else {
                "  ".to_owned()
            };
            let mut parts = vec![format!("{hop} {branch}{}", who(*vertex, labels, numeric))];
            parts.extend(seen.trips.best().map(|best| format!("{} ms", ms(best))));
            if let Some(Kind::Unreachable(cause)) = seen.last.as_ref().map(|answer| answer.kind) {
                parts.push(cause.to_string());
            }
            if width > 1 {
                let flows = seen.flows.len();
                parts.push(format!("{flows} flow{}", if flows == 1 { "" } else { "s" }));
            }
            if width > 1 || previous > 1 {
                let from: Vec<String> = graph
                    .links
                    .iter()
                    .filter(|(hop, _, to)| *hop == level.hop && to == vertex)
                    .map(|(_, from, _)| from.map_or("*".to_owned(), |from| from.to_string()))
                    .collect();
                if !from.is_empty() {
                    parts.push(format!("from {}", from.join(", ")));
                }
            }
            parts.retain(|part| !part.is_empty());
            lines.push(parts.join("  "));
        }
        if !level.is_certain {
            lines.push("    there may be more here: not enough flows to be sure".to_owned());
        }
        previous = width;
    }
    for diamond in graph.diamonds() {
        lines.push(format!(
            "diamond: hops {} to {}, {} routers side by side",
            diamond.from, diamond.to, diamond.width
        ));
    }
    lines
}

fn who(vertex: Vertex, labels: &Labels<'_>, numeric: bool) -> String {
    match vertex {
        Some(router) => labels(router).text(router, numeric),
        None => "*".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use magpie_probe::trace::{Level, Seen};

    use super::*;
    use crate::views::trace::Label;

    #[test]
    fn a_diamond_is_drawn() {
        let at = |n| Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)));
        let level = |hop, routers: &[u8]| {
            let seen = |n: &u8| {
                let mut seen = Seen::default();
                seen.trips.add(Duration::from_micros(u64::from(*n) * 100));
                seen.flows.extend(0..u16::from(*n));
                (at(*n), seen)
            };
            Level {
                hop,
                vertices: routers.iter().map(seen).collect::<BTreeMap<_, _>>(),
                is_certain: hop != 3,
            }
        };
        let graph = Graph {
            levels: vec![level(1, &[1]), level(2, &[2, 3]), level(3, &[4])],
            links: [
                (2, at(1), at(2)),
                (2, at(1), at(3)),
                (3, at(2), at(4)),
                (3, at(3), at(4)),
            ]
            .into(),
        };
        let labels = |_: IpAddr| Label::default();
        assert_eq!(
            lines(&graph, &labels, true).join("\n"),
            " 1  10.0.0.1  0.100 ms
 2 ┬10.0.0.2  0.200 ms  2 flows  from 10.0.0.1
   └10.0.0.3  0.300 ms  3 flows  from 10.0.0.1
 3  10.0.0.4  0.400 ms  from 10.0.0.2, 10.0.0.3
    there may be more here: not enough flows to be sure
diamond: hops 1 to 3, 2 routers side by side"
        );
    }
}
