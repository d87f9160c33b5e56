//! `cargo xtask bench`: what a frame costs.
//!
//! The sensor part plays `boards/bench` on emulated boards and is exact to
//! the instruction, so its numbers are held against a committed baseline.

mod baseline;
mod report;
mod sensor;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{run, verify};
use baseline::Baseline;
use report::Report;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure (default: everything)
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Boards of the sensor part (default: all)
    #[arg(long, value_name = "BOARD")]
    board: Vec<String>,
    /// How to print it; json: one object
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Fail if an instruction count grew by more than 1 % (sensor part only)
    #[arg(long, conflicts_with_all = ["accept", "parts"])]
    check: bool,
    /// Write what is measured into the baseline (sensor part only)
    #[arg(long, conflicts_with = "parts")]
    accept: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Instructions a frame, on emulated boards
    Sensor,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Measures, prints, compares.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let report = Report {
        sensor: sensor::measure(&workspace, &args.board)?,
    };
    let old = Baseline::load(&workspace)?;
    match args.format {
        Format::Json => println!("{}", report.json()),
        Format::Table => print!("{}", report.table(&old)),
    }
    if args.accept {
        let path = old.accept(&report.sensor)?;
        run::say(&format!("accepted: {}", path.display()));
    } else if args.check {
        old.check(&report.sensor, verify::is_ci())?;
    }
    Ok(())
}

/// The stage of `cargo verify`.
pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::load()?;
    let report = Report {
        sensor: sensor::measure(&workspace, &[])?,
    };
    let old = Baseline::load(&workspace)?;
    print!("{}", report.table(&old));
    old.check(&report.sensor, verify::is_ci())
}
