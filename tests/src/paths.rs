//! Paths through routers for the hand tools: `tests/hand/paths.py`, where they
//! are drawn, and programs that run at their beginning.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{fs, iter, thread};

use serde::Deserialize;
use tempfile::TempDir;

use crate::program;
use crate::script::{Place, Script, Share, alone};
use crate::terminal::{self, Terminal};
use crate::tools::Said;

/// Both families.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What holds in each family, in both at once.
pub fn in_both(holds: impl Fn(Family) + Sync) {
    thread::scope(|scope| {
        for family in FAMILIES {
            let holds = &holds;
            scope.spawn(move || holds(family));
        }
    });
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Who runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Root.
    Root,
    /// User and group 65534, without any other group or capability.
    Nobody,
}

/// What stands between the host `me` and the ends of some paths.
pub struct Paths {
    prefix: String,
    stations: BTreeMap<String, Vec<Station>>,
    folder: TempDir,
    magpie: OnceLock<PathBuf>,
    _script: Script,
}

/// The right end of one cable, as seen from `me`.
#[derive(Debug, Clone, Deserialize)]
pub struct Station {
    /// Who has it.
    pub node: String,
    /// Its IPv4 address there.
    pub v4: Ipv4Addr,
    /// Its IPv6 address there.
    pub v6: Ipv6Addr,
}

impl Station {
    /// Its address of a family.
    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }
}

#[derive(Deserialize)]
struct Greeting {
    prefix: String,
    paths: BTreeMap<String, Vec<Station>>,
}

impl Paths {
    /// Builds these paths of `paths.py`, beside those of other tests.
    pub fn start(paths: &[&str]) -> Self {
        Self::build(paths, Share::Beside(Place::take()))
    }

    /// Builds them when no other lab stands, for what is measured there.
    pub fn alone(paths: &[&str]) -> Self {
        Self::build(paths, Share::Alone(alone()))
    }

    fn build(paths: &[&str], share: Share) -> Self {
        let mut script = Script::start("hand/paths.py", paths, share);
        let Greeting { prefix, paths } = script.answer("the start");
        let folder = tempfile::tempdir().expect("a folder");
        // For everybody, as programs are installed.
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), all).expect("a folder of ours");
        Self {
            prefix,
            stations: paths,
            folder,
            magpie: OnceLock::new(),
            _script: script,
        }
    }

    /// What the names of its namespaces begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The cables of a path, as they are drawn.
    pub fn stations(&self, path: &str) -> &[Station] {
        let stations = self.stations.get(path);
        stations.unwrap_or_else(|| panic!("{path} was not built"))
    }

    /// Who answers at each hop of a path that does not branch.
    pub fn hops(&self, path: &str, family: Family) -> Vec<IpAddr> {
        let stations = self.stations(path).iter();
        stations.map(|station| station.address(family)).collect()
    }

    /// Addresses under which a node answers `me`.
    pub fn addresses(&self, path: &str, node: &str, family: Family) -> Vec<IpAddr> {
        let of = self.stations(path).iter().filter(|s| s.node == node);
        of.map(|station| station.address(family)).collect()
    }

    /// The end of a path.
    pub fn end(&self, path: &str, family: Family) -> IpAddr {
        let all = self.addresses(path, "end", family);
        *all.first().expect("every path has an end")
    }

    /// Our program where everybody may run it.
    pub fn magpie(&self) -> &Path {
        self.magpie.get_or_init(|| {
            let copy = self.folder.path().join("magpie");
            // By another program: a file that this one has open for writing, while a
            // thread of it starts a program, is open there, too, and cannot be run.
            let mut cp = Command::new("cp");
            let done = cp.arg(program::path()).arg(&copy).status();
            assert!(
                done.is_ok_and(|status| status.success()),
                "a folder of ours"
            );
            copy
        })
    }

    /// A program at the host `me`.
    pub fn command(&self, user: User, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-me", self.prefix)]);
        if user == User::Nobody {
            command.args(["setpriv", "--reuid", "65534", "--regid", "65534"]);
            command.arg("--clear-groups");
        }
        // English, and nothing that a user has set.
        command.env("LC_ALL", "C").env_remove("FPING_OPTIONS");
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Our program on a terminal of this size.
    pub fn magpie_on_terminal(&self, words: &[&str], size: (u16, u16)) -> Terminal {
        let magpie = self.magpie().to_str().expect("a path of ours");
        let command = self.command(User::Root, &[&[magpie], words].concat());
        let all = iter::once(command.get_program()).chain(command.get_args());
        Terminal::start(terminal::command(all), size)
    }

    /// Runs it to its end.
    pub fn run(&self, user: User, words: &[&str]) -> Said {
        let output = self.command(user, words).output();
        output.expect("iproute2").into()
    }

    /// Runs our program to its end.
    pub fn run_magpie(&self, user: User, words: &[&str]) -> Said {
        let magpie = self.magpie();
        let mut all = vec![magpie.to_str().expect("a path of ours")];
        all.extend(words);
        self.run(user, &all)
    }

    /// Runs several at the same time.
    pub fn together(&self, user: User, programs: &[&[&str]]) -> Vec<Said> {
        thread::scope(|scope| {
            let one = |words| scope.spawn(move || self.run(user, words));
            let running: Vec<_> = programs.iter().map(|words| one(*words)).collect();
            let all = running.into_iter().map(thread::ScopedJoinHandle::join);
            all.map(|said| said.expect("a program that ran")).collect()
        })
    }

    /// Sets a sysctl at `me`.
    pub fn set(&self, key: &str, value: &str) {
        let done = self.run(
            User::Root,
            &["sysctl", "-q", "-w", &format!("{key}={value}")],
        );
        assert_eq!(done.code, Some(0), "{}", done.err);
    }

    /// Makes `me` forget which path takes how long a packet.
    pub fn forget_mtu(&self) {
        for family in FAMILIES {
            self.forget_mtu_of(family);
        }
    }

    /// Of one family.
    pub fn forget_mtu_of(&self, family: Family) {
        let family = match family {
            Family::V4 => "-4",
            Family::V6 => "-6",
        };
        let done = self.run(User::Root, &["ip", family, "route", "flush", "cache"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }

    /// A folder of its own, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Groups that may ping without further rights (`ping_group_range`).
    pub fn let_ping(&self, from: u32, to: u32) {
        self.set("net.ipv4.ping_group_range", &format!("{from} {to}"));
    }
}
