//! What a board brings: a port for frames, a line for octets.

use magpie_protocol::{LinkState, Losses};

/// Why a frame that was read out of the port is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// FCS wrong, or damaged on the wire in another way.
    Fcs,
    /// Longer than the buffer, or than the port takes.
    Oversize,
}

/// A mirror port: receives everything, sends nothing. (One that may send is
/// a [`crate::speak::FrameSender`].)
pub trait FrameReceiver {
    /// Reads the next frame whole into `buffer`; its octets, without FCS, or
    /// why it is lost. `None` when none waits.
    fn poll_receive(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Lost>>;

    /// How long ago the frame that was read last had come, in microseconds, when
    /// it was read: for ports that note when a frame comes.
    fn age_us(&self) -> u32 {
        0
    }

    /// Adds what the port itself lost since the last call, where it can tell.
    fn collect_losses(&mut self, losses: &mut Losses);

    /// The cable's state, where the port can tell. Asked some times a second.
    fn link(&mut self) -> LinkState {
        LinkState::Unknown
    }

    /// Lets the next frame interrupt ([`crate::wake`]). Called before the node
    /// sleeps; it polls once more afterwards.
    fn arm(&mut self);
}

/// A serial line to the host, both ways, never waiting.
pub trait Uart {
    /// Takes octets that have arrived; how many.
    fn read(&mut self, octets: &mut [u8]) -> usize;

    /// Gives octets to the line as far as it has room; how many. When fewer
    /// than given, the board calls [`crate::wake`] once there is room again.
    fn write(&mut self, octets: &[u8]) -> usize;
}
