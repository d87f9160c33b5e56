//! The help page.

use super::line::{Line, Tone, wrap};

const KEYS: [(&str, &str); 11] = [
    (
        "q, Ctrl-C",
        "end: ask the sensors for all they hold, then the summary; again: at once",
    ),
    (
        "f",
        "freeze: look around in this moment while it goes on; f again: follow",
    ),
    (
        "s",
        "order flows by the next: rate, octets, packets, latest, duration, RTT, back",
    ),
    (
        "/",
        "filter: words that must all be in a flow's addresses, ports, protocol or VLANs",
    ),
    (
        "Enter, Esc",
        "while typing: keep the filter, drop it; Esc later drops it too",
    ),
    (
        "arrows, PgUp, PgDn",
        "scroll through flows or a page; Home and End too",
    ),
    ("l", "the ledger: where every frame and every record went"),
    ("Tab", "the next sensor, where there are several"),
    ("Ctrl-L", "draw everything again"),
    ("?", "this page"),
    ("Esc", "back to the flows"),
];

const ROWS: [(&str, &str); 12] = [
    (
        "BOOKS",
        "CLOSED: every frame on the wire is accounted for. PARTIAL: as far as anybody can tell; why. OPEN: frames vanished, and where",
    ),
    (
        "LINK",
        "cable and port: its speed, silent or speaking (asking for an address, no lease: records stay on the serial line); what passes now; peak 1s: the most between two reports of the sensor, which come about once a second, since this program began to watch, as a share of the link where its speed is known; sensor cpu: how much of its time the processor works",
    ),
    (
        "LOST",
        "frames lost before the core, by place; ? cannot be told, also where a counter shows 0 and may have missed some; >= at least. uplink: finished records that will not come",
    ),
    (
        "MIRROR",
        "unseen: TCP octets that the other side acknowledged and that never came by here, so the switch dropped them; ? before the first TCP. one-way: flows seen in one direction only. tags differ: the two directions stand under different VLANs. dup (with --dedup): frames that the mirror showed a second time, of all that came; they are not counted",
    ),
    (
        "FLOWS",
        "evicted: exported early because the table was full; nothing is lost, one flow has several records",
    ),
    ("Mb/s> <Mb/s", "what originator and responder send now"),
    (
        "RTT ms",
        "of the TCP handshake; ~ repeated, so ambiguous; 1-way, tags: not to be told",
    ),
    (
        "BACK%",
        "segments that began below the highest sequence number: sent again or out of order",
    ),
    ("SEEN", "how long ago its latest frame passed"),
    ("UNSEEN", "octets as in MIRROR, of this flow"),
    (
        "ECHO",
        "ping seen passing: LOST <= where frames are missing here, so that replies may have passed unseen; ? where the mirror does not show the way back",
    ),
    (
        "SENSOR",
        "boots, and why the last or how often the watchdog began one; uplink: by which way records come, how much now, and its share of a line of known speed; finished records here; records never sent",
    ),
];

/// Columns of the left side.
const LEFT: usize = 22;

/// Keys, and what the rows mean.
pub(super) fn page(columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (title, pairs) in [("KEYS", KEYS.as_slice()), ("ROWS", ROWS.as_slice())] {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::of(Tone::Heading, title));
        for (name, text) in pairs {
            for (i, part) in wrap(text, columns.saturating_sub(LEFT))
                .into_iter()
                .enumerate()
            {
                let mut line = Line::plain(if i == 0 {
                    format!("  {name}")
                } else {
                    String::new()
                });
                line.pad(LEFT);
                line.push(Tone::Plain, part);
                lines.push(line);
            }
        }
    }
    lines
}
