//! What a route is, on every system.

use std::net::IpAddr;

/// A route, as `netstat -rn` shows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: IpAddr,
    /// Length of that network.
    pub prefix: u8,
    /// Who passes it on; all zeroes where it is on the link.
    pub gateway: IpAddr,
    /// `RTF_...` of `linux/route.h` and `linux/ipv6_route.h`.
    pub flags: u32,
    /// The lower, the sooner taken.
    pub metric: u32,
    /// How many refer to it.
    pub references: u32,
    /// How often it was taken, as far as the kernel still counts that.
    pub uses: u32,
    /// Longest TCP segment; 0: the usual one. IPv4 alone, as are the next two.
    pub mss: u32,
    /// TCP window; 0: the usual one.
    pub window: u32,
    /// First round trip, in milliseconds; 0: the usual one.
    pub irtt_ms: u32,
    /// By which interface; `*`: by none.
    pub interface: String,
}

impl Route {
    const GATEWAY: u32 = 0x2;
    const HOST: u32 = 0x4;
    const REJECT: u32 = 0x200;

    /// Is in use.
    pub fn is_up(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Packets for it are refused.
    pub fn is_reject(&self) -> bool {
        self.flags & Self::REJECT != 0
    }

    /// As `netstat` shows them: `U` up, `G` gateway, `H` host, `!` refused, `R`
    /// reinstated, `D` by a redirect, `M` modified by one; of IPv6 `!` or `U`,
    /// `G`, `H`, `D` default, `A` by an advertisement, `C` cached, `n` without a next hop.
    pub fn flag_letters(&self) -> String {
        const IPV4: [(u32, char); 3] = [(0x8, 'R'), (0x10, 'D'), (0x20, 'M')];
        const IPV6: [(u32, char); 4] = [
            (0x1_0000, 'D'),
            (0x4_0000, 'A'),
            (0x100_0000, 'C'),
            (0x20_0000, 'n'),
        ];
        let mut letters = String::from(if self.is_reject() { "!" } else { "U" });
        let more: &[(u32, char)] = if self.destination.is_ipv6() {
            &IPV6
        } else {
            &IPV4
        };
        // Of a route of IPv4 that is refused the rest is all that is told, too.
        let both = [(Self::GATEWAY, 'G'), (Self::HOST, 'H')];
        let both = both.iter().filter(|(bit, _)| {
            self.destination.is_ipv6() || *bit != Self::GATEWAY || !self.is_reject()
        });
        letters.extend(
            both.chain(more)
                .filter(|(bit, _)| self.flags & bit != 0)
                .map(|(_, letter)| *letter),
        );
        letters
    }
}
