//! The sensor part: `boards/bench` played in QEMU, its lines read.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use object::{Object as _, ObjectSection as _};

use crate::build::Build;
use crate::run;
use crate::workspace::Workspace;

/// The image's package.
const PACKAGE: &str = "bench";

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
    };
    for (board, target) in boards {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == board) {
            continue;
        }
        let mut build = Build::new(workspace, "build", PACKAGE, target, &[])?;
        run::say(&format!("building {PACKAGE} for {board}"));
        run::run(&mut build.cargo).with_context(|| format!("cannot build {PACKAGE}"))?;
        counts.compiler = compiler(&build.binary)?;
        let play = || {
            play(workspace, board, &build.binary)
                .with_context(|| format!("cannot count instructions on {board}"))
        };
        let cases = play()?;
        if cases != play()? {
            bail!("two runs on {board} differ: what is counted depends on something outside");
        }
        counts.boards.insert(board.to_owned(), cases);
    }
    Ok(counts)
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

/// Runs the image to its end.
fn play(workspace: &Workspace, board: &str, image: &Path) -> Result<Vec<Case>> {
    let machine = board.strip_prefix("qemu-").unwrap_or(board);
    // A port nobody uses now; whoever takes it in between makes QEMU say so.
    let wire = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr())?;
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(&workspace.root) // the image reads captures from here
        .args(["-M", machine, "-display", "none", "-monitor", "none"])
        .args(["-serial", "none", "-icount", "shift=7,sleep=off"])
        .args(["-semihosting-config", "enable=on,target=native"])
        // Of its own port the image receives what it sends.
        .args(["-net", "nic,netdev=n0", "-netdev"])
        .arg(format!("socket,id=n0,udp={wire},localaddr={wire}"))
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::null());
    let out = qemu
        .output()
        .context("cannot start `qemu-system-arm`; run `cargo xtask setup`")?;
    let said = String::from_utf8_lossy(&out.stdout);
    read(&said).with_context(|| {
        format!(
            "QEMU ended with {}; the image said:\n{said}{}",
            out.status,
            String::from_utf8_lossy(&out.stderr)
        )
    })
}

/// The image's lines.
fn read(said: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for line in said.lines() {
        if line == "done" {
            return Ok(cases);
        }
        cases.push(Case::parse(line).with_context(|| format!("not a result: `{line}`"))?);
    }
    bail!("it did not come to its end")
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_run_that_did_not_end_is_no_result() {
        let whole = "case tcp64 3 1000 333 334\ndone\n";
        let cases = read(whole).expect("whole");
        assert_eq!(cases.len(), 1);
        assert!((cases[0].mean() - 333.33).abs() < 1e-9);
        assert!(read("case tcp64 3 1000 333 334\n").is_err());
        assert!(read("panicked at src\ndone\n").is_err());
    }
}
