//! The committed baseline: what instructions a frame cost when they were
//! last accepted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::report::{BOUND, is_of_a_frame};
use super::sensor::Counts;
use crate::run;
use crate::workspace::Workspace;

/// Where it is, from the root.
const FILE: &str = "tests/bench/baseline.json";
/// What may change without a word.
const TOLERANCE: f64 = 0.01;

/// Instructions a frame, by board and case.
type Numbers = BTreeMap<String, BTreeMap<String, f64>>;

/// What was accepted.
pub(crate) struct Baseline {
    path: PathBuf,
    /// What made the images then.
    compiler: String,
    numbers: Numbers,
}

impl Baseline {
    /// Reads it; empty where there is none.
    pub(crate) fn load(workspace: &Workspace) -> Result<Self> {
        let path = workspace.root.join(FILE);
        let (compiler, numbers) = match fs::read_to_string(&path) {
            Ok(text) => {
                parse(&text).with_context(|| format!("{} is not a baseline", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (String::new(), Numbers::new())
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self {
            path,
            compiler,
            numbers,
        })
    }

    /// What the case cost.
    pub(crate) fn get(&self, board: &str, case: &str) -> Option<f64> {
        self.numbers.get(board)?.get(case).copied()
    }

    /// Fails when a count grew, appeared or vanished; says when one shrank.
    /// Counts of another compiler are held against it in CI only, where the
    /// baseline must be that of the compiler there is.
    pub(crate) fn check(&self, new: &Counts, ci: bool) -> Result<()> {
        let result = self.compare(new).and_then(|()| bounded(new));
        if self.compiler == new.compiler {
            return result;
        }
        let other = format!(
            "the baseline is of `{}`, these images are of `{}`",
            self.compiler, new.compiler
        );
        match result {
            Err(error) if ci => Err(error.context(other)),
            Err(error) => {
                run::say(&format!("{other}: not held against them:\n{error:#}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn compare(&self, new: &Counts) -> Result<()> {
        let mut worse = String::new();
        let mut better = Vec::new();
        for (board, cases) in &new.boards {
            let Some(old) = self.numbers.get(board) else {
                bail!("{FILE} has no numbers of {board}: {ACCEPT}");
            };
            for case in cases {
                match old.get(&case.name) {
                    None => {
                        let _ = writeln!(worse, "  {board} {}: not in the baseline", case.name);
                    }
                    Some(old) if case.mean() > old * (1.0 + TOLERANCE) => {
                        let _ = writeln!(
                            worse,
                            "  {board} {}: {old} -> {} instructions a frame ({:+.1} %)",
                            case.name,
                            case.mean(),
                            (case.mean() / old - 1.0) * 100.0
                        );
                    }
                    Some(old) if case.mean() < old * (1.0 - TOLERANCE) => {
                        better.push(format!("{board} {}: {old} -> {}", case.name, case.mean()));
                    }
                    Some(_) => {}
                }
            }
            for gone in old.keys().filter(|k| !cases.iter().any(|c| &c.name == *k)) {
                let _ = writeln!(worse, "  {board} {gone}: in the baseline, but not measured");
            }
        }
        if !better.is_empty() {
            run::say(&format!(
                "fewer instructions than the baseline says; {ACCEPT}\n  {}",
                better.join("\n  ")
            ));
        }
        if !worse.is_empty() {
            bail!("more instructions than the baseline allows:\n{worse}{ACCEPT}");
        }
        Ok(())
    }

    /// Puts these numbers in place of those of the same boards; returns where.
    pub(crate) fn accept(mut self, new: &Counts) -> Result<PathBuf> {
        for (board, cases) in &new.boards {
            let cases = cases.iter().map(|c| (c.name.clone(), c.mean())).collect();
            self.numbers.insert(board.clone(), cases);
        }
        let text = serde_json::json!({ "compiler": new.compiler, "sensor": self.numbers });
        let text = serde_json::to_string_pretty(&text)? + "\n";
        let folder = self.path.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&self.path, text))
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(self.path)
    }
}

/// Fails where a frame cost more than any may.
fn bounded(new: &Counts) -> Result<()> {
    for (board, cases) in &new.boards {
        for case in cases.iter().filter(|case| is_of_a_frame(&case.name)) {
            if case.max > BOUND {
                bail!(
                    "{board} {}: a frame cost {} instructions, none may cost more than {BOUND}",
                    case.name,
                    case.max
                );
            }
        }
    }
    Ok(())
}

const ACCEPT: &str = "to accept it, run `cargo xtask bench --accept` and commit tests/bench/baseline.json with the change";

fn parse(text: &str) -> Result<(String, Numbers)> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let compiler = value["compiler"].as_str().context("no `compiler`")?;
    let mut numbers = Numbers::new();
    let boards = value["sensor"].as_object().context("no `sensor`")?;
    for (board, cases) in boards {
        let cases = cases
            .as_object()
            .with_context(|| format!("`{board}` is no object"))?;
        let mut of_board = BTreeMap::new();
        for (case, n) in cases {
            let n = n
                .as_f64()
                .with_context(|| format!("`{board}` `{case}` is no number"))?;
            of_board.insert(case.clone(), n);
        }
        numbers.insert(board.clone(), of_board);
    }
    Ok((compiler.to_owned(), numbers))
}

#[cfg(test)]
mod tests {
    use super::super::sensor::Case;
    use super::{Baseline, Counts, parse};
    use std::collections::BTreeMap;

    fn baseline() -> Baseline {
        let text = r#"{"compiler": "c", "sensor": {"b": {"tcp64": 400.0, "udp64": 300}}}"#;
        let (compiler, numbers) = parse(text).expect("a baseline");
        Baseline {
            path: "nowhere".into(),
            compiler,
            numbers,
        }
    }

    fn measured(cases: &[(&str, u64)]) -> Counts {
        let cases = cases.iter().map(|(name, mean)| Case {
            name: (*name).to_owned(),
            frames: 10,
            total: mean * 10,
            min: 0,
            max: 0,
        });
        Counts {
            compiler: "c".to_owned(),
            boards: BTreeMap::from([("b".to_owned(), cases.collect())]),
            lines: BTreeMap::new(),
        }
    }

    #[test]
    fn a_percent_is_let_through_and_more_is_not() {
        let check = |cases: &[(&str, u64)]| baseline().check(&measured(cases), true);
        assert!(check(&[("tcp64", 404), ("udp64", 300)]).is_ok());
        assert!(check(&[("tcp64", 100), ("udp64", 300)]).is_ok());
        let said = check(&[("tcp64", 405), ("udp64", 300)]).expect_err("grew");
        let said = said.to_string();
        assert!(said.contains("tcp64: 400 -> 405"), "{said}");
        assert!(said.contains("cargo xtask bench --accept"), "{said}");
    }

    #[test]
    fn no_frame_may_be_dearer_than_the_bound() {
        let mut dear = measured(&[("tcp64", 400), ("udp64", 300)]);
        let cases = dear.boards.get_mut("b").expect("the board");
        cases[0].max = super::BOUND;
        assert!(baseline().check(&dear, true).is_ok());
        let cases = dear.boards.get_mut("b").expect("the board");
        cases[0].max = super::BOUND + 1;
        let said = baseline().check(&dear, true).expect_err("dearer");
        assert!(said.to_string().contains("b tcp64: a frame cost"), "{said}");
    }

    #[test]
    fn cases_neither_appear_nor_vanish_in_silence() {
        let check = |cases: &[(&str, u64)]| baseline().check(&measured(cases), true);
        assert!(check(&[("tcp64", 400)]).is_err());
        assert!(check(&[("tcp64", 400), ("udp64", 300), ("echo", 1)]).is_err());
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        assert!(parse("{}").is_err());
        assert!(parse(r#"{"compiler": "c"}"#).is_err());
        assert!(parse(r#"{"compiler": "c", "sensor": {"b": {"c": "many"}}}"#).is_err());
    }

    #[test]
    fn another_compiler_is_an_excuse_but_not_in_ci() {
        let mut grown = measured(&[("tcp64", 999), ("udp64", 300)]);
        assert!(baseline().check(&grown, false).is_err());
        grown.compiler = "d".to_owned();
        assert!(baseline().check(&grown, false).is_ok());
        assert!(baseline().check(&grown, true).is_err());
    }
}
