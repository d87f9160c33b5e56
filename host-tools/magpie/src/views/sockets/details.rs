//! What flags ask for beside the columns, in the words of `ss`.

use magpie_os::{
    CongestionInfo, Memory, SocketFile, SocketInfo, SocketKind, State, TcpInfo, Timer,
};

use super::Shape;
use crate::views::text::plain;

/// What stands on the socket's own line.
pub(super) fn of(socket: &SocketInfo, shape: &Shape) -> Vec<String> {
    let mut words = Vec::new();
    let unix = socket.kind.is_unix();
    if shape.memory && unix {
        words.extend(socket.memory.as_ref().map(memory));
    }
    if shape.timers {
        words.extend(socket.timer.map(timer));
    }
    if !shape.extended {
        return words;
    }
    if !unix {
        words.extend(
            socket
                .uid
                .filter(|uid| *uid != 0)
                .map(|uid| format!("uid:{uid}")),
        );
        words.push(format!("ino:{}", socket.inode));
        words.extend(socket.cookie.map(|cookie| format!("sk:{cookie:x}")));
        let mark = socket.mark.filter(|mark| *mark != 0);
        words.extend(mark.map(|mark| format!("fwmark:{mark:#x}")));
        let only = socket.v6_only.map(u8::from);
        words.extend(only.map(|only| format!("v6only:{only}")));
    }
    words.extend(socket.shutdown.map(|bits| {
        let receives = if bits & 1 == 0 { '<' } else { '-' };
        let sends = if bits & 2 == 0 { '>' } else { '-' };
        format!("{receives}-{sends}")
    }));
    words.extend(socket.file.map(|file| {
        let SocketFile {
            inode,
            major,
            minor,
        } = file;
        format!("ino:{inode} dev:{major}/{minor}")
    }));
    words.extend(socket.waiting.as_ref().map(|inodes| {
        let inodes = inodes.iter().map(|inode| format!(" {inode}"));
        format!("peers:{}", inodes.collect::<String>())
    }));
    words
}

/// What stands on a line of its own, if there is any.
pub(super) fn second_line(socket: &SocketInfo, shape: &Shape) -> String {
    let mut words = Vec::new();
    if shape.memory && !socket.kind.is_unix() {
        words.extend(socket.memory.as_ref().map(memory));
    }
    if shape.info
        && socket.kind == SocketKind::Tcp
        && let Some(info) = &socket.tcp
    {
        tcp_info(socket, info, shape, &mut words);
    }
    words.join(" ")
}

fn memory(memory: &Memory) -> String {
    let numbers = [
        ("r", Some(memory.receive_octets)),
        ("rb", Some(memory.receive_buffer_octets)),
        ("t", Some(memory.transmit_octets)),
        ("tb", Some(memory.send_buffer_octets)),
        ("f", Some(memory.forward_octets)),
        ("w", Some(memory.write_queue_octets)),
        ("o", Some(memory.option_octets)),
        ("bl", memory.backlog_octets),
        ("d", memory.drops),
    ];
    let known = numbers.iter().filter_map(|(name, number)| {
        let number = (*number)?;
        Some(format!("{name}{number}"))
    });
    format!("skmem:({})", known.collect::<Vec<_>>().join(","))
}

fn timer(timer: Timer) -> String {
    let left = time_left(timer.expires_ms);
    format!("timer:({},{left},{})", timer.name(), timer.retransmits)
}

/// `119min`, `1min12sec`, `59sec`, `1.240sec`, `240ms`: the finer the nearer.
fn time_left(ms: u32) -> String {
    let (minutes, seconds, millis) = (ms / 60_000, ms / 1_000 % 60, ms % 1_000);
    let whole_minutes = if minutes > 0 {
        format!("{minutes}min")
    } else {
        String::new()
    };
    let rest = match (minutes, seconds) {
        (10.., _) | (1.., 0) => String::new(),
        (0, 0) if millis == 0 => String::new(),
        (0, 0) => format!("{millis:03}ms"),
        (0, 1..=9) if millis > 0 => format!("{seconds}.{millis:03}sec"),
        _ => format!("{seconds}sec"),
    };
    whole_minutes + &rest
}

/// Fields that are 0 are left out, as there.
fn tcp_info(socket: &SocketInfo, info: &TcpInfo, shape: &Shape, words: &mut Vec<String>) {
    options(info, shape, words);
    words.extend(socket.congestion.as_deref().map(plain));
    if let Some((ours, theirs)) = info.scales() {
        words.push(format!("wscale:{ours},{theirs}"));
    }
    // What TCP takes before it knows better is not told.
    let rto = info.rto_us.filter(|rto| *rto != 3_000_000);
    put(words, "rto", rto.map(millis));
    put(words, "backoff", info.backoff.and_then(count));
    if info.rtt_us.is_some_and(|rtt| rtt > 0) {
        let deviation = millis(info.rtt_deviation_us.unwrap_or(0)).unwrap_or("0".into());
        let rtt = info.rtt_us.and_then(millis).unwrap_or_default();
        words.push(format!("rtt:{rtt}/{deviation}"));
    }
    put(words, "ato", info.ato_us.map(millis));
    for (name, value) in [
        ("mss", info.send_mss_octets),
        ("pmtu", info.path_mtu_octets),
        ("rcvmss", info.receive_mss_octets),
        ("advmss", info.advertised_mss_octets),
        ("cwnd", info.cwnd_segments),
        // As great as this it says nothing.
        ("ssthresh", info.ssthresh_segments.filter(|n| *n < 0xffff)),
    ] {
        put(words, name, value.and_then(count));
    }
    for (name, value) in [
        ("bytes_sent", info.sent_octets),
        ("bytes_retrans", info.retransmitted_octets),
        ("bytes_acked", info.acked_octets),
        ("bytes_received", info.received_octets),
    ] {
        put(words, name, value.and_then(count));
    }
    for (name, value) in [
        ("segs_out", info.segments_out),
        ("segs_in", info.segments_in),
        ("data_segs_out", info.data_segments_out),
        ("data_segs_in", info.data_segments_in),
    ] {
        put(words, name, value.and_then(count));
    }
    words.extend(socket.congestion_info.map(|told| congestion(told, shape)));
    rates(info, shape, words);
    limits(info, words);
    trouble(socket, info, words);
    put(words, "rcv_rtt", info.receive_rtt_us.map(millis));
    for (name, value) in [
        ("rcv_space", info.receive_space_octets),
        ("rcv_ssthresh", info.receive_ssthresh_octets),
        ("notsent", info.unsent_octets),
    ] {
        put(words, name, value.and_then(count));
    }
    let least = info.min_rtt_us.filter(|rtt| *rtt != u32::MAX);
    put(words, "minrtt", least.map(millis));
    for (name, value) in [
        ("rcv_ooopack", info.received_out_of_order),
        ("snd_wnd", info.send_window_octets),
        ("rcv_wnd", info.receive_window_octets),
        ("rehash", info.rehashes),
    ] {
        put(words, name, value.and_then(count));
    }
}

fn put(words: &mut Vec<String>, name: &str, value: impl Into<Option<Option<String>>>) {
    words.extend(
        value
            .into()
            .flatten()
            .map(|value| format!("{name}:{value}")),
    );
}

/// A number that is not 0.
fn count<T: Into<u64>>(n: T) -> Option<String> {
    let n = n.into();
    (n != 0).then(|| n.to_string())
}

/// Microseconds as milliseconds, unless 0.
fn millis(us: u32) -> Option<String> {
    (us != 0).then(|| significant(f64::from(us) / 1_000.0, 6))
}

fn options(info: &TcpInfo, shape: &Shape, words: &mut Vec<String>) {
    // linux/tcp.h, TCPI_OPT_...
    const OPTIONS: [(u8, &str); 6] = [
        (1, "ts"),
        (64, "usec_ts"),
        (2, "sack"),
        (8, "ecn"),
        (16, "ecnseen"),
        (32, "fastopen"),
    ];
    if shape.timers {
        let set = info.options.unwrap_or(0);
        let known = OPTIONS.iter().filter(|(bit, _)| set & bit != 0);
        words.extend(known.map(|(_, name)| (*name).to_owned()));
    }
}

fn congestion(told: CongestionInfo, shape: &Shape) -> String {
    match told {
        CongestionInfo::Bbr {
            bandwidth_octets_per_s,
            min_rtt_us,
            pacing_gain_256ths,
            cwnd_gain_256ths,
        } => {
            #[allow(clippy::cast_precision_loss)] // three digits of it are shown
            let rate = bits(bandwidth_octets_per_s as f64 * 8.0, shape.numeric);
            let rtt = significant(f64::from(min_rtt_us) / 1_000.0, 6);
            let gain = |name: &str, gain: u32| {
                let times = significant(f64::from(gain) / 256.0, 6);
                (gain != 0).then(|| format!(",{name}:{times}"))
            };
            let pacing = gain("pacing_gain", pacing_gain_256ths).unwrap_or_default();
            let cwnd = gain("cwnd_gain", cwnd_gain_256ths).unwrap_or_default();
            format!("bbr:(bw:{rate}bps,mrtt:{rtt}{pacing}{cwnd})")
        }
        CongestionInfo::Dctcp { enabled: false, .. } => "dctcp:fallback_mode".to_owned(),
        CongestionInfo::Dctcp {
            ce_state,
            alpha,
            acked_ecn_octets,
            acked_octets,
            ..
        } => format!(
            "dctcp:(ce_state:{ce_state},alpha:{alpha},ab_ecn:{acked_ecn_octets},ab_tot:{acked_octets})"
        ),
    }
}

fn rates(info: &TcpInfo, shape: &Shape, words: &mut Vec<String>) {
    let rate = |octets: u64| {
        #[allow(clippy::cast_precision_loss)] // three digits of it are shown
        let octets = octets as f64;
        bits(octets * 8.0, shape.numeric)
    };
    let known = |rate: &u64| *rate != 0 && *rate != u64::MAX;
    if let (Some(rtt), Some(mss), Some(cwnd)) =
        (info.rtt_us, info.send_mss_octets, info.cwnd_segments)
        && rtt > 0
        && mss > 0
        && cwnd > 0
    {
        let sent = f64::from(cwnd) * f64::from(mss) * 8_000_000.0 / f64::from(rtt);
        words.push(format!("send {}bps", bits(sent, shape.numeric)));
    }
    for (name, value) in [
        ("lastsnd", info.last_sent_ms),
        ("lastrcv", info.last_received_ms),
        ("lastack", info.last_ack_ms),
    ] {
        put(words, name, value.and_then(count));
    }
    if let Some(pace) = info.pacing_octets_per_s.filter(known) {
        let most = info.max_pacing_octets_per_s.filter(known);
        let most = most.map_or_else(String::new, |most| format!("/{}bps", rate(most)));
        words.push(format!("pacing_rate {}bps{most}", rate(pace)));
    }
    if let Some(delivery) = info.delivery_octets_per_s.filter(|rate| *rate != 0) {
        words.push(format!("delivery_rate {}bps", rate(delivery)));
    }
    put(words, "delivered", info.delivered_segments.and_then(count));
    put(
        words,
        "delivered_ce",
        info.delivered_ce_segments.and_then(count),
    );
    if info.is_application_limited() {
        words.push("app_limited".to_owned());
    }
}

/// What held the sender up.
fn limits(info: &TcpInfo, words: &mut Vec<String>) {
    let Some(busy) = info.busy_us.filter(|us| *us != 0) else {
        return;
    };
    words.push(format!("busy:{}ms", busy / 1_000));
    for (name, value) in [
        ("rwnd_limited", info.window_limited_us),
        ("sndbuf_limited", info.buffer_limited_us),
    ] {
        if let Some(us) = value.filter(|us| *us != 0) {
            #[allow(clippy::cast_precision_loss)] // one digit after the point is shown
            let share = 100.0 * us as f64 / busy as f64;
            words.push(format!("{name}:{}ms({share:.1}%)", us / 1_000));
        }
    }
}

/// What was lost, sent again, or came in another order.
fn trouble(socket: &SocketInfo, info: &TcpInfo, words: &mut Vec<String>) {
    /// Segments that may overtake each other before one is taken for lost.
    const USUAL_REORDERING: u32 = 3;
    put(words, "unacked", info.unacked_segments.and_then(count));
    let now = info.retransmitted_segments.unwrap_or(0);
    let ever = info.total_retransmits.unwrap_or(0);
    if now > 0 || ever > 0 {
        words.push(format!("retrans:{now}/{ever}"));
    }
    // Of a listening socket this is the room for connections.
    let sacked = info.sacked_segments;
    let sacked = sacked.filter(|_| socket.state != State::Listen);
    let reordering = info.reordering_segments;
    for (name, value) in [
        ("lost", info.lost_segments),
        ("sacked", sacked),
        ("dsack_dups", info.dsack_duplicates),
        ("fackets", info.facked_segments),
    ] {
        put(words, name, value.and_then(count));
    }
    let unusual = reordering.filter(|n| *n != USUAL_REORDERING);
    put(words, "reordering", unusual.map(|n| Some(n.to_string())));
    put(words, "reord_seen", info.reorderings.and_then(count));
}

/// Bits a second: three digits and a letter, or, as a number, all of them.
fn bits(rate: f64, numeric: bool) -> String {
    if numeric {
        return format!("{rate:.0}");
    }
    for (least, letter) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if rate >= least {
            return significant(rate / least, 3) + letter;
        }
    }
    significant(rate, 6)
}

/// So many digits at most, none behind the point that say nothing.
fn significant(value: f64, digits: usize) -> String {
    // As scientific notation rounds it, so that 999.6 has four digits.
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent = rounded.split_once('e').and_then(|(_, e)| e.parse().ok());
    let before_point: i32 = exponent.unwrap_or(0);
    let digits = i32::try_from(digits).unwrap_or(i32::MAX);
    let decimals = usize::try_from(digits.saturating_sub(1).saturating_sub(before_point));
    let text = format!("{value:.*}", decimals.unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_fine_as_they_are_near() {
        for (ms, text) in [
            (7_140_000, "119min"),
            (599_000, "9min59sec"),
            (660_500, "11min"),
            (72_400, "1min12sec"),
            (65_500, "1min5sec"),
            (59_999, "59sec"),
            (10_000, "10sec"),
            (9_240, "9.240sec"),
            (5_000, "5sec"),
            (204, "204ms"),
            (4, "004ms"),
            (0, ""),
        ] {
            assert_eq!(time_left(ms), text);
        }
    }

    #[test]
    fn numbers_have_as_many_digits_as_in_ss() {
        for (value, digits, text) in [
            (0.028, 6, "0.028"),
            (204.0, 6, "204"),
            (1_234.567_8, 6, "1234.57"),
            (123_456.7, 6, "123457"),
            (999.6, 3, "1000"),
            (12.0, 3, "12"),
            (9.286_76, 3, "9.29"),
            (0.0, 6, "0"),
        ] {
            assert_eq!(significant(value, digits), text);
        }
        assert_eq!(bits(104_857_600_000.0, false), "105G");
        assert_eq!(bits(1_000.0, false), "1k");
        assert_eq!(bits(999.0, false), "999");
        assert_eq!(bits(1_234_567.8, true), "1234568");
    }
}
