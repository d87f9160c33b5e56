//! Batches of commands: written by the host, read by the sensor.

use magpie_protocol::{Command, EncodeError, Items, decode_command, encode_command};

use crate::batch::{Header, SEAL_OCTETS, Stream};

/// Most octets of a batch of commands, so that a board needs little room.
pub const MAX_COMMAND_BATCH: usize = 256;

/// Writes commands into one batch; returns its octets.
///
/// `boot_id` is the sensor run that is meant; 0 = whichever runs (for Hello,
/// before its boot id is known). `seq` numbers the first command; commands may
/// be repeated, so the number serves only those who read a trace.
///
/// Fails with [`EncodeError::NoRoom`] when `out` or [`MAX_COMMAND_BATCH`]
/// cannot hold them.
pub fn command_batch(
    boot_id: u32,
    seq: u64,
    commands: &[Command],
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let usable = out.len().min(MAX_COMMAND_BATCH.saturating_sub(SEAL_OCTETS));
    let out = out.get_mut(..usable).ok_or(EncodeError::NoRoom)?;
    let (head, mut rest) = out.split_first_chunk_mut().ok_or(EncodeError::NoRoom)?;
    *head = Header::new(Stream::Command, boot_id, seq, 0).to_octets();
    let mut len = Header::OCTETS;
    for command in commands {
        let written = encode_command(command, rest)?;
        len = len.saturating_add(written);
        rest = rest.get_mut(written..).ok_or(EncodeError::NoRoom)?;
    }
    Ok(len)
}

/// The host's commands but for acknowledgements, in order. What cannot be
/// read has been counted and is left out.
#[derive(Debug, Clone)]
pub struct Commands<'c> {
    items: Items<'c>,
}

impl<'c> Commands<'c> {
    pub(crate) fn new(octets: &'c [u8]) -> Self {
        Self {
            items: Items::new(octets),
        }
    }
}

impl Iterator for Commands<'_> {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        loop {
            match decode_command(self.items.next()?.ok()?) {
                Ok(Command::Ack { .. }) | Err(_) => {}
                Ok(command) => return Some(command),
            }
        }
    }
}
