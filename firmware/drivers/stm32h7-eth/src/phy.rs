//! The PHY: IEEE 802.3 clause 22 registers, and the one of Microchip's LAN8742A
//! that says what was agreed on.

use magpie_mmio::Registers;

use crate::mac::{Mac, StartError};

const BMCR: u32 = 0;
const BMSR: u32 = 1;
const PHYID1: u32 = 2;
const ANAR: u32 = 4;
/// LAN8742A, "PHY special control/status register".
const SPECIAL: u32 = 31;

const BMCR_RESET: u16 = 1 << 15;
const BMCR_AUTO: u16 = 1 << 12;
const BMCR_RESTART: u16 = 1 << 9;
const BMSR_LINK: u16 = 1 << 2;
/// 10 and 100 Mbit/s, half and full duplex, of 802.3; bits 10 and 11, PAUSE,
/// are 0: we do not promise to obey it, and nobody needs to send it.
const ANAR_ALL_NO_PAUSE: u16 = 0x01e1;

/// How often the PHY is asked whether its reset has ended: 0.5 s at most
/// (802.3, 22.2.4.1.1), some 30 us each.
const RESET_READS: u32 = 20_000;

/// State of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// None, or nothing agreed on yet.
    Down,
    /// Frames can come.
    Up {
        /// 100 Mbit/s; else 10.
        hundred: bool,
        /// Full duplex.
        full_duplex: bool,
    },
}

/// Resets the PHY and lets it negotiate.
pub(crate) fn start<R: Registers>(mac: &mut Mac<R>) -> Result<(), StartError> {
    // An empty bus reads ones.
    if matches!(mac.phy_read(PHYID1)?, 0 | u16::MAX) {
        return Err(StartError::NoPhy(mac.phy_address()));
    }
    mac.phy_write(BMCR, BMCR_RESET)?;
    for reads in 0.. {
        if mac.phy_read(BMCR)? & BMCR_RESET == 0 {
            break;
        }
        if reads == RESET_READS {
            return Err(StartError::PhyStuck);
        }
    }
    mac.phy_write(ANAR, ANAR_ALL_NO_PAUSE)?;
    mac.phy_write(BMCR, BMCR_AUTO | BMCR_RESTART)
}

/// What the PHY says of the cable.
pub(crate) fn link<R: Registers>(mac: &mut Mac<R>) -> Result<Link, StartError> {
    // A lost link stays in BMSR until it was read once: then it was down, if
    // only for a moment, and is looked at again the next time.
    if mac.phy_read(BMSR)? & BMSR_LINK == 0 {
        return Ok(Link::Down);
    }
    let speed = (mac.phy_read(SPECIAL)? >> 2) & 0b111;
    Ok(match speed {
        0b001 | 0b101 => Link::Up {
            hundred: false,
            full_duplex: speed == 0b101,
        },
        0b010 | 0b110 => Link::Up {
            hundred: true,
            full_duplex: speed == 0b110,
        },
        _ => Link::Down,
    })
}
