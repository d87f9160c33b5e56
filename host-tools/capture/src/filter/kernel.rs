//! What a filter asks Linux's kernel about a packet.
//!
//! libpcap's handle without a file (`pcap_open_dead`) is to it one whose filter
//! the kernel runs. For words that no octet of a frame answers it makes loads
//! from offsets which the kernel takes as questions (`SKF_AD_OFF` of
//! `linux/filter.h`). To anybody else they are beyond every packet, so that the
//! filter would select nothing, and say nothing.

use magpie_filter::{Instruction, code};

use super::words;

/// `SKF_AD_OFF`, -0x1000: questions begin here.
const QUESTIONS: u32 = 0xffff_f000;

/// Words that become such loads on Ethernet, and what to use instead.
const WORDS: &[(&str, &str)] = &[
    (
        "inbound",
        "on an interface -Q in takes what was received; leave the word out",
    ),
    (
        "outbound",
        "on an interface -Q out takes what was sent; leave the word out",
    ),
    (
        "ifindex",
        "name the interface itself with -i NAME; leave the word out",
    ),
];

/// Whether the program asks anything.
pub(super) fn is_asked(instructions: &[Instruction]) -> bool {
    let loads = [code::LD_W_ABS, code::LD_H_ABS, code::LD_B_ABS];
    instructions
        .iter()
        .any(|i| loads.contains(&i.code) && i.k >= QUESTIONS)
}

/// The word of the expression that does.
pub(super) fn word(expression: &str) -> Option<&'static str> {
    let mut known = WORDS.iter().map(|(word, _)| *word);
    known.find(|word| words::say(expression, word))
}

/// Why that cannot be, and what can.
pub(super) fn advice(word: Option<&str>) -> String {
    let instead = |word: &str| WORDS.iter().find(|(known, _)| *known == word);
    match word.and_then(instead) {
        Some((word, instead)) => {
            format!("`{word}` asks Linux's kernel, which does not run filters here; {instead}")
        }
        None => "offsets from 0xfffff000 on ask Linux's kernel, which does not run filters here; name an \
                 offset within a packet"
            .into(),
    }
}
