//! The one thing QMP cannot do: write memory. QEMU's gdb server can.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::error::EmulatorError;

const ANSWER: Duration = Duration::from_secs(10);
/// Longest answer taken, in octets.
const LONGEST: usize = 16 * 1024;

/// An attached debugger; the machine stands still from [`Self::attach`] to
/// [`Self::detach`].
pub(crate) struct Gdb {
    stream: UnixStream,
}

impl Gdb {
    /// Connects, which stops the machine.
    pub(crate) fn attach(path: &Path) -> Result<Self, EmulatorError> {
        let stream = UnixStream::connect(path).map_err(socket)?;
        stream.set_read_timeout(Some(ANSWER)).map_err(socket)?;
        stream.set_write_timeout(Some(ANSWER)).map_err(socket)?;
        let mut gdb = Self { stream };
        // The answer to '?' shows that the machine has stopped.
        let answer = gdb.exchange("?")?;
        if is_stop(&answer) {
            Ok(gdb)
        } else {
            Err(refused("?", &answer))
        }
    }

    /// Writes octets to memory.
    pub(crate) fn write(&mut self, address: u32, octets: &[u8]) -> Result<(), EmulatorError> {
        self.carry_out(&write_command(address, octets))
    }

    /// Disconnects, which lets the machine run.
    pub(crate) fn detach(mut self) -> Result<(), EmulatorError> {
        self.carry_out("D")
    }

    fn carry_out(&mut self, command: &str) -> Result<(), EmulatorError> {
        let mut answer = self.exchange(command)?;
        // A machine that ran says when it stops, of its own accord.
        while is_stop(&answer) {
            answer = self.answer(command)?;
        }
        if answer == "OK" {
            Ok(())
        } else {
            Err(refused(command.get(..1).unwrap_or_default(), &answer))
        }
    }

    fn exchange(&mut self, command: &str) -> Result<String, EmulatorError> {
        self.stream
            .write_all(packet(command).as_bytes())
            .map_err(socket)?;
        self.answer(command)
    }

    fn answer(&mut self, command: &str) -> Result<String, EmulatorError> {
        let mut octet = [0];
        let mut answer = Vec::new();
        // '+' (acknowledgement), '$', text, '#', two digits.
        let mut digits = None;
        while digits != Some(0) {
            self.stream.read_exact(&mut octet).map_err(socket)?;
            match (&mut digits, octet[0]) {
                (Some(left), _) => *left -= 1,
                (None, b'#') => digits = Some(2_u8),
                (None, b'$') => answer.clear(),
                (None, other) => answer.push(other),
            }
            if answer.len() > LONGEST {
                return Err(refused(command, "an endless answer"));
            }
        }
        self.stream.write_all(b"+").map_err(socket)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn is_stop(answer: &str) -> bool {
    answer.starts_with('T') || answer.starts_with('S')
}

fn write_command(address: u32, octets: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = format!("M{address:x},{:x}:", octets.len());
    for octet in octets {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

fn packet(command: &str) -> String {
    let sum = command.bytes().fold(0_u8, u8::wrapping_add);
    format!("${command}#{sum:02x}")
}

fn socket(source: std::io::Error) -> EmulatorError {
    EmulatorError::Socket {
        what: "gdb socket",
        source,
    }
}

fn refused(command: &str, answer: &str) -> EmulatorError {
    EmulatorError::Control {
        command: format!("gdb {command}"),
        reason: format!("it answered '{answer}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_carry_their_sum() {
        // The sum of 'O' and 'K' is 0x9a, as the protocol's description shows.
        assert_eq!(packet("OK"), "$OK#9a");
        assert_eq!(write_command(0x2000_0000, &[1, 0xab]), "M20000000,2:01ab");
    }
}
