//! Processes that `magpie sockets -p` may not look into are counted, or it says
//! that they are not even listed.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use magpie_tests::program;

use crate::beside::{Anyones, network};

/// With a `/proc` of its own for its processes alone: root's shell; a process
/// of `nobody` that has a right more, and the socket that is stdin; and what
/// is asked, as nobody.
const SCRIPT: &str = r#"
mount -t proc $1 proc /proc || exit 9
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
exec 3<&0
$nobody --inh-caps +net_raw --ambient-caps +net_raw sleep 60 <&3 &
exec 3<&- </dev/null
until grep -qs sleep /proc/$!/comm; do sleep 0.05; done
$nobody "$0" sockets -tlnpH
"#;

/// What is said of who has a socket.
fn said(program: &Anyones, options: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", SCRIPT])
        .arg(program.path())
        .arg(options)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .expect("util-linux");
    let said = program::stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.starts_with("LISTEN "), "{shown}");
    assert!(!shown.contains("users:"), "{shown}");
    said
}

#[test]
#[ignore = "needs root: cargo verify runs it"]
fn what_may_not_be_looked_into_is_told() {
    let _alone = network();
    let program = Anyones::new();
    let hidden = said(&program, "-orw");
    let both = "magpie: -p: 2 processes do not show what they have open";
    assert!(hidden.starts_with(both), "{hidden}");
    assert_eq!(hidden.lines().count(), 1, "{hidden}");
    let unlisted = said(&program, "-ohidepid=2");
    let all = "magpie: -p: /proc lists no processes of other users";
    assert!(unlisted.lines().any(|l| l.starts_with(all)), "{unlisted}");
}
