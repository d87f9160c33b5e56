//! `magpie sockets` and `magpie interfaces` as a user of this machine runs
//! them, without any rights. Beside `ss` and others: `tests/lab`.

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_magpie"))
        .args(words)
        .output()
        .unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn out(output: &Output) -> String {
        assert_eq!(output.status.code(), Some(0), "{}", err(output));
        String::from_utf8(output.stdout.clone()).unwrap()
    }

    #[test]
    fn a_listener_and_who_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let filter = format!("sport = {port}");
        let text = out(&run(&["sockets", "-tlnpH", &filter]));
        let words: Vec<&str> = text.split_whitespace().collect();
        let local = format!("127.0.0.1:{port}");
        assert_eq!(words[0], "LISTEN");
        assert_eq!(words[3..5], [local.as_str(), "0.0.0.0:*"]);
        assert!(words[5].starts_with("users:((\""), "{text}");
        assert!(words[5].contains(&format!(",pid={},fd=", std::process::id())));
        assert_eq!(text.lines().count(), 1);
        // A heading, and nothing where there is nothing.
        assert_eq!(out(&run(&["sockets", "-tln", &filter])).lines().count(), 2);
        assert_eq!(out(&run(&["sockets", "-tnH", &filter])), "");
    }

    #[test]
    fn json_has_everything() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let filter = format!("dport = {port}");
        let text = out(&run(&["sockets", "-tp", "--format", "json", &filter]));
        let socket: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(socket["type"], "socket");
        assert_eq!(socket["state"], "established");
        assert_eq!(socket["peer_port"], port);
        // A program that another test starts has it, too, for a moment.
        let mut holders = socket["processes"].as_array().unwrap().iter();
        assert!(holders.any(|holder| holder["pid"] == std::process::id()));
        let text = out(&run(&["sockets", "-s", "--format", "json"]));
        let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(summary["type"], "socket_summary");
        assert!(summary["tcp4"].as_u64() >= Some(2), "{summary}");
    }

    #[test]
    fn a_bad_filter_is_pointed_at() {
        let output = run(&["sockets", "-t", "(", "dprt", "=", ":22", ")"]);
        assert_eq!(output.status.code(), Some(2));
        let said = err(&output);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("magpie: filter: `dprt` is no condition; there are: "));
        assert_eq!(lines[1..], ["  ( dprt = :22 )", "    ^"]);
        let output = run(&["sockets", "state", "up"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("syn-sent"), "{}", err(&output));
    }

    #[test]
    fn interfaces_are_listed() {
        let text = out(&run(&["interfaces"]));
        assert!(text.lines().any(|line| line.starts_with("lo ")), "{text}");
        let text = out(&run(&["interfaces", "lo", "--format", "json"]));
        let lo: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&lo["name"], &lo["index"]), (&"lo".into(), &1.into()));
        assert!(lo["rx_packets_per_s"].is_null());
        let text = out(&run(&[
            "interfaces",
            "lo",
            "--rate=10ms",
            "--format",
            "json",
        ]));
        let lo: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(lo["rx_packets_per_s"].is_u64());
        let output = run(&["interfaces", "no-such0"]);
        assert_eq!(output.status.code(), Some(2));
        let said = err(&output);
        assert!(said.contains("no such interface; there are: ") && said.contains("lo"));
    }
}

#[test]
#[cfg(not(target_os = "linux"))]
fn elsewhere_it_is_said() {
    for words in [&["sockets"][..], &["sockets", "-r"], &["interfaces"]] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            err(&output).contains("not supported on "),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    for command in ["sockets", "interfaces"] {
        let output = run(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Examples:") && text.contains("Exit codes: 0"));
    }
}

#[test]
fn a_rate_is_counted_for_some_time() {
    for none in ["0", "0s", "0ms"] {
        let output = run(&["interfaces", "lo", &format!("--rate={none}")]);
        assert_eq!(output.status.code(), Some(2));
        let text = err(&output);
        assert!(text.contains("a rate needs some time"), "{text}");
        assert!(output.stdout.is_empty());
    }
}
