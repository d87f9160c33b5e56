//! Operation codes of classic BPF, as `pcap/bpf.h` has them: class, size or
//! operation, addressing mode or operand. What is not listed here is refused.
//!
//! `A` is the accumulator, `X` the index register, `k` the instruction's
//! constant, `P` the packet in network byte order, `M` the scratch memory.

/// `A = P[k..k + 4]`.
pub const LD_W_ABS: u16 = 0x20;
/// `A = P[k..k + 2]`.
pub const LD_H_ABS: u16 = 0x28;
/// `A = P[k]`.
pub const LD_B_ABS: u16 = 0x30;
/// `A = P[X + k..X + k + 4]`.
pub const LD_W_IND: u16 = 0x40;
/// `A = P[X + k..X + k + 2]`.
pub const LD_H_IND: u16 = 0x48;
/// `A = P[X + k]`.
pub const LD_B_IND: u16 = 0x50;
/// `A =` octets of the packet on the wire.
pub const LD_LEN: u16 = 0x80;
/// `A = k`.
pub const LD_IMM: u16 = 0x00;
/// `A = M[k]`.
pub const LD_MEM: u16 = 0x60;

/// `X = k`.
pub const LDX_IMM: u16 = 0x01;
/// `X = M[k]`.
pub const LDX_MEM: u16 = 0x61;
/// `X =` octets of the packet on the wire.
pub const LDX_LEN: u16 = 0x81;
/// `X = 4 * (P[k] & 15)`: octets of the IPv4 header that begins at `k`.
pub const LDX_MSH: u16 = 0xb1;

/// `M[k] = A`.
pub const ST: u16 = 0x02;
/// `M[k] = X`.
pub const STX: u16 = 0x03;

/// `A += k`.
pub const ADD_K: u16 = 0x04;
/// `A += X`.
pub const ADD_X: u16 = 0x0c;
/// `A -= k`.
pub const SUB_K: u16 = 0x14;
/// `A -= X`.
pub const SUB_X: u16 = 0x1c;
/// `A *= k`.
pub const MUL_K: u16 = 0x24;
/// `A *= X`.
pub const MUL_X: u16 = 0x2c;
/// `A /= k`.
pub const DIV_K: u16 = 0x34;
/// `A /= X`; rejects the packet where `X` is 0.
pub const DIV_X: u16 = 0x3c;
/// `A |= k`.
pub const OR_K: u16 = 0x44;
/// `A |= X`.
pub const OR_X: u16 = 0x4c;
/// `A &= k`.
pub const AND_K: u16 = 0x54;
/// `A &= X`.
pub const AND_X: u16 = 0x5c;
/// `A <<= k`; 0 from 32 on.
pub const LSH_K: u16 = 0x64;
/// `A <<= X`; 0 from 32 on.
pub const LSH_X: u16 = 0x6c;
/// `A >>= k`; 0 from 32 on.
pub const RSH_K: u16 = 0x74;
/// `A >>= X`; 0 from 32 on.
pub const RSH_X: u16 = 0x7c;
/// `A = -A`.
pub const NEG: u16 = 0x84;
/// `A %= k`.
pub const MOD_K: u16 = 0x94;
/// `A %= X`; rejects the packet where `X` is 0.
pub const MOD_X: u16 = 0x9c;
/// `A ^= k`.
pub const XOR_K: u16 = 0xa4;
/// `A ^= X`.
pub const XOR_X: u16 = 0xac;

/// Skips `k` instructions.
pub const JA: u16 = 0x05;
/// Skips `jt` instructions where `A == k`, else `jf`.
pub const JEQ_K: u16 = 0x15;
/// The same for `A == X`.
pub const JEQ_X: u16 = 0x1d;
/// The same for `A > k`.
pub const JGT_K: u16 = 0x25;
/// The same for `A > X`.
pub const JGT_X: u16 = 0x2d;
/// The same for `A >= k`.
pub const JGE_K: u16 = 0x35;
/// The same for `A >= X`.
pub const JGE_X: u16 = 0x3d;
/// The same for `A & k != 0`.
pub const JSET_K: u16 = 0x45;
/// The same for `A & X != 0`.
pub const JSET_X: u16 = 0x4d;

/// Ends with `k`.
pub const RET_K: u16 = 0x06;
/// Ends with `A`.
pub const RET_A: u16 = 0x16;

/// `X = A`.
pub const TAX: u16 = 0x07;
/// `A = X`.
pub const TXA: u16 = 0x87;
