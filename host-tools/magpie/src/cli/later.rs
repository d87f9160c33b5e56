//! Arguments that are made when they are asked for.

use std::ops::Deref;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::VERSION;

/// Arguments of a subcommand, which only its own call, its help or its page
/// takes the time to make: those of all the others are half of what a short
/// call costs this program.
#[derive(Debug, Clone)]
pub struct Later<T>(pub T);

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// It says its version, by the long flag alone: `-V` is something else in some
/// of the tools that these are like.
fn versioned(command: Command) -> Command {
    let flag = Arg::new("version")
        .long("version")
        .action(ArgAction::Version)
        .help("Print version");
    command
        .mut_subcommands(versioned)
        .version(VERSION)
        .disable_version_flag(true)
        .arg(flag)
}

/// What the subcommand says of itself stays.
fn keeping_about(command: Command, make: fn(Command) -> Command) -> Command {
    let about = command.get_about().cloned();
    let long = command.get_long_about().cloned();
    versioned(make(command))
        .about(Resettable::from(about))
        .long_about(Resettable::from(long))
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| keeping_about(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| keeping_about(command, T::augment_args_for_update))
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::cli::Cli;

    #[test]
    fn only_the_subcommand_that_is_called_is_made() {
        let mut command = Cli::command();
        let arguments = |command: &clap::Command, name| {
            let found = command.find_subcommand(name).unwrap();
            found.get_arguments().count()
        };
        for name in [
            "replay",
            "watch",
            "ping",
            "traceroute",
            "capture",
            "extcap",
            "sockets",
            "interfaces",
            "completions",
            "man",
        ] {
            assert_eq!(arguments(&command, name), 0, "{name}");
        }
        let sensor = command.find_subcommand("sensor").unwrap();
        assert_eq!(sensor.get_subcommands().count(), 0);
        command.build();
        assert!(arguments(&command, "ping") > 30);
        let ping = command.find_subcommand("ping").unwrap();
        let about = ping.get_about().unwrap().to_string();
        assert_eq!(about, "Ping hosts: round trips, loss, and who says why");
        assert!(Cli::try_parse_from(["magpie", "ping", "-c", "1", "::1"]).is_ok());
    }
}
