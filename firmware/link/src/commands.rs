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

#[cfg(test)]
mod tests {
    use magpie_protocol::{BpfInstruction, Configuration, Instructions};

    use super::*;

    const ALL: [Command; 5] = [
        Command::Hello { major: 1, minor: 0 },
        Command::Ack {
            boot_id: u32::MAX,
            next: u64::MAX,
        },
        Command::Flush { id: u32::MAX },
        Command::TimeSync {
            id: u32::MAX,
            host_us: u64::MAX,
        },
        Command::Configure {
            id: u32::MAX,
            set: Configuration {
                idle_us: Some(u64::MAX),
                active_us: Some(u64::MAX),
                end_us: Some(u64::MAX),
                live_us: Some(u64::MAX),
                dedup_us: Some(u32::MAX),
            },
        },
    ];

    #[test]
    fn a_batch_has_its_known_octets() {
        let mut out = [0; MAX_COMMAND_BATCH];
        let len = command_batch(0x0403_0201, 5, &ALL[..1], &mut out).unwrap();
        let known = [
            1, 4, 2, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 2, 1, 0,
        ];
        assert_eq!(out[..len], known);
    }

    #[test]
    fn all_commands_at_their_largest_fit_one_batch() {
        let mut out = [0; MAX_COMMAND_BATCH];
        let len = command_batch(u32::MAX, u64::MAX, &ALL, &mut out).unwrap();
        assert!(len <= MAX_COMMAND_BATCH - SEAL_OCTETS);
        let (header, items) = Header::parse(&out[..len]).unwrap();
        assert_eq!(
            (header.stream, header.first_seq),
            (Stream::Command, u64::MAX)
        );
        let others: Vec<_> = Commands::new(items).collect();
        assert_eq!(
            others,
            [ALL[0], ALL[2], ALL[3], ALL[4]],
            "the Ack is the link's own"
        );
    }

    /// They are asked one after the other, so one a batch is enough.
    #[test]
    fn the_largest_load_fits_a_batch() {
        let instruction = BpfInstruction {
            code: u16::MAX,
            jt: u8::MAX,
            jf: u8::MAX,
            k: u32::MAX,
        };
        let load = Command::LoadFilter {
            id: u32::MAX,
            slot: u8::MAX,
            of: u16::MAX,
            at: u16::MAX,
            instructions: Instructions::take(&[instruction; Instructions::MAX]).0,
        };
        let mut out = [0; MAX_COMMAND_BATCH];
        let beside = [ALL[1], load];
        let len = command_batch(u32::MAX, u64::MAX, &beside, &mut out).unwrap();
        let (_, items) = Header::parse(&out[..len]).unwrap();
        assert!(Commands::new(items).eq([load]));
    }

    #[test]
    fn too_much_is_refused() {
        let mut out = [0; 2 * MAX_COMMAND_BATCH];
        let many = [ALL[4]; 5];
        assert_eq!(
            command_batch(1, 0, &many, &mut out),
            Err(EncodeError::NoRoom)
        );
        for room in 0..Header::OCTETS + 4 {
            let small = &mut out[..room];
            assert_eq!(
                command_batch(1, 0, &ALL[..1], small),
                Err(EncodeError::NoRoom)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let octets = [200, 1, 9, 130, 1, 7, 130, 0, 128, 2, 1, 0];
        let read: Vec<_> = Commands::new(&octets).collect();
        assert_eq!(read, [Command::Flush { id: 7 }, ALL[0]]);
    }
}
