//! Reads Magpie sensors, captures and emulated boards.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    magpie::run(magpie::cli::Cli::parse()).into()
}
