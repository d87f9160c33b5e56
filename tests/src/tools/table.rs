//! `magpie traceroute --live` as it stands on a screen.

use std::net::IpAddr;

use super::read;

/// The table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Rounds that are over.
    pub rounds: u32,
    /// A hop each.
    pub rows: Vec<Row>,
    /// What stands below.
    pub below: Vec<String>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its TTL.
    pub ttl: u8,
    /// Who answers, if anybody.
    pub host: Option<IpAddr>,
    /// Share of probes without an answer, percent.
    pub loss: f64,
    /// Probes.
    pub sent: u32,
    /// The last, average, best and worst round trip, their deviation and jitter in
    /// milliseconds; none where nothing was answered.
    pub rtt: Option<[f64; 6]>,
    /// What is said beside.
    pub remark: String,
}

const HEADING: &str = "HOP ROUTER Loss% Snt Last Avg Best Wrst StDev Jint";

impl Table {
    /// Reads a screen with one table, from its first line on.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let title = lines.next().unwrap_or_default();
        let rounds = title
            .strip_prefix("traceroute to ")
            .and_then(|title| title.strip_suffix(" rounds"))
            .and_then(|title| title.rsplit(' ').next())
            .ok_or_else(|| format!("no title: `{title}`"))?;
        let heading = lines.next().unwrap_or_default();
        if !heading.split_whitespace().eq(HEADING.split(' ')) {
            return Err(format!("another heading: `{heading}`"));
        }
        let mut table = Self {
            rounds: read(rounds, title)?,
            rows: Vec::new(),
            below: Vec::new(),
        };
        for line in lines.filter(|line| !line.is_empty()) {
            // A remark has a line of its own where there is no room for it.
            if let (Some(remark), Some(row)) = (line.strip_prefix("      "), table.rows.last_mut())
            {
                remark.clone_into(&mut row.remark);
            } else if line.starts_with(' ') && table.below.is_empty() {
                table.rows.push(row(line)?);
            } else {
                table.below.push(line.to_owned());
            }
        }
        Ok(table)
    }
}

fn row(line: &str) -> Result<Row, String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [ttl, host, loss, sent, rest @ ..] = words.as_slice() else {
        return Err(format!("cut: `{line}`"));
    };
    let (times, remark) = rest
        .split_at_checked(6)
        .ok_or_else(|| format!("cut: `{line}`"))?;
    let rtt = if times.iter().all(|time| *time == "-") {
        None
    } else {
        let times: Result<Vec<f64>, _> = times.iter().map(|time| read(time, line)).collect();
        times?.try_into().ok()
    };
    Ok(Row {
        ttl: read(ttl.trim_end_matches('.'), line)?,
        host: match *host {
            "???" => None,
            host => Some(read(host, line)?),
        },
        loss: read(loss, line)?,
        sent: read(sent, line)?,
        rtt,
        remark: remark.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::{Row, Table};

    const TITLE: &str = "traceroute to 10.4.5.2 (10.4.5.2) by UDP, 3 rounds";
    const HEADING: &str =
        "HOP   ROUTER               Loss%   Snt   Last    Avg   Best   Wrst  StDev   Jint";

    #[test]
    fn remarks_beside_and_below() {
        let text = format!(
            "{TITLE}\n{HEADING}
  1.  10.4.1.2               0.0     3   3.00   2.00   1.00   3.00   1.00   0.12
  2.  ???                  100.0     3      -      -      -      -      -      -
      silent, forwards
  3.  10.4.3.2              33.3     3   4.00   4.00   4.00   4.00   0.00   0.00  rate limited

Ctrl-C ends, and leaves the table\n"
        );
        let table = Table::parse(&text).expect("all of it");
        assert_eq!(table.rounds, 3);
        let row = |ttl, host, loss, rtt, remark: &str| Row {
            ttl,
            host,
            loss,
            sent: 3,
            rtt,
            remark: remark.to_owned(),
        };
        let rtt = [3.0, 2.0, 1.0, 3.0, 1.0, 0.12];
        assert_eq!(
            table.rows,
            [
                row(1, Some([10, 4, 1, 2].into()), 0.0, Some(rtt), ""),
                row(2, None, 100.0, None, "silent, forwards"),
                row(
                    3,
                    Some([10, 4, 3, 2].into()),
                    33.3,
                    Some([4.0, 4.0, 4.0, 4.0, 0.0, 0.0]),
                    "rate limited"
                ),
            ]
        );
        assert_eq!(table.below, ["Ctrl-C ends, and leaves the table"]);
    }

    #[test]
    fn what_is_not_understood_fails() {
        assert!(Table::parse("").is_err());
        assert!(Table::parse(&format!("{TITLE}\nHOP ROUTER\n")).is_err());
        assert!(Table::parse(&format!("{TITLE}\n{HEADING}\n  1. 10.0.0.1 0.0\n")).is_err());
    }
}
