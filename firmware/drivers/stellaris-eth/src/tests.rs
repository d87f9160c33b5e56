extern crate std;

use core::cell::RefCell;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use super::*;

/// The chip as the data sheet has it, as far as the driver looks.
#[derive(Default)]
struct Chip {
    frames: RefCell<VecDeque<VecDeque<u32>>>,
    raised: u32,
    sending: bool,
    written: Vec<(u32, u32)>,
}

impl Chip {
    fn frame(&mut self, octets: &[u8]) {
        let total = u16::try_from(octets.len() + 6).unwrap();
        let mut all = total.to_le_bytes().to_vec();
        all.extend(octets);
        all.extend([0xde, 0xad, 0xbe, 0xef]);
        all.resize(all.len().div_ceil(4) * 4, 0);
        self.frames.borrow_mut().push_back(
            all.chunks(4)
                .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
                .collect(),
        );
    }
}

impl Registers for Chip {
    fn read(&self, offset: u32) -> u32 {
        let mut frames = self.frames.borrow_mut();
        match offset {
            MACNP => u32::try_from(frames.len()).unwrap(),
            MACDATA => {
                let frame = frames.front_mut().expect("read beyond the last frame");
                let word = frame.pop_front().unwrap();
                if frame.is_empty() {
                    frames.pop_front();
                }
                word
            }
            MACRIS_MACIACK => self.raised,
            MACTR => u32::from(self.sending),
            MACIA0 => 0x0403_0201,
            MACIA1 => 0xffff_0605,
            _ => 0,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.written.push((offset, value));
        match offset {
            MACRIS_MACIACK => self.raised &= !value,
            MACRCTL if value & RCTL_RSTFIFO != 0 => self.frames.borrow_mut().clear(),
            _ => {}
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

#[test]
fn starts_promiscuous_with_the_transmitter_off() {
    let mut nic = StellarisEthernet::new(Chip::default());
    nic.start();
    let written = &nic.registers.written;
    assert!(written.contains(&(MACTCTL, 0)));
    let rctl = written.iter().rev().find(|(o, _)| *o == MACRCTL).unwrap().1;
    assert_eq!(rctl, 0b1111);
    let before = written.len();
    assert_eq!(nic.transmit(&pattern(60)), Err(TransmitError::Off));
    assert_eq!(
        nic.registers.written.len(),
        before,
        "a silent chip is left alone"
    );
}

#[test]
fn frames_go_out_whole() {
    for len in [14, 15, 16, 17, 18, 60, 1513, 1514] {
        let mut nic = StellarisEthernet::new(Chip::default());
        nic.start_speaking();
        assert!(nic.registers.written.contains(&(MACTCTL, 0b1_0111)));
        nic.registers.written.clear();
        let frame = pattern(len);
        assert_eq!(nic.transmit(&frame), Ok(()));
        let (last, words) = nic.registers.written.split_last().unwrap();
        assert_eq!(*last, (MACTR, 1));
        let octets: Vec<u8> = words
            .iter()
            .flat_map(|(offset, word)| {
                assert_eq!(*offset, MACDATA);
                word.to_le_bytes()
            })
            .collect();
        let payload = u16::from_le_bytes([octets[0], octets[1]]);
        assert_eq!(usize::from(payload), len - 14);
        assert_eq!(octets[2..][..len], frame);
        assert!(octets.len() - 2 - len < 4, "{len}: more words than needed");
    }
}

#[test]
fn what_cannot_be_sent_touches_nothing() {
    let mut nic = StellarisEthernet::new(Chip::default());
    nic.start_speaking();
    nic.registers.written.clear();
    for len in [0, 13, 1515] {
        assert_eq!(nic.transmit(&pattern(len)), Err(TransmitError::Length));
    }
    nic.registers.sending = true;
    assert_eq!(nic.transmit(&pattern(60)), Err(TransmitError::Full));
    assert!(nic.registers.written.is_empty());
    assert_eq!(nic.address(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn frames_of_every_length_come_out_whole() {
    let mut chip = Chip::default();
    let lengths = [0, 1, 2, 3, 14, 15, 16, 17, 60, 61, 62, 63, 1514, MAX_FRAME];
    for len in lengths {
        chip.frame(&pattern(len));
    }
    let mut nic = StellarisEthernet::new(chip);
    let mut buffer = [0; MAX_FRAME];
    for len in lengths {
        assert_eq!(nic.poll_receive(&mut buffer), Some(Ok(len)));
        assert_eq!(buffer[..len], pattern(len));
    }
    assert_eq!(nic.poll_receive(&mut buffer), None);
}

#[test]
fn a_frame_too_long_for_the_buffer_leaves_the_next_one_whole() {
    for len in 101..109 {
        let mut chip = Chip::default();
        chip.frame(&pattern(len));
        chip.frame(&pattern(100));
        let mut nic = StellarisEthernet::new(chip);
        let mut buffer = vec![0; 100];
        assert_eq!(
            nic.poll_receive(&mut buffer),
            Some(Err(ReceiveError::TooLong(len)))
        );
        assert_eq!(nic.poll_receive(&mut buffer), Some(Ok(100)));
        assert_eq!(buffer, pattern(100));
        assert_eq!(nic.poll_receive(&mut buffer), None);
    }
}

#[test]
fn impossible_lengths_empty_the_fifo() {
    for total in [0_u32, 5, 0xffff] {
        let mut chip = Chip::default();
        chip.frames
            .borrow_mut()
            .push_back(VecDeque::from(vec![total, 1, 2, 3]));
        chip.frame(&pattern(60));
        let mut nic = StellarisEthernet::new(chip);
        let mut buffer = [0; MAX_FRAME];
        assert_eq!(
            nic.poll_receive(&mut buffer),
            Some(Err(ReceiveError::OutOfStep))
        );
        assert_eq!(nic.poll_receive(&mut buffer), None);
    }
}

#[test]
fn faults_are_told_once() {
    let mut nic = StellarisEthernet::new(Chip {
        raised: INT_FOV | INT_RXINT,
        ..Chip::default()
    });
    let told = nic.take_faults();
    assert!(told.overrun && !told.fcs);
    assert_eq!(nic.take_faults(), Faults::default());
    assert_eq!(nic.registers.raised, INT_RXINT, "not ours to clear");
}
