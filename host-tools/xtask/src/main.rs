//! `cargo xtask`: everything about this repository that `cargo build` and
//! `cargo test` do not know: how to get a thumb toolchain, how to build and
//! measure the images, which crate may import which, and what to run before
//! a change is called good.
//!
//! It knows tools and files, never packets or records: what Magpie does is
//! done by the `magpie` binary and the tests. One module a subcommand.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod callers;
mod clippy;
mod demo;
mod drive;
mod flash;
mod fuzz;
mod lint;
mod proof;
mod run;
mod setup;
mod size;
mod speak;
mod stack;
mod thumb;
mod toolchain;
mod uf2;
mod verify;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, measure, test and show Magpie.
#[derive(Parser)]
#[command(name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build firmware images; each lands in `TARGET_DIR/images/BOARD.elf`
    Build(build::Args),
    /// Build an image and put it onto its board, by a debug probe or its boot drive
    Flash(flash::Args),
    /// Count the instructions of the sensor core, and more, against the baseline
    Bench(bench::Args),
    /// Search for the frame that costs the sensor core most
    Worst(bench::Worst),
    /// List what this machine lacks, and install it
    Setup(setup::Args),
    /// Check who may import whom, and rules that clippy does not know
    Lint,
    /// Print text, data, bss and table capacities of the boards, and the stack of each task
    Size(size::Args),
    /// Run clippy on what runs on boards
    ClippyFirmware,
    /// Run every fuzz target for a fixed number of inputs
    Fuzz(fuzz::Args),
    /// Watch a board in QEMU count real traffic
    Demo(demo::Args),
    /// Run every check and print a table of them
    Verify(verify::Args),
    /// Show at link time that protocol, link, filter and sensor cannot panic
    Proof,
}

fn main() -> ExitCode {
    match work(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by `main`'s own way: a backtrace says nothing to who typed a command.
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Build(args) => build::run(&args),
        Task::Flash(args) => flash::run(&args),
        Task::Worst(args) => bench::worst(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Lint => lint::run(),
        Task::Setup(args) => setup::run(&args),
        Task::Size(args) => size::run(&args),
        Task::ClippyFirmware => clippy::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Demo(args) => demo::run(&args),
        Task::Verify(args) => verify::run(&args),
        Task::Proof => proof::run(),
    }
}
