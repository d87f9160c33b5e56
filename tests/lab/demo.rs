//! `cargo demo --live`, as a user calls it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use magpie_tests::{boards, lab};

/// Network namespaces of labs like the demo's (`tests/captures/lab/netns.py`
/// names them): others' come and go.
fn namespaces() -> BTreeSet<String> {
    let said = Command::new("ip").args(["netns", "list"]).output();
    let said = said.expect("iproute2");
    let text = String::from_utf8_lossy(&said.stdout);
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let ours = names.filter(|name| name.starts_with("magpie"));
    ours.map(str::to_owned).collect()
}

/// Ends well, with closed books over what passed, and leaves nothing behind.
fn demo(arguments: &[&str]) {
    let _alone = lab::alone();
    let before = namespaces();
    let output = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["demo", "--live", "--yes", "--seconds", "8"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("cargo");
    let (said, warned) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{said}{warned}");
    let books = said.lines().last().unwrap_or_default();
    let mut words = books.split(' ');
    assert_eq!(
        (words.next(), words.next()),
        (Some("books"), Some("CLOSED")),
        "{books} {warned}"
    );
    let number = |name: &str| -> u64 {
        let word = books.split(' ').find_map(|word| word.strip_prefix(name));
        word.and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{name} {books}"))
    };
    assert!(number("wire=") > 500, "{books}");
    assert_eq!(number("unaccounted="), 0, "{books}");
    // Everybody was there: a name server, web servers, pings.
    for seen in ["udp ", "tcp ", "icmp ", "ECHO", "ICMP"] {
        assert!(said.contains(seen), "no `{seen}` in {said}");
    }
    assert_eq!(namespaces(), before);
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn the_live_demo_ends_with_closed_books_and_leaves_nothing() {
    demo(&[]);
}

#[test]
#[ignore = "needs root, network namespaces, QEMU and images: cargo verify runs it"]
fn the_live_demo_with_a_board() {
    let board = boards::ready("mps2-an386");
    demo(&["--board", board.name]);
}
