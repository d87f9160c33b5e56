//! Programs as tcpdump lists them.

use std::fmt::Write as _;

use magpie_filter::{Instruction, code};

/// Which of tcpdump's listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// For people (`-d`).
    Readable,
    /// Rows of a C array (`-dd`).
    C,
    /// Decimal numbers, their count first (`-ddd`).
    Decimal,
}

/// Lists the program, each line with its end.
pub(super) fn list(program: &[Instruction], listing: Listing) -> String {
    let mut text = String::new();
    if listing == Listing::Decimal {
        let _ = writeln!(text, "{}", program.len());
    }
    for (at, &Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        let _ = match listing {
            Listing::Readable => writeln!(text, "{}", readable(at, program[at])),
            Listing::C => writeln!(text, "{{ 0x{code:x}, {jt}, {jf}, 0x{k:08x} }},"),
            Listing::Decimal => writeln!(text, "{code} {jt} {jf} {k}"),
        };
    }
    text
}

/// How the constant is shown.
enum Operand {
    None,
    X,
    Length,
    Hex,
    Decimal,
    Absolute,
    Indexed,
    Word,
    Header,
}

/// Name and operand, as in `pcap/bpf.h`'s assembly.
fn name(code: u16) -> Option<(&'static str, Operand)> {
    use Operand::{Absolute, Decimal, Header, Hex, Indexed, Length, None as Nothing, Word, X};
    Some(match code {
        code::LD_W_ABS => ("ld", Absolute),
        code::LD_H_ABS => ("ldh", Absolute),
        code::LD_B_ABS => ("ldb", Absolute),
        code::LD_W_IND => ("ld", Indexed),
        code::LD_H_IND => ("ldh", Indexed),
        code::LD_B_IND => ("ldb", Indexed),
        code::LD_LEN => ("ld", Length),
        code::LD_IMM => ("ld", Hex),
        code::LD_MEM => ("ld", Word),
        code::LDX_IMM => ("ldx", Hex),
        code::LDX_MEM => ("ldx", Word),
        code::LDX_LEN => ("ldx", Length),
        code::LDX_MSH => ("ldxb", Header),
        code::ST => ("st", Word),
        code::STX => ("stx", Word),
        code::ADD_K => ("add", Decimal),
        code::ADD_X => ("add", X),
        code::SUB_K => ("sub", Decimal),
        code::SUB_X => ("sub", X),
        code::MUL_K => ("mul", Decimal),
        code::MUL_X => ("mul", X),
        code::DIV_K => ("div", Decimal),
        code::DIV_X => ("div", X),
        code::MOD_K => ("mod", Decimal),
        code::MOD_X => ("mod", X),
        code::AND_K => ("and", Hex),
        code::AND_X => ("and", X),
        code::OR_K => ("or", Hex),
        code::OR_X => ("or", X),
        code::XOR_K => ("xor", Hex),
        code::XOR_X => ("xor", X),
        code::LSH_K => ("lsh", Decimal),
        code::LSH_X => ("lsh", X),
        code::RSH_K => ("rsh", Decimal),
        code::RSH_X => ("rsh", X),
        code::NEG => ("neg", Nothing),
        code::JEQ_K => ("jeq", Hex),
        code::JEQ_X => ("jeq", X),
        code::JGT_K => ("jgt", Hex),
        code::JGT_X => ("jgt", X),
        code::JGE_K => ("jge", Hex),
        code::JGE_X => ("jge", X),
        code::JSET_K => ("jset", Hex),
        code::JSET_X => ("jset", X),
        code::RET_K => ("ret", Decimal),
        code::RET_A => ("ret", Nothing),
        code::TAX => ("tax", Nothing),
        code::TXA => ("txa", Nothing),
        _ => return None,
    })
}

/// The class of jumps.
const JUMP: u16 = 0x05;

/// A line of `tcpdump -d`.
fn readable(at: usize, instruction: Instruction) -> String {
    let Instruction { code, jt, jf, k } = instruction;
    let signed = k.cast_signed();
    let behind = |skip: i64| i64::try_from(at).map_or(0, |at| at + 1 + skip);
    if code == code::JA {
        return format!("({at:03}) {:<8} {}", "ja", behind(signed.into()));
    }
    let (name, operand) = name(code).unwrap_or(("unimp", Operand::Hex));
    let operand = match operand {
        Operand::None => String::new(),
        Operand::X => "x".to_owned(),
        Operand::Length => "#pktlen".to_owned(),
        Operand::Hex => format!("#0x{k:x}"),
        Operand::Decimal => format!("#{signed}"),
        Operand::Absolute => format!("[{signed}]"),
        Operand::Indexed => format!("[x + {signed}]"),
        Operand::Word => format!("M[{signed}]"),
        Operand::Header => format!("4*([{signed}]&0xf)"),
    };
    if code & 0x07 == JUMP {
        let (jt, jf) = (behind(jt.into()), behind(jf.into()));
        format!("({at:03}) {name:<8} {operand:<16} jt {jt}\tjf {jf}")
    } else {
        format!("({at:03}) {name:<8} {operand}")
    }
}

#[cfg(test)]
mod tests {
    use magpie_filter::{Instruction, code};

    use super::{Listing, list};

    #[test]
    fn as_tcpdump_lists_ip() {
        let program = [
            Instruction::new(code::LD_H_ABS, 0, 0, 12),
            Instruction::new(code::JEQ_K, 0, 1, 0x0800),
            Instruction::new(code::RET_K, 0, 0, 262_144),
            Instruction::new(code::RET_K, 0, 0, 0),
        ];
        assert_eq!(
            list(&program, Listing::Readable),
            "(000) ldh      [12]\n\
             (001) jeq      #0x800           jt 2\tjf 3\n\
             (002) ret      #262144\n\
             (003) ret      #0\n"
        );
        assert_eq!(
            list(&program, Listing::C),
            "{ 0x28, 0, 0, 0x0000000c },\n\
             { 0x15, 0, 1, 0x00000800 },\n\
             { 0x6, 0, 0, 0x00040000 },\n\
             { 0x6, 0, 0, 0x00000000 },\n"
        );
        assert_eq!(
            list(&program, Listing::Decimal),
            "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"
        );
    }
}
