//! `magpie extcap`: Wireshark's way to sensors.
//!
//! Wireshark calls a program in its folder, once for each question, and once
//! for a capture, which goes through a pipe until the pipe is closed or a
//! SIGTERM comes. What is on stderr then is shown as an error, so that a
//! capture that goes well says nothing.

mod capture;
mod install;
mod interfaces;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use magpie_capture::extcap::{self, About};
use magpie_capture::filter::{Compile, Filter};

use self::interfaces::Which;
use crate::cli::extcap::Extcap as Options;
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    if options.install {
        return install::install(options);
    }
    if options.uninstall {
        return install::uninstall(options);
    }
    if options.extcap_interfaces {
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: String::new(),
            display: "Magpie sensors".to_owned(),
        };
        return answer(&extcap::interfaces(&about, &interfaces::all()));
    }
    let Some(name) = &options.extcap_interface else {
        bail!("nothing is asked: --install makes sensors known to Wireshark, which asks the rest");
    };
    let which: Which = name.parse()?;
    if options.capture {
        return capture::run(options, &which);
    }
    if let Some(option) = &options.extcap_reload_option {
        return answer(&extcap::reload(&interfaces::arguments(&which), option));
    }
    if options.extcap_config {
        return answer(&extcap::config(&interfaces::arguments(&which)));
    }
    if options.extcap_dlts {
        return answer(&extcap::link_types());
    }
    if let Some(filter) = &options.extcap_capture_filter {
        // No words: the filter is right.
        let wrong = Filter::compile(filter, Compile::default()).err();
        return answer(&wrong.map_or_else(String::new, |error| format!("{error}\n")));
    }
    bail!("{name}: nothing is asked of it")
}

fn answer(text: &str) -> anyhow::Result<Exit> {
    let mut out = output::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("stdout")?;
    Ok(Exit::Success)
}
