//! `magpie ping` over the loopback interface, as whoever runs the tests. Where
//! that one may not ping, the refusal is what is tested, and that is said.
//! Routers, other users and other pings: `tests/hand`.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn ping(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_magpie"));
    command.arg("ping").args(words.split_whitespace());
    command
}

fn run(words: &str) -> Output {
    ping(words).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// False where this user may not ping, which has to be said as it should.
fn may_ping(output: &Output) -> bool {
    let text = err(output);
    if output.status.code() != Some(2) {
        return true;
    }
    assert!(text.contains("net.ipv4.ping_group_range is \""), "{text}");
    assert!(
        text.contains("sudo sysctl -w net.ipv4.ping_group_range="),
        "{text}"
    );
    assert!(text.contains("sudo setcap cap_net_raw+ep /"), "{text}");
    assert!(out(output).is_empty());
    eprintln!("LEFT OUT: this user may not ping, so that only the refusal was looked at");
    false
}

#[test]
fn lines_and_summary_are_those_of_iputils() {
    let output = run("-c 3 -i 0.01 127.0.0.1");
    if !may_ping(&output) {
        return;
    }
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(err(&output), "");
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.");
    for (at, line) in lines[1..4].iter().enumerate() {
        let begins = format!("64 bytes from 127.0.0.1: icmp_seq={} ttl=64 time=", at + 1);
        assert!(line.starts_with(&begins) && line.ends_with(" ms"), "{line}");
    }
    assert_eq!(lines[4..6], ["", "--- 127.0.0.1 ping statistics ---"]);
    let counts = "3 packets transmitted, 3 received, 0% packet loss, time ";
    assert!(
        lines[6].starts_with(counts) && lines[6].ends_with("ms"),
        "{text}"
    );
    assert!(lines[7].starts_with("rtt min/avg/max/mdev = "), "{text}");
    assert!(lines[8].starts_with("median/p95/jitter = "), "{text}");
    assert_eq!(lines.len(), 9, "{text}");
}

#[test]
fn every_line_of_json_is_an_object_and_the_sums_agree() {
    let output = run("--format json -c 20 -i 0 -s 1000 127.0.0.1");
    if !may_ping(&output) {
        return;
    }
    let rows: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| rows.iter().filter(|row| row["type"] == kind).count();
    let counts = (of("sent"), of("reply"), of("summary"));
    assert_eq!(counts, (20, 20, 1), "{}", out(&output));
    assert_eq!(rows.len(), 41);
    let summary = rows.last().unwrap();
    assert_eq!(summary["received"], 20);
    assert_eq!(
        (&summary["lost"], &summary["duplicates"]),
        (&0.into(), &0.into())
    );
    for row in rows.iter().filter(|row| row["type"] == "reply") {
        assert_eq!(
            (&row["octets"], &row["wrong_octet"]),
            (&1008.into(), &Value::Null)
        );
    }
}

/// Wraps at 65,536 and loses nothing.
#[test]
fn a_long_flood_loses_nothing() {
    let output = run("-q -f -c 70000 127.0.0.1");
    if !may_ping(&output) {
        return;
    }
    let text = out(&output);
    assert!(
        text.contains("\n70000 packets transmitted, 70000 received, 0% packet loss, "),
        "{text}"
    );
    assert!(text.contains(", ipg/ewma "), "{text}");
}

#[test]
fn several_hosts_have_their_name_before_each_line() {
    let output = run("-n -c 2 -i 0.01 127.0.0.1 127.0.0.2");
    if !may_ping(&output) {
        return;
    }
    let text = out(&output);
    for host in ["127.0.0.1 : ", "127.0.0.2 : "] {
        let of: Vec<&str> = text.lines().filter(|line| line.starts_with(host)).collect();
        assert_eq!(of.len(), 3, "{text}");
        assert!(
            of[2].contains("xmt/rcv/%loss = 2/2/0%, min/avg/max = "),
            "{text}"
        );
    }
}

#[test]
fn flags_show_what_they_say() {
    let output = run("-D -v -p beef -s 65507 -c 1 -t 7 -Q 0x10 -M do 127.0.0.1");
    if !may_ping(&output) {
        return;
    }
    let text = out(&output);
    assert!(
        text.starts_with(
            "PATTERN: 0xbeef\nPING 127.0.0.1 (127.0.0.1) 65507(65535) bytes of data.\n["
        ),
        "{text}"
    );
    assert!(
        text.contains("] 65515 bytes from 127.0.0.1: icmp_seq=1 ident="),
        "{text}"
    );
    assert!(err(&output).contains("; identifier "), "{}", err(&output));
    // A dot for the packet, taken back for the reply.
    let flood = out(&run("-f -a -c 1 127.0.0.1"));
    assert!(flood.contains("\n.\x08 \x08\x07\n---"), "{flood:?}");
    let quiet = out(&run("-q -c 1 127.0.0.1"));
    assert!(!quiet.contains("bytes from"), "{quiet}");
    let route = out(&run("-R -c 1 127.0.0.1"));
    assert!(
        route.contains(" ms\nRR: \t127.0.0.1\n\t127.0.0.1\n"),
        "{route}"
    );
    let stamps = out(&run("-T tsandaddr -c 1 127.0.0.1"));
    assert!(stamps.contains(" ms\nTS: \t127.0.0.1\t"), "{stamps}");
    let plot = out(&run("--plot -c 2 -i 0.01 127.0.0.1"));
    assert!(plot.contains("0+-- 1 to 2\n"), "{plot}");
}

/// Nothing of this leaves the machine: it is refused before.
#[test]
fn what_is_too_fast_needs_to_be_asked_for() {
    for words in [
        "-f 192.0.2.1",
        "-i 0.1 192.0.2.1",
        "-A 192.0.2.1",
        "-l 4 192.0.2.1",
        "10.0.0.0/23",
        "127.0.0.1 192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.1",
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        let text = err(&output);
        assert!(
            text.contains("Say --fast if that is meant; it would send to "),
            "{text}"
        );
        assert!(out(&output).is_empty());
    }
    let output = run("127.255.255.255");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("do you want to ping broadcast? Then -b."),
        "{}",
        err(&output)
    );
}

#[test]
fn what_cannot_be_pinged_is_named() {
    for (words, part) in [
        ("no-such-host.invalid", "no-such-host.invalid: "),
        ("-4 ::1", "::1: not of the IP version that was asked for"),
        (
            "-R ::1",
            "::1: IPv6 has neither record route nor time stamps",
        ),
        ("-I no-such-if 127.0.0.1", "no-such-if: no such interface"),
        (
            "-I 192.0.2.9 127.0.0.1",
            "192.0.2.9: nothing can be sent from it",
        ),
        (
            "-e 1 127.0.0.1 127.0.0.2",
            "-e: several hosts need an identifier each",
        ),
        (
            "10.0.0.0/7",
            "10.0.0.0/7: no range of at most 65536 addresses",
        ),
        (
            "-c 1 fe80::1",
            "fe80::1: every link has its own: name the interface, as in fe80::1%eth0 or -I eth0",
        ),
        ("-c 1 -I fe80::5 fe80::1", "fe80::1: every link has its own"),
        ("-c 1 ff02::1", "ff02::1: every link has its own"),
        ("-c 1 ff01::1", "ff01::1: every link has its own"),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(err(&output).contains(part), "{words}: {}", err(&output));
    }
}

fn signal(child: u32, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn ctrl_c_ends_with_the_summary() {
    let mut child = ping("127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let Some(first) = lines.next() else {
        assert!(!may_ping(&child.wait_with_output().unwrap()));
        return;
    };
    assert!(first.unwrap().starts_with("PING "));
    let second = lines.next().unwrap().unwrap();
    assert!(second.contains("icmp_seq=1 "), "{second}");
    signal(child.id(), "-QUIT");
    let mut told = [0; 30];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut told)
        .unwrap();
    assert!(
        told.starts_with(b"\r1/1 packets, 0% loss, min/avg"),
        "{told:?}"
    );
    signal(child.id(), "-INT");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.contains(" 0% packet loss, ")),
        "{rest:?}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Over the loopback interface an answer is there before the next packet goes.
/// As iputils has it: the request that would be due with the deadline is not
/// sent, since nobody would wait for its answer.
#[test]
fn a_deadline_costs_no_request() {
    for (words, sent) in [
        ("-q -w 1 127.0.0.1", 1),
        ("-q -w 1 -c 2 127.0.0.1", 1),
        ("-q -w 1 -l 3 -i 0.5 127.0.0.1", 4),
    ] {
        let output = run(words);
        if !may_ping(&output) {
            return;
        }
        let text = out(&output);
        let sums = format!("{sent} packets transmitted, {sent} received, 0% packet loss");
        assert!(text.contains(&sums), "{words}: {text}");
        // Fewer than -c asks for is a failure nevertheless.
        let code = i32::from(words.contains("-c"));
        assert_eq!(output.status.code(), Some(code), "{words}: {text}");
    }
}

#[test]
fn no_deadline_is_none() {
    let output = run("-q -w 0 -c 2 -i 0.01 127.0.0.1");
    if !may_ping(&output) {
        return;
    }
    let text = out(&output);
    assert!(text.contains("2 packets transmitted, 2 received"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_flood_keeps_its_deadline() {
    let began = std::time::Instant::now();
    let mut child = ping("-q -i 0 -w 1 127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed().as_secs() >= 10 {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    if may_ping(&output) {
        assert!(out(&output).contains(" 0% packet loss, "));
    }
}

/// Who reads our output and has seen enough ends it, quietly.
#[test]
fn a_closed_pipe_ends_it() {
    let mut child = ping("-i 0.01 127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    if may_ping(&output) {
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(err(&output), "");
    }
}
