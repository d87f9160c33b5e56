//! The `magpie` program: subcommands and views. It has no logic of its own:
//! sources bring batches, the collector draws the picture, views show it.
//!
//! Order of use: parse a [`cli::Cli`], hand it to [`run`], and end with the
//! code it gives. The library exists for the tests; nothing else imports it.
#![forbid(unsafe_code)]

pub mod cli;
mod commands;
pub mod exit;
mod output;
pub mod views;

use cli::{Cli, Command, SensorCommand};
use exit::Exit;

/// Source revision this program was built from.
pub const GIT: &str = env!("MAGPIE_GIT_ID");

/// Runs what the command line asks for. Failures are told on stderr.
pub fn run(cli: Cli) -> Exit {
    let ended = match cli.command {
        Command::Replay(options) => commands::replay::run(&options),
        Command::Watch(options) => commands::watch::run(&options),
        Command::Sensor(sensor) => match &sensor.command {
            SensorCommand::Info(options) => commands::sensor::info(options),
        },
        Command::Ping(options) => commands::ping::run(&options),
        Command::Traceroute(options) => commands::traceroute::run(&options),
        Command::Capture(options) => commands::capture::run(&options, None),
        Command::Extcap(options) => commands::extcap::run(&options),
        Command::Sockets(options) => commands::sockets::run(&options),
        Command::Interfaces(options) => commands::interfaces::run(&options),
        Command::Completions(options) => commands::completions(options.shell),
        Command::Man(options) => commands::man::run(&options.names, options.dir.as_deref()),
    };
    let exit = ended.unwrap_or_else(|error| {
        if output::is_closed(&error) {
            // Who read our output has seen enough.
            return Exit::Success;
        }
        output::say(&format!("{error:#}"));
        Exit::Usage
    });
    if output::is_lost() {
        output::say("stdout is closed: what was for it is lost");
        return exit.and(Exit::Usage);
    }
    exit
}
