//! `magpie ping` on one network of three, beside iputils' ping: what a router
//! advises, addresses of a link, addresses of zeroes, IPv4 options, and what
//! this machine itself loses.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

use magpie_tests::program;
use nix::mount::{MsFlags, mount};

use crate::beside::{ip, network, says};

/// This thread is at a host that reaches 10.99.0.1 by a router, which knows
/// that another one on the same network has it.
struct Lan {
    _alone: MutexGuard<'static, ()>,
}

impl Lan {
    fn new() -> Self {
        let alone = network();
        // Names of networks are seen here alone, and go with this thread.
        std::fs::create_dir_all("/run/netns").expect("a folder for them");
        let none = MsFlags::empty();
        mount(
            Some("tmpfs"),
            "/run/netns",
            Some("tmpfs"),
            none,
            None::<&str>,
        )
        .expect("tmpfs");
        ip("link add br0 type bridge");
        ip("link set br0 up");
        ip("address add 10.9.0.1/24 dev br0");
        for host in 11..14 {
            ip(&format!("address add 10.9.0.{host}/24 dev br0"));
        }
        for (name, address) in [("router", "10.9.0.2"), ("end", "10.9.0.3")] {
            ip(&format!("netns add {name}"));
            ip(&format!("link add {name} type veth peer eth0 netns {name}"));
            ip(&format!("link set {name} master br0 up"));
            ip(&format!("-n {name} address add {address}/24 dev eth0"));
            for interface in ["lo", "eth0"] {
                ip(&format!("-n {name} link set {interface} up"));
            }
            for key in [
                "ip_forward",
                "conf.all.send_redirects",
                "conf.eth0.send_redirects",
            ] {
                let key = format!("net.ipv4.{key}=1");
                says("ip", &["netns", "exec", name, "sysctl", "-qw", &key]);
            }
        }
        ip("-n end address add 10.99.0.1/24 dev lo");
        ip("route add 10.99.0.0/24 via 10.9.0.2");
        ip("-n router route add 10.99.0.0/24 via 10.9.0.3");
        // Advice is not taken here: each packet goes by the router.
        for interface in ["all", "br0"] {
            let key = format!("net.ipv4.conf.{interface}.accept_redirects=0");
            says("sysctl", &["-qw", &key]);
        }
        groups("1 0");
        settle();
        Self { _alone: alone }
    }
}

/// Groups that may ping by datagram sockets.
fn groups(range: &str) {
    let key = format!("net.ipv4.ping_group_range={range}");
    says("sysctl", &["-qw", &key]);
}

/// Waits until addresses of links are known to be nobody else's: before that
/// nobody answers from them.
fn settle() {
    let here = ["-6", "address", "show", "dev", "br0"];
    let there = |name| ["-n", name, "-6", "address", "show", "dev", "eth0"];
    let is_settled = |words: &[&str]| {
        let all = says("ip", words);
        all.contains("fe80") && !all.contains("tentative")
    };
    for _ in 0..100 {
        if is_settled(&here) && is_settled(&there("router")) && is_settled(&there("end")) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no address of the link");
}

/// Lines before the summary, without what differs from run to run.
fn lines(text: &str) -> Vec<String> {
    let before = text.lines().take_while(|line| !line.is_empty());
    before
        .map(|line| line.split(" time=").next().unwrap_or_default().to_owned())
        .collect()
}

fn both(words: &[&str]) -> [Vec<String>; 2] {
    let theirs = says("ping", words);
    let ours = says(program::path(), &[&["ping"], words].concat());
    [lines(&theirs), lines(&ours)]
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_a_router_advises_is_shown() {
    let _lan = Lan::new();
    // Routers do not repeat themselves, but to another address.
    let words = |from| ["-n", "-c", "1", "-I", from, "10.99.0.1"];
    let theirs = lines(&says("ping", &words("10.9.0.11")));
    let ours = |from| says(program::path(), &[&["ping"], &words(from)[..]].concat());
    let raw = lines(&ours("10.9.0.12"));
    let advice = "From 10.9.0.2: icmp_seq=1 Redirect Host(New nexthop: 10.9.0.3)";
    assert_eq!(theirs[1], advice);
    assert_eq!(theirs[1..], raw[1..]);
    // A datagram socket has it among its errors, where iputils takes it for
    // one.
    groups("0 0");
    let said = ours("10.9.0.13");
    assert!(lines(&said).contains(&advice.to_owned()), "{said}");
    let sums = "1 packets transmitted, 1 received, 0% packet loss";
    assert!(said.contains(sums), "{said}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn addresses_and_headers_are_those_of_ping() {
    let _lan = Lan::new();
    for range in ["1 0", "0 0"] {
        groups(range);
        for words in [
            &["-n", "-c", "1", "0.0.0.0"][..],
            &["-n", "-c", "1", "-T", "tsandaddr", "10.9.0.2"],
            &["-n", "-c", "1", "-T", "tsonly", "10.9.0.2"],
            &["-n", "-c", "1", "-R", "10.9.0.2"],
        ] {
            let [theirs, ours] = both(words);
            assert_eq!(theirs[..2], ours[..2], "{words:?}");
        }
        // Who answers first is not always the same.
        let [mut theirs, mut ours] = both(&["-n", "-c", "2", "-i", "0.3", "ff02::1%br0"]);
        theirs.sort();
        ours.sort();
        // Later versions of iputils have a space there.
        let head = theirs.pop().expect("a first line").replace("0(", "0 (");
        assert_eq!(ours.pop(), Some(head.replace("  (", " (")));
        assert_eq!(theirs, ours);
        assert!(ours.iter().all(|line| line.contains("%br0: icmp_seq=")));
    }
    // Without a zone it is the one that the answer came by.
    let said = says(
        program::path(),
        &["ping", "-n", "-c", "1", "-I", "br0", "ff02::1"],
    );
    assert!(lines(&said)[1].contains("%br0: icmp_seq=1"), "{said}");
}

/// Answers that come while nobody reads.
#[test]
#[ignore = "needs root and network namespaces: cargo verify runs it"]
fn what_this_machine_throws_away_is_told() {
    let _lan = Lan::new();
    for format in ["table", "json"] {
        let words = ["ping", "-e", "4660", "-n", "-i", "0.2", "--format", format];
        let mut child = Command::new(program::path())
            .args(words)
            .arg("127.0.0.1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("our program");
        let pid = child.id().to_string();
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a line");
        says("kill", &["-STOP", &pid]);
        // The same identifier: a raw socket hears these replies too.
        let flood = ["-q", "-f", "-e", "4660", "-c", "5000", "127.0.0.1"];
        says("ping", &flood);
        says("kill", &["-INT", &pid]);
        says("kill", &["-CONT", &pid]);
        let rest: Vec<String> = out.lines().map(|line| line.expect("a line")).collect();
        let output = child.wait_with_output().expect("a child of ours");
        let said = program::stderr(&output);
        if format == "json" {
            let end: serde_json::Value =
                serde_json::from_str(rest.last().expect("a summary")).expect("an object");
            let drops = end["queue_drops"].as_u64().expect("a number");
            assert!(drops > 1_000, "{end}");
        } else {
            assert!(
                said.contains("found no room in this machine's receive"),
                "{said}"
            );
        }
    }
}
