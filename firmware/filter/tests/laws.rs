//! Laws that hold for any program and any frame.
#![allow(missing_docs)]

use magpie_filter::{Instruction, MAX_INSTRUCTIONS, Packet, Program, Quick, code};
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

/// Steps of loads and a test by them, with values that occur in frames and
/// seldom something else between.
fn likely() -> impl Strategy<Value = Vec<Instruction>> {
    let load = proptest::sample::select(vec![
        code::LD_W_ABS,
        code::LD_H_ABS,
        code::LD_B_ABS,
        code::LD_H_IND,
        code::LD_W_IND,
        code::LD_B_IND,
    ]);
    let test = proptest::sample::select(vec![
        code::JEQ_K,
        code::JEQ_K,
        code::JSET_K,
        code::JGT_K,
        code::JGE_K,
        code::JEQ_X,
        code::RET_A,
        code::RET_K,
    ]);
    let before = prop_oneof![
        4 => Just(None),
        3 => Just(Some(Instruction::new(code::LDX_MSH, 0, 0, 14))),
        1 => (proptest::sample::select(vec![code::LD_LEN, code::ADD_K, code::TAX, code::LD_B_ABS]), 0..40_u32)
            .prop_map(|(code, k)| Some(Instruction::new(code, 0, 0, k))),
    ];
    let mask =
        proptest::option::weighted(0.2, prop_oneof![Just(0xffu32), Just(0xf0), any::<u32>()]);
    let k = prop_oneof![4 => 0..4_u32, 1 => 0..256_u32, 1 => any::<u32>()];
    let is_loaded = proptest::bool::weighted(0.8);
    let step = (
        before,
        is_loaded,
        (load, 0..40_u32),
        mask,
        (test, 0..9_u8, 0..9_u8, k),
    );
    let step = step.prop_map(|(before, is_loaded, (load, at), mask, (test, jt, jf, k))| {
        let load = Instruction::new(load, 0, 0, at);
        let and = mask.map(|mask| Instruction::new(code::AND_K, 0, 0, mask));
        let test = Instruction::new(test, jt, jf, k);
        let loads = [before, is_loaded.then_some(load), and];
        loads
            .into_iter()
            .flatten()
            .chain([test])
            .collect::<Vec<_>>()
    });
    vec(step, 1..12).prop_map(|steps| {
        let mut program = steps.concat();
        // Which of the ends it was is told apart.
        program.extend((0..12).map(|k| Instruction::new(code::RET_K, 0, 0, k)));
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
    // Small numbers meet those of programs.
    let octet = prop_oneof![2 => 0..4_u8, 1 => any::<u8>()];
    let addresses = proptest::array::uniform12(prop_oneof![0..4_u8, any::<u8>()]);
    let parts = (addresses, vec(tag, 0..5), vec(octet, 0..60));
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
    fn what_is_known_quickly_is_right(
        program in program(),
        frame in frame(),
        more in 0..2000_u32,
    ) {
        let wire_len = u32::try_from(frame.len()).unwrap() + more;
        let program = Program::assume_verified(&program);
        let mut quick = Quick::EMPTY;
        quick.learn(program);
        for packet in [Packet::literal(&frame, wire_len), Packet::untagged(&frame, wire_len)] {
            if let Some(kept) = quick.run(&packet) {
                prop_assert_eq!(kept, program.run(&packet));
            }
        }
    }

    #[test]
    fn so_it_is_of_programs_like_those_of_libpcap(program in likely(), frame in frame()) {
        let program = Program::verify(&program).expect("a program");
        let mut quick = Quick::EMPTY;
        quick.learn(program);
        for packet in [Packet::literal(&frame, 60), Packet::untagged(&frame, 60)] {
            if let Some(kept) = quick.run(&packet) {
                prop_assert_eq!(kept, program.run(&packet));
            }
        }
    }
}
