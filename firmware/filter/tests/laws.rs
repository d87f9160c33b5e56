//! Laws that hold for any program and any frame.
#![allow(missing_docs)]

use magpie_filter::{Instruction, MAX_INSTRUCTIONS, Packet, Program, code};
use proptest::collection::vec;
use proptest::prelude::*;

/// Every code that is known.
const CODES: [u16; 49] = [
    code::LD_W_ABS,
    code::LD_H_ABS,
    code::LD_B_ABS,
    code::LD_W_IND,
    code::LD_H_IND,
    code::LD_B_IND,
    code::LD_LEN,
    code::LD_IMM,
    code::LD_MEM,
    code::LDX_IMM,
    code::LDX_MEM,
    code::LDX_LEN,
    code::LDX_MSH,
    code::ST,
    code::STX,
    code::ADD_K,
    code::ADD_X,
    code::SUB_K,
    code::SUB_X,
    code::MUL_K,
    code::MUL_X,
    code::DIV_K,
    code::DIV_X,
    code::OR_K,
    code::OR_X,
    code::AND_K,
    code::AND_X,
    code::LSH_K,
    code::LSH_X,
    code::RSH_K,
    code::RSH_X,
    code::NEG,
    code::MOD_K,
    code::MOD_X,
    code::XOR_K,
    code::XOR_X,
    code::JA,
    code::JEQ_K,
    code::JEQ_X,
    code::JGT_K,
    code::JGT_X,
    code::JGE_K,
    code::JGE_X,
    code::JSET_K,
    code::JSET_X,
    code::RET_K,
    code::RET_A,
    code::TAX,
    code::TXA,
];

/// Mostly plausible: known codes, near jumps, loads within a frame.
fn instruction() -> impl Strategy<Value = Instruction> {
    let code = prop_oneof![19 => proptest::sample::select(&CODES[..]), 1 => any::<u16>()];
    let skip = || prop_oneof![19 => 0..4_u8, 1 => any::<u8>()];
    let k = prop_oneof![6 => 0..16_u32, 3 => 0..80_u32, 1 => any::<u32>()];
    (code, skip(), skip(), k).prop_map(|(code, jt, jf, k)| Instruction::new(code, jt, jf, k))
}

/// Ends in returns, so that most jumps lead somewhere.
fn program() -> impl Strategy<Value = Vec<Instruction>> {
    let end = vec((any::<bool>(), any::<u32>()), 0..6).prop_map(|returns| {
        let new = |(a, k)| Instruction::new(if a { code::RET_A } else { code::RET_K }, 0, 0, k);
        returns.into_iter().map(new).collect::<Vec<_>>()
    });
    (vec(instruction(), 0..24), end).prop_map(|(start, end)| [start, end].concat())
}

/// Loads with tests behind them, all of which is marked, and no fault.
fn likely() -> impl Strategy<Value = Vec<Instruction>> {
    let load = proptest::sample::select(vec![
        code::LD_W_ABS,
        code::LD_H_ABS,
        code::LD_B_ABS,
        code::LD_H_IND,
        code::LD_W_IND,
        code::LDX_MSH,
        code::AND_K,
    ]);
    let test = proptest::sample::select(vec![
        code::JEQ_K,
        code::JSET_K,
        code::JGT_K,
        code::JGE_K,
        code::JEQ_X,
    ]);
    let k = prop_oneof![3 => 0..64_u32, 1 => any::<u32>()];
    let pair = (load, 0..64_u32, test, 0..5_u8, 0..5_u8, k);
    let pair = pair.prop_map(|(load, at, test, jt, jf, k)| {
        [
            Instruction::new(load, 0, 0, at),
            Instruction::new(test, jt, jf, k),
        ]
    });
    vec(pair, 1..12).prop_map(|pairs| {
        let mut program = pairs.concat();
        // Which of the ends it was is told apart.
        program.extend((1..7).map(|k| Instruction::new(code::RET_K, 0, 0, k)));
        program
    })
}

/// Addresses, tags or what looks like them, octets.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tag = prop_oneof![
        Just([0x81, 0x00, 0, 7]),
        Just([0x88, 0xa8, 0x20, 8]),
        Just([0x91, 0x00, 0x81, 0x00]),
        any::<[u8; 4]>(),
    ];
    let parts = (any::<[u8; 12]>(), vec(tag, 0..5), vec(any::<u8>(), 0..60));
    (parts, 0..80_usize).prop_map(|((addresses, tags, rest), cut)| {
        let mut frame = [&addresses[..], &tags.concat(), &rest].concat();
        frame.truncate(frame.len().saturating_sub(cut.saturating_sub(20)));
        frame
    })
}

/// The frame with its tags cut out of a copy, one after the other.
fn cut_out(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    while frame.len() >= 16 && matches!(frame[12..14], [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
        frame.drain(12..16);
    }
    frame
}

/// As the verifier must judge it, path by path: what is wrong on the first
/// path that comes to the end of the world.
fn runs_into_a_fault(program: &[Instruction], at: usize, written: u16) -> bool {
    let Some(instruction) = program.get(at) else {
        return true;
    };
    let k = instruction.k;
    let word = 1_u16.checked_shl(k);
    let go = |skip: u32, written| runs_into_a_fault(program, at + 1 + skip as usize, written);
    match instruction.code {
        code::RET_K | code::RET_A => false,
        code::JA => i32::try_from(k).is_err() || go(k, written),
        code::JEQ_K
        | code::JEQ_X
        | code::JGT_K
        | code::JGT_X
        | code::JGE_K
        | code::JGE_X
        | code::JSET_K
        | code::JSET_X => go(instruction.jt.into(), written) || go(instruction.jf.into(), written),
        code::ST | code::STX => word.is_none_or(|word| go(0, written | word)),
        code::LD_MEM | code::LDX_MEM => {
            word.is_none_or(|word| written & word == 0) || go(0, written)
        }
        code::DIV_K | code::MOD_K => k == 0 || go(0, written),
        known => !CODES.contains(&known) || go(0, written),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn whatever_the_program_it_ends(program in program(), frame in frame(), more in 0..2000_u32) {
        // That it returns at all is the law; a panic is what would break it.
        let wire_len = u32::try_from(frame.len()).unwrap() + more;
        let packets = [Packet::literal(&frame, wire_len), Packet::untagged(&frame, wire_len)];
        for packet in &packets {
            let trusted = Program::assume_verified(&program).run(packet);
            if let Ok(program) = Program::verify(&program) {
                prop_assert_eq!(program.run(packet), trusted);
            }
        }
    }

    #[test]
    fn a_refused_program_names_an_instruction(program in program()) {
        match Program::verify(&program) {
            Ok(accepted) => {
                prop_assert_eq!(accepted.instructions(), &program[..]);
                prop_assert!(!runs_into_a_fault(&program, 0, 0));
            }
            Err(refused) => {
                prop_assert!(refused.at < program.len().max(1));
                // Without it and with a return in its place, what stands before
                // is no reason to refuse anything.
                if !program.is_empty() {
                    let mut mended = program[..=refused.at].to_vec();
                    mended[refused.at] = Instruction::new(code::RET_K, 0, 0, 0);
                    mended.resize(MAX_INSTRUCTIONS, Instruction::new(code::RET_K, 0, 0, 0));
                    let mended = Program::verify(&mended);
                    prop_assert!(mended.is_ok(), "{:?}, then {:?}", refused, mended);
                }
            }
        }
    }

    #[test]
    fn a_program_that_runs_into_no_fault_is_accepted(program in program()) {
        // Nothing leads to some instructions; those count as well.
        let faultless = (0..program.len()).all(|at| !runs_into_a_fault(&program, at, u16::MAX))
            && !runs_into_a_fault(&program, 0, 0);
        prop_assert_eq!(Program::verify(&program).is_ok(), faultless);
    }

    #[test]
    fn untagged_is_what_is_left_when_tags_are_cut_out(
        program in program(),
        frame in frame(),
        more in 0..2000_u32,
    ) {
        let wire_len = u32::try_from(frame.len()).unwrap() + more;
        let copy = cut_out(&frame);
        let cut = u32::try_from(frame.len() - copy.len()).unwrap();
        let (shown, copied) = (
            Packet::untagged(&frame, wire_len),
            Packet::literal(&copy, wire_len - cut),
        );
        prop_assert_eq!(shown.wire_len(), copied.wire_len());
        prop_assert_eq!(shown.captured_len(), copied.captured_len());
        let program = Program::assume_verified(&program);
        prop_assert_eq!(program.run(&shown), program.run(&copied));
        // Every load there is.
        for (size, load) in [(4, code::LD_W_ABS), (2, code::LD_H_ABS), (1, code::LD_B_ABS)] {
            for k in 0..u32::try_from(copy.len()).unwrap() + size {
                let load = [Instruction::new(load, 0, 0, k), Instruction::new(code::ADD_K, 0, 0, 1), Instruction::new(code::RET_A, 0, 0, 0)];
                let load = Program::assume_verified(&load);
                prop_assert_eq!(load.run(&shown), load.run(&copied));
            }
        }
    }

    #[test]
    fn a_prepared_program_judges_as_before(
        program in program(),
        frame in frame(),
        more in 0..2000_u32,
    ) {
        let wire_len = u32::try_from(frame.len()).unwrap() + more;
        let mut prepared = program.clone();
        let accepted = Program::prepare(&mut prepared).is_ok();
        prop_assert_eq!(accepted, Program::verify(&program).is_ok());
        let plain: Vec<_> = prepared.iter().map(|i| i.plain()).collect();
        if accepted {
            prop_assert_eq!(&plain, &program);
        } else {
            prop_assert_eq!(&prepared, &program);
        }
        let (before, after) = (Program::assume_verified(&program), Program::assume_verified(&prepared));
        for packet in [Packet::literal(&frame, wire_len), Packet::untagged(&frame, wire_len)] {
            prop_assert_eq!(before.run(&packet), after.run(&packet));
        }
        // Only once: marks are refused, wherever they come from.
        prop_assert!(Program::prepare(&mut prepared).is_err() || prepared == program);
    }

    #[test]
    fn programs_like_those_of_libpcap_judge_as_before_when_prepared(
        program in likely(),
        frame in frame(),
    ) {
        let mut prepared = program.clone();
        prop_assert!(Program::prepare(&mut prepared).is_ok());
        let (before, after) = (Program::assume_verified(&program), Program::assume_verified(&prepared));
        for packet in [Packet::literal(&frame, 60), Packet::untagged(&frame, 60)] {
            prop_assert_eq!(before.run(&packet), after.run(&packet));
        }
    }
}
