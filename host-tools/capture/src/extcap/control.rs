//! The toolbar of a capture, and the messages that fill it.

/// A control of the toolbar; the only kind there is for us is a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its number.
    pub number: u8,
    /// Its name.
    pub display: &'static str,
    /// What it does.
    pub tooltip: &'static str,
}

impl Control {
    pub(super) fn sentence(&self) -> String {
        format!(
            "control {{number={}}}{{type=button}}{{role=logger}}{{display={}}}{{tooltip={}}}\n",
            self.number, self.display, self.tooltip
        )
    }
}

/// A message to Wireshark while a capture runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// One more line in the log of this number.
    Log(u8, &'a str),
    /// In the status bar.
    Status(&'a str),
}

/// Octets that a message's length, of three octets, can count.
const MAX_PAYLOAD: usize = 65_535;

impl Message<'_> {
    /// As it goes through the pipe: `T`, the length of what follows in three
    /// octets, the control, the command, the text.
    pub fn encode(self) -> Vec<u8> {
        const ADD: u8 = 2;
        const STATUS_BAR: u8 = 6;
        let (control, command, text) = match self {
            Self::Log(control, text) => (control, ADD, format!("{text}\n")),
            Self::Status(text) => (0, STATUS_BAR, text.to_owned()),
        };
        let mut end = text.len().min(MAX_PAYLOAD);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let length = u32::try_from(text.len() + 2).unwrap_or_default();
        let [_, a, b, c] = length.to_be_bytes();
        let mut out = vec![b'T', a, b, c, control, command];
        out.extend(text.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_the_manual_has_them() {
        assert_eq!(
            Message::Log(3, "ab").encode(),
            *b"T\x00\x00\x05\x03\x02ab\n"
        );
        assert_eq!(Message::Status("x").encode(), *b"T\x00\x00\x03\x00\x06x");
        let long = "\u{e9}".repeat(40_000);
        let sent = Message::Status(&long).encode();
        assert_eq!(sent[..6], *b"T\x01\x00\x00\x00\x06");
        assert!(std::str::from_utf8(&sent[6..]).is_ok());
    }
}
