//! Searches for the dearest frame there is. See README.md; usually called by
//! `cargo xtask worst`.

mod frame;
mod mutate;
mod pcap;
mod search;
mod steps;
mod world;

use std::time::Duration;
use std::{env, fs, io};

use search::{Search, prelude};
use world::World;

/// The same search each time.
const SEED: u64 = 1;
/// Most sequences that a search hands to the boards.
const MOST: usize = 1200;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    match (&*next(), next(), next().parse::<u64>()) {
        ("search", file, Ok(seconds)) => search(&file, seconds),
        ("check", file, Ok(sequences)) => check(&file, sequences),
        _ => {
            eprintln!("usage: worst search FILE SECONDS | worst check FILE SEQUENCES");
            std::process::exit(2);
        }
    }
}

/// Searches, and writes what it found.
fn search(file: &str, seconds: u64) -> io::Result<()> {
    let mut search = Search::new(SEED);
    search.run_for(Duration::from_secs(seconds), |so_far| {
        eprintln!(
            "{} sequences, at most {} steps",
            so_far.tried,
            so_far.most()
        );
    });
    let mut sequences = vec![prelude()];
    for found in search.found(MOST) {
        println!("{} {}", found.done.steps, found.done.class);
        sequences.push(found.shown());
    }
    fs::write(file, pcap::write(&sequences))
}

/// Shows the frames of a file, then searches as long: finds it more?
fn check(file: &str, sequences: u64) -> io::Result<()> {
    let kept = pcap::read(&fs::read(file)?)?;
    let (prelude, kept) = kept.split_first().ok_or(io::ErrorKind::InvalidData)?;
    let mut world = World::after(prelude);
    let known = kept.iter().map(|sequence| world.play(sequence).steps).max();
    let known = known.unwrap_or(0);
    let mut search = Search::new(SEED);
    search.run(sequences);
    println!(
        "{file}: {known} steps; {sequences} sequences: {}",
        search.most()
    );
    if search.most() > known {
        eprintln!("a frame dearer than those of {file}: run `cargo xtask worst`");
        std::process::exit(1);
    }
    Ok(())
}
