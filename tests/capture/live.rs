//! Interfaces, beside tcpdump.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use magpie_tests::program;
use tempfile::TempDir;

use crate::beside::{Anyones, ip, network, says};
use crate::readers::{Packet, blocks, capinfos, fields, packets, tshark};

const PATIENCE: Duration = Duration::from_mins(1);

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// A program that listens.
struct Listener {
    child: Child,
    err: PathBuf,
}

impl Listener {
    fn start(folder: &TempDir, name: &str, program: &Path, words: &[&str]) -> Self {
        let err = folder.path().join(format!("{name}.err"));
        let child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.path().join(format!("{name}.out"))).expect("a file"))
            .stderr(fs::File::create(&err).expect("a file"))
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut listener = Self { child, err };
        listener.wait("listening on");
        listener
    }

    fn magpie(folder: &TempDir, words: &[&str]) -> Self {
        let words = [&["capture"], words].concat();
        Self::start(folder, "magpie", program::path(), &words)
    }

    fn tcpdump(folder: &TempDir, interface: &str) -> (Self, PathBuf) {
        let file = folder.path().join("tcpdump.pcap");
        let words = ["-i", interface, "-Z", "root", "--immediate-mode", "-U"];
        let more = [
            "--time-stamp-precision=nano",
            "-B",
            "32768",
            "-w",
            text(&file),
        ];
        let words = [&words[..], &more].concat();
        (
            Self::start(folder, "tcpdump", Path::new("tcpdump"), &words),
            file,
        )
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.err).expect("a file")
    }

    fn wait(&mut self, sign: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(sign) {
            let ended = self.child.try_wait().expect("a child of ours");
            let said = self.said();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{ended:?} {said}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        says("kill", &[&format!("-{name}"), &self.child.id().to_string()]);
    }

    /// Its exit code and what it said, without Ctrl-C where it ends by itself.
    fn ended(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return (status.code(), self.said());
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ctrl-C.
    fn end(self) -> (Option<i32>, String) {
        self.signal("INT");
        self.ended()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Over already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ends of a cable, `left` in a network of its own behind `right`.
fn cable() {
    ip("link add left type veth peer name right");
    for name in ["left", "right"] {
        ip(&format!("link set {name} up"));
        says(
            "sysctl",
            &["-qw", &format!("net.ipv6.conf.{name}.disable_ipv6=1")],
        );
    }
    ip("address add 10.9.0.1/24 dev left");
    // Frames for somebody else leave through the cable, answered by nobody.
    ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent");
}

/// Packets out of `left`, some of them large.
fn traffic(count: u32) {
    for size in ["56", "1400"] {
        let count = count.to_string();
        let done = Command::new("ping")
            .args([
                "-q", "-i", "0.002", "-c", &count, "-s", size, "-W", "0.1", "10.9.0.2",
            ])
            .stdout(Stdio::null())
            .status();
        done.expect("ping");
    }
}

fn sorted(mut packets: Vec<Packet>) -> Vec<Packet> {
    packets.sort();
    packets
}

#[test]
#[ignore = "needs root, tcpdump, tshark: cargo verify runs it"]
fn the_same_packets_as_tcpdump() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let ours = Listener::magpie(&folder, &["-i", "right", "-w", text(&out)]);
    let (theirs, their_file) = Listener::tcpdump(&folder, "right");
    traffic(300);
    // What is on its way in the kernel.
    std::thread::sleep(Duration::from_millis(300));
    let (code, said) = theirs.end();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = ours.end();
    assert_eq!(code, Some(0), "{said}");
    let got = packets(&out);
    assert!(got.len() >= 600, "{}", got.len());
    assert!(got.is_sorted_by_key(|packet| packet.0));
    assert_eq!(sorted(got.clone()), sorted(packets(&their_file)));
    let n = got.len();
    assert!(
        said.contains(&format!("\n{n} packets captured\n")),
        "{said}"
    );
    assert!(said.contains("\n0 packets dropped by kernel\n"), "{said}");
    let books = format!("books CLOSED received={n} kept={n} filtered=0 beyond=0 dropped=0 unac");
    assert!(said.contains(&books), "{said}");
    assert_eq!(tshark(&out, &[]).len(), n);
    let about = capinfos(&out);
    assert!(about.contains("Name = right"), "{about}");
    let blocks = blocks(&out).join("\n");
    let received = format!("Number of Received Packets: {n}");
    assert!(blocks.contains(&received), "{blocks}");
    let received = |fields: Vec<Vec<String>>| fields.iter().all(|f| f[0] == "0x00000001");
    assert!(received(fields(&out, &["frame.packet_flags"])));
}

#[test]
#[ignore = "needs root, tshark: cargo verify runs it"]
fn packets_that_were_dropped_are_in_the_file_and_the_books() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    // 40 interfaces share the memory for rings, so that this one has little.
    let mut words = vec!["-i", "right", "-w", text(&out)];
    let names: Vec<_> = (0..40).map(|n| format!("idle{n}")).collect();
    for name in &names {
        ip(&format!("link add {name} type veth peer name peer-{name}"));
        ip(&format!("link set {name} up"));
        words.extend(["-i", name]);
    }
    let ours = Listener::magpie(&folder, &words);
    ours.signal("STOP");
    traffic(2000);
    ours.signal("CONT");
    std::thread::sleep(Duration::from_millis(800));
    traffic(20);
    std::thread::sleep(Duration::from_millis(500));
    let (code, said) = ours.end();
    assert_eq!(code, Some(0), "{said}");
    let number = |name: &str| -> u64 {
        let (_, after) = said
            .split_once(name)
            .unwrap_or_else(|| panic!("{name}: {said}"));
        let digits = after.split(|c: char| !c.is_ascii_digit()).next();
        digits.expect("a number").parse().expect("a number")
    };
    let dropped = number("(kernel ");
    assert!(dropped > 0 && said.contains("books CLOSED "), "{said}");
    assert_eq!(number("received="), number("kept=") + dropped, "{said}");
    assert!(number("received=") >= 4040, "{said}");
    let told: u64 = fields(&out, &["frame.drop_count"])
        .iter()
        .filter_map(|field| field[0].parse::<u64>().ok())
        .sum();
    assert_eq!(told, dropped);
    let blocks = blocks(&out).join("\n");
    let by_os = format!("Number of Packets Dropped by the Operating System: {dropped}");
    let by_os_too = format!("Dropped by OS: {dropped}");
    assert!(
        blocks.contains(&by_os)
            || blocks.contains(&by_os_too)
            || blocks.contains(&format!(": {dropped}")),
        "{dropped}"
    );
}

#[test]
#[ignore = "needs root, QEMU, tcpdump, tshark: cargo verify runs it"]
fn a_board_at_the_wire_gives_the_packets_that_tcpdump_sees() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let words = ["-i", "qemu:mps2-an386,if=right", "-w", text(&out), "icmp"];
    let mut ours = Listener::magpie(&folder, &words);
    ours.wait("the filter runs on the sensor");
    let (theirs, their_file) = Listener::tcpdump(&folder, "right");
    traffic(100);
    std::thread::sleep(Duration::from_secs(2));
    let (code, said) = theirs.end();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = ours.end();
    assert_eq!(code, Some(0), "{said}");
    // The board gets the kernel's times, in microseconds.
    let in_us = |file: &Path| {
        let packets = packets(file).into_iter();
        sorted(packets.map(|p| (p.0 / 1000, p.1, p.2)).collect())
    };
    let (got, mut want) = (in_us(&out), in_us(&their_file));
    want.retain(|packet| packet.2.get(12..14) == Some(&[8, 0]));
    assert!(want.len() >= 200, "{}", want.len());
    // Nothing else is on this wire, and the card of this board holds it.
    assert!(said.contains("\n0 packets dropped by sensor\n"), "{said}");
    assert!(said.contains("\n0 packets lost on the link\n"), "{said}");
    assert!(got == want, "{} of {}: {said}", got.len(), want.len());
    assert!(said.contains("\nbooks CLOSED "), "{said}");
    assert!(packets(&out).is_sorted_by_key(|packet| packet.0));
    tshark(&out, &[]);
    blocks(&out);
}

#[test]
#[ignore = "needs root: cargo verify runs it"]
fn directions_interfaces_and_an_end_by_count() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    for (direction, interface, seen) in [
        ("out", "left", true),
        ("in", "left", false),
        ("in", "right", true),
        ("inout", "any", true),
    ] {
        let out = folder.path().join(format!("{direction}-{interface}"));
        let words = [
            "-i",
            interface,
            "-Q",
            direction,
            "-w",
            text(&out),
            "-c",
            "5",
        ];
        let ours = Listener::magpie(&folder, &words);
        std::thread::sleep(Duration::from_millis(200));
        traffic(10);
        let (code, said) = if seen { ours.ended() } else { ours.end() };
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(packets(&out).len(), if seen { 5 } else { 0 }, "{said}");
        assert!(said.contains("books CLOSED "), "{said}");
        if interface == "any" {
            assert!(said.contains("listening on left") && said.contains("listening on right"));
        }
    }
}

#[test]
#[ignore = "needs root: cargo verify runs it"]
fn interfaces_have_the_numbers_that_the_list_gives_them() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    let list = says(program::path(), &["capture", "-D"]);
    let number = |name: &str| {
        let lines = list.lines().filter_map(|line| line.split_once('.'));
        let found = lines.filter(|(_, rest)| rest.split(' ').next() == Some(name));
        found.map(|(number, _)| number).next().expect("it")
    };
    for name in ["lo", "left", "right"] {
        let ours = Listener::magpie(&folder, &["-i", number(name)]);
        let (code, said) = ours.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("listening on {name},")), "{said}");
    }
    let (_, said) = Listener::magpie(&folder, &["-i", number("any")]).end();
    for name in ["lo", "left", "right"] {
        assert!(said.contains(&format!("listening on {name},")), "{said}");
    }
    // A name goes first.
    let taken = number("right");
    ip(&format!("link set left down name {taken} up"));
    let (_, said) = Listener::magpie(&folder, &["-i", taken]).end();
    assert!(said.contains(&format!("listening on {taken},")), "{said}");
    let wrong = program::run(&["capture", "-i", "0"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(program::stderr(&wrong).contains("-D"));
}

#[test]
#[ignore = "needs root: cargo verify runs it"]
fn what_comes_up_later_is_told() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    ip("link add later type veth peer name other");
    let mut ours = Listener::magpie(&folder, &["-i", "any"]);
    ip("link set later up");
    ours.wait("later: came up after the start, and so is not listened to");
    std::thread::sleep(Duration::from_millis(2_500));
    let (code, said) = ours.end();
    assert_eq!(code, Some(0), "{said}");
    // Once, and nothing of those that it listens to or that are down.
    assert_eq!(said.matches("after the start").count(), 1, "{said}");
}

#[test]
#[ignore = "needs root: cargo verify runs it"]
fn rights_are_given_up_and_asked_for_by_name() {
    let _alone = network();
    cable();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let ours = Listener::magpie(&folder, &["-i", "right", "-w", text(&out)]);
    let status = fs::read_to_string(format!("/proc/{}/status", ours.child.id())).expect("/proc");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = u64::from_str_radix(capabilities.expect("CapEff").trim(), 16);
    // CAP_NET_ADMIN, CAP_NET_RAW.
    assert_eq!(capabilities.expect("a number") & (1 << 12 | 1 << 13), 0);
    let (code, said) = ours.end();
    assert_eq!(code, Some(0), "{said}");
    let anyone = Anyones::new();
    let output = anyone.run(&["capture", "-i", "right"]);
    let said = program::stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let line = format!("sudo setcap cap_net_raw+ep {}", anyone.path().display());
    assert!(said.contains(&line), "{said}");
    // Files need no right.
    let output = anyone.run(&["capture", "-r", "/no/such"]);
    assert!(program::stderr(&output).contains("/no/such"));
}
