//! How deep the stack can get: an upper bound from the machine code, for each
//! context that runs on it.
//!
//! There is one stack. On it lie what reset leads to (start-up, then the
//! executor), one task at a time (embassy polls them one after the other, never
//! one within another), and one interrupt: its frame and its handler. Handlers
//! do not nest, since every board leaves all of them at one priority; a fault on
//! top ends the program.
//!
//! Direct calls are followed. Recursion, or a frame whose size is not a constant,
//! would void the bound and is an error. Where a call to an address in a register
//! goes the code does not tell: it may be any function whose address is taken
//! anywhere, or that nothing calls directly. So for such calls are counted all of
//! these that call by address themselves, each once, and the deepest of those
//! that do not. That holds as long as none of them comes to itself again by
//! address; the code cannot show that, so the report names them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use crate::thumb::Code;

/// What the hardware pushes on an interrupt, with floating point and padding.
const EXCEPTION_FRAME: u64 = 108;
/// How embassy's `TaskStorage::poll` is named, with the task's future in between.
const TASK: (&str, &str) = ("<embassy_executor::raw::TaskStorage<", ">>::poll");

/// What runs on the stack.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Depths {
    /// Start-up, then the tasks, the deepest first.
    pub(crate) contexts: Vec<Depth>,
    /// Handlers, the deepest first. What the hardware pushes counts as direct.
    pub(crate) interrupts: Vec<Depth>,
    /// Octets from reset by direct calls: below every task.
    pub(crate) reset: u64,
    /// Functions that calls by address may reach.
    pub(crate) reachable: usize,
    /// Those of them that call by address themselves.
    pub(crate) nesting: Vec<String>,
}

/// Octets that one context takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Its name.
    pub(crate) name: String,
    /// By direct calls.
    pub(crate) direct: u64,
    /// By calls by address.
    pub(crate) by_address: u64,
    /// Whether reset's calls lie below it.
    pub(crate) is_task: bool,
}

impl Depth {
    fn own(&self) -> u64 {
        self.direct + self.by_address
    }
}

impl Depths {
    /// The most that the stack holds while this context runs.
    pub(crate) fn worst(&self, context: &Depth) -> u64 {
        let below = if context.is_task { self.reset } else { 0 };
        let on_top = self.interrupts.first().map_or(0, Depth::own);
        below + context.own() + on_top
    }

    /// The most that the stack holds, and in which context.
    pub(crate) fn deepest(&self) -> Option<(u64, &str)> {
        let all = self.contexts.iter();
        all.map(|c| (self.worst(c), c.name.as_str())).max()
    }
}

/// The bounds for this image.
pub(crate) fn depths(file: &object::File<'_>) -> Result<Depths> {
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

/// What is known of a function and all that it calls directly.
#[derive(Clone, Copy, Default)]
struct Reach {
    /// Octets.
    depth: u64,
    /// Whether something in it calls by address.
    by_address: bool,
}

fn bound(code: &Code, reset: u64, vectors: &[u64]) -> Result<Depths> {
    let mut known = BTreeMap::new();
    for at in code.functions.keys() {
        visit(code, *at, &mut known, &mut Vec::new())?;
    }
    let of = |at: u64| known.get(&at).copied().unwrap_or_default();
    // Handlers, and how many vectors lead to each.
    let mut handlers: BTreeMap<u64, usize> = BTreeMap::new();
    for at in vectors.iter().filter(|at| code.functions.contains_key(at)) {
        *handlers.entry(*at).or_default() += 1;
    }
    let (tasks, others): (Vec<_>, Vec<_>) = by_address(code)
        .into_iter()
        .filter(|at| *at != reset && !handlers.contains_key(at))
        .partition(|at| task(&code.functions[at].name).is_some());
    let (nesting, last): (Vec<&u64>, Vec<&u64>) = others.iter().partition(|at| of(**at).by_address);
    let below = nesting.iter().map(|at| of(**at).depth).sum::<u64>()
        + last.iter().map(|at| of(**at).depth).max().unwrap_or(0);
    let depth = |at: u64, name: String, is_task: bool| Depth {
        name,
        direct: of(at).depth,
        by_address: if of(at).by_address { below } else { 0 },
        is_task,
    };
    let name = |at: &u64| code.functions[at].name.clone();

    let mut contexts: Vec<_> = tasks
        .iter()
        .map(|at| depth(*at, task(&name(at)).unwrap_or_default(), true))
        .collect();
    contexts.sort_by_key(|c| std::cmp::Reverse(c.own()));
    contexts.insert(0, depth(reset, "start-up".into(), false));
    let mut interrupts: Vec<_> = handlers
        .iter()
        .map(|(at, vectors)| {
            // Of the names of one address, the one that holds for all of it.
            let name = if *vectors > 1 {
                "DefaultHandler".into()
            } else {
                name(at)
            };
            let mut depth = depth(*at, name, false);
            depth.direct += EXCEPTION_FRAME;
            depth
        })
        .collect();
    interrupts.sort_by_key(|i| std::cmp::Reverse(i.own()));
    Ok(Depths {
        contexts,
        interrupts,
        reset: of(reset).depth,
        reachable: others.len(),
        nesting: nesting.into_iter().map(name).collect(),
    })
}

/// Functions that something may call by address.
fn by_address(code: &Code) -> Vec<u64> {
    let calls = code.functions.values().flat_map(|f| &f.calls);
    let called: BTreeSet<u64> = calls.map(|(_, to)| *to).collect();
    let all = code.functions.keys();
    all.filter(|at| code.taken.contains(at) || !called.contains(at))
        .copied()
        .collect()
}

/// The task whose `poll` this is: `board::sensor` of
/// `…TaskStorage<some_board::board::__sensor_task::__sensor_task_inner_function::{closure#0}>>::poll`.
fn task(name: &str) -> Option<String> {
    let future = name.strip_prefix(TASK.0)?.strip_suffix(TASK.1)?;
    let path: Vec<_> = future.split("::").collect();
    let made = path
        .iter()
        .position(|part| part.starts_with("__") && part.ends_with("_task"));
    Some(match made {
        Some(at) => {
            let name = path[at].trim_start_matches("__").trim_end_matches("_task");
            let module = path.get(1..at).unwrap_or_default();
            let parts = module.iter().copied().chain([name]);
            parts.collect::<Vec<_>>().join("::")
        }
        None => future.to_owned(),
    })
}

fn visit(
    code: &Code,
    at: u64,
    known: &mut BTreeMap<u64, Reach>,
    path: &mut Vec<u64>,
) -> Result<Reach> {
    if let Some(known) = known.get(&at) {
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
    let mut reach = Reach {
        depth: 0,
        by_address: function.by_address > 0,
    };
    for (_, to) in &function.calls {
        // A jump to its own start is a loop; it gives the stack back first.
        if *to == at {
            continue;
        }
        if path.contains(to) {
            bail!(
                "`{}` calls itself through `{}`, so that its depth has no bound",
                code.functions[to].name,
                function.name
            );
        }
        let below = visit(code, *to, known, path)?;
        reach.depth = reach.depth.max(below.depth);
        reach.by_address |= below.by_address;
    }
    path.pop();
    reach.depth += own;
    known.insert(at, reach);
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::{Depth, Depths, EXCEPTION_FRAME, bound, task};
    use crate::thumb::{Code, Function};

    /// Address, frame, direct calls.
    fn code(functions: &[(u64, Option<u64>, &[u64])]) -> Code {
        let functions = functions.iter().map(|(at, frame, calls)| {
            let function = Function {
                name: format!("f{at}"),
                frame: *frame,
                calls: calls.iter().map(|to| (*at, *to)).collect(),
                by_address: 0,
            };
            (*at, function)
        });
        Code {
            functions: functions.collect(),
            ..Code::default()
        }
    }

    fn depth(name: &str, direct: u64, by_address: u64, is_task: bool) -> Depth {
        let name = name.into();
        Depth {
            name,
            direct,
            by_address,
            is_task,
        }
    }

    #[test]
    fn contexts_lie_on_each_other() {
        const TASK: &str = "<embassy_executor::raw::TaskStorage<b::m::__t_task::__t_task_inner_function\
                            ::{closure#0}>>::poll";
        let mut code = code(&[
            (1, Some(8), &[2, 3]),
            (2, Some(100), &[]),
            (3, Some(10), &[4]),
            (4, Some(200), &[]),
            (5, Some(50), &[4]), // a task
            (6, Some(70), &[]),  // called by nobody
            (7, Some(30), &[2]), // the same, and calls by address
            (8, Some(16), &[]),  // a handler
            (9, Some(12), &[]),  // the handler of all else
        ]);
        code.functions.get_mut(&5).expect("f5").name = TASK.into();
        code.functions.get_mut(&3).expect("f3").by_address = 1;
        code.functions.get_mut(&7).expect("f7").by_address = 2;
        let depths = bound(&code, 1, &[8, 9, 0, 9]).expect("no recursion");
        let by_address = 70 + 130;
        let expected = Depths {
            contexts: vec![
                depth("start-up", 218, by_address, false),
                depth("m::t", 250, 0, true),
            ],
            interrupts: vec![
                depth("f8", EXCEPTION_FRAME + 16, 0, false),
                depth("DefaultHandler", EXCEPTION_FRAME + 12, 0, false),
            ],
            reset: 218,
            reachable: 2,
            nesting: vec!["f7".into()],
        };
        assert_eq!(depths, expected);
        let interrupt = EXCEPTION_FRAME + 16;
        assert_eq!(
            depths.worst(&depths.contexts[0]),
            218 + by_address + interrupt
        );
        assert_eq!(depths.worst(&depths.contexts[1]), 218 + 250 + interrupt);
        assert_eq!(depths.deepest(), Some((218 + 250 + interrupt, "m::t")));

        // Called directly, but by its address, too.
        code.taken.insert(4);
        let taken = bound(&code, 1, &[8, 9, 0, 9]).expect("no recursion");
        assert_eq!(taken.contexts[0].by_address, 200 + 130);
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

    #[test]
    fn names_of_tasks() {
        let of = |future: &str| {
            task(&format!(
                "<embassy_executor::raw::TaskStorage<{future}>>::poll"
            ))
        };
        let name = of("some_board::usb::__send_task::__send_task_inner_function::{closure#0}");
        assert_eq!(name.as_deref(), Some("usb::send"));
        let name = of("some_board::__main_task::__main_task_inner_function::{closure#0}");
        assert_eq!(name.as_deref(), Some("main"));
        assert_eq!(of("x::{closure#0}").as_deref(), Some("x::{closure#0}"));
        assert_eq!(task("some_board::send"), None);
    }
}
