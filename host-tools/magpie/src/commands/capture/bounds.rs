//! Packets that are longer than they can be: of hostile files and sensors, or
//! of interfaces that a file tells of when others have declared less. Programs
//! that read what is written here give up at one.

use magpie_capture::write::LONGEST;

use super::source::Packet;
use crate::output::say;

/// At most so many octets of these.
pub(super) fn up_to(octets: &[u8], most: u32) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    octets.get(..most).unwrap_or(octets)
}

/// How many packets of an interface were cut, without being asked to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    /// To what they were on the wire.
    wire: u64,
    /// To what interfaces declare.
    long: u64,
}

impl Cut {
    /// The packet within both bounds. What is `asked` for is cut later, when the
    /// filter has seen all of it.
    pub(super) fn bounded<'a>(
        &mut self,
        packet: &Packet<'a>,
        asked: Option<u32>,
        declared: u32,
    ) -> Packet<'a> {
        let mut octets = up_to(packet.octets, packet.wire_len);
        self.wire += u64::from(octets.len() < packet.octets.len());
        let bound = asked.filter(|octets| *octets <= declared);
        if bound.is_none() {
            let whole = octets.len();
            octets = up_to(octets, declared);
            self.long += u64::from(octets.len() < whole);
        }
        Packet { octets, ..*packet }
    }

    /// Tells of them.
    pub(super) fn say(&self, source: &str, declared: Option<u32>) {
        let packets = |n: u64| match n {
            1 => "1 packet was".to_owned(),
            n => format!("{n} packets were"),
        };
        if self.wire > 0 {
            let packets = packets(self.wire);
            say(&format!(
                "{source}: {packets} longer than on the wire, and cut"
            ));
        }
        if self.long > 0 {
            let (packets, most) = (packets(self.long), declared.unwrap_or(LONGEST));
            let why = if most < LONGEST {
                "which was declared before; -s 262144 declares more"
            } else {
                "the most that programs read"
            };
            say(&format!(
                "{source}: {packets} longer than {most} octets, and cut: {why}"
            ));
        }
    }
}
