//! One module a subcommand.

pub(crate) mod capture;
pub(crate) mod extcap;
pub(crate) mod interfaces;
pub(crate) mod link;
pub(crate) mod live;
pub(crate) mod man;
pub(crate) mod names;
pub(crate) mod ping;
pub(crate) mod replay;
pub(crate) mod sensor;
pub(crate) mod shared;
pub(crate) mod sockets;
pub(crate) mod traceroute;
pub(crate) mod watch;

use std::io::Write as _;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// `magpie completions`.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    // Written in one go: the generator panics where nobody reads.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "magpie", &mut script);
    let mut out = output::stdout();
    out.write_all(&script)
        .and_then(|()| out.flush())
        .context("stdout")?;
    Ok(Exit::Success)
}
