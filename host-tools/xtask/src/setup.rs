//! `cargo xtask setup`: what the machine lacks, and getting it.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;
use crate::toolchain::{self, Readiness};
use crate::workspace::Workspace;

/// Options of `cargo xtask setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install without asking
    #[arg(long)]
    yes: bool,
}

/// What the machine is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Images and an emulated board.
    Demo,
    /// A live network.
    Live,
    /// A live network with an emulated board.
    LiveBoard,
    /// Every check.
    Verify,
}

impl Purpose {
    fn boards(self) -> bool {
        self != Self::Live
    }

    fn lab(self) -> bool {
        self != Self::Demo
    }
}

/// What `tests/lab` is made of: program, what for, package.
const LAB: &[(&str, &str, &str)] = &[
    ("python3", "python3, which the lab is written in", "python3"),
    ("ip", "ip, for networks of our own", "iproute2"),
    ("tc", "tc, for a mirror port", "iproute2"),
    ("sysctl", "sysctl, for hosts in the lab", "procps"),
    ("ping", "ping, for hosts in the lab", "iputils-ping"),
    ("curl", "curl, for hosts in the lab", "curl"),
    ("openssl", "openssl, for servers in the lab", "openssl"),
    ("dnsmasq", "dnsmasq, for servers in the lab", "dnsmasq-base"),
];

/// What checks need beside `LAB`: program, what for, package.
const BESIDE: &[(&str, &str, &str)] = &[
    ("c++", "a C++ compiler, for libFuzzer", "g++"),
    (
        "tcpdump",
        "tcpdump, to count and to filter beside magpie",
        "tcpdump",
    ),
    ("tshark", "tshark, to read what magpie wrote", "tshark"),
    (
        "capinfos",
        "capinfos, to read what magpie wrote",
        "wireshark-common",
    ),
    (
        "prlimit",
        "prlimit, for files that may not grow",
        "util-linux",
    ),
    ("ss", "ss, to list sockets beside magpie", "iproute2"),
    (
        "netstat",
        "netstat, to list routes beside magpie",
        "net-tools",
    ),
    ("tmux", "tmux, to look at the screen through", "tmux"),
];

/// What `tests/hand` compares with, beside `LAB`: program, package.
const REFERENCE: &[(&str, &str)] = &[
    ("traceroute", "traceroute"),
    ("mtr", "mtr-tiny"),
    ("fping", "fping"),
    ("setpriv", "util-linux"),
];

/// Something missing.
struct Need {
    what: String,
    how: How,
}

enum How {
    /// Packages of Debian or Ubuntu.
    Apt(Vec<&'static str>),
    /// Components of the toolchain in use.
    Rustup(&'static str),
}

/// Lists and installs everything `cargo verify` needs.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure(&Workspace::load()?, Purpose::Verify, args.yes)
}

/// Sees to it that nothing is missing. Asks first, unless `yes` or when
/// nobody can answer.
pub(crate) fn ensure(workspace: &Workspace, purpose: Purpose, yes: bool) -> Result<()> {
    let missing = missing(workspace, purpose)?;
    if missing.is_empty() {
        run::say("setup: nothing is missing");
        return Ok(());
    }
    let mut packages: Vec<&str> = Vec::new();
    let mut components = Vec::new();
    run::say("setup: missing are");
    for need in &missing {
        match &need.how {
            How::Apt(names) => {
                run::say(&format!("  {} (apt: {})", need.what, names.join(" ")));
                packages.extend(names);
            }
            How::Rustup(component) => {
                run::say(&format!(
                    "  {} (rustup component add {component})",
                    need.what
                ));
                components.push(*component);
            }
        }
    }
    packages.sort_unstable();
    packages.dedup();
    if !yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !asked()? {
        bail!("not installed, as you wished; install the above by hand, or say yes");
    }
    for component in components {
        run::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    if !packages.is_empty() {
        apt(&packages)?;
    }
    let still: Vec<_> = self::missing(workspace, purpose)?
        .into_iter()
        .map(|n| n.what)
        .collect();
    if !still.is_empty() {
        bail!("still missing after the installation: {}", still.join(", "));
    }
    Ok(())
}

#[allow(clippy::too_many_lines)] // a list
fn missing(workspace: &Workspace, purpose: Purpose) -> Result<Vec<Need>> {
    let mut missing = Vec::new();
    if !libpcap() {
        missing.push(Need {
            what: "libpcap, to compile filters".into(),
            how: How::Apt(vec!["libpcap0.8"]),
        });
    }
    let mut program = |name: &str, what: &str, package: &'static str| {
        if run::find_program(name).is_none() {
            missing.push(Need {
                what: what.into(),
                how: How::Apt(vec![package]),
            });
        }
    };
    program("cc", "a C compiler, to link host programs", "gcc");
    if purpose.boards() {
        program(
            "qemu-system-arm",
            "QEMU, to run the emulated boards",
            "qemu-system-arm",
        );
    }
    if purpose.lab() {
        for (name, what, package) in LAB {
            program(name, what, package);
        }
    }
    if purpose == Purpose::Verify {
        for (name, what, package) in BESIDE {
            program(name, what, package);
        }
        for (name, package) in REFERENCE {
            let what = format!("{name}, to hold our hand tools against");
            program(name, &what, package);
        }
    }
    let mut debian = false;
    let mut targets = workspace.thumb_targets();
    if !purpose.boards() {
        targets.clear();
    }
    for target in targets {
        match toolchain::readiness(workspace, target)? {
            Readiness::Installed => {}
            Readiness::Debian => debian = true,
            Readiness::Missing => {
                debian = true;
                let packages = toolchain::debian_packages();
                let what = format!("a compiler for {target}");
                missing.push(Need {
                    what,
                    how: How::Apt(packages.to_vec()),
                });
            }
        }
    }
    if purpose == Purpose::Verify {
        if !Path::new("/etc/protocols").exists() {
            missing.push(Need {
                what: "names of protocols, for filters".into(),
                how: How::Apt(vec!["netbase"]),
            });
        }
        if debian && !toolchain::debian_clippy() {
            let what = "clippy beside Debian's compiler".into();
            missing.push(Need {
                what,
                how: How::Apt(vec![toolchain::debian_clippy_package()]),
            });
        }
        for (name, component, package) in [
            ("clippy", "clippy", "rust-clippy"),
            ("fmt", "rustfmt", "rustfmt"),
        ] {
            // Of the cargo in use: a rustup proxy exists even when the tool does not.
            let mut ask = crate::workspace::cargo();
            if run::output(ask.args([name, "--version"])).is_err() {
                let how = if run::find_program("rustup").is_some() {
                    How::Rustup(component)
                } else {
                    How::Apt(vec![package])
                };
                missing.push(Need {
                    what: format!("cargo {name}"),
                    how,
                });
            }
        }
    }
    Ok(missing)
}

/// Whether the loader finds libpcap. Where one cannot ask it, `magpie` itself
/// says so when it compiles a filter.
fn libpcap() -> bool {
    // Not in an ordinary user's PATH, but his to run.
    let asked = run::output(Command::new("/sbin/ldconfig").arg("-p"));
    asked.is_ok_and(|list| list.contains("libpcap.so.")) || !Path::new("/sbin/ldconfig").exists()
}

fn asked() -> Result<bool> {
    eprint!("xtask: install this now? [Y/n] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "" | "y" | "yes"
    ))
}

/// Installs packages, as root or by sudo.
fn apt(packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if run::find_program("apt-get").is_none() {
        bail!(
            "this is no Debian or Ubuntu (no apt-get); install what corresponds to: {}",
            packages.join(" ")
        );
    }
    let root = run::output(Command::new("id").arg("-u"))?.trim() == "0";
    if !root && run::find_program("sudo").is_none() {
        bail!("neither root nor sudo; have an administrator run `{by_hand}`");
    }
    let apt_get = |args: &[&str]| -> Result<()> {
        let mut command = Command::new(if root { "env" } else { "sudo" });
        if !root {
            // Without a terminal nobody can type a password: fail, do not hang.
            if !std::io::stdin().is_terminal() {
                command.arg("-n");
            }
            command.arg("env");
        }
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(args);
        // Our stdout is for data.
        command.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
        run::say(&run::shown(&command));
        run::run(&mut command)
    };
    // Old lists are the usual reason for "404 not found", but a failed update
    // (one dead mirror of several) need not mean a failed installation.
    if let Err(error) = apt_get(&["-q", "update"]) {
        run::say(&format!("going on although {error}"));
    }
    let mut install = vec!["-q", "install", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt_get(&install).with_context(|| format!("apt could not install; try `{by_hand}` by hand"))
}
