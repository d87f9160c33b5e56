//! Flows whose finished records a sensor could not keep, in words and columns.

use magpie_collector::{UnsentFlows, UnsentSums, address};
use magpie_protocol::{FlowSum, UnsentKey};

use super::names;
use super::text::{Columns, thousands};

/// Lines of the table; the rest is one line.
const MOST_LINES: usize = 24;
/// Lines named in the sentence.
const MOST_NAMED: usize = 3;

/// `>=` where more of it stands under `other`.
pub(super) fn at_least(sums: &UnsentSums, n: u64) -> String {
    let sign = if sums.missed_at_most > 0 { ">=" } else { "" };
    format!("{sign}{}", thousands(n))
}

/// `tcp 10.0.0.5`.
pub(super) fn name(key: &UnsentKey) -> String {
    let protocol = names::protocol_or_number(key.protocol);
    format!("{protocol} {}", address(key.responder))
}

/// All lines with their names, the responders first: at most so many of those,
/// and the rest as one.
pub(super) fn lines(unsent: &UnsentFlows, most: usize) -> Vec<(String, UnsentSums)> {
    let named = unsent.lines.iter().take(most);
    let mut lines: Vec<_> = named.map(|(key, sums)| (name(key), *sums)).collect();
    let rest = unsent.lines.iter().skip(most);
    let more = rest.len();
    if more > 0 {
        let sum = rest.fold(UnsentSums::default(), |mut sum, (_, sums)| {
            sum.add(sums);
            sum
        });
        lines.push((format!("{more} more"), sum));
    }
    for (name, sums) in [("other", unsent.other), ("not told", unsent.untold)] {
        if sums.flows() > 0 {
            lines.push((name.to_owned(), sums));
        }
    }
    lines
}

/// As a table.
pub(super) fn columns(unsent: &UnsentFlows) -> Columns {
    let mut columns = Columns::new("<>>>>", &["", "FLOWS", "PACKETS", "OCTETS", "UNCONFIRMED"]);
    for (name, sums) in lines(unsent, MOST_LINES) {
        let FlowSum {
            flows,
            packets,
            octets,
        } = sums.never_sent;
        let unsure = sums.unconfirmed.flows;
        columns.row([
            name,
            at_least(&sums, flows),
            at_least(&sums, packets),
            at_least(&sums, octets),
            if unsure > 0 {
                at_least(&sums, unsure)
            } else {
                String::new()
            },
        ]);
    }
    columns
}

/// As a sentence; `None` where all was kept.
pub(super) fn sentence(unsent: &UnsentFlows) -> Option<String> {
    let total = &unsent.total;
    if total.flows() == 0 {
        return None;
    }
    let sum = |sum: &FlowSum| {
        format!(
            "{} flows {} packets {} octets",
            thousands(sum.flows),
            thousands(sum.packets),
            thousands(sum.octets)
        )
    };
    let mut text = format!("never sent: {}", sum(&total.never_sent));
    if total.unconfirmed.flows > 0 {
        text = text + ", unconfirmed: " + &sum(&total.unconfirmed);
    }
    let lines: Vec<_> = lines(unsent, MOST_NAMED)
        .into_iter()
        .map(|(name, sums)| format!("{name} {} flows", at_least(&sums, sums.flows())))
        .collect();
    Some(text + ": " + &lines.join(", "))
}

#[cfg(test)]
mod tests {
    use magpie_protocol::Address;

    use super::*;

    fn sums(flows: u64, unsure: u64, missed_at_most: u64) -> UnsentSums {
        let sum = |flows| FlowSum {
            flows,
            packets: 2 * flows,
            octets: 100 * flows,
        };
        UnsentSums {
            never_sent: sum(flows),
            unconfirmed: sum(unsure),
            missed_at_most,
        }
    }

    fn key(protocol: u8, host: u8) -> UnsentKey {
        UnsentKey {
            protocol,
            responder: Address::V4([10, 0, 0, host]),
        }
    }

    #[test]
    fn what_was_not_kept_in_a_sentence() {
        let all_kept = UnsentFlows::default();
        assert_eq!(sentence(&all_kept), None);
        assert!(columns(&all_kept).is_empty());
        let unsent = UnsentFlows {
            total: sums(2_000, 10, 0),
            lines: vec![
                (key(6, 5), sums(1_000, 10, 0)),
                (key(17, 6), sums(600, 0, 30)),
                (key(47, 7), sums(100, 0, 0)),
                (key(1, 8), sums(60, 0, 0)),
                (key(1, 9), sums(40, 0, 50)),
            ],
            other: sums(150, 0, 0),
            untold: sums(50, 0, 0),
        };
        assert_eq!(
            sentence(&unsent).expect("something was lost"),
            "never sent: 2,000 flows 4,000 packets 200,000 octets, unconfirmed: 10 flows 20 packets \
             1,000 octets: tcp 10.0.0.5 1,010 flows, udp 10.0.0.6 >=600 flows, gre 10.0.0.7 100 \
             flows, 2 more >=100 flows, other 150 flows, not told 50 flows"
        );
    }
}
