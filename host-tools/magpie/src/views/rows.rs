//! One flat row for each thing known: what `json` writes as a line and `csv`
//! as a record. The fields are listed in the binary's README.

use std::cmp::Reverse;

use magpie_collector::{Doubt, EchoLoss, EchoSums, Event, Flow, FlowSums, Mirror, addresses, ends};
use magpie_protocol::{
    BootReason, EchoKey, FlowKey, Hello, Known, TableId, VERSION_MAJOR, VERSION_MINOR,
};
use serde_json::{Map, Value};

use super::{Choice, Seen, Sort, Times, names};

mod accounts;
mod port;

use accounts::gap;
pub use accounts::{books, forgotten, gaps, ledger, link, mirror, unsent};
pub(crate) use port::address;
pub use port::port;

/// A row: fields in order.
pub type Row = Map<String, Value>;

fn row(kind: &str, seen: &Seen<'_>) -> Row {
    let mut row = Row::new();
    row.insert("type".into(), kind.into());
    row.insert("source".into(), seen.picture.name().into());
    row
}

fn put(row: &mut Row, name: impl Into<String>, value: impl Into<Value>) {
    row.insert(name.into(), value.into());
}

fn vlan(stack: magpie_protocol::VlanStack) -> Value {
    stack.ids().map(Value::from).collect()
}

/// Unknown is `null`, never 0, and so is a lower bound of 0; another one has a
/// second field.
fn put_known(row: &mut Row, name: &str, known: Known) {
    let (value, floor) = match known {
        Known::Unknown | Known::AtLeast(0) => (Value::Null, false),
        Known::Exact(n) => (n.into(), false),
        Known::AtLeast(n) => (n.into(), true),
    };
    put(row, name, value);
    if floor {
        put(row, format!("{name}_at_least"), true);
    }
}

/// Why a sensor began anew.
pub(crate) fn boot_reason(reason: BootReason) -> String {
    match reason {
        BootReason::NotTold => "unknown".into(),
        BootReason::PowerOn => "power-on".into(),
        BootReason::BrownOut => "brown-out".into(),
        BootReason::Watchdog => "watchdog".into(),
        BootReason::Software => "panic or fault".into(),
        BootReason::Pin => "reset button".into(),
        BootReason::Unknown(code) => format!("reason {code}"),
    }
}

/// Who the sensor is.
pub fn sensor(seen: &Seen<'_>) -> Option<Row> {
    let picture = seen.picture;
    let Hello {
        major,
        minor,
        boot_id,
        at_us,
        zero_seed,
        name,
        board,
        firmware,
        git,
        capacities,
        boot,
        ..
    } = picture.hello()?;
    let mut row = row("sensor", seen);
    put(&mut row, "name", name.as_str());
    put(&mut row, "board", board.as_str());
    put(&mut row, "firmware", firmware.as_str());
    put(&mut row, "git", git.as_str());
    put(&mut row, "protocol", format!("{major}.{minor}"));
    put(
        &mut row,
        "host_protocol",
        format!("{VERSION_MAJOR}.{VERSION_MINOR}"),
    );
    put(&mut row, "boot_id", format!("{boot_id:08x}"));
    put(&mut row, "boots", picture.seen_boots());
    let told = boot.count > 0;
    put(&mut row, "boot_count", told.then_some(boot.count));
    let reason = told.then(|| boot_reason(boot.reason));
    put(&mut row, "boot_reason", reason);
    put(&mut row, "boot_watchdogs", boot.watchdogs);
    let last_word = boot.last_word.as_str();
    put(
        &mut row,
        "last_word",
        (!last_word.is_empty()).then_some(last_word),
    );
    put(&mut row, "zero_seed", *zero_seed);
    put(&mut row, "time", seen.times().base());
    let latest_us = (*at_us).max(picture.latest_us());
    put(&mut row, "sensor_us", latest_us);
    let clock = picture.clock();
    put(
        &mut row,
        "clock_offset_us",
        clock.map(|clock| clock.offset_us),
    );
    put(
        &mut row,
        "clock_bound_us",
        clock.map(|clock| clock.bound_at(seen.now_us)),
    );
    put(&mut row, "max_flows", capacities.flows);
    put(&mut row, "max_echoes", capacities.echoes);
    put(&mut row, "max_echo_requests", capacities.echo_requests);
    put(&mut row, "outbox_octets", capacities.outbox_octets);
    put(&mut row, "resend_octets", capacities.resend_octets);
    put(&mut row, "max_frame", capacities.max_frame);
    Some(row)
}

/// One flow; `reason` is how its newest record ended.
pub fn flow(seen: &Seen<'_>, times: Times, key: &FlowKey, sums: &FlowSums) -> Row {
    let ((originator, originator_port), (responder, responder_port)) = ends(key, sums.initiator);
    let (sent, answered) = sums.by_role();
    let mut row = row("flow", seen);
    put(&mut row, "vlan", vlan(key.vlan));
    put(&mut row, "ip_version", key.addresses.version());
    put(&mut row, "protocol", key.protocol);
    put(&mut row, "originator", originator.to_string());
    put(&mut row, "originator_port", originator_port);
    put(&mut row, "responder", responder.to_string());
    put(&mut row, "responder_port", responder_port);
    put(&mut row, "first_us", times.show(sums.first_us));
    put(&mut row, "last_us", times.show(sums.last_us));
    for (who, direction) in [("originator", sent), ("responder", answered)] {
        put(&mut row, format!("{who}_packets"), direction.packets);
        put(&mut row, format!("{who}_ip_octets"), direction.ip_octets);
        put(
            &mut row,
            format!("{who}_frame_octets"),
            direction.frame_octets,
        );
    }
    put(&mut row, "reason", names::reason(sums.reason));
    put(&mut row, "records", sums.records);
    let tcp = sums.tcp.unwrap_or_default();
    let is_tcp = key.protocol == 6;
    let a_first = sums.initiator == magpie_protocol::Side::A;
    for (who, side) in [
        ("originator", usize::from(!a_first)),
        ("responder", usize::from(a_first)),
    ] {
        let of = |both: [u64; 2]| is_tcp.then(|| both[side]);
        let flags = is_tcp.then(|| names::flags(tcp.flags[side]));
        put(&mut row, format!("{who}_flags"), flags);
        put(&mut row, format!("{who}_seq_back"), of(tcp.seq_back));
        put(
            &mut row,
            format!("{who}_seq_back_octets"),
            of(tcp.seq_back_octets),
        );
        put(
            &mut row,
            format!("{who}_unseen_octets"),
            of(tcp.unseen_octets),
        );
    }
    let handshake = sums.handshake();
    put(
        &mut row,
        "syn_to_synack_us",
        handshake.map(|shake| shake.syn_to_synack_us),
    );
    put(
        &mut row,
        "synack_to_ack_us",
        handshake.map(|shake| shake.synack_to_ack_us),
    );
    put(&mut row, "syn_retx", handshake.map(|shake| shake.syn_retx));
    put(
        &mut row,
        "synack_retx",
        handshake.map(|shake| shake.synack_retx),
    );
    row
}

/// What a flow is ordered by; `None` while no record of it has come.
pub(super) fn rank(now_us: u64, sort: Sort, flow: &Flow) -> Option<u64> {
    if sort == Sort::Rate {
        let [ab, ba] = flow.rate().at(now_us);
        // Whole octets a second order well enough.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return Some((ab + ba) as u64);
    }
    let sums = flow.view_total()?;
    Some(match sort {
        Sort::Rate | Sort::Octets => sums.frame_octets(),
        Sort::Packets => sums.packets(),
        Sort::Last => sums.last_us,
        Sort::Duration => sums.last_us.saturating_sub(sums.first_us),
        Sort::Rtt => sums.handshake().map_or(0, |shake| {
            let sum = shake
                .syn_to_synack_us
                .saturating_add(shake.synack_to_ack_us);
            u64::try_from(sum).unwrap_or(0)
        }),
        Sort::Back => sums
            .tcp
            .map_or(0, |tcp| tcp.seq_back[0].saturating_add(tcp.seq_back[1])),
    })
}

/// Flows as chosen: sorted, the first `top` of them, one at a time.
pub fn chosen_flows<'s>(
    seen: &Seen<'s>,
    choice: &Choice,
) -> impl Iterator<Item = (FlowKey, FlowSums)> + use<'s> {
    let mut flows: Vec<(Reverse<u64>, &FlowKey, &Flow)> = seen
        .picture
        .flows()
        .iter()
        .filter_map(|(key, flow)| {
            let rank = match choice.sort {
                None => 0,
                Some(sort) => rank(seen.now_us, sort, flow)?,
            };
            Some((Reverse(rank), key, flow))
        })
        .collect();
    let order = |(rank, key, _): &(Reverse<u64>, &'s FlowKey, &'s Flow)| (*rank, *key);
    // Only what is shown is put in order.
    if let Some(top) = choice.top.filter(|top| *top < flows.len()) {
        flows.select_nth_unstable_by_key(top, order);
        flows.truncate(top);
    }
    flows.sort_unstable_by_key(order);
    flows
        .into_iter()
        .filter_map(|(_, key, flow)| Some((*key, flow.total()?)))
}

/// Rows of the chosen flows.
pub fn flows<'s>(seen: &Seen<'s>, choice: &Choice) -> impl Iterator<Item = Row> + use<'s> {
    let times = seen.times();
    let seen = Seen::new(seen.picture, seen.offered, seen.now_us);
    chosen_flows(&seen, choice).map(move |(key, sums)| {
        let mut row = flow(&seen, times, &key, &sums);
        let held = seen.picture.flows().get(&key);
        put(&mut row, "partial", held.is_some_and(Flow::is_partial));
        row
    })
}

/// One echo pair. `lost` is `null` where replies may have passed unseen;
/// `doubt` says why, `lost_at_most` how many requests that may concern.
pub fn echo(seen: &Seen<'_>, times: Times, key: &EchoKey, sums: &EchoSums, loss: EchoLoss) -> Row {
    let (requester, target) = addresses(&key.addresses);
    let mut row = row("echo", seen);
    put(&mut row, "vlan", vlan(key.vlan));
    put(&mut row, "ip_version", key.addresses.version());
    put(&mut row, "requester", requester.to_string());
    put(&mut row, "target", target.to_string());
    put(&mut row, "id", key.id);
    put(&mut row, "first_us", times.show(sums.first_us));
    put(&mut row, "last_us", times.show(sums.last_us));
    put(&mut row, "requests", sums.requests);
    put(&mut row, "replies", sums.replies);
    put(&mut row, "matched", sums.matched);
    put(&mut row, "waiting", sums.waiting);
    put(&mut row, "lost", loss.exactly());
    put(&mut row, "lost_at_most", loss.at_most());
    put(&mut row, "doubt", loss.doubt().map(Doubt::word));
    put(&mut row, "duplicates", sums.duplicates);
    put(&mut row, "orphans", sums.orphans);
    row
}

/// All echo pairs, with what is known of their round trips.
pub fn echoes(seen: &Seen<'_>) -> Vec<Row> {
    let mirror = seen.mirror();
    let times = seen.times();
    let table = seen.picture.echoes();
    let mut rows = Vec::new();
    for (key, sums) in table.sorted() {
        let mut row = echo(seen, times, &key, &sums, mirror.loss(&key, &sums));
        if let Some(held) = table.get(&key) {
            let samples = held.samples();
            put(&mut row, "rtt_samples", samples.len());
            put(&mut row, "rtt_min_us", samples.least());
            put(&mut row, "rtt_median_us", samples.percentile(50));
            put(&mut row, "rtt_p95_us", samples.percentile(95));
            put(&mut row, "rtt_max_us", samples.greatest());
        }
        rows.push(row);
    }
    rows
}

/// The ICMP table.
pub fn icmp(seen: &Seen<'_>) -> Vec<Row> {
    let lines = seen.picture.counts(TableId::Icmp);
    lines
        .iter()
        .map(|(key, line)| {
            let mut row = row("icmp", seen);
            if *key == magpie_protocol::KEY_OTHER {
                put(&mut row, "ip_version", Value::Null);
                put(&mut row, "icmp_type", Value::Null);
                put(&mut row, "icmp_code", Value::Null);
                put(&mut row, "name", "other");
            } else {
                let (version, kind, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
                put(&mut row, "ip_version", version);
                put(&mut row, "icmp_type", kind);
                put(&mut row, "icmp_code", code);
                put(&mut row, "name", names::icmp(version, kind, code));
            }
            put(&mut row, "frames", line.frames);
            let (version, kind, code) = (key >> 16, key >> 8 & 0xff, key & 0xff);
            let mut latest = seen.picture.too_big();
            let latest = latest.find(|one| names::is_too_big(one, version, kind, code));
            let said = latest.map(names::too_big);
            put(&mut row, "from", said.map(|(from, ..)| from.to_string()));
            put(&mut row, "to", said.map(|(_, to, _)| to.to_string()));
            put(&mut row, "mtu", said.and_then(|(.., mtu)| mtu));
            row
        })
        .collect()
}

/// ARP operations and kinds.
pub fn arp(seen: &Seen<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, table) in [
        ("operation", TableId::ArpOperation),
        ("kind", TableId::ArpKind),
    ] {
        for (key, line) in seen.picture.counts(table) {
            let mut row = row("arp", seen);
            put(&mut row, "of", what);
            put(&mut row, "key", names::key(table, key));
            put(&mut row, "frames", line.frames);
            rows.push(row);
        }
    }
    rows
}

/// The other counter tables.
pub const COUNT_TABLES: [TableId; 5] = [
    TableId::Ethertype,
    TableId::IpProtocol,
    TableId::Vlan,
    TableId::Fragment,
    TableId::Malformed,
];

/// One counter table.
pub fn counts(seen: &Seen<'_>, table: TableId) -> Vec<Row> {
    let has_octets = matches!(
        table,
        TableId::Ethertype | TableId::IpProtocol | TableId::Vlan
    );
    seen.picture
        .counts(table)
        .into_iter()
        .map(|(key, line)| {
            let mut row = row("counts", seen);
            put(&mut row, "table", names::table(table));
            put(&mut row, "key", names::key(table, key));
            put(&mut row, "frames", line.frames);
            put(&mut row, "octets", has_octets.then_some(line.octets));
            row
        })
        .collect()
}

/// A change, where it is worth a line of its own. `mirror` is the picture's:
/// whether an echo pair's loss is real only the whole picture can say.
pub fn event(seen: &Seen<'_>, mirror: &Mirror, event: &Event) -> Option<Row> {
    use magpie_collector::{EntryId, TableRecord};
    let entry = EntryId { boot: 0, id: 0 };
    match event {
        Event::Sensor(_) => sensor(seen),
        Event::Reboot { boot_id, boots } => {
            let mut row = row("reboot", seen);
            put(&mut row, "boot_id", format!("{boot_id:08x}"));
            put(&mut row, "boots", *boots);
            Some(row)
        }
        Event::Flow(record) => Some(flow(seen, seen.times(), &record.key, &record.sums(entry))),
        Event::Echo(record) => {
            let sums = record.sums(entry);
            let loss = mirror.loss(&record.key, &sums);
            Some(echo(seen, seen.times(), &record.key, &sums, loss))
        }
        Event::Ledger(of) => Some(ledger(seen, of)),
        Event::Port(of) => Some(port(seen, of)),
        Event::Gap {
            boot_id,
            is_final,
            records,
        } => Some(gap(seen, *boot_id, *is_final, *records)),
        Event::Clock(_) => None,
    }
}
