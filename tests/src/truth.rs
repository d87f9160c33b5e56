//! Holding an answer against the truth, by the rules of EXACT.md: times to
//! the microsecond, durations within one, addresses as octets, counts exactly.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

/// How strict a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every section: for runs that forget nothing.
    Whole,
    /// What survives forgetting, whatever the tables' sizes: totals, counter
    /// tables (a line `other` may hold what found no room), and packets,
    /// octets, flags and times of every key.
    Sums,
}

/// The name of the line that holds what found no room in a bounded table.
pub const OTHER: &str = "other";

/// VLAN identifiers a key holds.
const STACK: usize = 4;

/// An answer in the form of `--format exact`, or a truth. Sections that are
/// missing make it unreadable.
#[derive(Debug, Clone, Deserialize)]
pub struct Exact {
    /// Frames in all.
    pub frames: u64,
    /// Their octets on the wire.
    pub frame_bytes: u64,
    /// Frames and frame octets by ethertype.
    pub ethertype: BTreeMap<String, (u64, u64)>,
    /// Packets and IP octets by version and protocol.
    pub ip_proto: BTreeMap<String, (u64, u64)>,
    /// Frames by VLAN stack.
    pub vlan: BTreeMap<String, u64>,
    /// Fragments by version and place.
    pub fragments: BTreeMap<String, u64>,
    /// `ICMPv4` by type and code.
    pub icmp4: BTreeMap<String, u64>,
    /// `ICMPv6` by type and code.
    pub icmp6: BTreeMap<String, u64>,
    /// ARP by operation and kind.
    pub arp: BTreeMap<String, u64>,
    /// Malformed classes; `frames` holds how many frames raised any.
    pub malformed: BTreeMap<String, u64>,
    /// Echo pairs.
    pub echo: Vec<Echo>,
    /// Flows.
    pub flows: Vec<Flow>,
}

/// One echo pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Echo {
    /// VLAN stack.
    pub vlan: Vec<u16>,
    /// IP version.
    pub ver: u8,
    /// Requester.
    pub src: IpAddr,
    /// Target.
    pub dst: IpAddr,
    /// ICMP identifier.
    pub id: u16,
    /// Requests.
    pub requests: u64,
    /// Replies.
    pub replies: u64,
    /// Replies that found their request.
    pub matched: u64,
    /// Requests without a reply.
    pub lost: u64,
    /// Second replies.
    pub dup: u64,
    /// Replies without a request.
    pub orphan: u64,
    /// Round trips in nanoseconds, in order of the replies.
    pub rtt_ns: Vec<i64>,
}

/// One flow.
#[derive(Debug, Clone, Deserialize)]
pub struct Flow {
    /// VLAN stack.
    pub vlan: Vec<u16>,
    /// IP version.
    pub ver: u8,
    /// IP protocol.
    pub proto: u8,
    /// Lower end point.
    pub a: IpAddr,
    /// Its port.
    pub ap: u16,
    /// Higher end point.
    pub b: IpAddr,
    /// Its port.
    pub bp: u16,
    /// Sender of the first packet, `a` or `b`.
    pub init: String,
    /// Earliest packet, nanoseconds since 1970.
    pub first_ns: i64,
    /// Latest packet.
    pub last_ns: i64,
    /// From `a` to `b`.
    pub ab: Way,
    /// From `b` to `a`.
    pub ba: Way,
    /// The completed handshake.
    pub handshake: Option<Handshake>,
}

/// One direction of a flow; the last four in TCP flows only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // the names of EXACT.md
pub struct Way {
    pub pkts: u64,
    pub ip_bytes: u64,
    pub frame_bytes: u64,
    pub flags: Option<u8>,
    pub seq_back: Option<u64>,
    pub seq_back_bytes: Option<u64>,
    pub unseen_bytes: Option<u64>,
}

/// A handshake's times.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // the names of EXACT.md
pub struct Handshake {
    pub client: String,
    pub syn_retx: u64,
    pub synack_retx: u64,
    pub syn_to_synack_ns: i64,
    pub synack_to_ack_ns: i64,
    pub total_ns: i64,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Section of EXACT.md's object.
    pub section: &'static str,
    /// Which line of it.
    pub place: String,
    /// What the truth says.
    pub truth: String,
    /// What the answer says.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: truth {}, got {}",
            self.section, self.place, self.truth, self.got
        )
    }
}

type FlowName = (Vec<u16>, u8, u8, IpAddr, u16, IpAddr, u16);
type EchoName = (Vec<u16>, u8, IpAddr, IpAddr, u16);

impl Exact {
    /// Reads the object of `--format exact` or a truth file.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Both ICMP tables: a sensor keeps them in one, with one `other`.
    fn icmp(&self) -> BTreeMap<String, (u64, u64)> {
        let mut both = with_name(&self.icmp4, "4:");
        for (name, (frames, _)) in with_name(&self.icmp6, "6:") {
            both.entry(name).or_default().0 += frames;
        }
        both
    }

    /// Keys every frame by its outermost four VLAN identifiers, as a sensor
    /// with a key of fixed size may (EXACT.md 2): truths hold whole stacks.
    #[must_use]
    pub fn with_stacks_cut(mut self) -> Self {
        let mut vlan = BTreeMap::new();
        for (stack, frames) in self.vlan {
            let outer: Vec<&str> = stack.split('.').take(STACK).collect();
            *vlan.entry(outer.join(".")).or_default() += frames;
        }
        self.vlan = vlan;
        let mut flows: BTreeMap<FlowName, Flow> = BTreeMap::new();
        for mut flow in self.flows {
            flow.vlan.truncate(STACK);
            match flows.entry(flow.name()) {
                Entry::Vacant(free) => {
                    free.insert(flow);
                }
                Entry::Occupied(mut taken) => taken.get_mut().add(&flow),
            }
        }
        self.flows = flows.into_values().collect();
        for echo in &mut self.echo {
            echo.vlan.truncate(STACK);
        }
        self
    }
}

impl Way {
    fn add(&mut self, other: &Self) {
        self.pkts += other.pkts;
        self.ip_bytes += other.ip_bytes;
        self.frame_bytes += other.frame_bytes;
        self.flags = self.flags.zip(other.flags).map(|(x, y)| x | y);
    }
}

impl Flow {
    /// Another flow that a shorter stack gives the same name.
    fn add(&mut self, other: &Self) {
        if other.first_ns < self.first_ns {
            self.first_ns = other.first_ns;
            self.init.clone_from(&other.init);
        }
        self.last_ns = self.last_ns.max(other.last_ns);
        self.ab.add(&other.ab);
        self.ba.add(&other.ba);
    }

    fn name(&self) -> FlowName {
        (
            self.vlan.clone(),
            self.ver,
            self.proto,
            self.a,
            self.ap,
            self.b,
            self.bp,
        )
    }

    /// What survives every split of a record.
    fn sums(&self) -> impl fmt::Debug + PartialEq + use<> {
        let way = |w: &Way| (w.pkts, w.ip_bytes, w.frame_bytes, w.flags);
        (
            self.first_ns.div_euclid(1000),
            self.last_ns.div_euclid(1000),
            way(&self.ab),
            way(&self.ba),
        )
    }

    /// What only a run that forgets nothing can know.
    fn story(&self) -> impl fmt::Debug + PartialEq + use<> {
        let way = |w: &Way| (w.seq_back, w.seq_back_bytes, w.unseen_bytes);
        (self.init.clone(), way(&self.ab), way(&self.ba))
    }
}

impl Echo {
    fn name(&self) -> EchoName {
        (self.vlan.clone(), self.ver, self.src, self.dst, self.id)
    }

    fn counts(&self) -> impl fmt::Debug + PartialEq + use<> {
        (
            self.requests,
            self.replies,
            self.matched,
            self.lost,
            self.dup,
            self.orphan,
        )
    }
}

/// All differences, in the order of EXACT.md's sections; empty means equal.
pub fn compare(truth: &Exact, got: &Exact, level: Level) -> Vec<Difference> {
    let mut out = Report(Vec::new());
    out.unequal("totals", "frames", &truth.frames, &got.frames);
    out.unequal(
        "totals",
        "frame_bytes",
        &truth.frame_bytes,
        &got.frame_bytes,
    );
    out.table("ethertype", &truth.ethertype, &got.ethertype, level);
    out.table("ip_proto", &truth.ip_proto, &got.ip_proto, level);
    let single = [
        ("vlan", &truth.vlan, &got.vlan),
        ("fragments", &truth.fragments, &got.fragments),
        ("arp", &truth.arp, &got.arp),
        ("malformed", &truth.malformed, &got.malformed),
    ];
    for (section, truth, got) in single {
        out.table(section, &with_name(truth, ""), &with_name(got, ""), level);
    }
    out.table("icmp", &truth.icmp(), &got.icmp(), level);
    out.flows(&truth.flows, &got.flows, level);
    if level == Level::Whole {
        out.echoes(&truth.echo, &got.echo);
    }
    out.0
}

/// A table of single counts as one of pairs, its names behind a prefix.
fn with_name(table: &BTreeMap<String, u64>, prefix: &str) -> BTreeMap<String, (u64, u64)> {
    let name = |k: &String| {
        if k == OTHER {
            k.clone()
        } else {
            format!("{prefix}{k}")
        }
    };
    table.iter().map(|(k, v)| (name(k), (*v, 0))).collect()
}

struct Report(Vec<Difference>);

impl Report {
    fn unequal<T: PartialEq + fmt::Debug>(
        &mut self,
        section: &'static str,
        place: impl fmt::Display,
        truth: &T,
        got: &T,
    ) {
        if truth != got {
            self.0.push(Difference {
                section,
                place: place.to_string(),
                truth: format!("{truth:?}"),
                got: format!("{got:?}"),
            });
        }
    }

    fn table(
        &mut self,
        section: &'static str,
        truth: &BTreeMap<String, (u64, u64)>,
        got: &BTreeMap<String, (u64, u64)>,
        level: Level,
    ) {
        let at = |t: &BTreeMap<String, (u64, u64)>, k: &str| t.get(k).copied().unwrap_or((0, 0));
        let overflowed = level == Level::Sums && at(got, OTHER) != (0, 0);
        let names: BTreeSet<&String> = truth.keys().chain(got.keys()).collect();
        let mut missing = (0, 0);
        for name in names {
            let (want, have) = (at(truth, name), at(got, name));
            if overflowed && name == OTHER {
                continue;
            }
            // A line that found room was counted from its first frame on.
            if overflowed && have == (0, 0) {
                missing = (missing.0 + want.0, missing.1 + want.1);
                continue;
            }
            self.unequal(section, name, &want, &have);
        }
        if overflowed {
            self.unequal(section, OTHER, &missing, &at(got, OTHER));
        }
    }

    fn flows(&mut self, truth: &[Flow], got: &[Flow], level: Level) {
        let (truth, got) = (by_name(truth, Flow::name), by_name(got, Flow::name));
        for name in union(&truth, &got) {
            let place = format!("{name:?}");
            let (want, have) = (at(&truth, name), at(&got, name));
            let ([want], [have]) = (want, have) else {
                self.unequal("flows", place, &want.len(), &have.len());
                continue;
            };
            self.unequal("flows", &place, &want.sums(), &have.sums());
            if level == Level::Sums {
                continue;
            }
            self.unequal("tcp", &place, &want.story(), &have.story());
            if !same_handshake(want.handshake.as_ref(), have.handshake.as_ref()) {
                self.0.push(Difference {
                    section: "handshake",
                    place,
                    truth: format!("{:?}", want.handshake),
                    got: format!("{:?}", have.handshake),
                });
            }
        }
    }

    fn echoes(&mut self, truth: &[Echo], got: &[Echo]) {
        let (truth, got) = (by_name(truth, Echo::name), by_name(got, Echo::name));
        for name in union(&truth, &got) {
            let place = format!("{name:?}");
            let (want, have) = (at(&truth, name), at(&got, name));
            let ([want], [have]) = (want, have) else {
                self.unequal("echo", place, &want.len(), &have.len());
                continue;
            };
            self.unequal("echo", &place, &want.counts(), &have.counts());
            self.unequal(
                "echo",
                format!("{place} samples"),
                &want.rtt_ns.len(),
                &have.rtt_ns.len(),
            );
            for (n, (want, have)) in want.rtt_ns.iter().zip(&have.rtt_ns).enumerate() {
                if !close(*want, *have) {
                    self.unequal("echo", format!("{place} sample {n}"), want, have);
                }
            }
        }
    }
}

fn by_name<T, N: Ord>(rows: &[T], name: fn(&T) -> N) -> BTreeMap<N, Vec<&T>> {
    let mut out: BTreeMap<N, Vec<&T>> = BTreeMap::new();
    for row in rows {
        out.entry(name(row)).or_default().push(row);
    }
    out
}

fn union<'m, N: Ord, T>(a: &'m BTreeMap<N, T>, b: &'m BTreeMap<N, T>) -> BTreeSet<&'m N> {
    a.keys().chain(b.keys()).collect()
}

fn at<'m, N: Ord, T>(rows: &'m BTreeMap<N, Vec<&'m T>>, name: &N) -> &'m [&'m T] {
    rows.get(name).map_or(&[], Vec::as_slice)
}

/// Durations are equal within one microsecond.
fn close(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= 1000
}

fn same_handshake(truth: Option<&Handshake>, got: Option<&Handshake>) -> bool {
    match (truth, got) {
        (None, None) => true,
        (Some(t), Some(g)) => {
            (&t.client, t.syn_retx, t.synack_retx) == (&g.client, g.syn_retx, g.synack_retx)
                && close(t.syn_to_synack_ns, g.syn_to_synack_ns)
                && close(t.synack_to_ack_ns, g.synack_to_ack_ns)
                && close(t.total_ns, g.total_ns)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
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
}
