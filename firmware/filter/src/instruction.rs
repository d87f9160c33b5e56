//! One instruction.

/// One instruction of classic BPF, with the fields and the layout of libpcap's
/// `struct bpf_insn`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C)]
pub struct Instruction {
    /// What it does; one of [`crate::code`].
    pub code: u16,
    /// Of a conditional jump: instructions skipped where it holds.
    pub jt: u8,
    /// Of a conditional jump: instructions skipped where it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

impl Instruction {
    /// As `BPF_JUMP` of `pcap/bpf.h` puts it together.
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self { code, jt, jf, k }
    }
}
