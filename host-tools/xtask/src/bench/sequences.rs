//! The dearest frame: searched for on the host by `tests/worst`, whose steps say
//! about what a frame costs; a board in QEMU then says it exactly.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::report::GOALS_FOR;
use super::sensor;
use crate::run;
use crate::workspace::{Workspace, cargo};

/// What is kept, from the root.
const FILE: &str = "tests/bench/worst.pcap";
/// So many sequences,
const KEPT: usize = 100;
/// and no more of one class.
const OF_A_CLASS: usize = 3;
/// Classes that are shown.
const SHOWN: usize = 25;

/// Octets of a pcap file's header, and of that of a frame.
const HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// The program, started in its folder, so that cargo reads its
/// .cargo/config.toml.
fn program(workspace: &Workspace, arguments: &[&str]) -> std::process::Command {
    let mut cargo = cargo();
    cargo
        .current_dir(workspace.root.join("tests/worst"))
        .args(["run", "--quiet", "--release", "--"])
        .args(arguments)
        // These would take the place of the flags in .cargo/config.toml.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null());
    cargo
}

/// Searches, has the board count, keeps the dearest.
pub(crate) fn search(workspace: &Workspace, seconds: u64) -> Result<()> {
    run::say(&format!("searching for {seconds} s"));
    let candidates: PathBuf = workspace.target_dir.join("worst-candidates.pcap");
    let file = candidates.display().to_string();
    let mut program = program(workspace, &["search", &file, &seconds.to_string()]);
    let classes = run::output(program.stderr(Stdio::inherit()))?;
    let counts = sensor::sequences(workspace, GOALS_FOR, &candidates)?;
    let octets = fs::read(&candidates).with_context(|| format!("cannot read {file}"))?;
    let (header, sequences) = sequences(&octets).with_context(|| format!("{file} is cut"))?;
    let Some((prelude, found)) = sequences.split_first() else {
        bail!("{file} is empty");
    };
    // A line is the steps, and the class.
    let classes = classes.lines().filter_map(|line| line.split_once(' '));
    let mut all: Vec<Sequence<'_>> = (counts.into_iter().zip(found).zip(classes))
        .map(|((instructions, octets), (steps, class))| Sequence {
            instructions,
            octets,
            steps,
            class,
        })
        .collect();
    if all.len() != found.len() {
        bail!(
            "{} sequences were found, and {} counted",
            found.len(),
            all.len()
        );
    }
    all.sort_by_key(|sequence| std::cmp::Reverse(sequence.instructions));
    print!("{}", table(&all));
    let mut kept = [header, prelude].concat();
    for sequence in dearest(&all) {
        kept.extend(sequence.octets);
    }
    let path = workspace.root.join(FILE);
    fs::write(&path, kept).with_context(|| format!("cannot write {}", path.display()))?;
    run::say(&format!(
        "kept in {FILE}; run `cargo xtask bench --accept` and commit both"
    ));
    Ok(())
}

/// Whether so many sequences are none dearer than those kept.
pub(crate) fn check(workspace: &Workspace, sequences: u64) -> Result<()> {
    let file = workspace.root.join(FILE).display().to_string();
    run::run(&mut program(
        workspace,
        &["check", &file, &sequences.to_string()],
    ))
}

/// One that was found.
#[derive(Debug, PartialEq)]
struct Sequence<'a> {
    instructions: u64,
    octets: &'a [u8],
    steps: &'a str,
    class: &'a str,
}

/// The dearest, a few of each class.
fn dearest<'s, 'a>(all: &'s [Sequence<'a>]) -> Vec<&'s Sequence<'a>> {
    let mut of_class: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter()
        .filter(|sequence| {
            let so_far = of_class.entry(sequence.class).or_default();
            *so_far += 1;
            *so_far <= OF_A_CLASS
        })
        .take(KEPT)
        .collect()
}

/// The dearest of each class: by its layers and malformed classes, whatever it
/// evicted.
fn table(all: &[Sequence<'_>]) -> String {
    let mut text = format!(
        "{GOALS_FOR}: the dearest of each class\n{:>12}{:>8}  class, and what became of it\n",
        "instructions", "steps"
    );
    let mut seen: Vec<&str> = Vec::new();
    for sequence in all {
        let frame = sequence.class.split(',').next().unwrap_or_default();
        if seen.contains(&frame) || seen.len() == SHOWN {
            continue;
        }
        seen.push(frame);
        let Sequence {
            instructions,
            steps,
            class,
            ..
        } = sequence;
        let _ = writeln!(text, "{instructions:>12}{steps:>8}  {class}");
    }
    text
}

/// A file's header and its sequences, each with the record without octets
/// before it.
fn sequences(file: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (header, records) = file.split_at_checked(HEADER)?;
    let (mut begins, mut at) = (Vec::new(), 0);
    while at < records.len() {
        let length = records.get(at + 8..at + 12)?.first_chunk()?;
        let octets = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if octets == 0 {
            begins.push(at);
        }
        at += FRAME_HEADER + octets;
    }
    begins.push(at); // beyond the end if the last frame is cut
    let pieces = begins.windows(2).map(|pair| records.get(pair[0]..pair[1]));
    Some((header, pieces.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::{Sequence, dearest, sequences};

    fn record(octets: u8) -> Vec<u8> {
        let mut record = vec![0; 16];
        record[8] = octets;
        record.resize(16 + usize::from(octets), 7);
        record
    }

    #[test]
    fn a_file_falls_into_its_sequences() {
        let records = [record(0), record(3), record(0), record(9), record(1)].concat();
        let file = [&[1; 24][..], &records].concat();
        let (header, all) = sequences(&file).expect("whole");
        assert_eq!(header, [1; 24]);
        assert_eq!(all.iter().map(|s| s.len()).collect::<Vec<_>>(), [35, 58]);
        assert_eq!(sequences(&file[..file.len() - 1]), None);
        assert_eq!(sequences(&file[..20]), None);
    }

    #[test]
    fn one_class_does_not_take_all_places() {
        let all: Vec<_> = (0..300)
            .map(|n| Sequence {
                instructions: 1000 - n,
                octets: &[],
                steps: "1",
                class: if n < 200 { "a" } else { "b" },
            })
            .collect();
        let kept: Vec<_> = dearest(&all).iter().map(|s| s.instructions).collect();
        assert_eq!(kept, [1000, 999, 998, 800, 799, 798]);
    }
}
