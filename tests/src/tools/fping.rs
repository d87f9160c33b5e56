//! fping with `-C`: every round trip of every target.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::read;

/// Round trips by target in milliseconds; none where no answer came.
pub type Targets = BTreeMap<IpAddr, Vec<Option<f64>>>;

/// Reads the lines `TARGET : 0.246 - 0.233` that `fping -q -C` says on stderr.
pub fn targets(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        // Errors, which have no number, and further answers to one request.
        if line.starts_with("ICMP ") || line.contains(" : duplicate for [") {
            continue;
        }
        let (target, times) = line
            .split_once(" : ")
            .ok_or_else(|| format!("not understood: `{line}`"))?;
        let one = |word: &str| match word {
            "-" => Ok(None),
            _ => read(word, line).map(Some),
        };
        let times = times.split_whitespace().map(one).collect::<Result<_, _>>();
        targets.insert(read(target.trim(), line)?, times?);
    }
    Ok(targets)
}

/// Who said what of whom: `ICMP Host Unreachable from A for ICMP Echo sent to B`.
pub fn refusals(text: &str) -> Result<Vec<(IpAddr, String, IpAddr)>, String> {
    let mut all = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("ICMP ") else {
            continue;
        };
        let cut = || format!("not understood: `{line}`");
        let (why, rest) = rest.split_once(" from ").ok_or_else(cut)?;
        let (from, of) = rest.split_once(" for ICMP Echo sent to ").ok_or_else(cut)?;
        all.push((read(from, line)?, why.to_owned(), read(of, line)?));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{refusals, targets};

    #[test]
    fn two_targets_and_what_was_refused() {
        let text = "ICMP Host Unreachable from 10.7.2.2 for ICMP Echo sent to 10.7.110.1\n\
                    10.10.3.2  : 0.246 - 0.233\n\
                    10.10.3.2 : duplicate for [5], 64 bytes, 1.43 ms\n\
                    10.7.110.1 : - - -\n";
        let all = targets(text).expect("all of it");
        assert_eq!(
            all[&[10, 10, 3, 2].into()],
            [Some(0.246), None, Some(0.233)]
        );
        assert_eq!(all[&[10, 7, 110, 1].into()], [None; 3]);
        let refusal = (
            [10, 7, 2, 2].into(),
            "Host Unreachable".to_owned(),
            [10, 7, 110, 1].into(),
        );
        assert_eq!(refusals(text), Ok(vec![refusal]));
        assert!(targets("nobody\n").is_err());
    }
}
