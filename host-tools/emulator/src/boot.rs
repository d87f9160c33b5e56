//! The boot block: what a board is given before its first instruction.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::error::EmulatorError;

/// Length of the boot block in octets.
pub const BOOT_OCTETS: usize = 56;
/// Of these, the network settings.
const NETWORK_OCTETS: usize = 16;
/// Flag bit 0: every frame carries its capture time behind it.
pub const FLAG_STAMPED: u32 = 1;
/// Flag bit 1: between frames the clock goes on from the last stamp.
pub const FLAG_RUNNING: u32 = 2;
/// Octets of that stamp: microseconds since 1970, big-endian.
pub const STAMP_OCTETS: usize = 8;

/// Parameters of one boot, written to the ELF symbol `MAGPIE_BOOT`.
///
/// | octets | field |
/// |---|---|
/// | 32 | seed: hash secret and boot id come from it |
/// | 4 | flags, little-endian ([`FLAG_STAMPED`], [`FLAG_RUNNING`]) |
/// | 16 | [`Network`] settings |
/// | 4 | by how much the clock runs fast, parts per million, signed, little-endian |
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootBlock {
    /// Entropy; all zero shows in the ledger.
    pub seed: [u8; 32],
    /// Flags.
    pub flags: u32,
    /// For an image that speaks; a silent one does not look at it.
    pub network: Network,
    /// By how much its own clock runs fast (slow where negative), in parts per
    /// million.
    pub clock_ppm: i32,
}

/// Which time a board lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoardClock {
    /// Its own, since its boot.
    Own,
    /// That of the frames, each of which carries its own; it stands still
    /// between them. For captures, fed at whatever speed.
    #[default]
    Stamped,
    /// That of the frames too, and between them it goes on. For live wires.
    Running,
}

impl BoardClock {
    /// Whether every frame fed carries its time.
    pub fn is_stamped(self) -> bool {
        self != Self::Own
    }

    fn flags(self) -> u32 {
        match self {
            Self::Own => 0,
            Self::Stamped => FLAG_STAMPED,
            Self::Running => FLAG_STAMPED | FLAG_RUNNING,
        }
    }
}

/// How an image that speaks does so. Nothing set: an address by DHCP, records
/// to the first host that sends commands.
///
/// | octets | field |
/// |---|---|
/// | 4 + 2 | host's address and port, big-endian; zero for none |
/// | 4 + 1 | own address and its prefix length; zero for DHCP |
/// | 1 | zero |
/// | 4 | gateway; zero for none |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Network {
    /// Where records go.
    pub host: Option<SocketAddrV4>,
    /// The board's own address and prefix length.
    pub own: Option<(Ipv4Addr, u8)>,
    /// Where packets to other networks go.
    pub gateway: Option<Ipv4Addr>,
}

impl Network {
    fn encode(&self) -> [u8; NETWORK_OCTETS] {
        let mut out = [0; NETWORK_OCTETS];
        if let Some(host) = self.host {
            out[..4].copy_from_slice(&host.ip().octets());
            out[4..6].copy_from_slice(&host.port().to_be_bytes());
        }
        if let Some((address, prefix)) = self.own {
            out[6..10].copy_from_slice(&address.octets());
            out[10] = prefix;
        }
        if let Some(gateway) = self.gateway {
            out[12..].copy_from_slice(&gateway.octets());
        }
        out
    }
}

impl std::fmt::Debug for BootBlock {
    // The seed is a secret of the hash table: not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BootBlock")
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl BootBlock {
    /// With the seed given, or a fresh one, and a clock as good as QEMU's.
    pub fn new(
        seed: Option<[u8; 32]>,
        clock: BoardClock,
        network: Network,
    ) -> Result<Self, EmulatorError> {
        let seed = match seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        Ok(Self {
            seed,
            flags: clock.flags(),
            network,
            clock_ppm: 0,
        })
    }

    /// As the board reads it.
    pub fn encode(&self) -> [u8; BOOT_OCTETS] {
        let mut out = [0; BOOT_OCTETS];
        out[..32].copy_from_slice(&self.seed);
        out[32..36].copy_from_slice(&self.flags.to_le_bytes());
        out[36..52].copy_from_slice(&self.network.encode());
        out[52..].copy_from_slice(&self.clock_ppm.to_le_bytes());
        out
    }
}

fn random_seed() -> Result<[u8; 32], EmulatorError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| EmulatorError::Seed {
        reason: e.to_string(),
    })?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_boards() {
        let block = |clock, network, clock_ppm| {
            let block = BootBlock::new(Some([7; 32]), clock, network).unwrap();
            BootBlock { clock_ppm, ..block }.encode()
        };
        let plain = block(BoardClock::Stamped, Network::default(), 0);
        assert_eq!(&plain[..32], &[7; 32]);
        assert_eq!(&plain[32..36], &[1, 0, 0, 0]);
        assert_eq!(&plain[36..], &[0; 20]);
        let live = block(BoardClock::Running, Network::default(), -150);
        assert_eq!(&live[32..36], &[3, 0, 0, 0]);
        assert_eq!(&live[52..], &[0x6a, 0xff, 0xff, 0xff]);
        let network = Network {
            host: Some("10.0.0.1:4739".parse().unwrap()),
            own: Some(([10, 0, 0, 9].into(), 24)),
            gateway: Some([10, 0, 0, 254].into()),
        };
        let speaking = block(BoardClock::Own, network, 0);
        assert_eq!(&speaking[32..36], &[0; 4]);
        // As `magpie_node::speak::Settings` reads it.
        assert_eq!(
            &speaking[36..52],
            &[10, 0, 0, 1, 0x12, 0x83, 10, 0, 0, 9, 24, 0, 10, 0, 0, 254]
        );
    }

    #[test]
    fn every_boot_draws_its_own_seed() {
        let one = BootBlock::new(None, BoardClock::Stamped, Network::default()).unwrap();
        let two = BootBlock::new(None, BoardClock::Stamped, Network::default()).unwrap();
        assert_ne!(one.seed, two.seed);
        assert_ne!(one.seed, [0; 32]);
    }
}
