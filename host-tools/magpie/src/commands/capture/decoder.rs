//! tshark behind us, for what our lines do not say.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use magpie_capture::write::{Files, Statistics};

use super::output::about;
use crate::cli::capture::Capture as Options;

/// tshark, which prints what it is given.
pub(super) struct Decoder {
    tshark: Child,
    pub(super) files: Files,
}

impl Decoder {
    pub(super) fn start(options: &Options) -> anyhow::Result<Self> {
        let mut command = Command::new("tshark");
        // Line by line, as it comes.
        command.args(["-l", "-r", "-"]).stdin(Stdio::piped());
        for (wanted, flag) in [
            (options.numeric > 0, "-n"),
            (options.verbose > 0, "-V"),
            (options.hex + options.hex_ascii > 0, "-x"),
        ] {
            if wanted {
                command.arg(flag);
            }
        }
        let mut tshark = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!(
                "--decode: tshark is not installed (apt-get install tshark); leave --decode out"
            ),
            _ => anyhow::Error::new(error).context("--decode: tshark"),
        })?;
        let Some(stdin) = tshark.stdin.take() else {
            bail!("--decode: tshark has no stdin");
        };
        let pipe = File::from(OwnedFd::from(stdin));
        let files = Files::pipe(pipe, "tshark", about(), Vec::new())?;
        Ok(Self { tshark, files })
    }

    /// Gives it the rest, and waits until it has printed that.
    pub(super) fn end(self, known: &[Statistics]) -> anyhow::Result<()> {
        let Self { mut tshark, files } = self;
        let closed = files.close(known);
        let status = tshark.wait().context("--decode: tshark")?;
        if !status.success() {
            bail!("--decode: tshark ended with {status}");
        }
        Ok(closed?)
    }
}
