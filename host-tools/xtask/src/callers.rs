//! Who calls a panic function.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::thumb::Code;

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
    let Code { functions, .. } = Code::read(&object::File::parse(image)?)?;
    let in_core = |name: &str| {
        let name = name.trim_start_matches('<');
        name.starts_with("core::") || name.starts_with("__rustc::") || name == "rust_begin_unwind"
    };
    // The handler itself may have been inlined into panic_fmt.
    let mut panics: BTreeSet<u64> = functions
        .iter()
        .filter(|(_, f)| {
            f.name.ends_with("rust_begin_unwind") || f.name.starts_with("core::panicking::")
        })
        .map(|(at, _)| *at)
        .collect();
    loop {
        let before = panics.len();
        for (at, function) in &functions {
            if in_core(&function.name) && function.calls.iter().any(|(_, to)| panics.contains(to)) {
                panics.insert(*at);
            }
        }
        if panics.len() == before {
            break;
        }
    }
    let callers = functions.values().filter(|f| !in_core(&f.name));
    Ok(callers
        .flat_map(|f| f.calls.iter().map(move |(at, to)| (f, *at, *to)))
        .filter(|(_, _, to)| panics.contains(to))
        .map(|(caller, at, to)| Call {
            caller: caller.name.clone(),
            callee: functions[&to].name.clone(),
            at,
        })
        .collect())
}
