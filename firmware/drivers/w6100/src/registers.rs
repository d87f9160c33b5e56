//! Registers of the W6100: where they are and what their bits say. Names are the
//! data sheet's (`WIZnet`, W6100 datasheet 1.0.5, chapter "Register Descriptions").

/// A register, or a place in a buffer: the chip's memory comes in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Block select bits, BSB.
    pub(crate) block: u8,
    /// Offset address.
    pub(crate) offset: u16,
}

const fn common(offset: u16) -> Place {
    Place { block: 0, offset }
}

const fn socket(number: u8, offset: u16) -> Place {
    // 1, 5, 9, … for sockets 0 to 7.
    let block = (number << 2) | 1;
    Place { block, offset }
}

/// The receive buffer of socket 0, from this pointer on. It wraps by itself.
pub(crate) const fn rx_buffer(pointer: u16) -> Place {
    let offset = pointer;
    Place { block: 3, offset }
}

/// RWB of the control octet.
pub(crate) const WRITE: u8 = 1 << 2;

/// CIDR and VER, one behind the other.
pub(crate) const IDENTITY: Place = common(0x0000);
/// What they read in a W6100.
pub(crate) const IS_W6100: [u8; 4] = [0x61, 0x00, 0x46, 0x61];

/// Link; 10 Mbit/s, else 100; half duplex, else full.
pub(crate) const PHYSR: Place = common(0x3000);
pub(crate) const PHYSR_LNK: u8 = 1;
pub(crate) const PHYSR_SPD_10: u8 = 1 << 1;
pub(crate) const PHYSR_DPX_HALF: u8 = 1 << 2;
/// Which sockets interrupt.
pub(crate) const SIMR: Place = common(0x2114);
pub(crate) const SIMR_SOCKET_0: u8 = 1;
/// Interrupts of the chip itself, and of its commands without a socket.
pub(crate) const IMR: Place = common(0x2104);
pub(crate) const SLIMR: Place = common(0x2124);

/// What the chip does of itself with IPv4: nothing. UNRB: no unreachable
/// messages; RSTB: no TCP resets; PB: no echo replies. PARP (ask by ARP before
/// an echo reply) stays 0.
pub(crate) const NET4MR: Place = common(0x4000);
/// The same for IPv6.
pub(crate) const NET6MR: Place = common(0x4004);
pub(crate) const NETXMR_SILENT: u8 = 1 << 3 | 1 << 1 | 1;
/// ANB, M6B: no echo replies to IPv6 multicast either. Not IP4B and IP6B: they
/// "block receiving all packets", and may so keep them from the capture.
pub(crate) const NETMR: Place = common(0x4008);
pub(crate) const NETMR_SILENT: u8 = 1 << 5 | 1 << 4;
/// `PPPoE` stays off.
pub(crate) const NETMR2: Place = common(0x4009);
/// No reaction to echo requests, MLD, RA, NA and NS.
pub(crate) const ICMP6BLKR: Place = common(0x41f0);
pub(crate) const ICMP6BLKR_SILENT: u8 = 0x1f;

/// Mode of socket 0.
pub(crate) const S0_MR: Place = socket(0, 0x0000);
/// MACRAW with MF, BRDB, MMB and MMB6 all 0: every frame, whoever it is for.
pub(crate) const MACRAW: u8 = 0x07;
/// Its commands; reads 0 once one was taken.
pub(crate) const S0_CR: Place = socket(0, 0x0010);
pub(crate) const OPEN: u8 = 0x01;
pub(crate) const CLOSE: u8 = 0x10;
pub(crate) const RECV: u8 = 0x40;
/// Which of its events interrupt, and the clearing of them.
pub(crate) const S0_IMR: Place = socket(0, 0x0024);
pub(crate) const S0_IRCLR: Place = socket(0, 0x0028);
pub(crate) const IR_RECV: u8 = 1 << 2;
pub(crate) const IR_ALL: u8 = 0x1f;
/// Its state.
pub(crate) const S0_SR: Place = socket(0, 0x0030);
pub(crate) const SOCK_MACRAW: u8 = 0x42;
/// `Sn_RX_RSR`, octets received; 2 octets later `Sn_RX_RD`, 2 later `Sn_RX_WR`.
pub(crate) const S0_RX: Place = socket(0, 0x0224);
/// Octets of those three with the gaps between them.
pub(crate) const S0_RX_OCTETS: usize = 10;
pub(crate) const S0_RX_RD: Place = socket(0, 0x0228);

/// Sockets of the chip.
pub(crate) const SOCKETS: u8 = 8;

/// `Sn_TX_BSR`: KB of a socket's transmit buffer.
pub(crate) const fn tx_bsr(number: u8) -> Place {
    socket(number, 0x0200)
}

/// `Sn_RX_BSR`: KB of a socket's receive buffer.
pub(crate) const fn rx_bsr(number: u8) -> Place {
    socket(number, 0x0220)
}
