//! Any instructions as a filter, any octets as a frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_filter::{Instruction, MAX_INSTRUCTIONS, Packet, Program, Quick, Reason};
use magpie_fuzz::input::{Input, push_piece};

magpie_fuzz::seeds!(seeds());

/// What libpcap makes of `host 192.0.2.80 and port 4433`, of
/// `len / tcp[12] % (ether[0] * 8 - 1) != 1`, and of `ip6 protochain 6`, whose
/// loop is refused; each with frames of every layer.
fn seeds() -> Vec<Vec<u8>> {
    type Row = (u16, u8, u8, u32);
    let programs: [&[Row]; 3] = [
        &[
            (0x28, 0, 0, 12),
            (0x15, 0, 16, 0x0800),
            (0x20, 0, 0, 26),
            (0x15, 2, 0, 0xc000_0250),
            (0x20, 0, 0, 30),
            (0x15, 0, 12, 0xc000_0250),
            (0x30, 0, 0, 23),
            (0x15, 2, 0, 132),
            (0x15, 1, 0, 6),
            (0x15, 0, 8, 17),
            (0x28, 0, 0, 20),
            (0x45, 6, 0, 0x1fff),
            (0xb1, 0, 0, 14),
            (0x48, 0, 0, 14),
            (0x15, 2, 0, 4433),
            (0x48, 0, 0, 16),
            (0x15, 0, 1, 4433),
            (0x06, 0, 0, 262_144),
            (0x06, 0, 0, 0),
        ],
        &[
            (0xb1, 0, 0, 14),
            (0x50, 0, 0, 26),
            (0x02, 0, 0, 3),
            (0x80, 0, 0, 0),
            (0x61, 0, 0, 3),
            (0x3c, 0, 0, 0),
            (0x02, 0, 0, 6),
            (0x30, 0, 0, 0),
            (0x64, 0, 0, 3),
            (0x14, 0, 0, 1),
            (0x07, 0, 0, 0),
            (0x60, 0, 0, 6),
            (0x9c, 0, 0, 0),
            (0x84, 0, 0, 0),
            (0x25, 0, 1, 1),
            (0x16, 0, 0, 0),
            (0x06, 0, 0, 0),
        ],
        &[
            (0x01, 0, 0, 40),
            (0x50, 0, 0, 14),
            (0x07, 0, 0, 0),
            (0x05, 0, 0, 0xffff_fffd),
            (0x06, 0, 0, 0),
        ],
    ];
    let mut seeds = Vec::new();
    for program in programs {
        let program: Vec<u8> = program.iter().copied().flat_map(octets).collect();
        for frame in magpie_fuzz::frames::all() {
            let mut seed = Vec::new();
            push_piece(&mut seed, &program);
            seed.extend([0; 4]);
            seed.extend(frame);
            seeds.push(seed);
        }
    }
    seeds
}

fn octets((code, jt, jf, k): (u16, u8, u8, u32)) -> [u8; 8] {
    let ([code_low, code_high], [a, b, c, d]) = (code.to_le_bytes(), k.to_le_bytes());
    [code_low, code_high, jt, jf, a, b, c, d]
}

fn instruction(octets: &[u8; 8]) -> Instruction {
    let [code_low, code_high, jt, jf, a, b, c, d] = *octets;
    let code = u16::from_le_bytes([code_low, code_high]);
    Instruction::new(code, jt, jf, u32::from_le_bytes([a, b, c, d]))
}

/// The frame with its tags cut out of a copy, one after the other.
fn cut_out(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    while frame.len() >= 16 && matches!(frame[12..14], [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
        frame.drain(12..16);
    }
    frame
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (rows, _) = input.piece().as_chunks();
    let instructions: Vec<Instruction> = rows.iter().map(instruction).collect();
    let verified = Program::verify(&instructions);
    let program = Program::assume_verified(&instructions);
    match verified {
        Ok(verified) => {
            assert_eq!(verified, program);
            assert!(!instructions.is_empty() && instructions.len() <= MAX_INSTRUCTIONS);
        }
        Err(invalid) if invalid.why == Reason::Empty => assert!(instructions.is_empty()),
        Err(invalid) => assert!(invalid.at < instructions.len(), "{invalid:?}"),
    }

    let more = input.u32();
    let frame = input.rest();
    let copy = cut_out(frame);
    let len = |octets: &[u8]| u32::try_from(octets.len()).expect("inputs are short");
    let wire_len = len(frame).saturating_add(more);
    let shown = Packet::untagged(frame, wire_len);
    let copied = Packet::literal(&copy, wire_len - (len(frame) - len(&copy)));
    assert_eq!(shown.captured_len(), copy.len());
    assert_eq!(shown.wire_len(), copied.wire_len());
    // A verified program or not: both end, and agree.
    assert_eq!(program.run(&shown), program.run(&copied));
    let literal = Packet::literal(frame, wire_len);
    let kept = program.run(&literal);
    // What is known quickly is the same, of a verified program or not.
    let mut quick = Quick::EMPTY;
    quick.learn(program);
    assert!(quick.run(&literal).is_none_or(|quick| quick == kept));
    assert!(
        quick
            .run(&shown)
            .is_none_or(|quick| quick == program.run(&shown))
    );
});
