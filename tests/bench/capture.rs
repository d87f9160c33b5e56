//! A large capture made of small ones: all of them, again and again, each
//! time with other addresses and behind the time before.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use magpie_capture::Reader;
use magpie_tests::corpus::Capture;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// How often each capture is in it.
    pub(crate) times: u64,
    pub(crate) frames: u64,
    /// On the wire.
    pub(crate) octets: u64,
}

/// When it begins: some day in 2023.
const BEGIN_US: u64 = 1_700_000_000_000_000;
/// Between one capture and the next.
const PAUSE_US: u64 = 1_000_000;
/// From one frame to the next, forward or back; some captures pause for years.
const LONGEST_STEP_US: u64 = 60_000_000;
/// Most octets of a frame, as the header says.
const SNAP: u32 = 262_144;
const ETHERNET: u32 = 1;

/// Writes at least so many frames, in whole rounds over the captures.
pub(crate) fn write(path: &Path, captures: &[Capture], frames: u64) -> Result<Written, String> {
    let failed = |e: io::Error| format!("{}: {e}", path.display());
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    let mut head = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAP, ETHERNET] {
        head.extend(u32::to_le_bytes(word));
    }
    out.write_all(&head).map_err(failed)?;
    let mut written = Written::default();
    let mut next_us = BEGIN_US;
    while written.frames < frames {
        let round = u8::try_from(written.times).map_err(|_| "more than 256 rounds".to_owned())?;
        for capture in captures {
            next_us = append(&mut out, capture, round, next_us, &mut written)?;
        }
        written.times += 1;
    }
    out.flush().map_err(failed)?;
    Ok(written)
}

/// Appends one capture; returns when the next one begins.
fn append(
    out: &mut impl Write,
    capture: &Capture,
    round: u8,
    begin_us: u64,
    written: &mut Written,
) -> Result<u64, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", capture.path.display());
    let file = File::open(&capture.path).map_err(|e| failed(&e))?;
    let mut reader = Reader::new(&capture.name, file).map_err(|e| failed(&e))?;
    let mut before_us = None;
    let (mut at_us, mut end_us) = (begin_us, begin_us);
    let mut octets = Vec::new();
    // A cut last record ends it with an error; what came before counts.
    while let Some(frame) = reader.next_frame().map_err(|e| failed(&e))? {
        let from_us = before_us.replace(frame.at_us).unwrap_or(frame.at_us);
        let forward = frame.at_us.saturating_sub(from_us).min(LONGEST_STEP_US);
        let back = from_us.saturating_sub(frame.at_us).min(LONGEST_STEP_US);
        at_us = (at_us + forward).saturating_sub(back).max(BEGIN_US);
        end_us = end_us.max(at_us);
        octets.clear();
        octets.extend_from_slice(frame.data);
        move_addresses(&mut octets, round);
        let seconds = u32::try_from(at_us / 1_000_000).map_err(|e| failed(&e))?;
        let captured = u32::try_from(octets.len()).map_err(|e| failed(&e))?;
        let micros = u32::try_from(at_us % 1_000_000).map_err(|e| failed(&e))?;
        for word in [seconds, micros, captured, frame.wire_len] {
            out.write_all(&word.to_le_bytes()).map_err(|e| failed(&e))?;
        }
        out.write_all(&octets).map_err(|e| failed(&e))?;
        written.frames += 1;
        written.octets += u64::from(frame.wire_len);
    }
    Ok(end_us + PAUSE_US)
}

/// Other addresses in the outermost IP header, where it stands right behind
/// the tags: what is valid stays valid, and what is not stays so.
fn move_addresses(frame: &mut [u8], round: u8) {
    let mut at = 12;
    let word = |frame: &[u8], at: usize| {
        let octets = frame.get(at..at + 2)?;
        Some(u16::from_be_bytes([octets[0], octets[1]]))
    };
    while word(frame, at).is_some_and(|kind| matches!(kind, 0x8100 | 0x88a8 | 0x9100)) {
        at += 4;
    }
    let kind = word(frame, at);
    let Some(packet) = frame.get_mut(at + 2..) else {
        return;
    };
    match kind {
        Some(0x0800) if packet.len() >= 20 && packet[0] >> 4 == 4 => {
            for place in [12, 16] {
                let old = u16::from_be_bytes([packet[place], packet[place + 1]]);
                packet[place + 1] ^= round;
                let new = u16::from_be_bytes([packet[place], packet[place + 1]]);
                let sum = u16::from_be_bytes([packet[10], packet[11]]);
                packet[10..12].copy_from_slice(&update(sum, old, new).to_be_bytes());
            }
        }
        Some(0x86dd) if packet.len() >= 40 && packet[0] >> 4 == 6 => {
            for place in [8, 24] {
                packet[place + 5] ^= round;
            }
        }
        _ => {}
    }
}

/// The checksum once a word has changed (RFC 1624, equation 3).
fn update(sum: u16, old: u16, new: u16) -> u16 {
    let mut total = u32::from(!sum) + u32::from(!old) + u32::from(new);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    !u16::try_from(total & 0xffff).unwrap_or(0)
}
