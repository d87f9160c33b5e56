//! The filter: its text, its program.

use std::fs;

use anyhow::{Context as _, bail};
use magpie_filter::{Instruction, Program};

use super::chooser::Chooser;
use crate::cli::capture::{Capture as Options, Request};

/// A compiled expression.
pub(super) struct Expression {
    text: String,
    instructions: Vec<Instruction>,
    literal: bool,
}

impl Expression {
    pub(super) fn compile(options: &Options, request: &Request) -> anyhow::Result<Self> {
        let text = match &options.filter_file {
            // What else the command line says is ignored then, as in tcpdump.
            Some(path) => fs::read_to_string(path)
                .with_context(|| format!("-F {}", path.display()))?
                .trim()
                .to_owned(),
            None => request.expression.clone(),
        };
        if !text.is_empty() {
            bail!("STUB");
        }
        Ok(Self {
            text,
            instructions: Vec::new(),
            literal: options.no_vlan,
        })
    }

    pub(super) fn listing(&self, _: u8) -> String {
        String::new()
    }

    /// For the file; `None`: all packets.
    pub(super) fn text(&self) -> Option<String> {
        Some(self.text.clone()).filter(|text| !text.is_empty())
    }

    pub(super) fn chooser(&self) -> anyhow::Result<Chooser<'_>> {
        let program = if self.instructions.is_empty() {
            None
        } else {
            Some(Program::verify(&self.instructions).context("the filter")?)
        };
        Ok(Chooser {
            program,
            literal: self.literal,
        })
    }
}
