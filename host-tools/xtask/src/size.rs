//! `cargo xtask size`: what an image takes of its board, and how deep its stack
//! can get in each task.
//!
//! The stack lies below the statics and grows down, so that an overflow
//! leaves RAM and faults instead of running over them. That holds when no
//! static lies under `_stack_start`; an image that breaks it is an error. (A static
//! in another region of the core's map, such as a TCM for code, lies behind a hole.)

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

use crate::stack::Depths;
use crate::workspace::Workspace;
use crate::{build, run, stack};

/// How many of the largest statics are listed.
const LARGEST: usize = 8;

/// Options of `cargo xtask size`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Boards (default: all)
    boards: Vec<String>,
}

/// Builds the boards and prints their sizes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    // One that does not fit does not hide the others' numbers.
    let mut show = |name: &str, capacities: &[String], image: &Path| -> Result<()> {
        let octets =
            std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
        let size = Size::read(&octets)
            .with_context(|| format!("cannot take the size of {}", image.display()))?;
        print!("{}", report(name, capacities, &size));
        if let Err(error) = size.check() {
            run::say(&format!("{name}: {error:#}"));
            failed.push(format!("{name}: {error:#}"));
        }
        Ok(())
    };
    for board in workspace.boards_named(&args.boards)? {
        let image = build::image(&workspace, &board, &[], None)?;
        show(board.name, &board.capacities, &image)?;
        if let Some(capacities) = &board.speak {
            let image = build::speaking(&workspace, &board)?;
            show(&format!("{} --speak", board.name), capacities, &image)?;
        }
    }
    if !failed.is_empty() {
        bail!("laid out badly: {}", failed.join("; "));
    }
    Ok(())
}

/// Octets of an image.
#[derive(Debug, Default)]
struct Size {
    /// Code and constants, in flash.
    text: u64,
    /// Initialised statics: in RAM, with their values in flash.
    data: u64,
    /// Zeroed and uninitialised statics.
    bss: u64,
    /// Where statics lie.
    statics: Vec<Range<u64>>,
    /// Top of the stack.
    stack_start: u64,
    /// Lowest address the stack may use.
    stack_end: u64,
    /// How much of the stack can be in use.
    depths: Depths,
    /// Largest statics: size and name.
    largest: Vec<(u64, String)>,
}

impl Size {
    fn read(image: &[u8]) -> Result<Self> {
        let file = object::File::parse(image)?;
        let mut size = Self::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if sh_flags & u64::from(elf::SHF_ALLOC) == 0 || section.size() == 0 {
                continue;
            }
            let in_file = section.file_range().is_some_and(|(_, len)| len != 0);
            if sh_flags & u64::from(elf::SHF_WRITE) == 0 {
                size.text += section.size();
                continue;
            }
            *if in_file {
                &mut size.data
            } else {
                &mut size.bss
            } += section.size();
            let at = section.address();
            size.statics.push(at..at.saturating_add(section.size()));
        }
        let symbol = |name: &str| {
            let found = file
                .symbols()
                .find(|s| s.name() == Ok(name))
                .map(|s| s.address());
            found.with_context(|| format!("the image has no symbol `{name}`"))
        };
        size.stack_start = symbol("_stack_start")?;
        size.stack_end = symbol("_stack_end")?;
        size.depths = stack::depths(&file)?;
        let is_static = |at| size.statics.iter().any(|place| place.contains(&at));
        size.largest = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Data && is_static(s.address()))
            .filter_map(|s| {
                let name = rustc_demangle::demangle(s.name().ok()?);
                Some((s.size(), format!("{name:#}")))
            })
            .collect();
        size.largest.sort_unstable_by(|a, b| b.cmp(a));
        size.largest.truncate(LARGEST);
        Ok(size)
    }

    fn stack(&self) -> u64 {
        self.stack_start.saturating_sub(self.stack_end)
    }

    fn check(&self) -> Result<()> {
        // ARMv7-M's map has regions of 512 MB.
        let region = |at: u64| at >> 29;
        let of_stack = |at: &u64| region(*at) == region(self.stack_start);
        let starts = self.statics.iter().map(|place| place.start);
        let lowest = starts.filter(of_stack).min();
        if let Some(at) = lowest.filter(|at| *at < self.stack_start) {
            bail!(
                "a static at {at:#x} lies under the top of the stack ({:#x}): a stack overflow would \
                 overwrite it; place statics above the stack in the board's linker script",
                self.stack_start
            );
        }
        if let Some((used, context)) = self
            .depths
            .deepest()
            .filter(|(used, _)| self.stack() < *used)
        {
            bail!(
                "the stack of {} octets is too small by {}: {context} can use {used} with what lies below and \
                 on top of it; enlarge STACK in the board's memory.x, or find the large frame \
                 (`llvm-objdump -d --demangle IMAGE`, `sub sp`)",
                self.stack(),
                used - self.stack()
            );
        }
        Ok(())
    }
}

fn report(name: &str, capacities: &[String], size: &Size) -> String {
    let mut text = format!(
        "{}: text {} data {} bss {}\n",
        name, size.text, size.data, size.bss
    );
    if !capacities.is_empty() {
        let _ = writeln!(text, "  capacities: {}", capacities.join(", "));
    }
    text += &stack_report(size);
    for (octets, name) in &size.largest {
        let _ = writeln!(text, "  {octets:>8} {name}");
    }
    if size.largest.is_empty() {
        run::say(&format!("{name}: no symbols; is the image stripped?"));
    }
    text
}

/// What each context can use of the stack.
fn stack_report(size: &Size) -> String {
    let (depths, stack) = (&size.depths, size.stack());
    let mut text = format!("  stack {stack}, statics above it; at worst, in octets:\n");
    text += "      direct  by address  in all  margin  context\n";
    for context in &depths.contexts {
        let worst = depths.worst(context);
        let margin = i128::from(stack) - i128::from(worst);
        let _ = writeln!(
            text,
            "    {:>8} {:>11} {worst:>7} {margin:>7}  {}",
            context.direct, context.by_address, context.name
        );
    }
    let interrupts = depths.interrupts.iter();
    let interrupts: Vec<_> = interrupts
        .map(|i| format!("{} {}", i.name, i.direct + i.by_address))
        .collect();
    let _ = writeln!(
        text,
        "    in all: {} from reset below a task, and the deepest interrupt on top: {}",
        depths.reset,
        interrupts.join(", ")
    );
    let _ = write!(
        text,
        "    by address: to any of {} functions",
        depths.reachable
    );
    // Panics and logs: many, and each as good as the other.
    let is_text = |name: &&String| name.contains(" as core::fmt::");
    let (texts, others): (Vec<_>, Vec<_>) = depths.nesting.iter().partition(is_text);
    let mut nesting: Vec<_> = others.into_iter().cloned().collect();
    if !texts.is_empty() {
        nesting.push(format!("{} that write text (core::fmt)", texts.len()));
    }
    if nesting.is_empty() {
        text += ", none of which calls by address again\n";
    } else {
        let _ = writeln!(
            text,
            ", with each that does so again once (no bound if one came to itself again): {}",
            nesting.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Size, stack_report};
    use crate::stack::{Depth, Depths};

    #[test]
    fn statics_under_the_stack_are_refused() {
        let good = Size {
            statics: vec![0x2000_2000..0x2000_4000, 0x0000_0400..0x1000],
            stack_start: 0x2000_2000,
            stack_end: 0x2000_0000,
            ..Size::default()
        };
        assert_eq!(good.stack(), 0x2000);
        good.check().expect("statics begin where the stack does");
        let upside_down = Size {
            statics: vec![0x2000_2000..0x2000_4000, 0x2000_0000..0x2000_0004],
            ..good
        };
        assert!(upside_down.check().is_err());
        let context = |name: &str, direct, by_address, is_task| Depth {
            name: name.into(),
            direct,
            by_address,
            is_task,
        };
        let depths = Depths {
            contexts: vec![
                context("start-up", 0x800, 0, false),
                context("board::sensor", 0x1000, 0x100, true),
            ],
            interrupts: vec![context("UART", 100, 20, false)],
            reset: 0x800,
            reachable: 3,
            nesting: [
                "<A as core::fmt::Debug>::fmt",
                "on_reset",
                "<B as core::fmt::Write>::write_str",
            ]
            .map(Into::into)
            .to_vec(),
        };
        let fits = Size {
            statics: vec![],
            depths,
            ..upside_down
        };
        fits.check().expect("6,520 of 8,192");
        assert_eq!(
            stack_report(&fits),
            "  stack 8192, statics above it; at worst, in octets:\n\
             \x20     direct  by address  in all  margin  context\n\
             \x20       2048           0    2168    6024  start-up\n\
             \x20       4096         256    6520    1672  board::sensor\n\
             \x20   in all: 2048 from reset below a task, and the deepest interrupt on top: UART 120\n\
             \x20   by address: to any of 3 functions, with each that does so again once (no bound if \
             one came to itself again): on_reset, 2 that write text (core::fmt)\n"
        );
        let small = Size {
            stack_end: 0x2000_1000,
            ..fits
        };
        let error = small.check().expect_err("4,096 only").to_string();
        assert!(
            error.contains("too small by 2424: board::sensor can use 6520"),
            "{error}"
        );
    }
}
