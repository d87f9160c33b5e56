//! The summary for people: totals, types, top flows, ICMP, echo, what is
//! malformed, what the mirror may hide; the books line comes last.

use std::io::{self, Write};
use std::net::IpAddr;

use magpie_collector::{
    CountTable, Doubt, Echo, EchoLoss, Flow, FlowSums, Mirror, addresses, count_sum, ends,
};
use magpie_protocol::{EchoKey, FlowKey, KEY_OTHER, Ledger, Sum, TableId};

use super::mirror::Words;
use super::text::{Columns, millis, percent, plain, thousands};
use super::{Choice, Seen, Sort, names, rows, unsent};

/// Lines of the smaller tables; the rest is one line. All malformed classes
/// fit.
const MOST_LINES: usize = 24;

fn section(out: &mut impl Write, title: &str, columns: &Columns) -> io::Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for line in columns.lines("  ") {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes all of one source.
pub fn write(seen: &Seen<'_>, choice: &Choice, out: &mut impl Write) -> io::Result<()> {
    heading(seen, out)?;
    let mirror = &seen.mirror();
    let ledger = seen.picture.ledger().unwrap_or_default();
    section(out, "TOTALS", &totals(&ledger))?;
    for (title, table) in [
        ("ETHERTYPES", TableId::Ethertype),
        ("PROTOCOLS", TableId::IpProtocol),
        ("VLAN STACKS", TableId::Vlan),
    ] {
        let lines = seen.picture.counts(table);
        // One line of untagged frames says nothing.
        if table != TableId::Vlan || lines.len() > 1 {
            section(out, title, &counts(table, &lines))?;
        }
    }
    flows(seen, mirror, choice, out)?;
    section(out, "ICMP", &icmp(seen))?;
    section(out, "ECHO", &echoes(seen, mirror))?;
    for (title, table) in [
        ("ARP", TableId::ArpOperation),
        ("FRAGMENTS", TableId::Fragment),
        ("MALFORMED", TableId::Malformed),
    ] {
        let mut lines = counts(table, &seen.picture.counts(table));
        if table == TableId::ArpOperation {
            let kinds = seen.picture.counts(TableId::ArpKind);
            for (key, line) in kinds {
                let key = names::key(TableId::ArpKind, key);
                lines.row([key, String::new(), thousands(line.frames), String::new()]);
            }
        }
        section(out, title, &lines)?;
    }
    port(seen, out)?;
    let not_kept = seen.picture.unsent();
    let title = "NEVER SENT, by protocol and responder";
    section(out, title, &unsent::columns(&not_kept))?;
    notes(seen, mirror, &ledger, out)?;
    let books = seen.picture.books_with(seen.offered, mirror);
    writeln!(out)?;
    if let Some(sentence) = unsent::sentence(&not_kept) {
        writeln!(out, "{sentence}")?;
    }
    writeln!(out, "{books}")
}

fn heading(seen: &Seen<'_>, out: &mut impl Write) -> io::Result<()> {
    let picture = seen.picture;
    write!(out, "{}", plain(picture.name()))?;
    if let Some(hello) = picture.hello() {
        write!(
            out,
            "  {} on {}, firmware {} ({}), boot {:08x}",
            plain(&hello.name),
            plain(&hello.board),
            plain(&hello.firmware),
            plain(&hello.git),
            hello.boot_id
        )?;
        if hello.zero_seed {
            write!(out, ", seed zero: its hash is guessable")?;
        }
    }
    if picture.seen_boots() > 1 {
        write!(out, ", {} boots", picture.seen_boots())?;
    }
    writeln!(out)
}

fn totals(ledger: &Ledger) -> Columns {
    let mut columns = Columns::new("<>>", &["", "FRAMES", "OCTETS"]);
    for (name, sum) in [
        ("in flows", ledger.in_flows),
        ("ARP", ledger.arp),
        ("other than IP", ledger.other),
        ("no valid header", ledger.invalid),
        ("all", ledger.counted),
    ] {
        let Sum { frames, octets } = sum;
        columns.row([name.to_owned(), thousands(frames), thousands(octets)]);
    }
    columns
}

/// What a key means, where it has a name.
fn meaning(table: TableId, key: u64) -> String {
    let name = match table {
        TableId::Ethertype => names::ethertype(key),
        TableId::IpProtocol if key != KEY_OTHER => {
            u8::try_from(key & 0xff).ok().and_then(names::protocol)
        }
        TableId::ArpOperation => match key {
            1 => Some("request"),
            2 => Some("reply"),
            _ => None,
        },
        _ => None,
    };
    name.unwrap_or_default().to_owned()
}

/// A counter table, most frames first.
fn counts(table: TableId, lines: &CountTable) -> Columns {
    let octets = match table {
        TableId::Ethertype | TableId::Vlan => "OCTETS",
        TableId::IpProtocol => "IP OCTETS",
        _ => "",
    };
    let mut columns = Columns::new("<<>>", &["", "", "FRAMES", octets]);
    let mut sorted: Vec<_> = lines.iter().collect();
    sorted.sort_by_key(|(key, line)| (std::cmp::Reverse(line.frames), **key));
    let shown_octets = |n: u64| {
        if octets.is_empty() {
            String::new()
        } else {
            thousands(n)
        }
    };
    for (key, line) in sorted.iter().take(MOST_LINES) {
        columns.row([
            names::key(table, **key),
            meaning(table, **key),
            thousands(line.frames),
            shown_octets(line.octets),
        ]);
    }
    if let Some(rest) = sorted.get(MOST_LINES..).filter(|rest| !rest.is_empty()) {
        let sum = count_sum(&rest.iter().map(|(key, line)| (**key, **line)).collect());
        columns.row([
            format!("{} more", rest.len()),
            String::new(),
            thousands(sum.frames),
            shown_octets(sum.octets),
        ]);
    }
    columns
}

/// Address and port; IPv6 in brackets; no port where the key has none.
pub(super) fn end_point(address: IpAddr, port: u16) -> String {
    match (address, port) {
        (address, 0) => address.to_string(),
        (IpAddr::V4(address), port) => format!("{address}:{port}"),
        (IpAddr::V6(address), port) => format!("[{address}]:{port}"),
    }
}

/// Round trip of the handshake in milliseconds; `~` where a repetition makes
/// it ambiguous (Karn).
pub(super) fn handshake_rtt(sums: &FlowSums) -> String {
    let Some(shake) = sums.handshake() else {
        return "-".to_owned();
    };
    let total = shake
        .syn_to_synack_us
        .saturating_add(shake.synack_to_ack_us);
    let doubt = if shake.syn_retx > 0 || shake.synack_retx > 0 {
        "~"
    } else {
        ""
    };
    format!("{doubt}{}", millis(total))
}

/// Share of segments that began below the highest sequence number.
pub(super) fn back(key: &FlowKey, sums: &FlowSums) -> String {
    match sums.tcp {
        Some(tcp) if key.protocol == 6 => {
            let back = tcp.seq_back[0].saturating_add(tcp.seq_back[1]);
            percent(back, sums.packets())
        }
        _ => "-".to_owned(),
    }
}

fn flows(
    seen: &Seen<'_>,
    mirror: &Mirror,
    choice: &Choice,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut columns = Columns::new(
        "<<<<>>>>>><",
        &[
            "VLAN",
            "PROTO",
            "ORIGINATOR",
            "RESPONDER",
            "PACKETS>",
            "<PACKETS",
            "OCTETS>",
            "<OCTETS",
            "RTT ms",
            "BACK%",
            "",
        ],
    );
    for (key, sums) in rows::chosen_flows(seen, choice) {
        let ((originator, port), (responder, to)) = ends(&key, sums.initiator);
        let (sent, answered) = sums.by_role();
        let held = seen.picture.flows().get(&key);
        let note = if held.is_some_and(Flow::is_partial) {
            "in part"
        } else if mirror.is_tag_asym(&key) {
            "other tags back"
        } else if mirror.is_one_way(&key) {
            "one-way"
        } else {
            ""
        };
        columns.row([
            names::vlan(key.vlan),
            names::protocol_or_number(key.protocol),
            end_point(originator, port),
            end_point(responder, to),
            thousands(sent.packets),
            thousands(answered.packets),
            thousands(sent.frame_octets),
            thousands(answered.frame_octets),
            handshake_rtt(&sums),
            back(&key, &sums),
            note.to_owned(),
        ]);
    }
    let all = seen.picture.flows().len();
    let order = match choice.sort {
        None => "by key",
        Some(Sort::Octets) => "most octets first",
        Some(Sort::Packets) => "most packets first",
        Some(Sort::Rate) => "fastest first",
        Some(Sort::Last) => "latest first",
        Some(Sort::Duration) => "longest first",
        Some(Sort::Rtt) => "slowest handshake first",
        Some(Sort::Back) => "most segments back first",
    };
    let title = if columns.len() < all {
        format!(
            "FLOWS, {} of {}, {order}",
            columns.len(),
            thousands(all as u64)
        )
    } else {
        format!("FLOWS, {}, {order}", thousands(all as u64))
    };
    section(out, &title, &columns)
}

fn icmp(seen: &Seen<'_>) -> Columns {
    let mut columns = Columns::new("<<><", &["TYPE/CODE", "", "FRAMES", ""]);
    let lines = seen.picture.counts(TableId::Icmp);
    let mut sorted: Vec<_> = lines.into_iter().collect();
    sorted.sort_by_key(|(key, line)| (std::cmp::Reverse(line.frames), *key));
    for (key, line) in sorted {
        let (kind, name) = if key == KEY_OTHER {
            ("other".to_owned(), "")
        } else {
            let (version, kind, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
            let text = format!("v{version} {kind}/{code}");
            (text, names::icmp(version, kind, code).unwrap_or_default())
        };
        let (version, number, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
        let mut latest = seen.picture.too_big();
        let latest = latest.find(|one| names::is_too_big(one, version, number, code));
        let said = latest.map(names::too_big_words).unwrap_or_default();
        columns.row([kind, name.to_owned(), thousands(line.frames), said]);
    }
    columns
}

/// Median and 95th percentile of a pair's round trips, in milliseconds.
pub(super) fn rtt(seen: &Seen<'_>, key: &EchoKey) -> String {
    let samples = seen.picture.echoes().get(key).map(Echo::samples);
    samples
        .and_then(|samples| Some((samples.percentile(50)?, samples.percentile(95)?)))
        .map_or("-".to_owned(), |(median, p95)| {
            format!("{}/{}", millis(median), millis(p95))
        })
}

/// Requests that waited in vain: `3`, `<=3` where replies may have passed
/// unseen, `?` where the way back is not shown.
pub(super) fn echo_loss(loss: EchoLoss) -> String {
    match loss {
        EchoLoss::Exactly(n) => thousands(n),
        EchoLoss::AtMost(n, _) => format!("<={}", thousands(n)),
        EchoLoss::Hidden(_) => "?".to_owned(),
    }
}

fn echoes(seen: &Seen<'_>, mirror: &Mirror) -> Columns {
    let mut columns = Columns::new(
        "<<<>>>>>>>><",
        &[
            "VLAN",
            "REQUESTER",
            "TARGET",
            "ID",
            "SENT",
            "BACK",
            "WAIT",
            "LOST",
            "DUP",
            "ORPHAN",
            "med/p95 ms",
            "",
        ],
    );
    for (key, sums) in seen.picture.echoes().sorted() {
        let (requester, target) = addresses(&key.addresses);
        let loss = mirror.loss(&key, &sums);
        columns.row([
            names::vlan(key.vlan),
            requester.to_string(),
            target.to_string(),
            key.id.to_string(),
            thousands(sums.requests),
            thousands(sums.matched),
            thousands(sums.waiting),
            echo_loss(loss),
            thousands(sums.duplicates),
            thousands(sums.orphans),
            rtt(seen, &key),
            loss.doubt().map_or("", Doubt::word).to_owned(),
        ]);
    }
    columns
}

/// The sensor's port and processor.
fn port(seen: &Seen<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(port) = seen.picture.port() else {
        return Ok(());
    };
    let link = names::link(port.link).unwrap_or_else(|| "link ?".to_owned());
    write!(out, "\nPORT    {link}, {}", names::net(port.net))?;
    if let Some(address) = rows::address(port.net) {
        write!(out, " as {address}")?;
    }
    if let Some(permille) = port.cpu_permille {
        write!(out, "  sensor cpu {}", percent(permille.into(), 1_000))?;
        write!(out, "%")?;
    }
    if port.refused > 0 {
        let refused = thousands(port.refused.into());
        write!(out, "  {refused} commands refused (by UDP)")?;
    }
    writeln!(out)
}

/// Mirror health, and whatever else must be said.
fn notes(
    seen: &Seen<'_>,
    mirror: &Mirror,
    ledger: &Ledger,
    out: &mut impl Write,
) -> io::Result<()> {
    let words = Words::of(mirror);
    write!(
        out,
        "\nMIRROR  unseen {} {}  {}  {}",
        words.unseen, words.meaning, words.one_way, words.tags
    )?;
    if let Some(dup) = words.dup {
        write!(out, "  {dup}")?;
    }
    writeln!(out)?;
    for (n, what) in [
        (
            ledger.flows.evicted,
            "flows evicted from the sensor's table",
        ),
        (
            ledger.echoes.evicted,
            "echo pairs evicted from the sensor's table",
        ),
        (
            ledger.vlan_cut,
            "frames with more than four tags, keyed by the outermost four",
        ),
        (
            ledger.forged,
            "frames under the sensor's own address that it did not send",
        ),
        (
            ledger.filtered.frames,
            "frames counted and shown to no table: a filter on the sensor chooses",
        ),
    ] {
        if n > 0 {
            writeln!(out, "NOTE    {} {what}", thousands(n))?;
        }
    }
    let forgotten = seen.picture.forgotten();
    if forgotten.any() {
        writeln!(
            out,
            "FORGOTTEN  {} flow keys ({} packets, {} octets), {} echo pairs, {} counter lines, \
             {} boots: they did not fit (--max-flows); flows \"in part\" may lack what was \
             forgotten of them",
            thousands(forgotten.flows),
            thousands(forgotten.packets),
            thousands(forgotten.octets),
            thousands(forgotten.echoes),
            thousands(forgotten.count_lines),
            thousands(forgotten.boots),
        )?;
    }
    for boot in seen.picture.boots() {
        if boot.lost_finals() > 0 {
            writeln!(
                out,
                "GAP     {} finished records of boot {:08x} will not come: dropped, or gone to another \
                 host",
                thousands(boot.lost_finals()),
                boot.id()
            )?;
        }
    }
    let link = seen.picture.link();
    let unknown: u64 = link.unknown.values().sum();
    for (n, what) in [
        (
            unknown,
            "records of unknown types skipped (a newer firmware?)",
        ),
        (link.bad_bodies, "records that could not be read"),
        (link.bad_batches, "batches that could not be read"),
    ] {
        if n > 0 {
            writeln!(out, "LINK    {} {what}", thousands(n))?;
        }
    }
    Ok(())
}

/// One finished flow as a line of a log.
pub fn flow_line(key: &FlowKey, sums: &FlowSums) -> String {
    let ((originator, port), (responder, to)) = ends(key, sums.initiator);
    let (sent, answered) = sums.by_role();
    format!(
        "flow {} vlan {} {} {} -> {} packets {}/{} octets {}/{} {} ms",
        names::reason(sums.reason),
        names::vlan(key.vlan),
        names::protocol_or_number(key.protocol),
        end_point(originator, port),
        end_point(responder, to),
        sent.packets,
        answered.packets,
        sent.frame_octets,
        answered.frame_octets,
        sums.last_us.saturating_sub(sums.first_us) / 1_000,
    )
}
