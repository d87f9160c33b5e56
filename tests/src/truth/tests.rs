//! Equal answers are equal, and every difference is found.

use super::*;
use serde_json::{Value, json};

fn example() -> Value {
    let way = json!({"pkts": 3, "ip_bytes": 180, "frame_bytes": 222, "flags": 18,
        "seq_back": 0, "seq_back_bytes": 0, "unseen_bytes": 0});
    json!({
        "frames": 7, "frame_bytes": 600,
        "ethertype": {"0x0800": [6, 540], "0x0806": [1, 60]},
        "ip_proto": {"4/6": [6, 360]}, "vlan": {"-": 7}, "fragments": {"v4_first": 1},
        "icmp4": {"8/0": 2}, "icmp6": {"128/0": 1}, "arp": {"op1": 1, "normal": 1},
        "malformed": {"frames": 1, "ip4_cksum": 1},
        "echo": [{"vlan": [], "ver": 6, "src": "2001:db8::1", "dst": "2001:db8::2", "id": 7,
            "requests": 2, "replies": 1, "matched": 1, "lost": 1, "dup": 0, "orphan": 0,
            "rtt_ns": [5_000_000]}],
        "flows": [{"vlan": [5], "ver": 4, "proto": 6, "a": "10.0.0.1", "ap": 80,
            "b": "10.0.0.2", "bp": 1234, "init": "b", "first_ns": 1_000_000_500_i64,
            "last_ns": 1_000_900_500_i64, "ab": way, "ba": way,
            "handshake": {"client": "b", "syn_retx": 0, "synack_retx": 0,
                "syn_to_synack_ns": 20_000, "synack_to_ack_ns": 30_000, "total_ns": 50_000}}],
    })
}

fn read(value: &Value) -> Exact {
    serde_json::from_value(value.clone()).expect("an example in the right form")
}

/// Every number of the object, one after the other.
fn numbers(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Number(_) => out.push(path.to_owned()),
        Value::Array(all) => {
            for (n, v) in all.iter().enumerate() {
                numbers(v, &format!("{path}/{n}"), out);
            }
        }
        Value::Object(all) => {
            for (k, v) in all {
                numbers(v, &format!("{path}/{}", k.replace('/', "~1")), out);
            }
        }
        _ => {}
    }
}

#[test]
fn every_changed_number_is_found() {
    let truth = example();
    assert_eq!(compare(&read(&truth), &read(&truth), Level::Whole), []);
    let mut paths = Vec::new();
    numbers(&truth, "", &mut paths);
    assert!(paths.len() > 50, "{paths:?}");
    for path in paths {
        let mut other = truth.clone();
        let number = other.pointer_mut(&path).expect("a path of this object");
        // Times count to the microsecond, durations to one more.
        let step = if path.contains("_ns") { 1001 } else { 1 };
        *number = json!(number.as_i64().expect("an integer") + step);
        assert_ne!(
            compare(&read(&truth), &read(&other), Level::Whole),
            [],
            "{path}"
        );
        assert_ne!(
            compare(&read(&other), &read(&truth), Level::Whole),
            [],
            "{path}"
        );
    }
}

#[test]
fn what_must_not_matter_does_not() {
    let truth = example();
    let mut other = truth.clone();
    other["flows"][0]["first_ns"] = json!(1_000_000_000_i64);
    other["flows"][0]["handshake"]["total_ns"] = json!(49_000);
    other["echo"][0]["src"] = json!("2001:0db8:0:0::1");
    other["echo"][0]["rtt_ns"][0] = json!(5_001_000);
    other["icmp4"]["3/3"] = json!(0);
    assert_eq!(compare(&read(&truth), &read(&other), Level::Whole), []);
}

#[test]
fn lines_that_are_missing_or_twice_are_found() {
    let truth = example();
    for section in ["flows", "echo"] {
        let mut less = truth.clone();
        less[section] = json!([]);
        let mut twice = truth.clone();
        twice[section] = json!([truth[section][0], truth[section][0]]);
        for other in [less, twice] {
            assert_ne!(
                compare(&read(&truth), &read(&other), Level::Whole),
                [],
                "{section}"
            );
        }
    }
    let mut without = truth.clone();
    without
        .as_object_mut()
        .expect("an object")
        .remove("malformed");
    assert!(serde_json::from_value::<Exact>(without).is_err());
    let mut none = truth.clone();
    none["flows"][0]["handshake"] = Value::Null;
    assert_ne!(compare(&read(&truth), &read(&none), Level::Whole), []);
}

#[test]
fn both_versions_of_icmp_share_one_other() {
    let truth = example();
    let mut full = truth.clone();
    full["icmp4"] = json!({"other": 3});
    full["icmp6"] = json!({});
    assert_eq!(compare(&read(&truth), &read(&full), Level::Sums), []);
    full["icmp4"]["other"] = json!(2);
    assert_ne!(compare(&read(&truth), &read(&full), Level::Sums), []);
    full["icmp4"] = json!({"128/0": 1});
    full["icmp6"] = json!({"8/0": 2});
    assert_ne!(compare(&read(&truth), &read(&full), Level::Whole), []);
}

#[test]
fn deep_stacks_are_keyed_by_their_outer_four() {
    let mut truth = example();
    truth["vlan"] = json!({"-": 3, "1.2.3.4": 2, "1.2.3.4.5": 1, "1.2.3.4.6.7": 1});
    let mut deeper = truth["flows"][0].clone();
    truth["flows"][0]["vlan"] = json!([1, 2, 3, 4]);
    deeper["vlan"] = json!([1, 2, 3, 4, 5]);
    deeper["ab"]["flags"] = json!(1);
    deeper["first_ns"] = json!(900_000_000);
    deeper["init"] = json!("a");
    truth["flows"]
        .as_array_mut()
        .expect("an array")
        .push(deeper);
    let cut = read(&truth).with_stacks_cut();
    assert_eq!(
        cut.vlan,
        BTreeMap::from([("-".into(), 3), ("1.2.3.4".into(), 4)])
    );
    let [flow] = cut.flows.as_slice() else {
        panic!("{:?}", cut.flows)
    };
    assert_eq!(
        (flow.ab.pkts, flow.ab.flags, flow.first_ns),
        (6, Some(19), 900_000_000)
    );
    assert_eq!(flow.init, "a");
}

#[test]
fn what_found_no_room_stands_under_other_and_adds_up() {
    let truth = example();
    let mut full = truth.clone();
    full["ethertype"] = json!({"0x0800": [6, 540], "other": [1, 60]});
    assert_eq!(compare(&read(&truth), &read(&full), Level::Sums), []);
    assert_ne!(compare(&read(&truth), &read(&full), Level::Whole), []);
    full["ethertype"]["other"] = json!([1, 59]);
    assert_ne!(compare(&read(&truth), &read(&full), Level::Sums), []);
    full["ethertype"] = json!({"0x0800": [5, 480], "other": [2, 120]});
    assert_ne!(compare(&read(&truth), &read(&full), Level::Sums), []);
    let mut forgot = truth.clone();
    forgot["flows"][0]["init"] = json!("a");
    forgot["flows"][0]["ab"]["seq_back"] = json!(9);
    forgot["echo"] = json!([]);
    assert_eq!(compare(&read(&truth), &read(&forgot), Level::Sums), []);
    forgot["flows"][0]["ab"]["flags"] = json!(2);
    assert_ne!(compare(&read(&truth), &read(&forgot), Level::Sums), []);
}
