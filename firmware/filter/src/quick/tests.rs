//! What is known quickly, and what is left to the machine.

use super::{MAX_TESTS, Quick};
use crate::code::*;
use crate::{Instruction, Packet, Program};

type Row = (u16, u8, u8, u32);

/// What libpcap makes of `host 192.0.2.80 and port 4433`.
const HOST_AND_PORT: [Row; 19] = [
    (LD_H_ABS, 0, 0, 12),
    (JEQ_K, 0, 16, 0x0800),
    (LD_W_ABS, 0, 0, 26),
    (JEQ_K, 2, 0, 0xc000_0250),
    (LD_W_ABS, 0, 0, 30),
    (JEQ_K, 0, 12, 0xc000_0250),
    (LD_B_ABS, 0, 0, 23),
    (JEQ_K, 2, 0, 132),
    (JEQ_K, 1, 0, 6),
    (JEQ_K, 0, 8, 17),
    (LD_H_ABS, 0, 0, 20),
    (JSET_K, 6, 0, 0x1fff),
    (LDX_MSH, 0, 0, 14),
    (LD_H_IND, 0, 0, 14),
    (JEQ_K, 2, 0, 4433),
    (LD_H_IND, 0, 0, 16),
    (JEQ_K, 0, 1, 4433),
    (RET_K, 0, 0, 262_144),
    (RET_K, 0, 0, 0),
];

fn program(rows: &[Row]) -> Vec<Instruction> {
    let new = |&(code, jt, jf, k): &Row| Instruction::new(code, jt, jf, k);
    rows.iter().map(new).collect()
}

/// What is known, and what the machine says.
fn both(rows: &[Row], frame: &[u8]) -> (Option<u32>, u32) {
    let program = program(rows);
    let program = Program::verify(&program).expect("a program");
    let mut quick = Quick::EMPTY;
    quick.learn(program);
    let packet = Packet::untagged(frame, 60);
    (quick.run(&packet), program.run(&packet))
}

/// UDP from 192.0.2.80 to a port, with so many words of IPv4 header.
fn udp(words: u8, port: u16) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, 0x40 | words, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([192, 0, 2, 80, 192, 0, 2, 9]);
    frame.resize(14 + usize::from(words) * 4, 1);
    frame.extend([[0, 53], port.to_be_bytes()].concat());
    frame.resize(60 + usize::from(words), 0);
    frame
}

#[test]
fn a_host_and_a_port_are_known_without_the_machine() {
    let mut other = udp(5, 4433);
    other[29] = 81;
    let mut fragment = udp(5, 4433);
    fragment[21] = 1;
    for (frame, kept) in [
        (udp(5, 4433), 262_144),
        (udp(9, 4433), 262_144),
        (udp(5, 4434), 0),
        (other, 0),
        (fragment, 0),
        ([&[0; 12], &[0x86, 0xdd][..], &[0; 46]].concat(), 0),
    ] {
        let found = both(&HOST_AND_PORT, &frame);
        assert_eq!(found, (Some(kept), kept), "{frame:x?}");
        // Behind tags, too.
        let tags = [0x88, 0xa8, 0, 1, 0x81, 0x00, 0, 2];
        let tagged = [&frame[..12], &tags, &frame[12..]].concat();
        assert_eq!(both(&HOST_AND_PORT, &tagged), (Some(kept), kept));
    }
}

#[test]
fn what_is_not_there_is_left_to_the_machine() {
    // The frame ends before the port, or behind it at once.
    let whole = udp(5, 4433);
    for (len, kept) in [(13, 0), (30, 0), (37, 0), (38, 262_144)] {
        let (quick, machine) = both(&HOST_AND_PORT, &whole[..len]);
        assert_eq!((quick, machine), (None, kept), "{len}");
    }
}

#[test]
fn fields_of_every_kind() {
    let frame: Vec<u8> = (0..60).map(|n| if n == 14 { 0x46 } else { n }).collect();
    for (step, holds) in [
        (
            &[(LD_W_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1415_1617)][..],
            true,
        ),
        (&[(LD_W_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1415_1618)], false),
        (&[(LD_B_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x14)], true),
        (&[(LD_B_ABS, 0, 0, 20), (JSET_K, 0, 1, 0x04)], true),
        (&[(LD_B_ABS, 0, 0, 20), (JSET_K, 0, 1, 0x08)], false),
        (&[(LD_H_ABS, 0, 0, 20), (JGT_K, 0, 1, 0x1414)], true),
        (&[(LD_H_ABS, 0, 0, 20), (JGT_K, 0, 1, 0x1415)], false),
        (&[(LD_H_ABS, 0, 0, 20), (JGE_K, 0, 1, 0x1415)], true),
        (&[(LD_H_ABS, 0, 0, 20), (JGE_K, 0, 1, 0x1416)], false),
        // A network.
        (
            &[
                (LD_W_ABS, 0, 0, 26),
                (AND_K, 0, 0, 0xffff_0000),
                (JEQ_K, 0, 1, 0x1a1b_0000),
            ],
            true,
        ),
        // Behind 24 octets of IPv4 header.
        (
            &[
                (LDX_MSH, 0, 0, 14),
                (LD_H_IND, 0, 0, 14),
                (JEQ_K, 0, 1, 0x2627),
            ],
            true,
        ),
        (
            &[
                (LDX_MSH, 0, 0, 14),
                (LD_B_IND, 0, 0, 14),
                (JGE_K, 0, 1, 0x27),
            ],
            false,
        ),
        (
            &[
                (LDX_MSH, 0, 0, 14),
                (LD_W_IND, 0, 0, 14),
                (JGT_K, 0, 1, 0x2627_2828),
            ],
            true,
        ),
        // Within the addresses.
        (&[(LD_W_ABS, 0, 0, 8), (JEQ_K, 0, 1, 0x0809_0a0b)], true),
        (&[(LD_H_ABS, 0, 0, 6), (JEQ_K, 0, 1, 0x0607)], true),
        (&[(LD_B_ABS, 0, 0, 0), (JSET_K, 0, 1, 1)], false),
    ] {
        let ends = [(RET_K, 0, 0, 1), (RET_K, 0, 0, 0)];
        let kept = u32::from(holds);
        let found = both(&[step, &ends].concat(), &frame);
        assert_eq!(found, (Some(kept), kept), "{step:x?}");
    }
}

#[test]
fn what_is_more_than_a_comparison_is_left_to_the_machine() {
    let frame: Vec<u8> = (0..60).collect();
    for steps in [
        // Of it, only the last of both is looked at; the first may be what rejects.
        &[
            (LD_W_ABS, 0, 0, 99),
            (LD_B_ABS, 0, 0, 20),
            (JEQ_K, 0, 1, 0x14),
        ][..],
        &[(LD_LEN, 0, 0, 0), (JGT_K, 0, 1, 50)],
        // So many octets as the field says.
        &[(LD_B_ABS, 0, 0, 20), (RET_A, 0, 0, 20)],
        &[(LD_B_ABS, 0, 0, 20), (ADD_K, 0, 0, 1), (JEQ_K, 0, 1, 0x15)],
        &[(LD_B_ABS, 0, 0, 20), (TAX, 0, 0, 0), (JEQ_X, 0, 1, 0)],
        &[(LD_B_ABS, 0, 0, 20), (JEQ_K, 0, 1, 0x1_0014)],
        &[(LDX_MSH, 0, 0, 15), (LD_B_IND, 0, 0, 0), (JEQ_K, 0, 1, 60)],
        // Across the end of the addresses.
        &[(LD_W_ABS, 0, 0, 10), (JEQ_K, 0, 1, 0x0a0b_0c0d)],
        // What is compared depends on the way there.
        &[
            (LD_B_ABS, 0, 0, 20),
            (JEQ_K, 0, 1, 0x14),
            (LD_B_ABS, 0, 0, 21),
            (JEQ_K, 0, 1, 0x15),
        ],
    ] {
        let ends = [(RET_K, 0, 0, 1), (RET_K, 0, 0, 0)];
        let (quick, _) = both(&[steps, &ends].concat(), &frame);
        assert_eq!(quick, None, "{steps:x?}");
    }
    let load = [(LD_B_ABS, 0, 0, 20)];
    let many = vec![(JEQ_K, 0, 0, 9); MAX_TESTS];
    let end = [(RET_K, 0, 0, 7)];
    assert_eq!(both(&[&load, &many[..], &end].concat(), &frame), (None, 7));
    // One that leads behind those that are known.
    let far = [(JEQ_K, 90, 0, 0x14)];
    let ends = vec![(RET_K, 0, 0, 9); 91];
    let far = [&load, &many[..63], &far, &ends, &end].concat();
    assert_eq!(both(&far, &frame), (None, 9));
    let fewer = [&load, &many[1..], &end].concat();
    assert_eq!(both(&fewer, &frame), (Some(7), 7));
}

/// Offload makes them as long as IP allows, and longer.
#[test]
fn long_frames_are_judged_alike() {
    let (keep, leave) = ((RET_K, 0, 0, 262_144), (RET_K, 0, 0, 0));
    let length = [(LD_LEN, 0, 0, 0), (JGE_K, 0, 1, 50_000), keep, leave];
    let source = [(LD_W_ABS, 0, 0, 6), (JEQ_K, 0, 1, 0x0102_0304), keep, leave];
    let large = [(LD_B_ABS, 0, 0, 20), (JGT_K, 0, 1, 6), keep, leave];
    let end = [keep];
    let mut frame = udp(5, 4433);
    frame[6..10].copy_from_slice(&[1, 2, 3, 4]);
    frame[20] = 7;
    for rows in [&length[..], &source, &large, &end, &HOST_AND_PORT] {
        for len in (32_700..35_000)
            .step_by(50)
            .chain([65_200, 65_300, 65_549, 70_000])
        {
            frame.resize(len, 0);
            frame[20] = if rows == HOST_AND_PORT { 0 } else { 7 };
            let (quick, machine) = both(rows, &frame);
            assert!(
                quick.is_none_or(|quick| quick == machine),
                "{len} {rows:x?}"
            );
            // The longest are left to the machine.
            let is_left = rows == length || len - 12 >= 0x8000;
            assert_eq!(quick.is_none(), is_left, "{len} {rows:x?}");
            frame.truncate(60);
        }
    }
}

#[test]
fn what_was_learned_before_is_forgotten() {
    let mut quick = Quick::EMPTY;
    let (long, short) = (program(&HOST_AND_PORT), program(&[(RET_K, 0, 0, 9)]));
    quick.learn(Program::assume_verified(&long));
    quick.learn(Program::assume_verified(&short));
    assert_eq!(quick.run(&Packet::untagged(&udp(5, 1), 60)), Some(9));
    quick.learn(Program::assume_verified(&[]));
    assert_eq!(quick.run(&Packet::untagged(&udp(5, 1), 60)), None);
}
