//! A capture for Wireshark: `magpie capture` into its pipe.

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Parser as _;

use super::interfaces::{self, Which};
use crate::cli::extcap::Extcap as Options;
use crate::cli::{Cli, Command};
use crate::commands::capture;
use crate::exit::Exit;
use crate::output;

pub(super) fn run(options: &Options, which: &Which) -> anyhow::Result<Exit> {
    let Some(fifo) = &options.fifo else {
        bail!("{which}: no pipe is named to capture into (--fifo)");
    };
    let source = interfaces::source(which, options)?;
    // Waits until somebody reads, with nothing opened yet and SIGTERM as the
    // system has it.
    let pipe = OpenOptions::new().write(true).open(fifo);
    let pipe = pipe.with_context(|| fifo.display().to_string())?;
    let words = words(options, &source.to_string(), fifo)?;
    let Command::Capture(capture) = Cli::try_parse_from(words)?.command else {
        bail!("not understood as a capture");
    };
    output::be_quiet();
    capture::run(&capture, Some(pipe))
}

/// The same as a person would write it.
fn words(options: &Options, source: &str, fifo: &Path) -> anyhow::Result<Vec<String>> {
    let Some(fifo) = fifo.to_str() else {
        bail!("{}: not UTF-8", fifo.display());
    };
    let mut words: Vec<String> = ["magpie", "capture", "-i", source, "-w", fifo]
        .map(str::to_owned)
        .into();
    if let Some(octets) = options.snap_len.filter(|octets| *octets > 0) {
        words.extend(["-s".to_owned(), octets.to_string()]);
    }
    if options.no_vlan {
        words.push("--no-vlan".to_owned());
    }
    if let Some(filter) = filter(options) {
        words.extend(["--".to_owned(), filter]);
    }
    Ok(words)
}

/// Both filters together.
fn filter(options: &Options) -> Option<String> {
    let given = [&options.extcap_capture_filter, &options.filter];
    let mut filters = given
        .into_iter()
        .flatten()
        .map(|filter| filter.trim())
        .filter(|filter| !filter.is_empty());
    match (filters.next(), filters.next()) {
        (Some(one), Some(other)) => Some(format!("({one}) and ({other})")),
        (one, _) => one.map(str::to_owned),
    }
}
