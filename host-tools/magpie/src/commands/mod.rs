//! One module a subcommand.

pub(crate) mod capture;
pub(crate) mod extcap;
pub(crate) mod interfaces;
pub(crate) mod link;
pub(crate) mod live;
pub(crate) mod names;
pub(crate) mod ping;
pub(crate) mod replay;
pub(crate) mod sensor;
pub(crate) mod shared;
pub(crate) mod sockets;
pub(crate) mod traceroute;
pub(crate) mod watch;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

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

/// `magpie man`.
pub(crate) fn man(names: &[String], dir: Option<&Path>) -> anyhow::Result<Exit> {
    if let Some(dir) = dir {
        let wrong = || dir.display().to_string();
        fs::create_dir_all(dir).with_context(wrong)?;
        clap_mangen::generate_to(Cli::command(), dir).with_context(wrong)?;
        return Ok(Exit::Success);
    }
    let mut command = Cli::command();
    // Gives each subcommand the name that it is called by.
    command.build();
    let mut title = command.get_name().to_owned();
    for name in names {
        let Some(found) = command.find_subcommand(name) else {
            bail!("man: `{title}` has no subcommand `{name}`; {title} --help lists them");
        };
        command = found.clone();
        title = format!("{title} {name}");
    }
    let page = Man::new(command.display_name(title.replace(' ', "-")));
    let mut text = Vec::new();
    page.render(&mut text).context("man")?;
    let mut out = output::stdout();
    out.write_all(&text)
        .and_then(|()| out.flush())
        .context("stdout")?;
    Ok(Exit::Success)
}
