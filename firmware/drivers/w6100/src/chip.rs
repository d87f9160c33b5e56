//! The chip: starting it, reading what it received, looking after it.

use embedded_hal::digital::OutputPin;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::SpiDevice;

use crate::BUFFER;
use crate::bus::{Bus, BusError};
use crate::level::{Level, Missed};
use crate::registers::{
    CLOSE, ICMP6BLKR, ICMP6BLKR_SILENT, IDENTITY, IMR, IR_ALL, IR_RECV, IS_W6100, MACRAW, NET4MR,
    NET6MR, NETMR, NETMR_SILENT, NETMR2, NETXMR_SILENT, OPEN, PHYSR, PHYSR_DPX_HALF, PHYSR_LNK,
    PHYSR_SPD_10, Place, RECV, S0_CR, S0_IMR, S0_IRCLR, S0_MR, S0_RX, S0_RX_OCTETS, S0_RX_RD,
    S0_SR, SIMR, SIMR_SOCKET_0, SLIMR, SOCK_MACRAW, SOCKETS, rx_bsr, rx_buffer, tx_bsr,
};
use crate::segment::is_whole;

/// How long `RSTn` is held low, and how long the chip is left alone afterwards:
/// generous, since others saw it not answer 10 ms after a reset.
const RESET_US: u32 = 10;
const START_MS: u32 = 100;

/// How often a register is looked at for what it becomes in a microsecond or two.
const PATIENCE: usize = 100;
/// How often the pointers are read until they agree. They do not in the moment in
/// which a frame ends.
const LOOKS: usize = 8;
/// Octets read before their room is given back to the chip. Larger: less spent
/// on commands. Smaller: room comes back sooner.
const PIECE: usize = 2_048;

/// Why the chip cannot be used. It is started anew by the next
/// [`W6100::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// CIDR and VER read this instead of 61 00 46 61: no W6100 answers. All ones
    /// or all zeros: none at all.
    NotThere([u8; 4]),
    /// It does not keep what a register was given, so it may not be silent.
    Setting {
        /// Offset of the register.
        offset: u16,
        /// What it reads.
        is: u8,
    },
    /// A command is not taken.
    Stuck(u8),
    /// Socket 0 is not in MACRAW mode but in this one: the chip was reset by
    /// something else.
    Closed(u8),
    /// It says that it holds more than it can: so many octets.
    Level(u16),
    /// Its read pointer is not where we left it.
    Pointer(u16),
    /// SPI reports an error, several times over.
    Bus,
    /// The reset line cannot be driven.
    Reset,
}

impl From<BusError> for Fault {
    fn from(BusError: BusError) -> Self {
        Self::Bus
    }
}

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

impl Link {
    const fn of(physr: u8) -> Self {
        if physr & PHYSR_LNK == 0 {
            Self::Down
        } else {
            Self::Up {
                hundred: physr & PHYSR_SPD_10 == 0,
                full_duplex: physr & PHYSR_DPX_HALF == 0,
            }
        }
    }
}

/// The chip behind its SPI (mode 0 or 3), its reset line and a delay.
pub struct W6100<SPI, RST, D> {
    bus: Bus<SPI>,
    reset: RST,
    delay: D,
    running: bool,
    /// Our copy of `S0_RX_RD`.
    read_at: u16,
    level: Level,
}

impl<SPI: SpiDevice, RST: OutputPin, D: DelayNs> W6100<SPI, RST, D> {
    /// A chip that is not started yet.
    pub const fn new(spi: SPI, reset: RST, delay: D) -> Self {
        Self {
            bus: Bus(spi),
            reset,
            delay,
            running: false,
            read_at: 0,
            level: Level::new(),
        }
    }

    /// What is known of frames missed since the chip was first told to start.
    pub fn missed(&self) -> Missed {
        self.level.missed()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Resets the chip, silences it, and lets it receive. Frames sent before are
    /// lost. After an error it is held in reset.
    pub async fn start(&mut self) -> Result<(), Fault> {
        self.running = false;
        let outcome = self.set_up().await;
        self.note(outcome)
    }

    /// Reads everything that waits into `room`; how many octets. They are whole
    /// frames ([`crate::frame_at`]), each to be booked once. 0: none waits, or
    /// what waited made no sense and was thrown away ([`Self::missed`]).
    ///
    /// Starts the chip if it does not run (0.1 s; frames of that time are
    /// missed). After an error it does not run: it is held in reset.
    pub async fn receive(&mut self, room: &mut [u8; BUFFER]) -> Result<usize, Fault> {
        if !self.running {
            self.start().await?;
        }
        let outcome = self.receive_running(room).await;
        self.note(outcome)
    }

    /// Clears the interrupt. To be called when nothing waited, followed by one
    /// more [`Self::receive`]: what came in between interrupts no more.
    pub async fn acknowledge(&mut self) -> Result<(), Fault> {
        let outcome = self.bus.write(S0_IRCLR, &[IR_ALL]).await;
        self.note(outcome.map_err(Fault::from))
    }

    /// What the cable is at. Looks whether the chip is there, receives, and is
    /// silent, as well.
    pub async fn look(&mut self) -> Result<Link, Fault> {
        let outcome = self.look_after().await;
        self.note(outcome)
    }

    fn note<T>(&mut self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.is_err() {
            self.running = false;
            self.level.emptied();
            // Held in reset, it sends nothing, whatever went wrong.
            let _ = self.reset.set_low();
        }
        outcome
    }

    async fn set_up(&mut self) -> Result<(), Fault> {
        self.reset.set_low().map_err(|_| Fault::Reset)?;
        self.delay.delay_us(RESET_US).await;
        self.reset.set_high().map_err(|_| Fault::Reset)?;
        self.delay.delay_ms(START_MS).await;
        self.identify().await?;
        // First what keeps it silent, then what lets it receive. Its addresses
        // stay what a reset makes them, 0, so that nothing is meant for it.
        for (place, value) in SILENCE {
            self.set(place, value).await?;
        }
        for number in 0..SOCKETS {
            self.set(tx_bsr(number), 0).await?;
        }
        for number in (1..SOCKETS).rev() {
            self.set(rx_bsr(number), 0).await?;
        }
        self.set(rx_bsr(0), KB_OF_BUFFER).await?;
        self.set(S0_MR, MACRAW).await?;
        for (place, value) in [
            (IMR, 0),
            (SLIMR, 0),
            (S0_IMR, IR_RECV),
            (SIMR, SIMR_SOCKET_0),
        ] {
            self.set(place, value).await?;
        }
        self.open().await?;
        self.running = true;
        Ok(())
    }

    /// Opens the socket: empty, whatever was in its buffer.
    async fn open(&mut self) -> Result<(), Fault> {
        self.command(OPEN).await?;
        let mut state = 0;
        for _ in 0..PATIENCE {
            state = self.bus.get(S0_SR).await?;
            if state == SOCK_MACRAW {
                let mut pointer = [0; 2];
                self.bus.read(S0_RX_RD, &mut pointer).await?;
                self.read_at = u16::from_be_bytes(pointer);
                return Ok(());
            }
        }
        Err(Fault::Closed(state))
    }

    async fn identify(&mut self) -> Result<(), Fault> {
        let mut identity = [0; 4];
        self.bus.read(IDENTITY, &mut identity).await?;
        if identity == IS_W6100 {
            Ok(())
        } else {
            Err(Fault::NotThere(identity))
        }
    }

    /// Writes a register and reads it back.
    async fn set(&mut self, place: Place, value: u8) -> Result<(), Fault> {
        self.bus.write(place, &[value]).await?;
        self.holds(place, value).await
    }

    async fn holds(&mut self, place: Place, value: u8) -> Result<(), Fault> {
        let is = self.bus.get(place).await?;
        let offset = place.offset;
        if is == value {
            Ok(())
        } else {
            Err(Fault::Setting { offset, is })
        }
    }

    async fn command(&mut self, command: u8) -> Result<(), Fault> {
        self.bus.write(S0_CR, &[command]).await?;
        for _ in 0..PATIENCE {
            if self.bus.get(S0_CR).await? == 0 {
                return Ok(());
            }
        }
        Err(Fault::Stuck(command))
    }

    async fn look_after(&mut self) -> Result<Link, Fault> {
        self.identify().await?;
        for (place, value) in SILENCE {
            self.holds(place, value).await?;
        }
        let state = self.bus.get(S0_SR).await?;
        if state != SOCK_MACRAW {
            return Err(Fault::Closed(state));
        }
        Ok(Link::of(self.bus.get(PHYSR).await?))
    }

    async fn receive_running(&mut self, room: &mut [u8; BUFFER]) -> Result<usize, Fault> {
        let waiting = self.waiting().await?;
        let Some(segment) = room.get_mut(..waiting) else {
            return Err(Fault::Level(u16::try_from(waiting).unwrap_or(u16::MAX)));
        };
        if segment.is_empty() {
            return Ok(0);
        }
        if let Err(fault) = self.take(segment).await {
            self.level.lose(); // what waited was at least one frame
            return Err(fault);
        }
        if is_whole(segment) {
            return Ok(waiting);
        }
        self.level.lose();
        self.command(CLOSE).await?;
        self.open().await?;
        self.level.emptied();
        Ok(0)
    }

    /// Reads what waits, piece by piece, and gives the room back.
    async fn take(&mut self, segment: &mut [u8]) -> Result<(), Fault> {
        for piece in segment.chunks_mut(PIECE) {
            self.bus.read(rx_buffer(self.read_at), piece).await?;
            // No piece is longer than 2,048.
            let octets = u16::try_from(piece.len()).unwrap_or(0);
            self.read_at = self.read_at.wrapping_add(octets);
            let pointer = self.read_at.to_be_bytes();
            self.bus.write(S0_RX_RD, &pointer).await?;
            self.command(RECV).await?;
            self.level.free(piece.len());
            self.waiting().await?;
        }
        Ok(())
    }

    /// How much waits: whole frames. 0 as well where the chip was met in the
    /// middle of a change: then the next look tells.
    async fn waiting(&mut self) -> Result<usize, Fault> {
        let mut before = None;
        let mut pointer = self.read_at;
        for _ in 0..LOOKS {
            let mut octets = [0; S0_RX_OCTETS];
            self.bus.read(S0_RX, &mut octets).await?;
            let [s, t, _, _, p, q, _, _, w, x] = octets;
            let size = u16::from_be_bytes([s, t]);
            pointer = u16::from_be_bytes([p, q]);
            let end = u16::from_be_bytes([w, x]);
            if pointer != self.read_at {
                continue;
            }
            // Either the chip's own sum holds (a register of two octets is not
            // read in one moment), or twice the same was read.
            if end.wrapping_sub(pointer) == size || before == Some(size) {
                let waiting = usize::from(size);
                if waiting > BUFFER {
                    return Err(Fault::Level(size));
                }
                self.level.look(waiting);
                return Ok(waiting);
            }
            before = Some(size);
        }
        if pointer == self.read_at {
            Ok(0)
        } else {
            Err(Fault::Pointer(pointer))
        }
    }
}

/// The settings that keep the chip silent.
const SILENCE: [(Place, u8); 5] = [
    (NET4MR, NETXMR_SILENT),
    (NET6MR, NETXMR_SILENT),
    (NETMR, NETMR_SILENT),
    (NETMR2, 0),
    (ICMP6BLKR, ICMP6BLKR_SILENT),
];

const KB_OF_BUFFER: u8 = 16;
const _: () = assert!(KB_OF_BUFFER as usize * 1024 == BUFFER);
