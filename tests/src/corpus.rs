//! Captures with their truth: those of this repository, and with
//! `MAGPIE_CORPUS` set those of a folder with `captures/` and `truth/`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::truth::Exact;

/// Name of the variable that names a corpus.
pub const VARIABLE: &str = "MAGPIE_CORPUS";

/// One capture.
#[derive(Debug, Clone)]
pub struct Capture {
    /// File name, for messages.
    pub name: String,
    /// The capture.
    pub path: PathBuf,
    /// Its truth.
    pub truth: PathBuf,
}

impl Capture {
    /// Reads the truth; a truth that cannot be read fails the test.
    pub fn truth(&self) -> Exact {
        let text = fs::read_to_string(&self.truth)
            .unwrap_or_else(|e| panic!("{}: {e}", self.truth.display()));
        Exact::parse(&text)
            .unwrap_or_else(|e| panic!("{}: {e}", self.truth.display()))
            .with_stacks_cut()
    }
}

/// The folder with our own captures.
pub fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

fn is_capture(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e == "pcap" || e == "pcapng")
}

/// The captures of this repository, each with its truth beside it.
pub fn own() -> Vec<Capture> {
    let mut out = Vec::new();
    let folder = own_folder();
    for entry in fs::read_dir(&folder).expect("tests/captures is part of the repository") {
        let path = entry.expect("a readable folder").path();
        if is_capture(&path) {
            let name = path
                .file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned();
            let truth = folder.join(format!("{name}.json"));
            out.push(Capture { name, path, truth });
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(
        out.len() >= 6,
        "captures are missing in {}",
        folder.display()
    );
    out
}

/// One of our own captures by name.
pub fn own_named(name: &str) -> Capture {
    own()
        .into_iter()
        .find(|c| c.name == name)
        .unwrap_or_else(|| panic!("no capture {name} in tests/captures"))
}

/// The captures of the corpus that `MAGPIE_CORPUS` names; `None`, and a line
/// on stderr that says so, where it is not set. A folder that is set but
/// holds nothing is an error of the caller and fails the test.
pub fn corpus() -> Option<Vec<Capture>> {
    let Some(folder) = std::env::var_os(VARIABLE) else {
        eprintln!("{VARIABLE} is not set: only the captures of this repository are compared");
        return None;
    };
    // Relative to where cargo was called, which is the workspace's root;
    // tests themselves run in the package's folder.
    let mut folder = PathBuf::from(folder);
    if folder.is_relative() {
        folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder);
    }
    let mut out = Vec::new();
    let truths = folder.join("truth");
    let listing = fs::read_dir(&truths).unwrap_or_else(|e| {
        panic!(
            "{VARIABLE}: {}: {e}; it needs captures/ and truth/",
            truths.display()
        )
    });
    for entry in listing {
        let truth = entry.expect("a readable folder").path();
        let file = truth
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        if let Some(name) = file.strip_suffix(".json") {
            let path = folder.join("captures").join(name);
            out.push(Capture {
                name: name.to_owned(),
                path,
                truth,
            });
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(
        !out.is_empty(),
        "{VARIABLE}: no truth in {}",
        truths.display()
    );
    Some(out)
}

/// Our own and, where it is set, the corpus.
pub fn all() -> Vec<Capture> {
    let mut out = own();
    out.extend(corpus().unwrap_or_default());
    out
}
