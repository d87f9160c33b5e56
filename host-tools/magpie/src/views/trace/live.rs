//! mtr's table.

use std::time::Duration;

use magpie_probe::trace::{HopReport, Kind, Verdict};

use super::Labels;
use crate::views::text::percent;

/// Room for who answers, in a table that nothing else limits.
const WHO: usize = 44;
/// All columns behind it.
const HEADINGS: &str = " Loss%   Snt   Last    Avg   Best   Wrst  StDev   Jint";
/// Room for a remark.
const REMARK: usize = 24;

/// A round trip: two digits after the point, fewer where it is long.
fn time(time: Option<Duration>) -> String {
    let Some(time) = time else {
        return format!("{:>7}", "-");
    };
    let ms = time.as_secs_f64() * 1e3;
    let digits = match ms {
        ms if ms < 100.0 => 2,
        ms if ms < 1_000.0 => 1,
        _ => 0,
    };
    format!("{ms:>7.digits$}")
}

/// The table, a line each; `width` is that of the screen, if there is one.
pub fn table(
    report: &[HopReport],
    labels: &Labels<'_>,
    numeric: bool,
    extensions: bool,
    width: Option<usize>,
) -> Vec<String> {
    let room = width.map_or(WHO, |width| {
        width.saturating_sub(HEADINGS.len() + 6).clamp(16, WHO)
    });
    let mut lines = vec![format!("{:<5} {:<room$}{HEADINGS}", "HOP", "ROUTER")];
    let nearer = report.last().and_then(|end| end.nearer);
    for alike in report.chunk_by(|a, b| nearer.is_some_and(|nearer| are_alike(nearer, a, b))) {
        let Some(hop) = alike.first() else {
            continue;
        };
        let mut routers = hop.routers.iter().map(|(router, _)| {
            let label = labels(*router);
            match (&label.name, numeric) {
                (Some(name), false) => name.clone(),
                _ => label.text(*router, true),
            }
        });
        let who = routers.next().unwrap_or_else(|| "???".to_owned());
        let loss = match hop.settled() {
            0 => "-".to_owned(),
            settled => percent(hop.lost, settled),
        };
        let trips = &hop.trips;
        let number = match alike.last() {
            Some(last) if last.hop > hop.hop => format!("{:>2}-{}", hop.hop, last.hop),
            _ => format!("{:>3}.", hop.hop),
        };
        let mut line = format!(
            "{number:<6}{:<room$} {loss:>5} {:>5}",
            cut(&who, room),
            hop.sent
        );
        for value in [
            trips.last(),
            trips.mean(),
            trips.best(),
            trips.worst(),
            trips.deviation(),
            trips.jitter(),
        ] {
            line.push_str(&time(value));
        }
        let fits = |line: &str, more: usize| width.is_none_or(|width| line.len() + more <= width);
        let remarks = remarks(hop);
        if fits(&line, REMARK) && !remarks.is_empty() {
            line = format!("{line}  {remarks}");
            lines.push(line);
        } else {
            lines.push(line);
            if !remarks.is_empty() {
                lines.push(format!("      {remarks}"));
            }
        }
        for who in routers {
            lines.push(format!("      {}", cut(&who, room)));
        }
        let objects = hop.last.iter().flat_map(|answer| &answer.extensions);
        for object in objects.filter(|_| extensions) {
            lines.push(format!("      <{object}>"));
        }
    }
    lines
}

/// Two silent hops that may be behind the destination, which may be at
/// `nearer`, and of which the same is known.
fn are_alike(nearer: u8, a: &HopReport, b: &HopReport) -> bool {
    let known = |hop: &HopReport| (hop.sent, hop.lost, hop.unnamed, hop.settled());
    let is_silent = |hop: &HopReport| hop.routers.is_empty() && hop.hop >= nearer;
    is_silent(a) && is_silent(b) && known(a) == known(b)
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['~']).collect()
}

/// What the numbers of a hop do not say.
fn remarks(hop: &HopReport) -> String {
    let mut remarks = Vec::new();
    match hop.verdict {
        Verdict::None => {}
        Verdict::Silent => remarks.push("silent, forwards".to_owned()),
        Verdict::RateLimited => remarks.push("rate limited, not lost".to_owned()),
    }
    if let Some(answer) = &hop.last
        && let Kind::Unreachable(cause) = answer.kind
    {
        remarks.push(cause.to_string());
    }
    if let Some(nearer) = hop.nearer {
        remarks.push(format!("at most {} hops, {nearer} by its TTL", hop.hop));
    } else if let Some(back) = hop
        .last
        .as_ref()
        .and_then(|answer| answer.odd_hops_back(hop.hop))
    {
        remarks.push(format!("'-{back}'"));
    }
    if hop.late > 0 {
        remarks.push(format!("{} late", hop.late));
    }
    if hop.duplicates > 0 {
        remarks.push(format!("{} twice", hop.duplicates));
    }
    remarks.join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use magpie_probe::trace::{Answer, Reach, RoundTrips};

    use super::*;
    use crate::views::trace::Label;

    fn hop(hop: u8, ms: &[u64], lost: u64, verdict: Verdict) -> HopReport {
        let mut trips = RoundTrips::default();
        for ms in ms {
            trips.add(Duration::from_millis(*ms));
        }
        let answered = trips.count();
        let router = IpAddr::V4(Ipv4Addr::new(10, 0, 0, hop));
        let mut report = HopReport::new(hop);
        report.sent = answered + lost;
        (report.answered, report.lost) = (answered, lost);
        report
            .routers
            .extend(ms.first().map(|_| (router, answered)));
        report.trips = trips;
        report.verdict = verdict;
        report
    }

    #[test]
    fn columns_are_those_of_mtr() {
        let report = [
            hop(1, &[1, 2, 3], 0, Verdict::None),
            hop(2, &[4, 4], 1, Verdict::RateLimited),
            hop(3, &[], 3, Verdict::Silent),
            hop(4, &[200, 1_200, 200], 0, Verdict::None),
        ];
        let labels = |_: IpAddr| Label::default();
        let lines = table(&report, &labels, true, false, Some(80));
        assert_eq!(
            lines.join("\n"),
            "\
HOP   ROUTER               Loss%   Snt   Last    Avg   Best   Wrst  StDev   Jint
  1.  10.0.0.1               0.0     3   3.00   2.00   1.00   3.00   1.00   0.12
  2.  10.0.0.2              33.3     3   4.00   4.00   4.00   4.00   0.00   0.00
      rate limited, not lost
  3.  ???                  100.0     3      -      -      -      -      -      -
      silent, forwards
  4.  10.0.0.4               0.0     3  200.0  533.3  200.0   1200  577.4  121.1"
        );
        assert!(lines.iter().all(|line| line.len() <= 80));
        let wide = table(&report, &labels, true, false, None);
        assert!(
            wide[2].ends_with("0.00   0.00  rate limited, not lost"),
            "{}",
            wide[2]
        );
    }

    /// Of what waits nothing is known: neither a loss nor a distance.
    #[test]
    fn what_waits_is_not_called_without_loss() {
        let waits = |n| {
            let mut hop = hop(n, &[], 0, Verdict::None);
            (hop.sent, hop.waiting) = (2, 2);
            hop
        };
        let mut end = hop(30, &[7], 0, Verdict::None);
        let labels = |_: IpAddr| Label::default();
        let shown = |report: &[HopReport]| table(report, &labels, true, false, Some(80)).join("\n");
        let mut report: Vec<HopReport> = (2..30).map(waits).collect();
        report.insert(0, hop(1, &[1], 0, Verdict::None));
        let short = shown(&report[..2]);
        assert!(
            short.ends_with(
                "  2.  ???                      -     2      -      -      -      -      -      -"
            ),
            "{short}"
        );
        end.nearer = Some(2);
        end.last = Some(Answer {
            from: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 30)),
            kind: Kind::Reached(Reach::PortUnreachable),
            at: Duration::ZERO,
            rtt: Duration::from_millis(7),
            ttl: Some(63),
            extensions: Vec::new(),
        });
        report.push(end);
        assert_eq!(
            shown(&report),
            "\
HOP   ROUTER               Loss%   Snt   Last    Avg   Best   Wrst  StDev   Jint
  1.  10.0.0.1               0.0     1   1.00   1.00   1.00   1.00   0.00   0.00
 2-29 ???                      -     2      -      -      -      -      -      -
 30.  10.0.0.30              0.0     1   7.00   7.00   7.00   7.00   0.00   0.00
      at most 30 hops, 2 by its TTL"
        );
    }
}
