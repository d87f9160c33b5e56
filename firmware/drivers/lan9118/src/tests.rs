extern crate std;

use core::cell::RefCell;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::registers::*;

/// The chip as the data sheet has it, as far as the driver looks.
#[derive(Default)]
struct Chip {
    signature: u32,
    reset_takes: u32,
    statuses: VecDeque<u32>,
    data: RefCell<VecDeque<u32>>,
    written: Vec<(u32, u32)>,
    /// Octets free for sending, and statuses of frames sent.
    send_room: u32,
    sent_statuses: u32,
    /// Registers of its PHY.
    phy: [u16; 32],
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    reset_reads: u32,
    underruns: usize,
    statuses_read: u32,
}

impl Chip {
    fn new() -> Self {
        Self {
            signature: BYTE_TEST_VALUE,
            ..Self::default()
        }
    }

    fn frame(&mut self, octets: &[u8], status_bits: u32) {
        let mut all = octets.to_vec();
        all.extend([0xde, 0xad, 0xbe, 0xef]);
        self.statuses
            .push_back(u32::try_from(all.len()).unwrap() << 16 | status_bits);
        all.resize(all.len().div_ceil(4) * 4, 0);
        for word in all.chunks(4) {
            self.data
                .borrow_mut()
                .push_back(u32::from_le_bytes(word.try_into().unwrap()));
        }
    }
}

impl Registers for Chip {
    fn read(&self, offset: u32) -> u32 {
        let mut state = self.state.borrow_mut();
        match offset {
            BYTE_TEST => self.signature,
            HW_CFG => {
                state.reset_reads += 1;
                u32::from(state.reset_reads <= self.reset_takes)
            }
            RX_FIFO_INF => u32::try_from(self.statuses.len() - state.taken).unwrap() << 16,
            RX_STATUS_FIFO => {
                state.taken += 1;
                self.statuses[state.taken - 1]
            }
            RX_DATA_FIFO => self.data.borrow_mut().pop_front().unwrap_or_else(|| {
                state.underruns += 1;
                0
            }),
            TX_FIFO_INF => (self.sent_statuses - state.statuses_read) << 16 | self.send_room,
            TX_STATUS_FIFO => {
                state.statuses_read += 1;
                0
            }
            MAC_CSR_DATA => match self.written.last() {
                Some((MAC_CSR_CMD, 0xc000_0002)) => 0xffff_0605,
                Some((MAC_CSR_CMD, 0xc000_0003)) => 0x0403_0201,
                Some((MAC_CSR_CMD, 0xc000_0006)) => 0,
                Some((MAC_CSR_CMD, 0xc000_0007)) => {
                    let asked = self
                        .written
                        .windows(2)
                        .rev()
                        .find(|pair| pair[1] == (MAC_CSR_CMD, 0x8000_0006))
                        .expect("a register was asked for");
                    let (offset, access) = asked[0];
                    assert_eq!((offset, access & 0xf83f), (MAC_CSR_DATA, 0x0801));
                    self.phy[access as usize >> 6 & 31].into()
                }
                other => panic!("no reading access before: {other:x?}"),
            },
            _ => 0,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.written.push((offset, value));
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

#[test]
fn the_link_is_what_both_ends_offer() {
    let mut nic = Lan9118::new(Chip::new());
    nic.registers.phy[4] = 0x01e1;
    for (bmsr, partner, link) in [
        (0x7809, 0, Link::Down),
        // A link without agreement, an agreement without a link.
        (0x780d, 0x01e1, Link::Down),
        (0x7829, 0x01e1, Link::Down),
        (0x782d, 0x0f71, Link::agreed(1 << 8)),
        (0x782d, 0x0001, Link::Down),
    ] {
        nic.registers.phy[1] = bmsr;
        nic.registers.phy[5] = partner;
        assert_eq!(nic.link(), Ok(link), "{bmsr:x} {partner:x}");
    }
    nic.registers.phy[1] = 0x782d;
    for (partner, hundred, full_duplex) in [
        (0x41e1, true, true),
        (0x0081, true, false),
        (0x00e1, true, false),
        (0x0061, false, true),
        (0x0021, false, false),
    ] {
        nic.registers.phy[5] = partner;
        let link = Link::Up {
            hundred,
            full_duplex,
        };
        assert_eq!(nic.link(), Ok(link), "{partner:x}");
    }
}

#[test]
fn starts_promiscuous_with_the_transmitter_off() {
    let mut nic = Lan9118::new(Chip {
        reset_takes: 3,
        ..Chip::new()
    });
    assert_eq!(nic.start(), Ok(()));
    let written = &nic.registers.written;
    assert_eq!(written[0], (HW_CFG, HW_CFG_SRST));
    assert!(written.contains(&(IRQ_CFG, 0x111)));
    let mac_cr = written
        .iter()
        .rev()
        .find(|(offset, _)| *offset == MAC_CSR_DATA)
        .unwrap()
        .1;
    assert_eq!(mac_cr & (1 << 3), 0, "TXEN");
    assert_eq!(mac_cr, 0x0014_0004);
    assert!(written.iter().all(|(offset, _)| *offset != TX_CFG), "TX_ON");
    let before = written.len();
    assert_eq!(nic.transmit(&pattern(60)), Err(TransmitError::Off));
    assert_eq!(
        nic.registers.written.len(),
        before,
        "a silent chip is left alone"
    );
}

fn speaking(send_room: u32, sent_statuses: u32) -> Lan9118<Chip> {
    let mut nic = Lan9118::new(Chip {
        send_room,
        sent_statuses,
        ..Chip::new()
    });
    assert_eq!(nic.start_speaking(), Ok(()));
    assert!(nic.registers.written.contains(&(TX_CFG, 6)));
    assert!(nic.registers.written.contains(&(MAC_CSR_DATA, 0x0014_000c)));
    nic.registers.written.clear();
    nic
}

fn words(octets: &[u8]) -> Vec<u32> {
    octets
        .chunks(4)
        .map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        })
        .collect()
}

#[test]
fn frames_go_out_whole_and_short_ones_padded() {
    for (len, sent) in [
        (14, 60),
        (15, 60),
        (57, 60),
        (60, 60),
        (61, 61),
        (1514, 1514),
    ] {
        let mut nic = speaking(4608, 3);
        let frame = pattern(len);
        assert_eq!(nic.transmit(&frame), Ok(()));
        let mut padded = frame.clone();
        padded.resize(len.max(60), 0);
        let mut expected = vec![0x3000 | sent, sent];
        expected.extend(words(&padded));
        let written: Vec<u32> = nic
            .registers
            .written
            .iter()
            .map(|(offset, value)| {
                assert_eq!(*offset, TX_DATA_FIFO);
                *value
            })
            .collect();
        assert_eq!(written, expected, "{len}");
        assert_eq!(nic.registers.state.borrow().statuses_read, 3);
    }
}

#[test]
fn what_cannot_be_sent_touches_nothing() {
    let mut nic = speaking(4608, 0);
    for len in [0, 13, 1515] {
        assert_eq!(nic.transmit(&pattern(len)), Err(TransmitError::Length));
    }
    let mut nic = speaking(70, 0);
    assert_eq!(nic.transmit(&pattern(60)), Err(TransmitError::Full));
    assert!(nic.registers.written.is_empty());
}

#[test]
fn its_address_is_read_out() {
    let mut nic = Lan9118::new(Chip::new());
    assert_eq!(nic.address(), Ok([1, 2, 3, 4, 5, 6]));
}

#[test]
fn says_why_it_cannot_start() {
    let mut nic = Lan9118::new(Chip {
        signature: 0x2143_6587,
        ..Chip::new()
    });
    assert_eq!(nic.start(), Err(StartError::NotThere(0x2143_6587)));
    let mut nic = Lan9118::new(Chip {
        reset_takes: u32::MAX,
        ..Chip::new()
    });
    assert_eq!(nic.start(), Err(StartError::ResetStuck));
}

#[test]
fn frames_of_every_length_come_out_whole() {
    let mut chip = Chip::new();
    let lengths = [14, 15, 16, 17, 60, 61, 62, 63, 1514, MAX_FRAME];
    for len in lengths {
        chip.frame(&pattern(len), 0);
    }
    let mut nic = Lan9118::new(chip);
    let mut buffer = [0; MAX_FRAME];
    for len in lengths {
        assert_eq!(nic.poll_receive(&mut buffer), Some(Ok(len)));
        assert_eq!(buffer[..len], pattern(len));
    }
    assert_eq!(nic.poll_receive(&mut buffer), None);
    assert!(nic.registers.data.borrow().is_empty());
    assert_eq!(nic.registers.state.borrow().underruns, 0);
}

#[test]
fn lost_frames_carry_their_reason_and_leave_the_fifo_in_step() {
    let cases = [
        (60, 1 << 15 | 1 << 1, Err(ReceiveError::Fcs)),
        (10, 1 << 15 | 1 << 11, Err(ReceiveError::Damaged)),
        (60, 1 << 15 | 1 << 6, Err(ReceiveError::Damaged)),
        (60, 1 << 3, Err(ReceiveError::Damaged)),
        (2044, 1 << 15 | 1 << 4 | 1 << 1, Err(ReceiveError::Watchdog)),
        (101, 0, Err(ReceiveError::TooLong(101))),
        (100, 0, Ok(100)),
        (64, 1 << 7, Ok(64)),
        (64, 1 << 12, Ok(64)),
    ];
    let mut chip = Chip::new();
    for (len, bits, _) in cases {
        chip.frame(&pattern(len), bits);
    }
    let mut nic = Lan9118::new(chip);
    let mut buffer = vec![0; 100];
    for (len, bits, expected) in cases {
        assert_eq!(
            nic.poll_receive(&mut buffer),
            Some(expected),
            "{len} {bits:x}"
        );
        if expected.is_ok() {
            assert_eq!(buffer[..len], pattern(len));
        }
    }
    assert!(nic.registers.data.borrow().is_empty());
    assert_eq!(nic.registers.state.borrow().underruns, 0);
}

#[test]
fn a_status_shorter_than_an_fcs_is_an_empty_frame() {
    let mut chip = Chip::new();
    chip.statuses.push_back(2 << 16);
    chip.data.borrow_mut().push_back(0);
    let mut nic = Lan9118::new(chip);
    assert_eq!(nic.poll_receive(&mut [0; 64]), Some(Ok(0)));
    assert!(nic.registers.data.borrow().is_empty());
}
