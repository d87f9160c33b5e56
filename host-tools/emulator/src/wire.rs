//! The wire of an emulated network card, frame by frame, both ways.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use crate::stream::NetStream;

/// Longest frame taken from QEMU, in octets: a wrong length means that the
/// stream is out of step.
const LONGEST: usize = 64 * 1024;
/// How long a frame may wait for a card that pushes back.
const WRITE: Duration = Duration::from_secs(20);

/// A cable to the card, with somebody at the other end.
#[derive(Debug)]
pub struct Wire {
    stream: NetStream,
    /// Octets that came and are no whole frame yet.
    partial: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: NetStream) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(WRITE))?;
        Ok(Self {
            stream,
            partial: Vec::new(),
        })
    }

    /// Sends one frame. A card that pushes back makes this wait.
    pub fn send(&mut self, frame: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(std::io::Error::other)?;
        let mut octets = length.to_be_bytes().to_vec();
        octets.extend_from_slice(frame);
        self.stream.write_all(&octets)
    }

    /// The next frame that the board sent; `None` if none comes in this time.
    pub fn receive(&mut self, timeout: Duration) -> std::io::Result<Option<Vec<u8>>> {
        let mut chunk = [0; 8192];
        loop {
            if let Some(frame) = self.whole()? {
                return Ok(Some(frame));
            }
            let timeout = timeout.max(Duration::from_micros(1));
            self.stream.set_read_timeout(Some(timeout))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self
                    .partial
                    .extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn whole(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.partial.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(std::io::Error::other(format!(
                "QEMU announces a frame of {length} octets"
            )));
        }
        let frame = rest.get(..length).map(<[u8]>::to_vec);
        if frame.is_some() {
            self.partial.drain(..4 + length);
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(NetStream::Unix(ours)).unwrap();
        let now = Duration::from_millis(1);
        assert_eq!(wire.receive(now).unwrap(), None);
        let octets = [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        for octet in octets {
            theirs.write_all(&[octet]).unwrap();
        }
        assert_eq!(wire.receive(now).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(wire.receive(now).unwrap(), Some(vec![]));
        theirs.write_all(&[0, 0]).unwrap();
        assert_eq!(wire.receive(now).unwrap(), Some(vec![9]));
        assert_eq!(wire.receive(now).unwrap(), None);
        wire.send(&[7; 5]).unwrap();
        let mut sent = [0; 9];
        theirs.read_exact(&mut sent).unwrap();
        assert_eq!(sent, [0, 0, 0, 5, 7, 7, 7, 7, 7]);
        drop(theirs);
        let end = wire.receive(now).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_stream_out_of_step_is_an_error() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(NetStream::Unix(ours)).unwrap();
        theirs.write_all(&[0x45, 0, 0, 0]).unwrap();
        assert!(wire.receive(Duration::from_millis(1)).is_err());
    }
}
