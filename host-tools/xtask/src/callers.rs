//! Who calls a panic function: read from the machine code of a Thumb image.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// One call (or jump) that ends in a panic.
pub(crate) struct Call {
    /// Function that contains it.
    pub(crate) caller: String,
    /// Function of the core library it goes to.
    pub(crate) callee: String,
    /// Its address.
    pub(crate) at: u64,
}

/// Calls from outside the core library to functions of the core library
/// that reach the panic handler.
pub(crate) fn of_panics(image: &[u8]) -> Result<Vec<Call>> {
    let file = object::File::parse(image)?;
    // Bit 0 of a function's address says Thumb; it is no part of the address.
    let functions: BTreeMap<u64, String> = file
        .symbols()
        .filter(|s| s.kind() == SymbolKind::Text)
        .filter_map(|s| {
            let name = rustc_demangle::demangle(s.name().ok()?);
            Some((s.address() & !1, format!("{name:#}")))
        })
        .collect();
    let mut edges = Vec::new();
    for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
        branches(section.address(), section.data()?, |at, to| {
            let caller = functions.range(..=at).next_back();
            let callee = functions.get_key_value(&to);
            if let (Some(caller), Some(callee)) = (caller, callee) {
                edges.push((at, caller, callee));
            }
        });
    }
    let in_core = |name: &str| {
        let name = name.trim_start_matches('<');
        name.starts_with("core::") || name.starts_with("__rustc::") || name == "rust_begin_unwind"
    };
    // The handler itself may have been inlined into panic_fmt.
    let mut panics: BTreeSet<u64> = functions
        .iter()
        .filter(|(_, name)| {
            name.ends_with("rust_begin_unwind") || name.starts_with("core::panicking::")
        })
        .map(|(at, _)| *at)
        .collect();
    loop {
        let before = panics.len();
        for (_, caller, callee) in &edges {
            if panics.contains(callee.0) && in_core(caller.1) {
                panics.insert(*caller.0);
            }
        }
        if panics.len() == before {
            break;
        }
    }
    Ok(edges
        .into_iter()
        .filter(|(_, caller, callee)| panics.contains(callee.0) && !in_core(caller.1))
        .map(|(at, caller, callee)| Call {
            caller: caller.1.clone(),
            callee: callee.1.clone(),
            at,
        })
        .collect())
}

/// Finds BL (T1) and B.W (T4) of the Armv7-M manual, A7.7.12 and A7.7.18.
/// Data between the code may look like one; it then leads nowhere.
fn branches(base: u64, code: &[u8], mut found: impl FnMut(u64, u64)) {
    let halves: Vec<u32> = code
        .chunks_exact(2)
        .map(|h| u32::from(u16::from_le_bytes([h[0], h[1]])))
        .collect();
    for (index, pair) in halves.windows(2).enumerate() {
        let (first, second) = (pair[0], pair[1]);
        let is_bl = second & 0xd000 == 0xd000;
        let is_b = second & 0xd000 == 0x9000;
        if first & 0xf800 != 0xf000 || !(is_bl || is_b) {
            continue;
        }
        let sign = first >> 10 & 1;
        let i1 = !(second >> 13 ^ sign) & 1;
        let i2 = !(second >> 11 ^ sign) & 1;
        let offset =
            sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
        // 25 bits, signed.
        let offset = i64::from((offset << 7).cast_signed() >> 7);
        let at = base + 2 * index as u64;
        found(at, at.wrapping_add(4).wrapping_add_signed(offset));
    }
}

#[cfg(test)]
mod tests {
    use super::branches;

    #[test]
    fn branch_targets() {
        // Assembled by GNU as at 0x8000: bl .+4; bl .-0x100; b.w .+0x1000; nop.
        let cases: [(&[u8], u64); 3] = [
            (&[0x00, 0xf0, 0x00, 0xf8], 0x8004),
            (&[0xff, 0xf7, 0x7e, 0xff], 0x7f00),
            (&[0x00, 0xf0, 0xfe, 0xbf], 0x9000),
        ];
        for (code, target) in cases {
            let mut seen = Vec::new();
            branches(0x8000, code, |at, to| seen.push((at, to)));
            assert_eq!(seen, [(0x8000, target)], "{code:02x?}");
        }
        branches(0, &[0x00, 0xbf, 0x00, 0xbf], |_, _| {
            panic!("nop is no branch")
        });
    }
}
