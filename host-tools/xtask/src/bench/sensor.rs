//! The sensor part: `boards/bench` played in QEMU, its lines read.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use object::{Object as _, ObjectSection as _};

use crate::build::Build;
use crate::run;
use crate::workspace::Workspace;

/// The image's package.
const PACKAGE: &str = "bench";

/// The case that counts cache lines in place of instructions.
pub(crate) const LINES: &str = "tcp64_lines";

/// Instructions of one case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// How many frames were counted.
    pub(crate) frames: u64,
    /// Of all of them.
    pub(crate) total: u64,
    /// Of the cheapest.
    pub(crate) min: u64,
    /// Of the dearest.
    pub(crate) max: u64,
}

impl Case {
    /// Instructions a frame, to a hundredth.
    #[expect(
        clippy::cast_precision_loss,
        reason = "sums of a benchmark are far below 2^52"
    )]
    pub(crate) fn mean(&self) -> f64 {
        (self.total as f64 / self.frames.max(1) as f64 * 100.0).round() / 100.0
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("case ")?.split(' ');
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        Some(Self {
            name,
            frames: number()?,
            total: number()?,
            min: number()?,
            max: number()?,
        })
    }
}

/// What was counted.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The compiler that made the images, as it names itself in them.
    pub(crate) compiler: String,
    /// Cases of each board, in the order they were played.
    pub(crate) boards: BTreeMap<String, Vec<Case>>,
    /// What the cache lines of [`LINES`] are of, and how often each was touched.
    pub(crate) lines: BTreeMap<String, Vec<(String, u64)>>,
}

/// Plays the image of these boards; of all where none is named.
pub(crate) fn measure(workspace: &Workspace, wanted: &[String]) -> Result<Counts> {
    let boards = workspace.bench_boards(PACKAGE)?;
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !boards.iter().any(|(board, _)| board == name))
    {
        let known: Vec<_> = boards.iter().map(|(board, _)| *board).collect();
        bail!(
            "no bench for a board `{unknown}`; there are: {}",
            known.join(", ")
        );
    }
    let mut counts = Counts {
        compiler: String::new(),
        boards: BTreeMap::new(),
        lines: BTreeMap::new(),
    };
    for (board, target) in boards {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == board) {
            continue;
        }
        let image = image(workspace, board, target)?;
        counts.compiler = compiler(&image)?;
        let play = || {
            read(&play(workspace, board, &image, None)?)
                .with_context(|| format!("cannot count instructions on {board}"))
        };
        let said = play()?;
        if said != play()? {
            bail!("two runs on {board} differ: what is counted depends on something outside");
        }
        let (cases, lines) = said;
        counts.boards.insert(board.to_owned(), cases);
        if !lines.is_empty() {
            counts.lines.insert(board.to_owned(), lines);
        }
    }
    Ok(counts)
}

/// Builds the image for a board: where it is.
fn image(workspace: &Workspace, board: &str, target: &str) -> Result<PathBuf> {
    let mut build = Build::new(workspace, "build", PACKAGE, target, &[])?;
    run::say(&format!("building {PACKAGE} for {board}"));
    run::run(&mut build.cargo).with_context(|| format!("cannot build {PACKAGE}"))?;
    Ok(build.binary)
}

/// Plays the sequences of a file (`tests/worst`) on this board: instructions of
/// the last frame of each.
pub(crate) fn sequences(workspace: &Workspace, board: &str, file: &Path) -> Result<Vec<u64>> {
    let boards = workspace.bench_boards(PACKAGE)?;
    let found = boards.iter().find(|(name, _)| *name == board);
    let (_, target) = found.with_context(|| format!("no bench for a board `{board}`"))?;
    let image = image(workspace, board, target)?;
    let said = play(workspace, board, &image, Some(file))?;
    let counts: Option<Vec<u64>> = said
        .lines()
        .filter_map(|line| line.strip_prefix("sequence "))
        .map(|count| count.parse().ok())
        .collect();
    let counts = counts.filter(|_| said.ends_with("done\n"));
    counts.with_context(|| format!("the image did not come to its end; it said:\n{said}"))
}

/// Who compiled the image: counts of different compilers do not compare.
fn compiler(image: &Path) -> Result<String> {
    let octets = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let file = object::File::parse(&*octets)?;
    let comment = file.section_by_name(".comment").map(|s| s.data());
    let comment = comment.transpose()?.unwrap_or_default();
    let mut lines = comment.split(|octet| *octet == 0);
    let rustc = lines.find(|line| line.starts_with(b"rustc"));
    Ok(String::from_utf8_lossy(rustc.unwrap_or(b"unknown")).into_owned())
}

/// Runs the image to its end: what it says. It plays all cases, or this file.
fn play(workspace: &Workspace, board: &str, image: &Path, file: Option<&Path>) -> Result<String> {
    let machine = board.strip_prefix("qemu-").unwrap_or(board);
    // A port nobody uses now; whoever takes it in between makes QEMU say so.
    let wire = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr())?;
    // The second word is the file; a comma is written twice in QEMU's options.
    let file = file.map(|file| file.display().to_string().replace(',', ",,"));
    let file = file.map_or(String::new(), |file| format!(",arg={file}"));
    let semihosting = format!("enable=on,target=native,arg={PACKAGE}{file}");
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(&workspace.root) // the image reads captures from here
        .args(["-M", machine, "-display", "none", "-monitor", "none"])
        .args(["-serial", "none", "-icount", "shift=7,sleep=off"])
        .args(["-semihosting-config", &semihosting])
        // Of its own port the image receives what it sends.
        .args(["-net", "nic,netdev=n0", "-netdev"])
        .arg(format!("socket,id=n0,udp={wire},localaddr={wire}"))
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::null());
    let out = qemu
        .output()
        .context("cannot start `qemu-system-arm`; run `cargo xtask setup`")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        bail!(
            "QEMU ended with {}; the image said:\n{said}{}",
            out.status,
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(said)
}

/// What an image says: cases, and lines of places.
type Said = (Vec<Case>, Vec<(String, u64)>);

/// The image's lines.
fn read(said: &str) -> Result<Said> {
    let (mut cases, mut lines) = (Vec::new(), Vec::new());
    for line in said.lines() {
        if line == "done" {
            return Ok((cases, lines));
        }
        if let Some((place, count)) = line.strip_prefix("line ").and_then(|l| l.split_once(' ')) {
            lines.push((place.to_owned(), count.parse()?));
        } else {
            cases.push(Case::parse(line).with_context(|| format!("not a result: `{line}`"))?);
        }
    }
    bail!("the image did not come to its end; it said:\n{said}")
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_run_that_did_not_end_is_no_result() {
        let whole = "case tcp64 3 1000 333 334\nline sensor+64 3\ndone\n";
        let (cases, lines) = read(whole).expect("whole");
        assert_eq!(lines, [("sensor+64".to_owned(), 3)]);
        assert_eq!(cases.len(), 1);
        assert!((cases[0].mean() - 333.33).abs() < 1e-9);
        assert!(read("case tcp64 3 1000 333 334\n").is_err());
        assert!(read("panicked at src\ndone\n").is_err());
    }
}
