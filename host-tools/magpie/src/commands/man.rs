//! `magpie man`: pages as `clap_mangen` makes them, but for two lines: it names
//! no values in the synopsis, and gives `man` the version for the date.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::{Cli, VERSION};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(names: &[String], dir: Option<&Path>) -> anyhow::Result<Exit> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives each subcommand the name that it is called by.
    command.build();
    if let Some(dir) = dir {
        let wrong = || dir.display().to_string();
        fs::create_dir_all(dir).with_context(wrong)?;
        write_all(&command, dir).with_context(wrong)?;
        return Ok(Exit::Success);
    }
    let mut title = command.get_name().to_owned();
    for name in names {
        let Some(found) = command.find_subcommand(name) else {
            bail!("man: `{title}` has no subcommand `{name}`; {title} --help lists them");
        };
        command = found.clone();
        title = format!("{title} {name}");
    }
    let text = page(&command).context("man")?;
    let mut out = output::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("stdout")?;
    Ok(Exit::Success)
}

/// The pages of a command and of all below it.
fn write_all(command: &Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_all(below, dir)?;
    }
    let file = dir.join(Man::new(command.clone()).get_filename());
    fs::write(file, page(command)?)
}

/// A page of a command that is built.
fn page(command: &Command) -> io::Result<String> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let mut page = String::new();
    let mut is_synopsis = false;
    for line in text.lines() {
        let is_heading = line.starts_with(".SH ");
        is_synopsis &= !is_heading;
        if line.starts_with(".TH ") {
            page.push_str(&title(command));
        } else if !is_synopsis {
            page.push_str(line);
            page.push('\n');
        }
        if line == ".SH SYNOPSIS" {
            is_synopsis = true;
            page.push_str(&synopsis(command));
        }
    }
    Ok(page)
}

/// Name, section, date (there is none), source and manual.
fn title(command: &Command) -> String {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    format!(".TH {name} 1 \"\" \"magpie {VERSION}\" \"User Commands\"\n")
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", text.replace('-', "\\-"))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", text.replace('-', "\\-"))
}

/// What a command is called with: options, then values in their order.
fn synopsis(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let mut words = vec![bold(name)];
    words.extend(shown().filter(|arg| !arg.is_positional()).map(option));
    words.extend(shown().filter(|arg| arg.is_positional()).map(positional));
    if command.has_subcommands() {
        let required = command.is_subcommand_required_set();
        words.push(marked(italic("COMMAND"), required, false));
    }
    // No flag is to be hyphenated.
    words.join(" \\%") + "\n"
}

/// In brackets where it may be left out, with dots where more may follow.
fn marked(mut text: String, is_required: bool, is_several: bool) -> String {
    if !is_required {
        text = format!("[{text}]");
    }
    if is_several {
        text.push_str("...");
    }
    text
}

fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| italic(name)).collect();
    names.join("\\ ")
}

/// By its short flag where it has one: the page has both below.
fn option(arg: &Arg) -> String {
    let mut text = match (arg.get_short(), arg.get_long()) {
        (Some(short), _) => bold(&format!("-{short}")),
        (None, long) => bold(&format!("--{}", long.unwrap_or_default())),
    };
    let takes = arg.get_num_args().unwrap_or_default();
    if takes.takes_values() {
        let between = match (arg.is_require_equals_set(), arg.get_short()) {
            (true, None) => "=",
            (true, Some(_)) => "",
            // No line is to end between a flag and its value.
            (false, _) => "\\ ",
        };
        let value = values(arg);
        let value = format!("{between}{value}");
        if takes.min_values() == 0 {
            text = format!("{text}[{value}]");
        } else {
            text.push_str(&value);
        }
    }
    let is_several = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
    marked(text, arg.is_required_set(), is_several)
}

fn positional(arg: &Arg) -> String {
    let takes = arg.get_num_args().unwrap_or_default();
    let is_several = takes.max_values() > 1 || matches!(arg.get_action(), ArgAction::Append);
    marked(values(arg), arg.is_required_set(), is_several)
}
