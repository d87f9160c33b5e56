//! `cargo xtask bench`: what a frame costs.
//!
//! The sensor part plays `boards/bench` on emulated boards and is exact to
//! the instruction, so its numbers are held against a committed baseline. The
//! other parts, octets a flow and the program beside others, are `tests/bench`.

mod baseline;
mod measured;
mod report;
mod sensor;
mod sequences;

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
    /// Least frames of the capture of the host part
    #[arg(long, value_name = "N", default_value_t = 1_500_000)]
    frames: u64,
    /// Rounds of the host part
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
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
    /// Octets a flow, in the table and on the uplink, over `MAGPIE_CORPUS`
    Bytes,
    /// CPU time and memory of `magpie replay` beside softflowd and nfpcapd, and of
    /// `magpie ping` beside iputils'
    Host,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Measures, prints, compares.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let wanted = |part| {
        if args.check || args.accept {
            part == Part::Sensor
        } else {
            args.parts.is_empty() || args.parts.contains(&part)
        }
    };
    let mut report = Report::default();
    if wanted(Part::Sensor) {
        report.sensor = Some(sensor::measure(&workspace, &args.board)?);
    }
    if wanted(Part::Bytes) {
        report.bytes = Some(measured::measure(&workspace, &["bytes".to_owned()])?);
    }
    if wanted(Part::Host) {
        let (frames, rounds) = (args.frames.to_string(), args.rounds.to_string());
        let arguments = ["host".to_owned(), frames, rounds];
        report.host = Some(measured::measure(&workspace, &arguments)?);
    }
    let old = Baseline::load(&workspace)?;
    match args.format {
        Format::Json => println!("{}", report.json()),
        Format::Table => print!("{}", report.table(&old)),
    }
    let Some(counts) = &report.sensor else {
        return Ok(());
    };
    if args.accept {
        let path = old.accept(counts)?;
        run::say(&format!("accepted: {}", path.display()));
    } else if args.check {
        old.check(counts, verify::is_ci())?;
    }
    Ok(())
}

/// Options of `cargo xtask worst`.
#[derive(clap::Args)]
pub(crate) struct Worst {
    /// How long to search
    #[arg(long, value_name = "N", default_value_t = 90)]
    seconds: u64,
    /// Only try so many sequences, and fail if one is dearer than those kept
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    check: Option<u64>,
}

/// Searches for the dearest frame, on the host and then on a board.
pub(crate) fn worst(args: &Worst) -> Result<()> {
    let workspace = Workspace::load()?;
    match args.check {
        Some(sequences) => sequences::check(&workspace, sequences),
        None => sequences::search(&workspace, args.seconds),
    }
}

/// Sequences of the stage of `cargo verify`: some seconds.
const FEW: u64 = 20_000;

/// The stage of `cargo verify`.
pub(crate) fn check_worst() -> Result<()> {
    sequences::check(&Workspace::load()?, FEW)
}

/// The stage of `cargo verify`.
pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::load()?;
    let counts = sensor::measure(&workspace, &[])?;
    let old = Baseline::load(&workspace)?;
    let report = Report {
        sensor: Some(counts),
        ..Report::default()
    };
    print!("{}", report.table(&old));
    report
        .sensor
        .map_or(Ok(()), |counts| old.check(&counts, verify::is_ci()))
}
