//! What a user must be told of a sensor's port, once each time.

use std::net::Ipv4Addr;

use magpie_protocol::{LinkState, NetState, Port};

/// A link that is down for so long is no negotiation any more.
const DOWN_US: u64 = 3_000_000;

/// Follows one sensor's port.
#[derive(Debug, Default)]
pub(super) struct PortWatch {
    boot_id: Option<u32>,
    down_since: Option<u64>,
    told_down: bool,
    told_no_lease: bool,
    refused: u32,
}

impl PortWatch {
    /// What is new, in words; `now_us` is host time.
    pub(super) fn news(&mut self, now_us: u64, boot_id: Option<u32>, port: &Port) -> Vec<String> {
        if self.boot_id != boot_id {
            *self = Self {
                boot_id,
                ..Self::default()
            };
        }
        let mut news = Vec::new();
        match port.link {
            LinkState::Down => {
                let since = *self.down_since.get_or_insert(now_us);
                if !self.told_down && now_us.saturating_sub(since) >= DOWN_US {
                    self.told_down = true;
                    news.push(
                        "the link of its port is down, no frame comes; check the cable, and what is \
                         at its other end"
                            .to_owned(),
                    );
                }
            }
            link @ (LinkState::Up { .. } | LinkState::Unknown) => {
                self.down_since = None;
                if std::mem::take(&mut self.told_down) {
                    news.push(format!("the link of its port is up{}", speed(link)));
                }
            }
        }
        match port.net {
            NetState::NoLease if !self.told_no_lease => {
                self.told_no_lease = true;
                news.push(
                    "no DHCP lease in 10 s; records stay on the serial line, and it goes on asking"
                        .to_owned(),
                );
            }
            NetState::Up(address) if std::mem::take(&mut self.told_no_lease) => {
                let address = Ipv4Addr::from(address);
                news.push(format!("its port has an address now, {address}"));
            }
            _ => {}
        }
        if port.refused > self.refused {
            let more = port.refused - self.refused;
            self.refused = port.refused;
            news.push(format!(
                "it refused {more} commands about filters that came by UDP, where anybody may ask; \
                 packets are handed out over the serial line only"
            ));
        }
        news
    }
}

fn speed(link: LinkState) -> String {
    match link {
        LinkState::Up { mbit, full_duplex } if mbit > 0 => {
            let duplex = if full_duplex { "full" } else { "half" };
            format!(" again: {mbit} Mbit/s, {duplex} duplex")
        }
        _ => " again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn each_state_is_told_once() {
        let mut watch = PortWatch::default();
        let mut said = |at: u64, boot_id, link, net| {
            let port = Port {
                link,
                net,
                ..Port::default()
            };
            watch.news(at * SECOND, Some(boot_id), &port).join("; ")
        };
        let up = LinkState::Up {
            mbit: 100,
            full_duplex: true,
        };
        // A port negotiates for two seconds or so after each boot.
        assert_eq!(said(0, 1, LinkState::Down, NetState::Asking), "");
        assert_eq!(said(2, 1, LinkState::Down, NetState::Asking), "");
        assert_eq!(said(3, 1, up, NetState::Asking), "");
        let no_lease = said(10, 1, up, NetState::NoLease);
        assert!(
            no_lease.starts_with("no DHCP lease in 10 s; records stay on the serial line"),
            "{no_lease}"
        );
        assert_eq!(said(11, 1, up, NetState::NoLease), "");
        assert_eq!(
            said(12, 1, up, NetState::Up([10, 0, 0, 9])),
            "its port has an address now, 10.0.0.9"
        );
        assert_eq!(said(13, 1, up, NetState::Up([10, 0, 0, 9])), "");
        assert_eq!(said(20, 1, LinkState::Down, NetState::Asking), "");
        assert!(said(23, 1, LinkState::Down, NetState::Asking).contains("is down"));
        assert_eq!(said(24, 1, LinkState::Down, NetState::Asking), "");
        assert_eq!(
            said(25, 1, up, NetState::Asking),
            "the link of its port is up again: 100 Mbit/s, full duplex"
        );
        // Another boot is another port.
        assert!(said(40, 1, up, NetState::NoLease).contains("no DHCP lease"));
        assert_eq!(said(41, 2, LinkState::Down, NetState::Asking), "");
        assert_eq!(said(43, 2, up, NetState::Silent), "");
        // Whoever asks by UDP is told of, each time there are more.
        let mut watch = PortWatch::default();
        let mut refused = |boot_id, refused| {
            let port = Port {
                refused,
                ..Port::default()
            };
            watch.news(SECOND, Some(boot_id), &port).join("; ")
        };
        assert_eq!(refused(1, 0), "");
        assert!(refused(1, 2).starts_with("it refused 2 commands about filters"));
        assert_eq!(refused(1, 2), "");
        assert!(refused(1, 3).starts_with("it refused 1 commands"));
        assert!(refused(2, 1).contains("refused 1"), "of another boot");
        let mut watch = PortWatch::default();
        let mut said = |at: u64, boot_id, link, net| {
            let port = Port {
                link,
                net,
                ..Port::default()
            };
            watch.news(at * SECOND, Some(boot_id), &port).join("; ")
        };
        // One that cannot tell says nothing.
        assert_eq!(said(90, 2, LinkState::Unknown, NetState::Unknown(9)), "");
    }
}
