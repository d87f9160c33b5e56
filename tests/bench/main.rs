//! What `cargo xtask bench` measures on the host: octets a flow, and the
//! program beside others over a large capture and as ping. One JSON object on
//! stdout.
//!
//!     cargo bench -p magpie-tests --bench measure -- bytes
//!     cargo bench -p magpie-tests --bench measure -- host [FRAMES [ROUNDS]]
//!
//! `xtask` knows tools and files, so what knows packets and records is here.
#![forbid(unsafe_code)]

mod bytes;
mod capture;
mod contest;
mod ping;
mod process;
mod truth;

use std::process::ExitCode;

use magpie_tests::corpus::{self, Capture};

/// Of the large capture.
const FRAMES: u64 = 1_500_000;
/// Of everybody.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let result = match arguments[..] {
        ["bytes"] => Ok(bytes::measure(&captures())),
        ["host"] => host(FRAMES, ROUNDS),
        ["host", frames] if number(frames).is_some() => {
            host(number(frames).unwrap_or(FRAMES), ROUNDS)
        }
        ["host", frames, rounds] if number(frames).is_some() && number(rounds).is_some() => {
            let rounds = number(rounds).and_then(|n| usize::try_from(n).ok());
            let frames = number(frames).unwrap_or(FRAMES);
            host(frames, rounds.unwrap_or(ROUNDS))
        }
        ["run", ref command @ ..] if !command.is_empty() => process::watched(command),
        _ => Err("usage: measure bytes | host [FRAMES [ROUNDS]]".to_owned()),
    };
    match result {
        Ok(value) => {
            println!("{value}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("measure: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The program beside others: over a large capture, and as ping.
fn host(frames: u64, rounds: usize) -> Result<serde_json::Value, String> {
    let mut host = contest::run(&captures(), frames, rounds)?;
    host["ping"] = ping::run(rounds);
    Ok(host)
}

/// The corpus that `MAGPIE_CORPUS` names, else the captures of the repository.
fn captures() -> Vec<Capture> {
    corpus::corpus().unwrap_or_else(corpus::own)
}
