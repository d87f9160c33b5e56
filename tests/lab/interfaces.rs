//! `magpie interfaces` beside `ip`, `/sys/class/net` and `tcpdump -D`.

use std::fs;
use std::sync::MutexGuard;

use magpie_tests::program;
use serde_json::Value;

use crate::beside::{Anyones, at_one_moment, ip, magpie, network, says};

fn zoo() -> MutexGuard<'static, ()> {
    let alone = network();
    ip("link add left type veth peer name right");
    ip("link add bridge type bridge");
    ip("link set right master bridge");
    ip("link set left up mtu 1400");
    ip("link set right up");
    ip("link set bridge up");
    ip("address add 10.9.0.1/24 dev left");
    ip("address add 10.9.1.1 peer 10.9.1.2/32 dev left");
    ip("address add 2001:db8::1/64 dev left nodad");
    ip("tuntap add dev tunnel mode tun");
    says("ping", &["-c", "3", "-i", "0.2", "127.0.0.1"]);
    alone
}

fn objects(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(line).collect()
}

fn ours() -> Vec<Value> {
    objects(&magpie(&["interfaces", "--format", "json"], &[]))
}

/// `ip -j`, which is one array.
fn theirs(words: &[&str]) -> Vec<Value> {
    serde_json::from_str(&says("ip", words)).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs root, iproute2, iputils-ping: cargo verify runs it"]
fn the_same_interfaces_as_ip_and_sys() {
    let _alone = zoo();
    let (want, got) = at_one_moment(|| theirs(&["-j", "-s", "-s", "address"]), ours);
    // With times that run, so not in the same moment.
    let kinds = theirs(&["-j", "-d", "link"]);
    assert_eq!(want.len(), got.len());
    assert!(want.len() >= 5, "{want:?}");
    for ((want, kind), got) in want.iter().zip(&kinds).zip(&got) {
        let name = text(&want["ifname"]);
        let same = |theirs: &Value, ours: &str| assert_eq!(*theirs, got[ours], "{name}: {ours}");
        same(&want["ifname"], "name");
        same(&want["ifindex"], "index");
        same(&want["mtu"], "mtu_octets");
        assert_eq!(kind["ifname"], want["ifname"]);
        same(&kind["linkinfo"]["info_kind"], "kind");
        same(&want["master"], "controller");
        let state = text(&want["operstate"]).to_lowercase();
        assert_eq!(state, text(&got["state"]).replace(' ', ""), "{name}");
        // NO-CARRIER is ip's own word for what is not set.
        let flags = |value: &Value| -> Vec<String> {
            let names = value.as_array().into_iter().flatten().map(text);
            let mut names: Vec<_> = names
                .filter(|flag| flag != "NO-CARRIER" && flag != "RUNNING")
                .collect();
            names.sort();
            names
        };
        assert_eq!(flags(&want["flags"]), flags(&got["flags"]), "{name}");
        let zeroes = "00:00:00:00:00:00";
        let address = want["address"]
            .as_str()
            .filter(|address| *address != zeroes);
        assert_eq!(address, got["hardware_address"].as_str(), "{name}");
        let addresses: Vec<_> = want["addr_info"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|a| {
                (
                    text(&a["local"]),
                    a["prefixlen"].clone(),
                    text(&a["address"]),
                )
            })
            .collect();
        let own: Vec<_> = got["addresses"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|a| (text(&a["address"]), a["prefix"].clone(), text(&a["peer"])))
            .collect();
        assert_eq!(addresses, own, "{name}");
        for (side, ours) in [("rx", "rx"), ("tx", "tx")] {
            let counted = &want["stats64"][side];
            for (theirs, field) in [
                ("packets", "packets"),
                ("bytes", "octets"),
                ("errors", "errors"),
                ("dropped", "dropped"),
            ] {
                same(&counted[theirs], &format!("{ours}_{field}"));
            }
        }
    }
    let sent = got.iter().find(|own| own["name"] == "lo").expect("lo");
    assert!(sent["rx_packets"].as_u64() >= Some(6), "{sent}");
}

#[test]
#[ignore = "needs root, iproute2: cargo verify runs it"]
fn the_same_speed_and_offloads_as_sys() {
    let _alone = zoo();
    let file = |name: &str, what: &str| {
        let path = format!("/sys/class/net/{name}/{what}");
        // There is none where there is no link.
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let mut speeds = 0;
    for own in ours() {
        let name = text(&own["name"]);
        let speed = file(&name, "speed").parse::<u64>().ok();
        assert_eq!(own["mbit"].as_u64(), speed, "{name}");
        speeds += usize::from(speed.is_some());
        let duplex = match file(&name, "duplex").as_str() {
            "full" => Some(true),
            "half" => Some(false),
            _ => None,
        };
        assert_eq!(own["full_duplex"].as_bool(), duplex, "{name}");
        assert_eq!(
            file(&name, "type"),
            own["hardware_type"].to_string(),
            "{name}"
        );
        for counter in [
            "rx_packets",
            "tx_dropped",
            "rx_crc_errors",
            "rx_missed_errors",
        ] {
            assert_eq!(
                file(&name, &format!("statistics/{counter}")),
                own[counter].to_string(),
                "{name}: {counter}"
            );
        }
    }
    assert!(speeds > 0, "a veth says 10000");
    let offloads = |name: &str| {
        let own = ours();
        let own = own.iter().find(|own| own["name"] == name).expect("it");
        own["offloads"].clone()
    };
    let before = offloads("left");
    assert!(before.as_array().is_some_and(|list| !list.is_empty()));
    assert_eq!(offloads("lo"), Value::Array(Vec::new()));
}

#[test]
#[ignore = "needs root, iproute2, tcpdump: cargo verify runs it"]
fn what_can_be_listened_to() {
    let _alone = zoo();
    // tcpdump lists more: what is no interface, and what is no Ethernet.
    let theirs = says("tcpdump", &["-D"]);
    let named = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split(['.', ' ']).nth(1).map(str::to_owned))
            .collect()
    };
    let own = named(&magpie(&["interfaces", "-D"], &[]));
    assert_eq!(own.len(), 4, "{own:?}");
    for name in &own {
        assert!(named(&theirs).contains(name), "{name} in {theirs}");
    }
    // Packets can be taken from all of them at once, too.
    let all = named(&magpie(&["capture", "-D"], &[]));
    assert_eq!(all[..4], own);
    assert_eq!(all[4..], ["any"]);
    assert!(named(&theirs).contains(&all[4]), "{theirs}");
    for interface in ours() {
        let name = text(&interface["name"]);
        let watch = interface["watch"].as_bool() == Some(true);
        assert_eq!(watch, own.contains(&name), "{name}");
        // The word is kept.
        let source = format!("if:{name}");
        let watched = program::run(&["watch", &source, "--seconds", "0.1"]);
        assert_eq!(
            watched.status.code() == Some(0),
            watch,
            "{name}: {}",
            program::stderr(&watched)
        );
        assert_eq!(interface["watch_refused"].is_null(), watch, "{name}");
    }
}

#[test]
#[ignore = "needs root, iproute2, iputils-ping: cargo verify runs it"]
fn rates_are_those_of_what_passes() {
    let _alone = zoo();
    let mut ping = std::process::Command::new("ping")
        .args(["-q", "-i", "0.02", "-s", "972", "127.0.0.1"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("ping");
    let text = magpie(&["interfaces", "lo", "--rate=2s", "--format", "json"], &[]);
    let _ = ping.kill();
    let _ = ping.wait();
    let lo = &objects(&text)[0];
    // 50 requests and as many replies a second of 1,000 octets of IP; a busy
    // machine sends fewer. Both rates are rounded.
    let packets = lo["rx_packets_per_s"].as_u64().expect("a rate");
    let octets = lo["rx_octets_per_s"].as_u64().expect("a rate");
    assert!((20..=110).contains(&packets), "{lo}");
    let each = octets / packets;
    assert!((980..=1_030).contains(&each), "{each}: {lo}");
}

#[test]
#[ignore = "needs root, iproute2, util-linux: cargo verify runs it"]
fn without_rights_all_is_listed_and_the_right_is_named_once() {
    let _alone = zoo();
    let program = Anyones::new();
    let output = program.run(&["interfaces", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let said = program::stderr(&output);
    let setcap = format!("setcap cap_net_raw+ep {}", program.path().display());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&setcap), "{said}");
    let seen = objects(&String::from_utf8_lossy(&output.stdout));
    let names = |list: &[Value]| list.iter().map(|o| text(&o["name"])).collect::<Vec<_>>();
    assert_eq!(names(&seen), names(&ours()));
    let left = |list: &[Value]| list.iter().find(|o| o["name"] == "left").cloned();
    let (seen, ours) = (left(&seen).expect("it"), left(&ours()).expect("it"));
    for field in ["addresses", "offloads", "mtu_octets", "mbit"] {
        assert_eq!(seen[field], ours[field], "{field}");
    }
}
