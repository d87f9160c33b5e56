//! traceroute's lines.

use std::fmt::Write as _;
use std::io::{self, Write};

use magpie_probe::trace::{Answer, Counts, Kind, Place};

use super::{Labels, ms};

/// Writes places as they come, as traceroute does: a line a hop, an address
/// where it is another one than before.
#[derive(Debug, Clone)]
pub struct Lines {
    numeric: bool,
    extensions: bool,
    /// The last answer of this hop.
    last: Option<Answer>,
    is_open: bool,
}

impl Lines {
    /// Numbers instead of names; extensions shown or not.
    pub fn new(numeric: bool, extensions: bool) -> Self {
        Self {
            numeric,
            extensions,
            last: None,
            is_open: false,
        }
    }

    /// One more probe.
    pub fn place(
        &mut self,
        place: &Place,
        labels: &Labels<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if place.attempt == 0 {
            self.end(out)?;
            write!(out, "{:2} ", place.hop)?;
            self.is_open = true;
            self.last = None;
        }
        if let Some(answer) = &place.answer {
            let text = self.answer(place.hop, answer, labels);
            self.last = Some(answer.clone());
            out.write_all(text.as_bytes())?;
        } else {
            write!(out, " *")?;
        }
        match place.mtu {
            Some(mtu) => write!(out, " F={mtu}"),
            None => Ok(()),
        }
    }

    /// Ends the line of the last hop.
    pub fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.is_open) {
            writeln!(out)?;
        }
        Ok(())
    }

    fn answer(&self, hop: u8, answer: &Answer, labels: &Labels<'_>) -> String {
        let mut text = String::new();
        let back = |answer: &Answer| answer.odd_hops_back(hop);
        let is_news = self.last.as_ref().is_none_or(|last| {
            last.from != answer.from
                || back(last) != back(answer)
                || (self.extensions && last.extensions != answer.extensions)
        });
        if is_news {
            let _ = write!(
                text,
                " {}",
                labels(answer.from).text(answer.from, self.numeric)
            );
            if self.extensions && !answer.extensions.is_empty() {
                let objects: Vec<String> =
                    answer.extensions.iter().map(ToString::to_string).collect();
                let _ = write!(text, " <{}>", objects.join(";"));
            }
            if let Some(back) = back(answer) {
                let _ = write!(text, " '-{back}'");
            }
        }
        let _ = write!(text, "  {} ms", ms(answer.rtt));
        if let Kind::Unreachable(cause) = answer.kind {
            let letters = cause.to_string();
            if !letters.is_empty() {
                let _ = write!(text, " {letters}");
            }
        }
        text
    }
}

/// What traceroute does not say and who reads a trace should know, if there is
/// any of it.
pub fn doubts(counts: &Counts) -> Option<String> {
    let mut parts = Vec::new();
    if counts.late > 0 {
        parts.push(format!("{} came late", counts.late));
    }
    if counts.duplicates > 0 {
        parts.push(format!("{} came twice", counts.duplicates));
    }
    // Raw sockets hear what is for others: that is no doubt.
    let forged = counts.foreign.get("identity").copied().unwrap_or(0);
    if forged > 0 {
        parts.push(format!(
            "{forged} claimed to answer probes that they did not see"
        ));
    }
    (!parts.is_empty()).then(|| format!("of the answers, {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use magpie_probe::trace::{Cause, Label as Mpls, Object, Probe, Reach, State};

    use super::*;
    use crate::views::trace::Label;

    fn answer(from: &str, us: u64, kind: Kind, ttl: u8) -> Answer {
        Answer {
            from: from.parse().unwrap(),
            kind,
            at: Duration::from_secs(1),
            rtt: Duration::from_micros(us),
            ttl: Some(ttl),
            extensions: Vec::new(),
        }
    }

    fn place(hop: u8, attempt: u8, answer: Option<Answer>, mtu: Option<u32>) -> Place {
        let probe = Probe {
            serial: 0,
            hop,
            attempt: attempt.into(),
            flow: 0,
            octets: 60,
            sent_at: Duration::ZERO,
            state: State::Waiting,
        };
        Place {
            hop,
            attempt,
            probe,
            answer,
            mtu,
        }
    }

    fn written(places: &[Place], lines: &mut Lines, labels: &Labels<'_>) -> String {
        let mut out = Vec::new();
        for place in places {
            lines.place(place, labels, &mut out).unwrap();
        }
        lines.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_traceroute() {
        let over = Kind::TimeExceeded;
        let mut labelled = answer("10.0.0.3", 3_000, over, 62);
        let label = |label, bottom| Mpls {
            label,
            traffic_class: 0,
            bottom,
            ttl: 1,
        };
        labelled.extensions = vec![Object::Mpls(vec![label(16, false), label(17, true)])];
        let places = [
            place(1, 0, Some(answer("10.0.0.1", 123, over, 64)), None),
            place(1, 1, Some(answer("10.0.0.1", 120, over, 64)), None),
            place(1, 2, Some(answer("10.0.0.1", 118, over, 64)), None),
            place(2, 0, None, None),
            place(2, 1, Some(answer("10.0.0.2", 12_345, over, 63)), None),
            place(2, 2, Some(answer("10.0.0.9", 1, over, 57)), None),
            place(3, 0, Some(labelled), Some(1_400)),
            place(3, 1, None, None),
            place(3, 2, None, None),
            place(
                4,
                0,
                Some(answer(
                    "10.0.0.4",
                    4_000,
                    Kind::Reached(Reach::PortUnreachable),
                    61,
                )),
                None,
            ),
            place(
                4,
                1,
                Some(answer(
                    "10.0.0.4",
                    4_000,
                    Kind::Unreachable(Cause::Host),
                    61,
                )),
                None,
            ),
            place(
                4,
                2,
                Some(answer(
                    "10.0.0.4",
                    4_000,
                    Kind::Unreachable(Cause::TooBig { mtu: 1_280 }),
                    61,
                )),
                None,
            ),
        ];
        let labels = |address: IpAddr| Label {
            name: (address.to_string() == "10.0.0.1").then(|| "gw.example".to_owned()),
            asn: None,
        };
        assert_eq!(
            written(&places, &mut Lines::new(false, true), &labels),
            " 1  gw.example (10.0.0.1)  0.123 ms  0.120 ms  0.118 ms\n \
             2  * 10.0.0.2 (10.0.0.2)  12.345 ms 10.0.0.9 (10.0.0.9) '-8'  0.001 ms\n \
             3  10.0.0.3 (10.0.0.3) <MPLS:L=16,E=0,S=0,T=1/L=17,E=0,S=1,T=1>  3.000 ms F=1400 * *\n \
             4  10.0.0.4 (10.0.0.4)  4.000 ms  4.000 ms !H  4.000 ms !F-1280\n"
        );
        let labels = |address: IpAddr| Label {
            name: None,
            asn: Some((address.to_string() == "10.0.0.1").then_some(64_500)),
        };
        assert_eq!(
            written(&places[..5], &mut Lines::new(true, false), &labels),
            " 1  10.0.0.1 [AS64500]  0.123 ms  0.120 ms  0.118 ms\n \
             2  * 10.0.0.2 [*]  12.345 ms\n"
        );
    }

    #[test]
    fn doubts_are_told_where_there_are_any() {
        let mut counts = Counts::default();
        assert_eq!(doubts(&counts), None);
        counts.late = 1;
        counts.foreign.insert("identity", 2);
        counts.foreign.insert("address", 3);
        assert_eq!(
            doubts(&counts).unwrap(),
            "of the answers, 1 came late, 2 claimed to answer probes that they did not see"
        );
    }
}
