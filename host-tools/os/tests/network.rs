//! Captures of interfaces that the test makes: each in a network namespace of
//! its own, which is the test's thread's and goes with it. Nothing is sent
//! outside. Left out of a plain `cargo test`, which says so.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};

use magpie_os::{Capture, CaptureOptions, FrameSender, Offload, OsError, Wake, drop_privileges};
use nix::sched::{CloneFlags, unshare};

/// A network of this thread's own with a cable from `left` to `right`.
fn cable() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
    for family in ["all", "default"] {
        // No neighbour discovery: only what the test sends is on the wire.
        // A kernel without IPv6 has no such switch.
        let _ = std::fs::write(
            format!("/proc/sys/net/ipv6/conf/{family}/disable_ipv6"),
            "1",
        );
    }
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
}

/// iproute2, in this thread's network.
fn ip(arguments: &str) {
    let done = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("iproute2 is needed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {arguments}: {said}");
}

/// Frame number `n`: untagged, tagged once, twice, with a priority tag.
fn frame(n: u32) -> Vec<u8> {
    let mut out = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02".to_vec();
    let tags: &[u8] = match n % 4 {
        0 => &[],
        1 => b"\x81\x00\x00\x0a",
        2 => b"\x88\xa8\x00\x14\x81\x00\x00\x1e",
        _ => b"\x81\x00\x60\x00",
    };
    out.extend_from_slice(tags);
    // A local experimental type (802 clause 9.2.3): nobody answers it.
    out.extend_from_slice(b"\x88\xb5");
    out.extend_from_slice(&n.to_be_bytes());
    out.resize(out.len() + usize::try_from(n % 1400).unwrap(), 7);
    out
}

/// Reads until nothing waits any more, or nothing came for two seconds.
fn drain(capture: &mut Capture, mut take: impl FnMut(&[u8], u32, bool)) {
    let mut last = Instant::now();
    loop {
        while let Some(frame) = capture.next_frame() {
            take(frame.data, frame.wire_len, frame.outgoing);
            last = Instant::now();
        }
        if capture.stats().unwrap().waiting() == 0 || last.elapsed() > Duration::from_secs(2) {
            return;
        }
        capture.wait(Duration::from_millis(20)).unwrap();
    }
}

/// Sends frame `n` until it arrives: an end whose other end came up takes a
/// moment to notice, and drops what it is given meanwhile.
fn arrives(sender: &FrameSender, capture: &mut Capture, n: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut read = 0;
    while read == 0 {
        assert!(Instant::now() < deadline, "nothing arrives");
        let _ = sender.send(&frame(n));
        std::thread::sleep(Duration::from_millis(20));
        drain(capture, |data, _, _| {
            assert_eq!(data, frame(n));
            read += 1;
        });
    }
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn every_frame_comes_as_it_was_sent() {
    const FRAMES: u32 = 5000;
    cable();
    let mut capture = Capture::open("right", &CaptureOptions::default()).unwrap();
    let sender = FrameSender::open("left").unwrap();
    for n in 0..FRAMES {
        sender.send(&frame(n)).unwrap();
    }
    let mut next = 0;
    drain(&mut capture, |data, wire_len, outgoing| {
        assert_eq!(data, frame(next), "frame {next}");
        assert_eq!(usize::try_from(wire_len).unwrap(), data.len());
        assert!(!outgoing);
        next += 1;
    });
    let stats = capture.stats().unwrap();
    assert_eq!((stats.packets, stats.dropped), (u64::from(FRAMES), 0));
    assert_eq!(next, FRAMES);
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn what_this_host_sends_is_seen_and_told_apart() {
    cable();
    let mut capture = Capture::open("left", &CaptureOptions::default()).unwrap();
    let sender = FrameSender::open("left").unwrap();
    let far = FrameSender::open("right").unwrap();
    for n in 0..100 {
        sender.send(&frame(n)).unwrap();
        far.send(&frame(n)).unwrap();
    }
    let mut seen = [0; 2];
    drain(&mut capture, |_, _, outgoing| {
        seen[usize::from(outgoing)] += 1;
    });
    assert_eq!(seen, [100, 100]);
    assert_eq!(capture.stats().unwrap().outgoing, 100);
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn drops_of_the_kernel_are_counted() {
    cable();
    let small = CaptureOptions {
        block_octets: 4096,
        blocks: 4,
        ..CaptureOptions::default()
    };
    let mut capture = Capture::open("right", &small).unwrap();
    let sender = FrameSender::open("left").unwrap();
    for n in 0..3000 {
        sender.send(&frame(n)).unwrap();
    }
    let mut read = 0_u64;
    drain(&mut capture, |_, _, _| read += 1);
    let stats = capture.stats().unwrap();
    assert_eq!(stats.packets, 3000);
    assert!(stats.dropped > 1000, "{stats:?}");
    assert_eq!(stats.dropped + read, 3000);
    assert_eq!((stats.read, stats.waiting()), (read, 0));
    // It goes on once there is room again, and what is stopped stays so.
    sender.send(&frame(7)).unwrap();
    let mut data = Vec::new();
    drain(&mut capture, |octets, _, _| data = octets.to_vec());
    assert_eq!(data, frame(7));
    capture.stop().unwrap();
    sender.send(&frame(8)).unwrap();
    drain(&mut capture, |_, _, _| panic!("it was stopped"));
    assert_eq!(capture.stats().unwrap().packets, 3001);
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn frames_longer_than_a_block_keep_their_length() {
    cable();
    ip("link set left mtu 9000");
    ip("link set right mtu 9000");
    let small = CaptureOptions {
        block_octets: 4096,
        ..CaptureOptions::default()
    };
    let mut capture = Capture::open("right", &small).unwrap();
    let mut long = frame(0);
    long.resize(8000, 9);
    FrameSender::open("left").unwrap().send(&long).unwrap();
    let mut seen = Vec::new();
    drain(&mut capture, |data, wire_len, _| {
        seen.push((data.to_vec(), wire_len));
    });
    let [(data, 8000)] = &seen[..] else {
        panic!("{} frames", seen.len());
    };
    assert!(data.len() < 4096 && long.starts_with(data));
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn down_up_and_gone_are_told_once_each() {
    cable();
    let mut capture = Capture::open("right", &CaptureOptions::default()).unwrap();
    let sender = FrameSender::open("left").unwrap();
    let mut told = Vec::new();
    let mut until = |capture: &mut Capture, what: Wake| {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let wake = capture.wait(Duration::from_millis(50)).unwrap();
            if !matches!(wake, Wake::Quiet | Wake::Frames) {
                told.push(wake);
            }
            if wake == what {
                return;
            }
            assert!(Instant::now() < deadline, "no {what:?}: {told:?}");
        }
    };
    ip("link set right down");
    until(&mut capture, Wake::Down);
    ip("link set right up");
    until(&mut capture, Wake::Up);
    // It goes on where it was, still promiscuous.
    arrives(&sender, &mut capture, 1);
    // As it often is: seen to be down before it is gone.
    ip("link set right down");
    until(&mut capture, Wake::Down);
    ip("link delete left");
    until(&mut capture, Wake::Gone);
    assert_eq!(capture.wait(Duration::ZERO).unwrap(), Wake::Gone);
    assert!(
        told.iter().filter(|w| **w == Wake::Up).count() == 1,
        "{told:?}"
    );
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn an_interface_that_is_down_is_waited_for() {
    cable();
    ip("link set right down");
    let mut capture = Capture::open("right", &CaptureOptions::default()).unwrap();
    assert_eq!(capture.wait(Duration::from_millis(50)).unwrap(), Wake::Down);
    ip("link set right up");
    let deadline = Instant::now() + Duration::from_secs(5);
    while capture.wait(Duration::from_millis(50)).unwrap() != Wake::Up {
        assert!(Instant::now() < deadline);
    }
    let sender = FrameSender::open("left").unwrap();
    arrives(&sender, &mut capture, 3);
    // Longer than either end takes.
    assert!(sender.send(&[2; 4000]).is_err());
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn frames_on_the_loopback_interface_are_seen_once() {
    cable();
    ip("link set lo up");
    let mut capture = Capture::open("lo", &CaptureOptions::default()).unwrap();
    assert_eq!(capture.offloads(), []);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect("127.0.0.1:9").unwrap();
    socket.send(b"once").unwrap();
    let (mut udp, mut icmp) = (0, 0);
    drain(&mut capture, |data, _, outgoing| {
        assert!(!outgoing);
        match data.get(23) {
            Some(17) => udp += 1,
            // Nobody listens there.
            Some(1) => icmp += 1,
            _ => panic!("{data:x?}"),
        }
    });
    assert_eq!((udp, icmp), (1, 1));
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn rights_are_gone_after_they_were_given_up() {
    cable();
    let capture = Capture::open("right", &CaptureOptions::default()).unwrap();
    // A veth cuts what it sends late, as it comes out of the box.
    assert!(capture.offloads().contains(&Offload::Tso));
    assert!(!capture.offloads().contains(&Offload::Lro));
    drop_privileges().unwrap();
    let error = Capture::open("left", &CaptureOptions::default()).unwrap_err();
    assert!(matches!(error, OsError::Permission { .. }));
    let text = error.to_string();
    for part in ["left", "setcap cap_net_raw+ep", "root"] {
        assert!(text.contains(part), "{text}");
    }
    // Also for threads that are started from now on.
    let other = std::thread::spawn(|| Capture::open("left", &CaptureOptions::default()).is_err());
    assert!(other.join().unwrap());
    drop_privileges().unwrap();
    // What is open stays so.
    drop(capture);
}

#[test]
#[ignore = "needs root and iproute2: cargo verify runs it"]
fn what_cannot_be_listened_to_says_why() {
    cable();
    let error = |name: &str| {
        Capture::open(name, &CaptureOptions::default())
            .unwrap_err()
            .to_string()
    };
    let none = error("nonesuch");
    assert!(
        none.contains("nonesuch") && none.contains("ip link"),
        "{none}"
    );
    let odd = CaptureOptions {
        block_octets: 100,
        ..CaptureOptions::default()
    };
    assert!(Capture::open("left", &odd).is_err());
    // A tunnel without Ethernet headers, where this kernel has them.
    let tunnel = Command::new("ip")
        .args(["tuntap", "add", "dev", "plain", "mode", "tun"])
        .output();
    if tunnel.is_ok_and(|done| done.status.success()) {
        let plain = error("plain");
        assert!(plain.contains("not an Ethernet interface"), "{plain}");
    }
}
