//! `cargo xtask lint`: the arrows of the design, from `cargo metadata`, and
//! some rules of the house that clippy does not know.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use crate::workspace::{Package, Workspace};

/// Who may import whom: importer (a name, or a folder with `/*`), and what
/// of the workspace it may import. Anything else is forbidden.
const ARROWS: &[(&str, &[&str])] = &[
    // The contract imports nothing of ours; link and sensor meet only in it.
    ("magpie-protocol", &[]),
    ("magpie-filter", &[]),
    ("magpie-link", &["magpie-protocol"]),
    ("magpie-sensor", &["magpie-protocol", "magpie-filter"]),
    (
        "magpie-node",
        &["magpie-protocol", "magpie-link", "magpie-sensor"],
    ),
    // A driver moves frames and knows nothing about what they mean; drivers
    // share one way to touch a register.
    ("magpie-mmio", &[]),
    ("firmware/drivers/*", &["magpie-mmio"]),
    (
        "no-panic",
        &[
            "magpie-protocol",
            "magpie-link",
            "magpie-filter",
            "magpie-sensor",
            "magpie-node",
            "firmware/drivers/*",
        ],
    ),
    // What a filter costs, without a sensor.
    (
        "bench",
        &[
            "magpie-node",
            "magpie-protocol",
            "magpie-link",
            "magpie-filter",
            "magpie-sensor",
            "firmware/drivers/*",
        ],
    ),
    // A board's constants size the storage of sensor and link.
    (
        "boards/*",
        &[
            "magpie-node",
            "magpie-protocol",
            "magpie-link",
            "magpie-sensor",
            "firmware/drivers/*",
        ],
    ),
    ("magpie-collector", &["magpie-protocol", "magpie-link"]),
    // The system's libpcap compiles filters, and only `os` may load a library.
    ("magpie-capture", &["magpie-filter", "magpie-os"]),
    ("magpie-os", &[]),
    ("magpie-probe", &[]),
    ("magpie-emulator", &[]),
    // A capture file becomes records by the same sender as on a board.
    (
        "magpie-sources",
        &[
            "magpie-collector",
            "magpie-sensor",
            "magpie-link",
            "magpie-protocol",
            "magpie-capture",
            "magpie-os",
            "magpie-emulator",
        ],
    ),
    // Views print what the picture holds: keys and records of the contract.
    (
        "magpie",
        &[
            "magpie-protocol",
            "magpie-sources",
            "magpie-probe",
            "magpie-capture",
            "magpie-os",
            "magpie-collector",
        ],
    ),
    ("magpie-tests", &["any library"]),
    ("xtask", &["any library"]),
];

/// Crates that are given time and octets, and fetch neither.
const SANS_IO: &[&str] = &[
    "magpie-protocol",
    "magpie-link",
    "magpie-sensor",
    "magpie-filter",
    "magpie-probe",
    "magpie-collector",
];

/// What a sans-IO crate never names.
const IO_WORDS: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "std::thread",
    "std::fs",
    "read_volatile",
    "write_volatile",
];

/// Folders where `unsafe` may be needed.
const UNSAFE_FOLDERS: &[&str] = &["firmware/drivers/", "boards/", "host-tools/os/"];

/// Runs all checks; prints each breach.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut breaches = arrows(&workspace);
    for package in &workspace.packages {
        breaches.extend(forbids_unsafe(&workspace, package)?);
        breaches.extend(sans_io(&workspace, package)?);
    }
    breaches.extend(machine_paths(&workspace));
    for breach in &breaches {
        println!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the rules", breaches.len());
    }
    println!("lint: {} crates, no breach", workspace.packages.len());
    Ok(())
}

/// Path of a package within the workspace.
fn folder<'p>(workspace: &Workspace, package: &'p Package) -> &'p Path {
    package
        .dir
        .strip_prefix(&workspace.root)
        .unwrap_or(&package.dir)
}

/// Whether a name of [`ARROWS`] means this package.
fn means(workspace: &Workspace, name: &str, package: &Package) -> bool {
    match name.strip_suffix("/*") {
        Some(parent) => folder(workspace, package).parent() == Some(Path::new(parent)),
        None if name == "any library" => {
            package.targets.iter().any(|t| t.kind == "lib")
                && !["magpie-tests", "xtask"].contains(&package.name.as_str())
        }
        None => name == package.name,
    }
}

/// Edges that [`ARROWS`] does not allow.
fn arrows(workspace: &Workspace) -> Vec<String> {
    let mut breaches = Vec::new();
    for importer in &workspace.packages {
        let rule = ARROWS
            .iter()
            .find(|(name, _)| means(workspace, name, importer));
        let Some((name, allowed)) = rule else {
            breaches.push(format!(
                "{}: no arrow is drawn for this crate; draw it in host-tools/xtask/src/lint.rs (ARROWS)",
                importer.name
            ));
            continue;
        };
        for imported in workspace
            .packages
            .iter()
            .filter(|p| importer.needs.contains(&p.name))
        {
            if !allowed.iter().any(|a| means(workspace, a, imported)) {
                let allowed = if allowed.is_empty() {
                    "nothing".into()
                } else {
                    allowed.join(", ")
                };
                breaches.push(format!(
                    "{} -> {}: forbidden; of the workspace, {name} may import: {allowed}",
                    importer.name, imported.name
                ));
            }
        }
    }
    breaches
}

/// Every crate root forbids unsafe code, except where registers are touched.
fn forbids_unsafe(workspace: &Workspace, package: &Package) -> Result<Vec<String>> {
    let path = folder(workspace, package);
    if UNSAFE_FOLDERS.iter().any(|f| path.starts_with(f)) {
        return Ok(Vec::new());
    }
    let mut breaches = Vec::new();
    for target in package
        .targets
        .iter()
        .filter(|t| t.kind == "lib" || t.kind == "bin")
    {
        let text = fs::read_to_string(&target.root)
            .with_context(|| format!("cannot read {}", target.root.display()))?;
        if !text.lines().any(|l| l.trim() == "#![forbid(unsafe_code)]") {
            breaches.push(format!(
                "{}: `#![forbid(unsafe_code)]` is missing",
                target
                    .root
                    .strip_prefix(&workspace.root)
                    .unwrap_or(&target.root)
                    .display()
            ));
        }
    }
    Ok(breaches)
}

/// A sans-IO crate names no clock, socket, thread or register.
fn sans_io(workspace: &Workspace, package: &Package) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    if !SANS_IO.contains(&package.name.as_str()) {
        return Ok(breaches);
    }
    let mut folders = vec![package.dir.join("src")];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && path.file_stem().is_none_or(|s| s != "tests")
            {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let shown = path
                    .strip_prefix(&workspace.root)
                    .unwrap_or(&path)
                    .display();
                for (line, word) in io_words(&text) {
                    breaches.push(format!(
                        "{shown}:{line}: `{word}` in a sans-IO crate; take it as an argument"
                    ));
                }
            }
        }
    }
    Ok(breaches)
}

/// [`IO_WORDS`] in a source, with their lines; comments and the tests at the
/// end of a file are free.
fn io_words(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(|(at, line)| {
            IO_WORDS
                .iter()
                .filter(|w| line.contains(**w))
                .map(move |w| (at + 1, *w))
        })
}

/// No committed file names a folder that only one machine has.
fn machine_paths(workspace: &Workspace) -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["ls-files", "-z"]);
    let Ok(files) = run::output(&mut git) else {
        run::say("lint: no git here, so paths of one machine were not looked for");
        return Vec::new();
    };
    // Put together here, so that this file does not find itself.
    let homes = ["root", "work", "home"].map(|h| format!("/{h}/"));
    let mut breaches = Vec::new();
    for file in files.split('\0').filter(|f| !f.is_empty()) {
        let path = workspace.root.join(file);
        // Deleted but not yet committed, or binary: nothing to read.
        let Ok(octets) = fs::read(&path) else {
            continue;
        };
        let Ok(text) = String::from_utf8(octets) else {
            continue;
        };
        for (at, line) in text.lines().enumerate() {
            if homes.iter().any(|h| names_path(line, h)) {
                breaches.push(format!("{file}:{}: names a path of one machine", at + 1));
            }
        }
    }
    breaches
}

/// Whether the line has this absolute path; not as the middle of another one
/// (`../NAME/`) or of an address.
fn names_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::{arrows, io_words, names_path};
    use crate::workspace::Workspace;

    /// A workspace with these crates: name, folder, imports.
    fn workspace(crates: &[(&str, &str, &[&str])]) -> Workspace {
        let packages: Vec<_> = crates
            .iter()
            .map(|(name, folder, imports)| {
                let needs: Vec<_> = imports
                    .iter()
                    .map(|i| serde_json::json!({"name": i, "kind": null}))
                    .collect();
                serde_json::json!({
                    "name": name,
                    "manifest_path": format!("/w/{folder}/Cargo.toml"),
                    "metadata": null,
                    "dependencies": needs,
                    "targets": [{"name": name, "kind": ["lib"], "src_path": "/w/lib.rs"}],
                })
            })
            .collect();
        let doc = serde_json::json!({
            "workspace_root": "/w", "target_directory": "/w/target", "packages": packages,
        });
        Workspace::parse(&doc.to_string()).expect("metadata")
    }

    #[test]
    fn drawn_arrows_pass() {
        let breaches = arrows(&workspace(&[
            ("magpie-protocol", "firmware/protocol", &[]),
            (
                "magpie-sensor",
                "firmware/sensor",
                &["magpie-protocol", "smoltcp"],
            ),
            ("magpie-node", "firmware/node", &["magpie-sensor"]),
            (
                "magpie-lan9118",
                "firmware/drivers/lan9118",
                &["embassy-net-driver"],
            ),
            (
                "some-board",
                "boards/some-board",
                &["magpie-node", "magpie-lan9118"],
            ),
            ("magpie-tests", "tests", &["magpie-sensor"]),
        ]));
        assert!(breaches.is_empty(), "{breaches:?}");
    }

    #[test]
    fn other_edges_are_breaches() {
        let cases: &[(&str, &str, &str, &str)] = &[
            (
                "magpie-lan9118",
                "firmware/drivers/lan9118",
                "magpie-sensor",
                "firmware/sensor",
            ),
            (
                "magpie-sensor",
                "firmware/sensor",
                "magpie-link",
                "firmware/link",
            ),
            (
                "magpie-sources",
                "host-tools/sources",
                "magpie",
                "host-tools/magpie",
            ),
            (
                "magpie-collector",
                "host-tools/collector",
                "some-board",
                "boards/some-board",
            ),
            ("xtask", "host-tools/xtask", "magpie-tests", "tests"),
        ];
        for (importer, folder, imported, other) in cases {
            let breaches = arrows(&workspace(&[
                (importer, folder, &[imported]),
                (imported, other, &[]),
            ]));
            assert_eq!(breaches.len(), 1, "{breaches:?}");
            assert!(breaches[0].starts_with(&format!("{importer} -> {imported}: forbidden")));
        }
    }

    #[test]
    fn a_crate_without_a_rule_is_a_breach() {
        let breaches = arrows(&workspace(&[("newcomer", "host-tools/newcomer", &[])]));
        assert_eq!(breaches.len(), 1);
    }

    #[test]
    fn words_and_paths() {
        let text =
            "use a;\n// SystemTime\nlet t = SystemTime::now();\n#[cfg(test)]\nInstant::now()\n";
        assert_eq!(io_words(text).collect::<Vec<_>>(), [(3, "SystemTime")]);
        // In two parts, so that the lint does not find its own test.
        let home = concat!("/ho", "me/");
        assert!(names_path(&format!("see {home}me/x"), home));
        assert!(!names_path(
            &format!("see ..{home}me and x.org{home}a"),
            home
        ));
    }
}
