//! Ping's lines, in the shape that iputils gave them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use magpie_probe::icmp::IcmpError;
use magpie_probe::ip_options::{IpOption, RouterStamp};
use magpie_probe::ping::{Cause, Length, Reply, RoundTripSummary, Summary};

/// IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Octets of an echo header.
const ICMP_HEADER: usize = 8;

/// What the first line says.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    /// The host, as its name or number.
    pub host: &'a str,
    /// Where that is.
    pub address: IpAddr,
    /// The interface of an address that is one of a link.
    pub zone: Option<&'a str>,
    /// The address it is sent from, and the interface, if one was named.
    pub from: Option<(IpAddr, &'a str)>,
    /// Octets of payload.
    pub size: usize,
    /// Room for IPv4 options, in octets.
    pub options: usize,
}

/// `PING example.org (192.0.2.1) 56(84) bytes of data.`
pub fn header(header: &Header<'_>) -> String {
    let mut line = format!("PING {} ({}", header.host, header.address);
    if let Some(zone) = header.zone {
        let _ = write!(line, "%{zone}");
    }
    line.push_str(") ");
    if let Some((source, interface)) = header.from {
        let _ = write!(line, "from {source} {interface}: ");
    }
    let size = header.size;
    let _ = if header.address.is_ipv4() {
        let whole = size + ICMP_HEADER + IPV4_HEADER + header.options;
        write!(line, "{size}({whole}) bytes of data.")
    } else {
        write!(line, "{size} data bytes")
    };
    line
}

/// What packets are filled with: `PATTERN: 0xff00`.
pub fn pattern(octets: &[u8]) -> String {
    let mut line = "PATTERN: 0x".to_owned();
    for octet in octets {
        let _ = write!(line, "{octet:02x}");
    }
    line
}

/// Microseconds, rounded.
fn micros(time: Duration) -> u128 {
    (time.as_nanos() + 500) / 1_000
}

/// A round trip in milliseconds, with four digits at most.
pub fn millis(time: Duration) -> String {
    let us = micros(time);
    if us >= 99_950 {
        return format!("{}", (us + 500) / 1_000);
    }
    if us >= 9_995 {
        let tenths = (us + 50) / 100;
        return format!("{}.{}", tenths / 10, tenths % 10);
    }
    if us >= 1_000 {
        let hundredths = (us + 5) / 10;
        return format!("{}.{:02}", hundredths / 100, hundredths % 100);
    }
    format!("0.{us:03}")
}

/// Milliseconds with three digits after the point.
fn exact_millis(time: Duration) -> String {
    let us = micros(time);
    format!("{}.{:03}", us / 1_000, us % 1_000)
}

/// `64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.045 ms`, and remarks.
#[derive(Debug, Clone, Copy)]
pub struct ReplyLine<'a> {
    /// The reply.
    pub reply: &'a Reply,
    /// Its sequence number.
    pub sequence: u16,
    /// Who sent it, as it is shown.
    pub from: &'a str,
    /// The identifier, if that is to be shown.
    pub identifier: Option<u16>,
    /// Several may answer, so a duplicate is no remark.
    pub is_to_several: bool,
}

/// A reply for people.
pub fn reply(line: &ReplyLine<'_>) -> String {
    let reply = line.reply;
    let mut text = format!(
        "{} bytes from {}: icmp_seq={}",
        reply.octets, line.from, line.sequence
    );
    if let Some(identifier) = line.identifier {
        let _ = write!(text, " ident={identifier}");
    }
    if let Some(ttl) = reply.ttl {
        let _ = write!(text, " ttl={ttl}");
    }
    let _ = write!(text, " time={} ms", millis(reply.rtt));
    let remarks = [
        (reply.length == Length::Shorter, "(truncated)"),
        (reply.length == Length::Longer, "(longer than sent)"),
        (reply.is_duplicate && !line.is_to_several, "(DUP!)"),
        (!reply.is_sum_right, "(BAD CHECKSUM!)"),
        (reply.is_elsewhere, "(DIFFERENT ADDRESS!)"),
        (reply.is_late, "(late)"),
        (reply.is_reordered, "(reordered)"),
    ];
    for (applies, remark) in remarks {
        if applies {
            let _ = write!(text, " {remark}");
        }
    }
    if let Some(wrong) = reply.wrong {
        let _ = write!(
            text,
            "\nwrong data byte #{} should be 0x{:x} but was 0x{:x}",
            wrong.at, wrong.sent, wrong.came
        );
    }
    text
}

/// Why a request will not be answered, as a line or a part of one.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Icmp(error) => error.text(),
        Cause::TooLong { mtu: Some(mtu) } => {
            format!("local error: message too long, mtu={mtu}")
        }
        Cause::TooLong { mtu: None } => "local error: message too long".to_owned(),
        Cause::Local { errno } => {
            format!("not sent: {}", std::io::Error::from_raw_os_error(*errno))
        }
    }
}

/// What a router says of a request that it passed on.
pub fn advice(from: Option<&str>, sequence: u16, error: &IcmpError) -> String {
    let from = from.unwrap_or("this machine");
    format!("From {from}: icmp_seq={sequence} {}", error.text())
}

/// Options of a reply, each from the second line on; `same` says that the
/// route is the one before.
pub fn options(options: &[IpOption], same: bool) -> String {
    let mut text = String::new();
    for option in options {
        match option {
            IpOption::Route(_) if same => text.push_str("\t(same route)"),
            IpOption::Route(addresses) => {
                for (at, address) in addresses.iter().enumerate() {
                    text.push_str(if at == 0 { "\nRR: \t" } else { "\n\t" });
                    let _ = write!(text, "{address}");
                }
                text.push('\n');
            }
            IpOption::Stamps { stamps, overflow } => stamp_lines(&mut text, stamps, *overflow),
        }
    }
    text
}

fn stamp_lines(text: &mut String, stamps: &[RouterStamp], overflow: u8) {
    let mut before: Option<u32> = None;
    for (at, stamp) in stamps.iter().enumerate() {
        text.push_str(if at == 0 { "\nTS: \t" } else { "\n\t" });
        if let Some(by) = stamp.by.filter(|by| *by != Ipv4Addr::UNSPECIFIED) {
            let _ = write!(text, "{by}\t");
        }
        let _ = match before {
            Some(before) if stamp.is_standard => {
                let step = i64::from(stamp.milliseconds) - i64::from(before);
                write!(text, "{step}")
            }
            _ => write!(text, "{} absolute", stamp.milliseconds),
        };
        if stamp.is_standard {
            before = Some(stamp.milliseconds);
        } else {
            text.push_str(" not-standard");
        }
    }
    if overflow > 0 {
        let _ = write!(text, "\nUnrecorded hops: {overflow}");
    }
    text.push('\n');
}

/// A part in per cent, as `%g` writes it.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0".to_owned();
    }
    // Six digits in all, and no zeroes at the end. In 10^-7 per cent:
    let scaled = (u128::from(part) * 1_000_000_000 + u128::from(whole) / 2) / u128::from(whole);
    let (point, text) = match scaled {
        1_000_000_000.. => (3, format!("{:04}", (scaled + 5_000) / 10_000)),
        100_000_000.. => (4, format!("{:05}", (scaled + 500) / 1_000)),
        10_000_000.. => (5, format!("{:06}", (scaled + 50) / 100)),
        1_000_000.. => (6, format!("{:07}", (scaled + 5) / 10)),
        _ => (7, format!("{scaled:08}")),
    };
    let (head, tail) = text.split_at(text.len() - point);
    let tail = tail.trim_end_matches('0');
    if tail.is_empty() {
        head.to_owned()
    } else {
        format!("{head}.{tail}")
    }
}

/// The summary of one host: iputils' lines, and one of our own.
pub fn summary(host: &str, summary: &Summary, has_gap: bool) -> String {
    let mut text = format!(
        "--- {host} ping statistics ---\n{} packets transmitted, {} received",
        summary.transmitted, summary.received
    );
    add_more(&mut text, summary);
    if summary.transmitted > 0 {
        let loss = percent(summary.lost(), summary.transmitted);
        let time = (summary.elapsed.as_micros() + 500) / 1_000;
        let _ = write!(text, ", {loss}% packet loss, time {time}ms");
    }
    text.push('\n');
    if let Some(trips) = &summary.round_trips {
        let _ = write!(
            text,
            "rtt min/avg/max/mdev = {}/{}/{}/{} ms",
            exact_millis(trips.min),
            exact_millis(trips.avg),
            exact_millis(trips.max),
            exact_millis(trips.mdev)
        );
        if summary.pipe > 1 {
            let _ = write!(text, ", pipe {}", summary.pipe);
        }
        if let Some(gaps) = u32::try_from(summary.transmitted.saturating_sub(1))
            .ok()
            .filter(|gaps| has_gap && *gaps > 0)
        {
            let gap = summary.elapsed / gaps;
            let (gap, ewma) = (exact_millis(gap), exact_millis(trips.ewma));
            let _ = write!(text, ", ipg/ewma {gap}/{ewma} ms");
        }
        text.push('\n');
    }
    text.push_str(&own_line(summary));
    text
}

/// What came beside the answers.
fn add_more(text: &mut String, summary: &Summary) {
    for (n, what) in [
        (summary.duplicates, "duplicates"),
        (summary.bad_sums, "corrupted"),
        (summary.errors, "errors"),
    ] {
        if n > 0 {
            let _ = write!(text, ", +{n} {what}");
        }
    }
}

fn own_line(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if let Some(trips) = &summary.round_trips {
        parts.push(beyond(trips));
    }
    if let Some(outage) = summary.outage {
        let packets = if outage.probes == 1 {
            "packet"
        } else {
            "packets"
        };
        let mut part = format!("longest outage {} {packets}", outage.probes);
        // A single one at the end has no length that is known.
        if !outage.lasted.is_zero() {
            let _ = write!(part, ", {:.1} s", outage.lasted.as_secs_f64());
        }
        parts.push(part);
    }
    for (n, what) in [
        (summary.late, "late"),
        (summary.reordered, "reordered"),
        (summary.wrong_data, "with wrong data"),
        (summary.waiting, "still waited for"),
        (summary.foreign, "not ours"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    let mut line = parts.join(", ");
    if !line.is_empty() {
        line.push('\n');
    }
    line
}

fn beyond(trips: &RoundTripSummary) -> String {
    format!(
        "median/p95/jitter = {}/{}/{} ms",
        exact_millis(trips.median),
        exact_millis(trips.p95),
        exact_millis(trips.jitter)
    )
}

/// The summary of one of several hosts, as fping has it, and our numbers.
pub fn short_summary(summary: &Summary) -> String {
    let mut text = format!(
        "xmt/rcv/%loss = {}/{}/{}%",
        summary.transmitted,
        summary.received,
        percent(summary.lost(), summary.transmitted)
    );
    if let Some(trips) = &summary.round_trips {
        let _ = write!(
            text,
            ", min/avg/max = {}/{}/{}",
            millis(trips.min),
            millis(trips.avg),
            millis(trips.max)
        );
    }
    add_more(&mut text, summary);
    let own = own_line(summary);
    if !own.is_empty() {
        let _ = write!(text, ", {}", own.trim_end());
    }
    text
}

/// How it stands, for who presses Ctrl-\.
pub fn status(summary: &Summary) -> String {
    let loss = (summary.lost() * 100)
        .checked_div(summary.transmitted)
        .unwrap_or(0);
    let mut text = format!(
        "{}/{} packets, {loss}% loss",
        summary.received, summary.transmitted
    );
    if let Some(trips) = &summary.round_trips {
        let _ = write!(
            text,
            ", min/avg/ewma/max = {}/{}/{}/{} ms",
            exact_millis(trips.min),
            exact_millis(trips.avg),
            exact_millis(trips.ewma),
            exact_millis(trips.max)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use magpie_probe::ping::{Outage, RoundTrips, Wrong};

    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn round_trips_have_the_digits_of_ping() {
        for (time, text) in [
            (us(5), "0.005"),
            (us(999), "0.999"),
            (us(1_234), "1.23"),
            (us(9_994), "9.99"),
            (us(9_995), "10.0"),
            (us(12_345), "12.3"),
            (us(99_949), "99.9"),
            (us(99_950), "100"),
            (us(1_234_567), "1235"),
        ] {
            assert_eq!(millis(time), text);
        }
    }

    #[test]
    fn shares_are_written_as_by_printf() {
        for (part, whole, text) in [
            (0, 3, "0"),
            (1, 3, "33.3333"),
            (2, 3, "66.6667"),
            (3, 3, "100"),
            (1, 2000, "0.05"),
            (1, 30, "3.33333"),
            (1, 3_000, "0.0333333"),
            (2_999, 3_000, "99.9667"),
            (1, 8, "12.5"),
            (0, 0, "0"),
        ] {
            assert_eq!(percent(part, whole), text, "{part}/{whole}");
        }
    }

    fn a_reply() -> Reply {
        Reply {
            from: IpAddr::from([192, 0, 2, 1]),
            octets: 64,
            ttl: Some(61),
            rtt: us(1_234),
            is_duplicate: false,
            is_late: false,
            is_reordered: false,
            is_elsewhere: false,
            is_sum_right: true,
            wrong: None,
            length: Length::AsSent,
        }
    }

    fn line(shown: &Reply) -> String {
        reply(&ReplyLine {
            reply: shown,
            sequence: 7,
            from: "gw (192.0.2.1)",
            identifier: None,
            is_to_several: false,
        })
    }

    #[test]
    fn replies_are_shown_with_every_remark() {
        let plain = "64 bytes from gw (192.0.2.1): icmp_seq=7 ttl=61 time=1.23 ms";
        assert_eq!(line(&a_reply()), plain);
        let odd = Reply {
            is_duplicate: true,
            is_late: true,
            is_reordered: true,
            is_elsewhere: true,
            is_sum_right: false,
            length: Length::Shorter,
            wrong: Some(Wrong {
                at: 20,
                sent: 0x14,
                came: 0x15,
            }),
            ..a_reply()
        };
        assert_eq!(
            line(&odd),
            format!(
                "{plain} (truncated) (DUP!) (BAD CHECKSUM!) (DIFFERENT ADDRESS!) (late) \
                 (reordered)\nwrong data byte #20 should be 0x14 but was 0x15"
            )
        );
    }

    #[test]
    fn the_first_line_is_as_in_ping() {
        let mut shown = Header {
            host: "example.org",
            address: [192, 0, 2, 1].into(),
            zone: None,
            from: None,
            size: 56,
            options: 40,
        };
        assert_eq!(
            header(&shown),
            "PING example.org (192.0.2.1) 56(124) bytes of data."
        );
        shown.address = IpAddr::V6("2001:db8::1".parse().unwrap());
        shown.from = Some(("2001:db8::2".parse().unwrap(), "eth0"));
        assert_eq!(
            header(&shown),
            "PING example.org (2001:db8::1) from 2001:db8::2 eth0: 56 data bytes"
        );
        shown.host = "ff02::1%eth0";
        shown.address = IpAddr::V6("ff02::1".parse().unwrap());
        (shown.zone, shown.from) = (Some("eth0"), None);
        assert_eq!(
            header(&shown),
            "PING ff02::1%eth0 (ff02::1%eth0) 56 data bytes"
        );
    }

    #[test]
    fn a_redirect_is_shown_as_in_ping() {
        let redirect = IcmpError {
            is_v6: false,
            icmp_type: 5,
            icmp_code: 1,
            info: 0x0a00_0002,
        };
        assert_eq!(
            advice(Some("10.0.0.1"), 3, &redirect),
            "From 10.0.0.1: icmp_seq=3 Redirect Host(New nexthop: 10.0.0.2)"
        );
    }

    #[test]
    fn summaries_are_those_of_ping_and_more() {
        let mut trips = RoundTrips::default();
        for rtt in [1_000, 2_000, 3_000] {
            trips.add(us(rtt));
        }
        let shown = Summary {
            transmitted: 6,
            received: 3,
            duplicates: 1,
            errors: 2,
            late: 1,
            pipe: 2,
            elapsed: us(5_000_400),
            round_trips: trips.summary(),
            outage: Some(Outage {
                probes: 2,
                lasted: us(2_000_000),
            }),
            ..Summary::default()
        };
        assert_eq!(
            summary("gw", &shown, true),
            "--- gw ping statistics ---\n\
             6 packets transmitted, 3 received, +1 duplicates, +2 errors, 50% packet loss, time 5000ms\n\
             rtt min/avg/max/mdev = 1.000/2.000/3.000/0.816 ms, pipe 2, ipg/ewma 1000.080/1.359 ms\n\
             median/p95/jitter = 2.000/3.000/0.121 ms, longest outage 2 packets, 2.0 s, 1 late\n"
        );
        assert_eq!(
            short_summary(&shown),
            "xmt/rcv/%loss = 6/3/50%, min/avg/max = 1.00/2.00/3.00, +1 duplicates, +2 errors, \
             median/p95/jitter = 2.000/3.000/0.121 ms, longest outage 2 packets, 2.0 s, 1 late"
        );
        assert_eq!(
            status(&shown),
            "3/6 packets, 50% loss, min/avg/ewma/max = 1.000/2.000/1.359/3.000 ms"
        );
    }

    #[test]
    fn routes_and_stamps_are_shown_as_in_ping() {
        let route = IpOption::Route(vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
        assert_eq!(
            options(std::slice::from_ref(&route), false),
            "\nRR: \t10.0.0.1\n\t10.0.0.2\n"
        );
        assert_eq!(options(&[route], true), "\t(same route)");
        let stamp = |milliseconds| RouterStamp {
            by: Some([10, 0, 0, 1].into()),
            milliseconds,
            is_standard: true,
        };
        let stamps = IpOption::Stamps {
            stamps: vec![stamp(80_097_037), stamp(80_097_039)],
            overflow: 0,
        };
        assert_eq!(
            options(&[stamps], false),
            "\nTS: \t10.0.0.1\t80097037 absolute\n\t10.0.0.1\t2\n"
        );
    }
}
