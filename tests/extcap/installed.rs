//! What is installed, and what Wireshark is answered.

use std::fs;

use tempfile::TempDir;

use super::{Installed, magpie, path, said};
use magpie_tests::program::stderr;

#[test]
fn a_script_is_put_there_and_taken_away() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("not yet");
    let script = dir.join("magpie");
    let install = ["--install", "--dir", path(&dir)];
    let uninstall = ["--uninstall", "--dir", path(&dir)];
    assert_eq!(magpie(&uninstall).status.code(), Some(2));
    // A second time over it, too.
    for _ in 0..2 {
        let output = magpie(&install);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("WIRESHARK_EXTCAP_DIR="), "{said}");
    }
    let names: Vec<_> = fs::read_dir(&dir).expect("a folder").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let asked = std::process::Command::new(&script)
        .args(["--extcap-interfaces", "--extcap-version=4.0"])
        .output()
        .expect("a script that runs");
    assert!(said(&asked).contains("interface {value=magpie-serial}"));
    // Images are found by who knows nothing of them.
    let images = folder.path().join("our images");
    let with_images = [&install[..], &["--images", path(&images)]].concat();
    assert_eq!(magpie(&with_images).status.code(), Some(2));
    fs::create_dir(&images).expect("a folder");
    assert!(magpie(&with_images).status.success());
    let text = fs::read_to_string(&script).expect("a script");
    assert!(text.contains(&format!("export MAGPIE_IMAGES='{}'\n", path(&images))));
    let asked = std::process::Command::new(&script)
        .arg("--extcap-interfaces")
        .output();
    assert!(said(&asked.expect("a script that runs")).contains("interface {value=magpie-serial}"));
    assert!(magpie(&uninstall).status.success());
    assert!(!script.exists());
    // What somebody else put there stays.
    fs::write(&script, "#!/bin/sh\necho mine\n").expect("a file");
    for action in [install, uninstall] {
        let output = magpie(&action);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("not made by magpie"));
    }
    assert!(fs::read_to_string(&script).expect("it").contains("mine"));
}

/// Values of a key in sentences of a kind.
fn values(text: &str, kind: &str, key: &str) -> Vec<String> {
    let begin = format!("{{{key}=");
    text.lines()
        .filter(|line| line.starts_with(&format!("{kind} ")))
        .filter_map(|line| line.split_once(&begin)?.1.split_once('}'))
        .map(|(value, _)| value.to_owned())
        .collect()
}

#[test]
fn every_option_that_is_offered_is_taken() {
    let interfaces = said(&magpie(&["--extcap-interfaces"]));
    assert!(interfaces.starts_with("extcap {version="), "{interfaces}");
    let mut interfaces = values(&interfaces, "interface", "value");
    assert!(interfaces.contains(&"magpie-serial".to_owned()));
    // Offered where there are images; answered everywhere.
    interfaces.extend([
        "magpie-qemu".to_owned(),
        "magpie-qemu-mps2-an386".to_owned(),
    ]);
    let help = said(&magpie(&["--help"]));
    for interface in interfaces {
        let asked = magpie(&["--extcap-interface", &interface, "--extcap-config"]);
        assert!(asked.status.success(), "{interface}: {}", stderr(&asked));
        let calls = values(&said(&asked), "arg", "call");
        assert!(calls.contains(&"--filter".to_owned()), "{calls:?}");
        for call in calls {
            assert!(help.contains(&format!("{call} ")), "{interface}: {call}");
        }
        let asked = magpie(&["--extcap-interface", &interface, "--extcap-dlts"]);
        assert_eq!(values(&said(&asked), "dlt", "number"), ["1"]);
    }
    let again = [
        "--extcap-interface",
        "magpie-qemu",
        "--extcap-config",
        "--extcap-reload-option",
        "feed-interface",
    ];
    let again = said(&magpie(&again));
    assert!(
        again.lines().all(|line| line.starts_with("value {arg=")),
        "{again}"
    );
    assert!(values(&again, "value", "value").contains(&String::new()));
    assert_eq!(
        magpie(&["--extcap-interface", "eth0", "--extcap-dlts"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
#[cfg_attr(
    not(feature = "libpcap"),
    ignore = "needs --features libpcap: cargo verify runs it"
)]
fn a_filter_is_checked_while_it_is_typed() {
    let check = |filter| {
        let words = [
            "--extcap-interface",
            "magpie-serial",
            "--extcap-capture-filter",
            filter,
        ];
        said(&magpie(&words))
    };
    assert_eq!(check("port 53 and not host 192.0.2.1"), "");
    assert!(check("prt 53").contains("syntax error"));
}

#[test]
#[ignore = "needs tshark: cargo verify runs it"]
fn tshark_lists_them() {
    let output = Installed::new().tshark(&["-D"]).output().expect("tshark");
    let listed = said(&output);
    assert!(
        listed.contains(" magpie-serial (Magpie sensor on a serial port)"),
        "{listed} {}",
        stderr(&output)
    );
    if magpie_sources::emulated_boards().contains(&"qemu-mps2-an386") {
        let board = " magpie-qemu-mps2-an386 (Magpie sensor, emulated mps2-an386)";
        assert!(listed.contains(board), "{listed}");
    }
}
