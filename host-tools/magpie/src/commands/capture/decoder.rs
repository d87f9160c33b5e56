//! tshark behind us, for what our lines do not say.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use magpie_capture::write::{Files, Statistics, WriteError};

use super::output::about;
use crate::cli::capture::Capture as Options;
use crate::output::is_closed;

/// As signal(7) numbers it, everywhere alike.
const SIGPIPE: i32 = 13;

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
        // It needs none of the rights that listening took; root's would come back.
        magpie_os::no_new_privileges()?;
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
        match Files::pipe(pipe, "tshark", about(), Vec::new()) {
            Ok(files) => Ok(Self { tshark, files }),
            Err(error) => Err(wait(&mut tshark, Err(error))
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("--decode: tshark takes nothing"))),
        }
    }

    /// Gives it the rest, and waits until it has printed that.
    pub(super) fn end(self, known: &[Statistics]) -> anyhow::Result<()> {
        let Self { mut tshark, files } = self;
        let given = files.close(known);
        wait(&mut tshark, given)
    }

    /// It takes no more: waits for it, and says why.
    pub(super) fn gone(self, error: WriteError) -> anyhow::Result<()> {
        let Self { mut tshark, files } = self;
        drop(files);
        wait(&mut tshark, Err(error))
    }
}

/// How tshark ended. That its pipe is closed is no answer: it may have died.
fn wait(tshark: &mut Child, given: Result<(), WriteError>) -> anyhow::Result<()> {
    let status = tshark.wait().context("--decode: tshark")?;
    if status.signal() == Some(SIGPIPE) {
        // Who read what it printed has seen enough.
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
    if !status.success() {
        bail!("--decode: tshark ended with {status}");
    }
    match given.map_err(anyhow::Error::new) {
        Err(error) if is_closed(&error) => {
            bail!("--decode: tshark ended before it had read everything")
        }
        given => given,
    }
}
