//! What a filter adds to a frame that it rejects: the program of `host
//! 192.0.2.80 and port 4433`, as libpcap compiles it, over frames of `tcp64`.
//! No sensor: which frames it shows to whom is another matter.

use magpie_filter::{Instruction, Packet, Program, Quick};

use super::frame::{ACK, Frame, Pair, Segment};
use super::run::Bench;
use super::sum::Sum;

const FRAMES: u16 = 64;

/// `tcpdump -dd 'host A and port 4433'`, for an address.
pub(crate) const fn program(host: u32) -> [Instruction; 19] {
    [
        Instruction::new(0x28, 0, 0, 0x0000_000c),
        Instruction::new(0x15, 0, 16, 0x0000_0800),
        Instruction::new(0x20, 0, 0, 0x0000_001a),
        Instruction::new(0x15, 2, 0, host),
        Instruction::new(0x20, 0, 0, 0x0000_001e),
        Instruction::new(0x15, 0, 12, host),
        Instruction::new(0x30, 0, 0, 0x0000_0017),
        Instruction::new(0x15, 2, 0, 0x0000_0084),
        Instruction::new(0x15, 1, 0, 0x0000_0006),
        Instruction::new(0x15, 0, 8, 0x0000_0011),
        Instruction::new(0x28, 0, 0, 0x0000_0014),
        Instruction::new(0x45, 6, 0, 0x0000_1fff),
        Instruction::new(0xb1, 0, 0, 0x0000_000e),
        Instruction::new(0x48, 0, 0, 0x0000_000e),
        Instruction::new(0x15, 2, 0, 0x0000_1151),
        Instruction::new(0x48, 0, 0, 0x0000_0010),
        Instruction::new(0x15, 0, 1, 0x0000_1151),
        Instruction::new(0x06, 0, 0, 0x0004_0000),
        Instruction::new(0x06, 0, 0, 0x0000_0000),
    ]
}

/// Who the frames are to.
pub(crate) const SERVER: u32 = 0xc000_0250;
/// Nobody they are of.
pub(crate) const NOBODY: u32 = 0xc000_0251;

/// What is counted: the frame without its tags, and the verdict, as a sensor
/// finds them.
#[inline(never)]
fn verdict(quick: &Quick, program: Program<'_>, frame: &[u8], wire_len: u32) -> u32 {
    match quick.run(&Packet::untagged(frame, wire_len)) {
        Some(kept) => kept,
        None => whole(program, frame, wire_len),
    }
}

#[inline(never)]
fn whole(program: Program<'_>, frame: &[u8], wire_len: u32) -> u32 {
    program.run(&Packet::untagged(frame, wire_len))
}

/// Plays `filter`: the host is none of the frame's; `filter_qinq`: the same
/// behind two tags; `filter_port`: the host is one of them, the port is not, so
/// that all of the program but a few alternatives is run.
pub(crate) fn all(bench: &mut Bench) {
    let tags = [(0x88a8, 200), (0x8100, 100)];
    for (name, host, tags) in [
        ("filter", NOBODY, &[][..]),
        ("filter_qinq", NOBODY, &tags),
        ("filter_port", SERVER, &[]),
    ] {
        let (counter, buffers) = bench.parts();
        let instructions = program(host);
        let program = Program::verify(&instructions).expect("libpcap's program");
        let mut quick = Quick::EMPTY;
        quick.learn(program);
        let segment = Segment {
            flags: ACK,
            seq: 1,
            ack: 1,
            payload: 0,
        };
        let mut sum = Sum::NONE;
        for n in 0..FRAMES {
            let frame = Frame::new(buffers.scratch).tcp(tags, Pair::client(n, 443), segment);
            let wire_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            let (instructions, kept) = counter.count(|| verdict(&quick, program, frame, wire_len));
            assert_eq!(kept, 0, "{name}: not rejected");
            sum.add(instructions);
        }
        let wanted = Frame::new(buffers.scratch).tcp(tags, Pair::client(0, 4433), segment);
        let kept = verdict(&quick, program, wanted, 60);
        assert_eq!(
            kept > 0,
            host == SERVER,
            "{name}: the port is not looked at"
        );
        sum.print(name);
    }
}
