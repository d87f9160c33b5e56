//! How deep the stack can get: an upper bound from the machine code.
//!
//! Direct calls are followed. What is called by address (tasks by the
//! executor, wakers by tasks) is in no chain, so the two deepest of those are
//! added to the deepest chain from reset, and on top an interrupt: its frame
//! of 104 octets (with floating point) and the deepest handler. Handlers do
//! not nest here. Recursion would void the bound and is an error.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use crate::thumb::Code;

/// What the hardware pushes on an interrupt, with floating point and padding.
const EXCEPTION_FRAME: u64 = 108;

/// Depths in octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    /// From reset, by direct calls.
    pub(crate) reset: u64,
    /// Two functions called by address.
    pub(crate) indirect: u64,
    /// Their names, the deeper one first.
    pub(crate) indirect_names: Vec<String>,
    /// One interrupt.
    pub(crate) interrupt: u64,
}

impl Depth {
    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.reset + self.indirect + self.interrupt
    }
}

/// The bound for this image.
pub(crate) fn depth(file: &object::File<'_>) -> Result<Depth> {
    let code = Code::read(file)?;
    let vectors = file
        .section_by_name(".vector_table")
        .context("no section .vector_table")?;
    // Word 0 is the stack, word 1 the reset handler.
    let words: Vec<u64> = vectors
        .data()?
        .chunks_exact(4)
        .map(|w| u64::from(u32::from_le_bytes([w[0], w[1], w[2], w[3]]) & !1))
        .collect();
    let reset = *words.get(1).context("the vector table is too short")?;
    bound(&code, reset, words.get(2..).unwrap_or_default())
}

fn bound(code: &Code, reset: u64, handlers: &[u64]) -> Result<Depth> {
    let mut depths = BTreeMap::new();
    for at in code.functions.keys() {
        visit(code, *at, &mut depths, &mut Vec::new())?;
    }
    let called: BTreeSet<u64> = code
        .functions
        .values()
        .flat_map(|f| f.calls.iter().map(|(_, to)| *to))
        .collect();
    let of = |at: &u64| depths.get(at).copied().unwrap_or_default();
    let mut indirect: Vec<(u64, &str)> = (code.functions.iter())
        .filter(|(at, _)| !called.contains(at) && **at != reset && !handlers.contains(at))
        .map(|(at, function)| (of(at), function.name.as_str()))
        .collect();
    indirect.sort_unstable_by(|a, b| b.cmp(a));
    indirect.truncate(2);
    Ok(Depth {
        reset: of(&reset),
        indirect: indirect.iter().map(|(depth, _)| depth).sum(),
        indirect_names: indirect
            .iter()
            .map(|(depth, name)| format!("{name} {depth}"))
            .collect(),
        interrupt: EXCEPTION_FRAME + handlers.iter().map(of).max().unwrap_or_default(),
    })
}

fn visit(
    code: &Code,
    at: u64,
    depths: &mut BTreeMap<u64, u64>,
    path: &mut Vec<u64>,
) -> Result<u64> {
    if let Some(known) = depths.get(&at) {
        return Ok(*known);
    }
    let function = &code.functions[&at];
    let own = function.frame.with_context(|| {
        format!(
            "`{}` takes an amount of stack that is not a constant",
            function.name
        )
    })?;
    path.push(at);
    let mut deepest = 0;
    for (_, to) in &function.calls {
        // A jump to its own start is a loop; it gives the stack back first.
        if *to == at {
            continue;
        }
        if path.contains(to) {
            bail!(
                "`{}` calls itself through `{}`",
                code.functions[to].name,
                function.name
            );
        }
        deepest = deepest.max(visit(code, *to, depths, path)?);
    }
    path.pop();
    depths.insert(at, own + deepest);
    Ok(own + deepest)
}

#[cfg(test)]
mod tests {
    use super::{Depth, EXCEPTION_FRAME, bound};
    use crate::thumb::{Code, Function};

    fn code(functions: &[(u64, Option<u64>, &[u64])]) -> Code {
        let functions = functions.iter().map(|(at, frame, calls)| {
            let calls = calls.iter().map(|to| (*at, *to)).collect();
            (
                *at,
                Function {
                    name: format!("f{at}"),
                    frame: *frame,
                    calls,
                },
            )
        });
        Code {
            functions: functions.collect(),
        }
    }

    #[test]
    fn chains_add_and_branches_do_not() {
        let code = code(&[
            (1, Some(8), &[2, 3]),
            (2, Some(100), &[]),
            (3, Some(10), &[4]),
            (4, Some(200), &[]),
            (5, Some(50), &[4]),
            (6, Some(7), &[]),
            (7, Some(1), &[]),
            (8, Some(16), &[]),
        ]);
        let depth = bound(&code, 1, &[8]).expect("no recursion");
        let interrupt = EXCEPTION_FRAME + 16;
        let indirect_names = vec!["f5 250".to_owned(), "f6 7".to_owned()];
        assert_eq!(
            depth,
            Depth {
                reset: 218,
                indirect: 257,
                indirect_names,
                interrupt
            }
        );
        assert_eq!(depth.total(), 218 + 257 + interrupt);
    }

    #[test]
    fn what_has_no_bound_is_an_error() {
        let recursive = code(&[(1, Some(8), &[2]), (2, Some(8), &[1])]);
        assert!(bound(&recursive, 1, &[]).is_err());
        let unknown = code(&[(1, None, &[])]);
        assert!(bound(&unknown, 1, &[]).is_err());
        let loops = code(&[(1, Some(8), &[1])]);
        assert!(bound(&loops, 1, &[]).is_ok());
    }
}
