//! Files that can be read whatever happens to their writer.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use magpie_tests::{corpus, program};
use nix::mount::{MsFlags, mount, umount};

use crate::beside::network;
use crate::readers::{blocks, magpie, packets, tshark};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn a_killed_writer_leaves_a_readable_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = fs::read(corpus::own_folder().join("lab.pcap")).expect("a capture of ours");
    let whole = packets(&corpus::own_folder().join("lab.pcap"));
    for (n, words) in [&["-U"][..], &[]].into_iter().enumerate() {
        let out = folder.path().join(n.to_string());
        let mut child = Command::new(program::path())
            .args(["capture", "-r", "-", "-w", text(&out)])
            .args(words)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        let mut stdin = child.stdin.take().expect("a pipe was asked for");
        stdin.write_all(&lab[..lab.len() / 2]).expect("a reader");
        // It stands still: what it has is written down.
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut size = 0;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(300));
            let now = fs::metadata(&out).map_or(0, |about| about.len());
            if now == size && now > lab.len() as u64 / 3 {
                break;
            }
            size = now;
        }
        // SIGKILL.
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
        let left = packets(&out);
        assert!(!left.is_empty() && left.len() < whole.len());
        assert_eq!(left, whole[..left.len()]);
        assert_eq!(tshark(&out, &[]).len(), left.len());
        drop(stdin);
    }
}

/// Packets that the message says are in the file.
fn told(said: &str) -> usize {
    let (_, after) = said.split_once("writing failed after ").expect("a reason");
    let (count, _) = after.split_once(" packets").expect("a count");
    count.parse().expect("a number")
}

fn is_whole(file: &Path, said: &str) {
    let left = packets(file);
    assert_eq!(left.len(), told(said), "{said}");
    assert!(!left.is_empty(), "{said}");
    assert_eq!(tshark(file, &[]).len(), left.len());
    blocks(file);
    assert!(said.contains(text(file)), "{said}");
    assert!(said.contains("can be read; free some room"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    // The books know it, too.
    assert!(said.contains(&format!(" kept={} ", left.len())), "{said}");
    assert!(said.contains("books PARTIAL(writing failed) "), "{said}");
}

#[test]
#[ignore = "needs tshark, util-linux: cargo verify runs it"]
fn a_file_that_may_not_grow_ends_with_a_packet() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = corpus::own_folder().join("lab.pcap");
    for limit in [1_000, 50_000, 99_999, 300_001] {
        let out = folder.path().join(format!("{limit}"));
        let output = Command::new("prlimit")
            .arg(format!("--fsize={limit}"))
            .arg(program::path())
            .args(["capture", "-r", text(&lab), "-w", text(&out)])
            .output()
            .expect("prlimit");
        let said = program::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        is_whole(&out, &said);
    }
}

#[test]
#[ignore = "needs root, tshark: cargo verify runs it"]
fn a_full_disk_ends_with_a_packet() {
    // Mounts of our own.
    let _alone = network();
    let folder = tempfile::tempdir().expect("a folder");
    let flags = MsFlags::empty();
    let size = Some("size=256k");
    mount(Some("tmpfs"), folder.path(), Some("tmpfs"), flags, size).expect("a small disk");
    let lab = corpus::own_folder().join("lab.pcap");
    let out = folder.path().join("out");
    let (said, _) = magpie(2, &["-r", text(&lab), "-w", text(&out)]);
    assert!(said.contains("No space left on device"), "{said}");
    is_whole(&out, &said);
    umount(folder.path()).expect("our own mount");
    let (said, _) = magpie(2, &["-r", text(&lab), "-w", "/dev/full"]);
    assert!(
        said.contains("/dev/full") && said.contains("No space left"),
        "{said}"
    );
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn files_are_overwritten_by_force_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = corpus::own_folder().join("lab.pcap");
    let out = folder.path().join("out");
    fs::write(&out, "precious").expect("a file");
    let words = ["-r", text(&lab), "-w", text(&out)];
    let (said, _) = magpie(2, &words);
    assert!(
        said.contains("--force") && said.contains(text(&out)),
        "{said}"
    );
    assert_eq!(fs::read(&out).expect("a file"), b"precious");
    magpie(0, &[&words[..], &["--force"]].concat());
    let whole = packets(&out);
    // What is read is not written, whatever name it has.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&out, &link).expect("a link");
    let (said, _) = magpie(2, &["-r", text(&out), "-w", text(&link), "--force"]);
    assert!(said.contains("it is read from"), "{said}");
    assert_eq!(packets(&out), whole);
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn one_file_after_the_other_holds_every_packet_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = corpus::own_folder().join("lab.pcap");
    let whole = packets(&lab);
    let all = |names: &[String]| -> Vec<_> {
        let files = names.iter().map(|name| folder.path().join(name));
        files
            .inspect(|file| {
                blocks(file);
            })
            .flat_map(|file| packets(&file))
            .collect()
    };
    let out = folder.path().join("c");
    magpie(0, &["-r", text(&lab), "-w", text(&out), "-C", "100k"]);
    let names: Vec<_> = (0..14)
        .map(|n| if n == 0 { "c".into() } else { format!("c{n}") })
        .take_while(|name| folder.path().join(name).exists())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    assert_eq!(all(&names), whole);
    // A ring keeps the newest.
    let out = folder.path().join("w");
    magpie(
        0,
        &["-r", text(&lab), "-w", text(&out), "-C", "100k", "-W", "3"],
    );
    let mut ring = all(&["w0".into(), "w1".into(), "w2".into()]);
    ring.sort();
    let mut last = whole[whole.len() - ring.len()..].to_vec();
    last.sort();
    assert_eq!(ring, last);
    // By the packets' own time: 24 seconds.
    let out = folder.path().join("g%s");
    magpie(0, &["-r", text(&lab), "-w", text(&out), "-G", "5"]);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.starts_with('g'))
        .collect();
    names.sort();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(all(&names), whole);
}
