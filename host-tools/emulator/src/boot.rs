//! The boot block: what a board is given before its first instruction.

use crate::error::EmulatorError;

/// Length of the boot block in octets.
pub const BOOT_OCTETS: usize = 40;
/// Flag bit 0: every frame carries its capture time behind it.
pub const FLAG_STAMPED: u32 = 1;
/// Octets of that stamp: microseconds since 1970, big-endian.
pub const STAMP_OCTETS: usize = 8;

/// Parameters of one boot, written to the ELF symbol `MAGPIE_BOOT`.
///
/// | octets | field |
/// |---|---|
/// | 32 | seed: hash secret and boot id come from it |
/// | 4 | flags, little-endian ([`FLAG_STAMPED`]) |
/// | 4 | zero |
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootBlock {
    /// Entropy; all zero shows in the ledger.
    pub seed: [u8; 32],
    /// Flags.
    pub flags: u32,
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
    /// With the seed given, or a fresh one.
    pub fn new(seed: Option<[u8; 32]>, stamped: bool) -> Result<Self, EmulatorError> {
        let seed = match seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let flags = if stamped { FLAG_STAMPED } else { 0 };
        Ok(Self { seed, flags })
    }

    /// As the board reads it.
    pub fn encode(&self) -> [u8; BOOT_OCTETS] {
        let mut out = [0; BOOT_OCTETS];
        out[..32].copy_from_slice(&self.seed);
        out[32..36].copy_from_slice(&self.flags.to_le_bytes());
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
        let block = BootBlock::new(Some([7; 32]), true).unwrap().encode();
        assert_eq!(&block[..32], &[7; 32]);
        assert_eq!(&block[32..], &[1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            BootBlock::new(Some([7; 32]), false).unwrap().encode()[32],
            0
        );
    }

    #[test]
    fn every_boot_draws_its_own_seed() {
        let one = BootBlock::new(None, true).unwrap();
        let two = BootBlock::new(None, true).unwrap();
        assert_ne!(one.seed, two.seed);
        assert_ne!(one.seed, [0; 32]);
    }
}
