//! `cargo xtask size`: what an image takes of its board.
//!
//! The stack lies below the statics and grows down, so that an overflow
//! leaves RAM and faults instead of running over them. That holds when no
//! static lies under `_stack_start`; an image that breaks it is an error.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

use crate::stack::Depth;
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
    for board in workspace.boards_named(&args.boards)? {
        let image = build::image(&workspace, &board, &[], None)?;
        print(board.name, &board.capacities, &image)?;
        if let Some(capacities) = &board.speak {
            let image = build::speaking(&workspace, &board)?;
            print(&format!("{} --speak", board.name), capacities, &image)?;
        }
    }
    Ok(())
}

fn print(name: &str, capacities: &[String], image: &Path) -> Result<()> {
    let octets =
        std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let size = Size::read(&octets)
        .with_context(|| format!("cannot take the size of {}", image.display()))?;
    print!("{}", report(name, capacities, &size));
    size.check()
        .with_context(|| format!("{name} is laid out badly"))
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
    /// Lowest address of a static.
    lowest_static: Option<u64>,
    /// Top of the stack.
    stack_start: u64,
    /// Lowest address the stack may use.
    stack_end: u64,
    /// How much of the stack can be in use.
    depth: Option<Depth>,
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
            let lowest = size.lowest_static.unwrap_or(u64::MAX);
            size.lowest_static = Some(lowest.min(section.address()));
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
        size.depth = Some(stack::depth(&file)?);
        size.largest = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Data && size.lowest_static <= Some(s.address()))
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
        if let Some(at) = self.lowest_static.filter(|at| *at < self.stack_start) {
            bail!(
                "a static at {at:#x} lies under the top of the stack ({:#x}): a stack overflow would \
                 overwrite it; place statics above the stack in the board's linker script",
                self.stack_start
            );
        }
        let used = self.depth.as_ref().map(Depth::total).unwrap_or_default();
        if self.stack() < used {
            bail!(
                "the stack of {} octets is too small: up to {used} can be used",
                self.stack()
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
    if let Some(depth) = &size.depth {
        let _ = writeln!(
            text,
            "  stack {}, statics above it; used at most {} (reset {}, called by address: {}, interrupt {}): \
             margin {}",
            size.stack(),
            depth.total(),
            depth.reset,
            depth.indirect_names.join(" and "),
            depth.interrupt,
            size.stack().saturating_sub(depth.total())
        );
    }
    if !capacities.is_empty() {
        let _ = writeln!(text, "  capacities: {}", capacities.join(", "));
    }
    for (octets, name) in &size.largest {
        let _ = writeln!(text, "  {octets:>8} {name}");
    }
    if size.largest.is_empty() {
        run::say(&format!("{name}: no symbols; is the image stripped?"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Depth, Size};

    #[test]
    fn statics_under_the_stack_are_refused() {
        let good = Size {
            lowest_static: Some(0x2000_2000),
            stack_start: 0x2000_2000,
            stack_end: 0x2000_0000,
            ..Size::default()
        };
        assert_eq!(good.stack(), 0x2000);
        good.check().expect("statics begin where the stack does");
        let upside_down = Size {
            lowest_static: Some(0x2000_0000),
            ..good
        };
        assert!(upside_down.check().is_err());
        let depth = Some(Depth {
            reset: 0x1000,
            indirect: 0,
            indirect_names: Vec::new(),
            interrupt: 104,
        });
        let fits = Size {
            lowest_static: None,
            depth,
            ..upside_down
        };
        fits.check().expect("4,200 of 8,192");
        let small = Size {
            stack_end: 0x2000_1000,
            ..fits
        };
        assert!(small.check().is_err());
    }
}
