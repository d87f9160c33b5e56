//! iputils' ping.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::read;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Who answered.
    pub from: IpAddr,
    /// The request's number.
    pub seq: u32,
    /// The answer's TTL or hop limit.
    pub ttl: u8,
    /// Round trip, milliseconds; none where the payload is too short for it.
    pub ms: Option<f64>,
    /// Another answer to this request came before.
    pub duplicate: bool,
    /// Its payload is not what was sent.
    pub wrong: bool,
}

/// An ICMP error in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Who says so.
    pub from: IpAddr,
    /// The request's number.
    pub seq: u32,
    /// In ping's words.
    pub why: String,
}

/// The two lines at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Requests.
    pub sent: u32,
    /// Requests that were answered.
    pub received: u32,
    /// Further answers to them.
    pub duplicates: u32,
    /// Answers with another payload. iputils prints this only for checksums
    /// that are wrong, so it is 0 where `Reply::wrong` is set.
    pub corrupted: u32,
    /// ICMP errors, and packets that our own kernel refused.
    pub errors: u32,
    /// Share that was not answered, percent.
    pub loss: f64,
    /// min, avg, max, mdev in milliseconds.
    pub rtt: Option<[f64; 4]>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinged {
    /// Answers in the order of their arrival.
    pub replies: Vec<Reply>,
    /// Errors that came over the network.
    pub refusals: Vec<Refusal>,
    /// Errors of our own kernel, as ping words them.
    pub local: Vec<String>,
    /// The end.
    pub summary: Summary,
}

impl Pinged {
    /// Reads what `ping -n` printed, stderr included: with `-n` all hosts are
    /// numbers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut replies, mut refusals, mut local) = (Vec::<Reply>::new(), Vec::new(), Vec::new());
        let mut summary = None;
        for line in text.lines() {
            if line.is_empty() || line.starts_with("PING ") || line.starts_with("--- ") {
                continue;
            }
            // A dump of the payload that is wrong; what was under way at once,
            // where no round trip is told.
            if line.starts_with('#') || line.starts_with("pipe ") {
                continue;
            }
            if line.starts_with("wrong data byte ") {
                let last = replies.last_mut();
                last.ok_or_else(|| format!("`{line}` before any answer"))?
                    .wrong = true;
            } else if let Some(rest) = line.strip_prefix("rtt min/avg/max/mdev = ") {
                let numbers = rest.split(' ').next().unwrap_or_default();
                let numbers: Vec<f64> = numbers
                    .split('/')
                    .map(|n| read(n, line))
                    .collect::<Result<_, _>>()?;
                let whole: &mut Summary = summary
                    .as_mut()
                    .ok_or_else(|| format!("`{line}` too early"))?;
                whole.rtt = numbers.try_into().ok();
            } else if line.contains(" packets transmitted, ") {
                summary = Some(counts(line)?);
            } else if let Some(rest) = line.strip_prefix("From ") {
                refusals.push(refusal(rest, line)?);
            } else if line.contains(" bytes from ") {
                replies.push(reply(line)?);
            } else if let Some(rest) = line.strip_prefix("ping: ") {
                local.push(rest.to_owned());
            } else {
                return Err(format!("not understood: `{line}`"));
            }
        }
        Ok(Self {
            replies,
            refusals,
            local,
            summary: summary.ok_or_else(|| format!("no summary in {text:?}"))?,
        })
    }

    /// Requests that were answered, by number.
    pub fn answered(&self) -> BTreeSet<u32> {
        self.replies.iter().map(|reply| reply.seq).collect()
    }

    /// Numbers of answers of which something is true.
    pub fn which(&self, is: impl Fn(&Reply) -> bool) -> BTreeSet<u32> {
        let those = self.replies.iter().filter(|reply| is(reply));
        those.map(|reply| reply.seq).collect()
    }

    /// Round trips of first answers, milliseconds.
    pub fn round_trips(&self) -> Vec<f64> {
        let first = self.replies.iter().filter(|reply| !reply.duplicate);
        first.filter_map(|reply| reply.ms).collect()
    }
}

/// The value of `name=value` in a line.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let words = line.split_whitespace();
    let mut values = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    values.next()
}

fn reply(line: &str) -> Result<Reply, String> {
    let (_, rest) = line.split_once(" bytes from ").unwrap_or_default();
    let from = rest.split(' ').next().unwrap_or_default();
    let from = from.strip_suffix(':').unwrap_or(from);
    let need = |name| field(line, name).ok_or_else(|| format!("no {name} in `{line}`"));
    Ok(Reply {
        from: read(from, line)?,
        seq: read(need("icmp_seq")?, line)?,
        ttl: read(need("ttl")?, line)?,
        ms: field(line, "time")
            .map(|word| read(word, line))
            .transpose()?,
        duplicate: line.ends_with(" (DUP!)"),
        wrong: false,
    })
}

fn refusal(rest: &str, line: &str) -> Result<Refusal, String> {
    let mut words = rest.splitn(3, ' ');
    let mut next = || words.next().ok_or_else(|| format!("cut: `{line}`"));
    let (from, seq, why) = (next()?, next()?, next()?);
    let seq = seq.strip_prefix("icmp_seq=").unwrap_or(seq);
    Ok(Refusal {
        from: read(from, line)?,
        seq: read(seq, line)?,
        why: why.to_owned(),
    })
}

fn counts(line: &str) -> Result<Summary, String> {
    let mut summary = Summary::default();
    for part in line.split(", ") {
        let (number, what) = part.split_once(' ').unwrap_or((part, ""));
        match what {
            "packets transmitted" => summary.sent = read(number, line)?,
            "received" => summary.received = read(number, line)?,
            "duplicates" => summary.duplicates = read(number, line)?,
            "corrupted" => summary.corrupted = read(number, line)?,
            "errors" => summary.errors = read(number, line)?,
            "packet loss" => summary.loss = read(number.trim_end_matches('%'), line)?,
            _ if number == "time" => {}
            _ => return Err(format!("`{part}` in `{line}`")),
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::{Pinged, Refusal};

    #[test]
    fn a_run_with_misfortune() {
        let text = "\
PING 10.10.3.2 (10.10.3.2) 56(84) bytes of data.
64 bytes from 10.10.3.2: icmp_seq=2 ttl=62 time=0.348 ms
64 bytes from 10.10.3.2: icmp_seq=5 ttl=62 time=0.341 ms
64 bytes from 10.10.3.2: icmp_seq=5 ttl=62 time=1.50 ms (DUP!)
64 bytes from 10.10.3.2: icmp_seq=9 ttl=62 time=0.327 ms
wrong data byte #22 should be 0x16 but was 0xe9
#16\t10 11 12 13 14 15 e9 17 18 19 1a 1b 1c 1d 1e 1f
From 10.7.2.2 icmp_seq=10 Destination Host Unreachable

--- 10.10.3.2 ping statistics ---
10 packets transmitted, 3 received, +1 duplicates, +1 errors, 70% packet loss, time 1967ms
rtt min/avg/max/mdev = 0.226/30.433/300.629/90.064 ms, pipe 3
";
        let run = Pinged::parse(text).expect("all of it");
        assert_eq!(run.answered(), [2, 5, 9].into());
        assert_eq!(run.which(|r| r.duplicate), [5].into());
        assert_eq!(run.which(|r| r.wrong), [9].into());
        assert_eq!(run.round_trips(), [0.348, 0.341, 0.327]);
        let refusal = Refusal {
            from: [10, 7, 2, 2].into(),
            seq: 10,
            why: "Destination Host Unreachable".into(),
        };
        assert_eq!(run.refusals, [refusal]);
        let end = run.summary;
        assert_eq!((end.sent, end.received), (10, 3));
        assert_eq!((end.duplicates, end.errors, end.loss), (1, 1, 70.0));
        assert_eq!(end.rtt, Some([0.226, 30.433, 300.629, 90.064]));
    }

    #[test]
    fn ipv6_and_errors_of_our_own() {
        let text = "\
PING 2001:db8:8:4::2(2001:db8:8:4::2) 1400 data bytes
ping: local error: message too long, mtu: 1300
From 2001:db8:7:1::2 icmp_seq=1 Destination unreachable: No route

--- 2001:db8:8:4::2 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1017ms

";
        let run = Pinged::parse(text).expect("all of it");
        assert_eq!(run.local, ["local error: message too long, mtu: 1300"]);
        assert_eq!(
            run.refusals
                .first()
                .map(|r| (r.from.is_ipv6(), r.why.as_str())),
            Some((true, "Destination unreachable: No route"))
        );
        assert_eq!(run.summary.rtt, None);
    }

    #[test]
    fn what_is_not_understood_fails() {
        assert!(Pinged::parse("64 bytes from 10.0.0.1: hello").is_err());
        assert!(Pinged::parse("something else\n").is_err());
        assert!(Pinged::parse("").is_err());
    }
}
