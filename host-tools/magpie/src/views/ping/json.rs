//! One flat row for each thing that happens to a ping. The fields are listed
//! in the binary's README.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use magpie_probe::icmp::IcmpError;
use magpie_probe::ip_options::IpOption;
use magpie_probe::ping::{Cause, Event, Length, Reply, Summary, What};
use serde_json::{Value, json};

use super::text;
use crate::views::rows::Row;

/// Which host a row is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// As it was named.
    pub host: &'a str,
    /// Where that is.
    pub address: IpAddr,
    /// Identifier of its packets.
    pub identifier: u16,
}

/// Type of an ICMP redirect.
const REDIRECT: u8 = 5;

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn row(kind: &str, about: &About<'_>) -> Row {
    let mut row = Row::new();
    row.insert("type".into(), kind.into());
    row.insert("probe".into(), "ping".into());
    row.insert("host".into(), about.host.into());
    row.insert("address".into(), about.address.to_string().into());
    row
}

fn put(row: &mut Row, name: &str, value: impl Into<Value>) {
    row.insert(name.into(), value.into());
}

/// What happened, at this time since 1970; `None`: nothing for programs. Of a
/// reply from an address of a link, `zone` is its interface.
pub fn event(
    about: &About<'_>,
    event: &Event,
    wall: Duration,
    zone: Option<&str>,
    options: &[IpOption],
) -> Option<Row> {
    let mut row = match &event.what {
        What::Sent { .. } => row("sent", about),
        What::Reply(_) => row("reply", about),
        What::Error { .. } => row("error", about),
        What::Advice { .. } => row("advice", about),
        What::TimedOut => row("timeout", about),
        What::NoAnswerYet => return None,
    };
    put(&mut row, "at_us", us(wall));
    put(&mut row, "number", event.number);
    put(&mut row, "icmp_id", about.identifier);
    put(&mut row, "icmp_seq", event.sequence);
    match &event.what {
        What::Sent { octets } => put(&mut row, "octets", *octets),
        What::Reply(reply) => add_reply(&mut row, reply, zone, options),
        What::Error { from, cause } => add_error(&mut row, *from, cause),
        What::Advice { from, error } => add_advice(&mut row, *from, *error),
        What::TimedOut | What::NoAnswerYet => {}
    }
    Some(row)
}

fn add_reply(row: &mut Row, reply: &Reply, zone: Option<&str>, options: &[IpOption]) {
    put(row, "from", reply.from.to_string());
    put(row, "zone", zone);
    put(row, "octets", reply.octets);
    put(row, "ttl", reply.ttl);
    put(row, "rtt_us", us(reply.rtt));
    put(row, "duplicate", reply.is_duplicate);
    put(row, "late", reply.is_late);
    put(row, "reordered", reply.is_reordered);
    put(row, "different_address", reply.is_elsewhere);
    put(row, "bad_checksum", !reply.is_sum_right);
    put(row, "wrong_octet", reply.wrong.map(|wrong| wrong.at));
    let length = match reply.length {
        Length::AsSent => "as sent",
        Length::Shorter => "truncated",
        Length::Longer => "longer",
    };
    put(row, "length", length);
    for option in options {
        match option {
            IpOption::Route(addresses) => {
                let route: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                put(row, "route", route);
            }
            IpOption::Stamps { stamps, overflow } => {
                let stamps: Vec<_> = stamps
                    .iter()
                    .map(|stamp| {
                        json!({
                            "by": stamp.by.map(|by| by.to_string()),
                            "ms": stamp.milliseconds,
                            "standard": stamp.is_standard,
                        })
                    })
                    .collect();
                put(row, "stamps", stamps);
                put(row, "unrecorded", *overflow);
            }
        }
    }
}

fn add_error(row: &mut Row, from: Option<IpAddr>, cause: &Cause) {
    put(row, "from", from.map(|from| from.to_string()));
    let icmp = match cause {
        Cause::Icmp(error) => Some(error),
        Cause::TooLong { .. } | Cause::Local { .. } => None,
    };
    put(row, "icmp_type", icmp.map(|error| error.icmp_type));
    put(row, "icmp_code", icmp.map(|error| error.icmp_code));
    let mtu = match cause {
        Cause::TooLong { mtu } => *mtu,
        Cause::Icmp(error) => match (error.is_v6, error.icmp_type, error.icmp_code) {
            (false, 3, 4) | (true, 2, _) => Some(error.info),
            _ => None,
        },
        Cause::Local { .. } => None,
    };
    put(row, "mtu", mtu);
    let errno = match cause {
        Cause::Local { errno } => Some(*errno),
        _ => None,
    };
    put(row, "errno", errno);
    put(row, "text", text::cause(cause));
}

fn add_advice(row: &mut Row, from: Option<IpAddr>, error: IcmpError) {
    put(row, "from", from.map(|from| from.to_string()));
    put(row, "icmp_type", error.icmp_type);
    put(row, "icmp_code", error.icmp_code);
    let gateway = (error.icmp_type == REDIRECT).then(|| Ipv4Addr::from(error.info));
    put(row, "gateway", gateway.map(|gateway| gateway.to_string()));
    put(row, "text", error.text());
}

/// How it stood in the end; `queue_drops`: packets that this machine threw away
/// before they could be read, where it says so.
pub fn summary(about: &About<'_>, summary: &Summary, queue_drops: Option<u32>) -> Row {
    let mut row = row("summary", about);
    for (name, n) in [
        ("transmitted", summary.transmitted),
        ("received", summary.received),
        ("lost", summary.lost()),
        ("duplicates", summary.duplicates),
        ("bad_checksums", summary.bad_sums),
        ("errors", summary.errors),
        ("advice", summary.advice),
        ("wrong_data", summary.wrong_data),
        ("late", summary.late),
        ("reordered", summary.reordered),
        ("waiting", summary.waiting),
        ("foreign", summary.foreign),
        ("others", summary.others),
        ("pipe", summary.pipe),
        ("elapsed_us", us(summary.elapsed)),
    ] {
        put(&mut row, name, n);
    }
    let trips = summary.round_trips;
    for (name, value) in [
        ("rtt_min_us", trips.map(|trips| trips.min)),
        ("rtt_avg_us", trips.map(|trips| trips.avg)),
        ("rtt_max_us", trips.map(|trips| trips.max)),
        ("rtt_mdev_us", trips.map(|trips| trips.mdev)),
        ("rtt_median_us", trips.map(|trips| trips.median)),
        ("rtt_p95_us", trips.map(|trips| trips.p95)),
        ("rtt_jitter_us", trips.map(|trips| trips.jitter)),
        ("rtt_ewma_us", trips.map(|trips| trips.ewma)),
    ] {
        put(&mut row, name, value.map(us));
    }
    let outage = summary.outage.unwrap_or_default();
    put(&mut row, "outage_packets", outage.probes);
    put(&mut row, "outage_us", us(outage.lasted));
    put(&mut row, "queue_drops", queue_drops);
    row
}

#[cfg(test)]
mod tests {
    use magpie_probe::ping::{Outage, RoundTrips};

    use super::*;
    use crate::views::json;

    /// Every kind of line there is, against the golden file that the README
    /// speaks of.
    #[test]
    fn lines_are_as_documented() {
        let about = About {
            host: "gw.example",
            address: [192, 0, 2, 1].into(),
            identifier: 4660,
        };
        let reply = Reply {
            from: about.address,
            octets: 64,
            ttl: Some(61),
            rtt: Duration::from_nanos(1_234_567),
            is_duplicate: false,
            is_late: false,
            is_reordered: false,
            is_elsewhere: false,
            is_sum_right: true,
            wrong: None,
            length: Length::AsSent,
        };
        let too_long = Cause::Icmp(IcmpError {
            is_v6: false,
            icmp_type: 3,
            icmp_code: 4,
            info: 1_400,
        });
        let router = Some([10, 0, 0, 1].into());
        let whats = [
            What::Sent { octets: 64 },
            What::Reply(reply),
            What::NoAnswerYet,
            What::Error {
                from: router,
                cause: too_long,
            },
            What::Error {
                from: None,
                cause: Cause::TooLong { mtu: Some(1_500) },
            },
            What::TimedOut,
            What::Advice {
                from: router,
                error: IcmpError {
                    is_v6: false,
                    icmp_type: 5,
                    icmp_code: 1,
                    info: 0x0a00_0002,
                },
            },
        ];
        let mut out = Vec::new();
        for (at, what) in whats.into_iter().enumerate() {
            let happened = Event {
                at: Duration::ZERO,
                number: 65_536,
                sequence: 0,
                what,
            };
            let wall = Duration::from_secs(1_700_000_000)
                + at.try_into().map(Duration::from_millis).unwrap();
            let route = [IpOption::Route(vec![[10, 0, 0, 1].into()])];
            if let Some(row) = event(&about, &happened, wall, Some("eth0"), &route) {
                json::line(&row, &mut out).unwrap();
            }
        }
        let mut trips = RoundTrips::default();
        trips.add(reply.rtt);
        let end = Summary {
            transmitted: 4,
            received: 1,
            errors: 2,
            elapsed: Duration::from_secs(3),
            round_trips: trips.summary(),
            outage: Some(Outage {
                probes: 3,
                lasted: Duration::from_secs(2),
            }),
            pipe: 1,
            ..Summary::default()
        };
        json::line(&summary(&about, &end, Some(7)), &mut out).unwrap();
        let golden = include_str!("../../../tests/golden/ping.json");
        assert_eq!(String::from_utf8(out).unwrap(), golden);
    }
}
