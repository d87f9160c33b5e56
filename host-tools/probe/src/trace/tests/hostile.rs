//! Whatever comes, in whatever order, by whatever clock: nothing panics, no
//! probe is answered twice, and the counts are those of a naive sum over the
//! events.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::network::{
    ANSWERS, Coming, Does, Ears, KEY, Network, Path, QUOTES_LITTLE, THERE, address, plan,
};
use crate::trace::{
    Arrival, Content, Counts, Event, Live, Machine, Method, Multipath, Once, RoundTrips,
};

const PATH: Path = &[
    &[(1, ANSWERS)],
    &[(2, ANSWERS), (3, QUOTES_LITTLE)],
    &[(4, Does::Nothing)],
    &[(5, Does::Mpls(&[1, 2, 3]))],
    &[(6, Does::Carries(59)), (7, Does::Limits(2))],
    &[(THERE, Does::IsIt)],
];

/// Something that happens to a machine.
#[derive(Debug, Clone)]
enum Act {
    /// It is asked for probes, so many times.
    Ask(u8),
    /// One of the answers that the network has for it comes.
    Comes(Index),
    /// One that came before comes again.
    Again(Index),
    /// One comes, and an octet of it is another.
    Damaged(Index, Index, u8),
    /// One comes, cut.
    Cut(Index, Index),
    /// Octets that nobody asked for.
    Noise(u8, Vec<u8>),
    /// The clock goes on, or back.
    Clock(i64),
    /// Time is over.
    Timeout,
    /// The kernel stamps a probe.
    Stamped(u32, i64),
    /// The kernel refuses a probe.
    TooLong(u32, Option<u32>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u8..8).prop_map(Act::Ask),
        6 => any::<Index>().prop_map(Act::Comes),
        2 => any::<Index>().prop_map(Act::Again),
        2 => (any::<Index>(), any::<Index>(), 1_u8..).prop_map(|(a, b, c)| Act::Damaged(a, b, c)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Act::Cut(a, b)),
        1 => (any::<u8>(), vec(any::<u8>(), 0..200)).prop_map(|(a, b)| Act::Noise(a, b)),
        4 => (0_i64..400_000).prop_map(Act::Clock),
        1 => (-3_000_000_i64..9_000_000).prop_map(Act::Clock),
        4 => Just(Act::Timeout),
        1 => (0_u32..200, -5_000_i64..5_000).prop_map(|(a, b)| Act::Stamped(a, b)),
        1 => (0_u32..200, prop::option::of(0_u32..70_000)).prop_map(|(a, b)| Act::TooLong(a, b)),
    ]
}

fn moved(now: Duration, us: i64) -> Duration {
    let by = Duration::from_micros(us.unsigned_abs());
    if us < 0 {
        now.saturating_sub(by)
    } else {
        now + by
    }
}

fn noise<'a>(kind: u8, octets: &'a [u8], network: &Network) -> Arrival<'a> {
    let plan = &network.plan;
    let content = match kind % 4 {
        0 => Content::Icmp(octets),
        1 => Content::Tcp(octets),
        2 => Content::Datagram(octets),
        _ => Content::Queued {
            icmp_type: kind,
            code: octets.first().copied().unwrap_or(0),
            mtu: u32::from(kind) * 100,
            destination: Some(SocketAddr::new(plan.destination, plan.port)),
            quoted: octets,
            extension: Some(octets.len() / 2),
        },
    };
    Arrival {
        at: Duration::from_millis(5),
        from: if kind & 0x10 == 0 {
            plan.destination
        } else {
            address(plan.destination.is_ipv4(), kind)
        },
        ttl: Some(kind),
        flow: (kind & 0x20 == 0).then_some(0),
        content,
    }
}

/// Does it all; the events, and answers that the machine may count.
fn run(machine: &mut impl Machine, network: &mut Network, acts: &[Act]) -> Vec<Event> {
    let mut now = Duration::from_secs(10);
    let (mut coming, mut came): (Vec<Coming>, Vec<Coming>) = (Vec::new(), Vec::new());
    let mut events = Vec::new();
    for act in acts {
        match act {
            Act::Ask(times) => {
                for _ in 0..*times {
                    let Some(transmit) = machine.poll_transmit(now) else {
                        break;
                    };
                    coming.extend(network.carry(now, &transmit));
                }
            }
            Act::Comes(which) if !coming.is_empty() => {
                let mut one = coming.swap_remove(which.index(coming.len()));
                one.at = now;
                machine.handle_arrival(&one.arrival(&network.plan));
                came.push(one);
            }
            Act::Again(which) if !came.is_empty() => {
                let one = which.get(&came);
                machine.handle_arrival(&one.arrival(&network.plan));
            }
            Act::Damaged(which, at, flip) if !coming.is_empty() => {
                let mut one = which.get(&coming).clone();
                if !one.octets.is_empty() {
                    let at = at.index(one.octets.len());
                    one.octets[at] ^= flip;
                }
                machine.handle_arrival(&one.arrival(&network.plan));
            }
            Act::Cut(which, at) if !coming.is_empty() => {
                let mut one = which.get(&coming).clone();
                one.octets.truncate(at.index(one.octets.len() + 1));
                machine.handle_arrival(&one.arrival(&network.plan));
            }
            Act::Noise(kind, octets) => machine.handle_arrival(&noise(*kind, octets, network)),
            Act::Clock(us) => now = moved(now, *us),
            Act::Timeout => machine.handle_timeout(now),
            Act::Stamped(serial, us) => machine.handle_sent(*serial, moved(now, *us)),
            Act::TooLong(serial, mtu) => {
                machine.handle_too_long(*serial, *mtu);
            }
            _ => {}
        }
        events.extend(std::iter::from_fn(|| machine.poll_event()));
    }
    events
}

/// Counts as the events have them; panics where a probe is counted twice.
fn recounted(events: &[Event]) -> Counts {
    let mut counts = Counts::default();
    let mut fates: HashMap<u32, &str> = HashMap::new();
    for event in events {
        match event {
            Event::Sent(probe) => {
                counts.sent += 1;
                assert_eq!(fates.insert(probe.serial, "waiting"), None);
            }
            Event::Answered(probe, answer) => {
                counts.answered += 1;
                assert_eq!(fates.insert(probe.serial, "answered"), Some("waiting"));
                assert!(answer.rtt <= answer.at);
            }
            Event::Expired(probe) => {
                counts.lost += 1;
                assert_eq!(fates.insert(probe.serial, "lost"), Some("waiting"));
            }
            Event::Late(probe, _) => {
                counts.late += 1;
                counts.lost -= 1;
                assert_eq!(fates.insert(probe.serial, "late"), Some("lost"));
            }
            Event::Duplicate(probe, _) => {
                counts.duplicates += 1;
                let fate = fates.get(&probe.serial).copied();
                assert!(matches!(fate, Some("answered" | "late")), "{fate:?}");
            }
            _ => {}
        }
    }
    counts
}

fn agree(counts: &Counts, events: &[Event], refused: bool) {
    let again = recounted(events);
    let of = |c: &Counts| (c.answered, c.late, c.lost, c.duplicates);
    assert_eq!(of(counts), of(&again));
    // What the kernel refused was never sent.
    assert!(counts.sent == again.sent || (refused && counts.sent < again.sent));
    assert!(counts.answered + counts.late + counts.lost <= counts.sent);
}

fn settings() -> impl Strategy<Value = (bool, Method, Ears)> {
    let ways = prop::sample::select(vec![
        (Method::Udp, Ears::Queue),
        (Method::Udp, Ears::Raw),
        (Method::Icmp, Ears::Queue),
        (Method::Icmp, Ears::Raw),
        (Method::Tcp, Ears::Raw),
    ]);
    (any::<bool>(), ways).prop_map(|(is_v4, (method, ears))| (is_v4, method, ears))
}

proptest! {
    #[test]
    fn a_trace_counts_no_probe_twice(
        (is_v4, method, ears) in settings(),
        find_mtu in any::<bool>(),
        acts in vec(act(), 0..120),
    ) {
        let mut plan = plan(is_v4, method, ears);
        plan.find_mtu = find_mtu && method != Method::Tcp;
        if plan.find_mtu {
            plan.packet_octets = 2_000;
        }
        let mut network = Network::new(PATH, plan.clone(), ears);
        let mut once = Once::new(plan, KEY).unwrap();
        let events = run(&mut once, &mut network, &acts);
        let refused = acts.iter().any(|act| matches!(act, Act::TooLong(..)));
        agree(once.counts(), &events, refused);
        // Places come in order, each once, and hold what was answered.
        let places: Vec<(u8, u8)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Place(place) => Some((place.hop, place.attempt)),
                _ => None,
            })
            .collect();
        let all = (1..=12_u8).flat_map(|hop| (0..3_u8).map(move |attempt| (hop, attempt)));
        prop_assert_eq!(&places, &all.take(places.len()).collect::<Vec<_>>());
        for event in &events {
            if let Event::Place(place) = event && let Some(answer) = &place.answer {
                let was = events.iter().any(|event| match event {
                    Event::Answered(probe, a) | Event::Late(probe, a) => {
                        probe.serial == place.probe.serial && a == answer && probe.hop == place.hop
                    }
                    _ => false,
                });
                prop_assert!(was, "{:?}", place);
            }
        }
    }

    #[test]
    fn rounds_are_what_a_naive_sum_says(
        (is_v4, method, ears) in settings(),
        acts in vec(act(), 0..200),
    ) {
        let plan = plan(is_v4, method, ears);
        let mut network = Network::new(PATH, plan.clone(), ears);
        let interval = Duration::from_millis(300);
        let mut live = Live::new(plan, KEY, interval, Some(6)).unwrap();
        let events = run(&mut live, &mut network, &acts);
        agree(live.counts(), &events, false);
        let mut trips: BTreeMap<u8, RoundTrips> = BTreeMap::new();
        let mut sums: BTreeMap<u8, [u64; 5]> = BTreeMap::new();
        for event in &events {
            let (hop, at) = match event {
                Event::Sent(probe) => (probe.hop, 0),
                Event::Answered(probe, answer) => {
                    trips.entry(probe.hop).or_default().add(answer.rtt);
                    (probe.hop, 1)
                }
                Event::Expired(probe) => (probe.hop, 2),
                Event::Late(probe, answer) => {
                    trips.entry(probe.hop).or_default().add(answer.rtt);
                    sums.entry(probe.hop).or_default()[2] -= 1;
                    (probe.hop, 3)
                }
                Event::Duplicate(probe, _) => (probe.hop, 4),
                _ => continue,
            };
            sums.entry(hop).or_default()[at] += 1;
        }
        for hop in live.report() {
            let sums = sums.get(&hop.hop).copied().unwrap_or_default();
            let lost = hop.lost + hop.unnamed;
            prop_assert_eq!([hop.sent, hop.answered, lost, hop.late, hop.duplicates], sums);
            prop_assert_eq!(hop.waiting, hop.sent - hop.answered - lost - hop.late);
            prop_assert_eq!(&hop.trips, &trips.remove(&hop.hop).unwrap_or_default());
            let heard: u64 = hop.routers.iter().map(|(_, times)| times).sum();
            prop_assert_eq!(heard, hop.trips.count());
        }
    }

    #[test]
    fn a_graph_has_what_was_answered_and_no_more(
        (is_v4, method, ears) in settings(),
        acts in vec(act(), 0..200),
    ) {
        let plan = plan(is_v4, method, ears);
        let mut network = Network::new(PATH, plan.clone(), ears);
        let mut multipath = Multipath::new(plan, KEY).unwrap();
        let events = run(&mut multipath, &mut network, &acts);
        agree(multipath.counts(), &events, false);
        let graph = multipath.graph();
        for level in &graph.levels {
            for router in level.vertices.keys().flatten() {
                let was = events.iter().any(|event| match event {
                    Event::Answered(probe, answer) | Event::Late(probe, answer) => {
                        (probe.hop, answer.from) == (level.hop, *router)
                    }
                    _ => false,
                });
                prop_assert!(was, "{} {}", level.hop, router);
            }
        }
        for (hop, from, to) in &graph.links {
            let has = |hop: u8, vertex| {
                graph.levels.iter().any(|l| l.hop == hop && l.vertices.contains_key(&vertex))
            };
            prop_assert!(has(*hop, *to) && has(*hop - 1, *from));
        }
        for diamond in graph.diamonds() {
            prop_assert!(diamond.from < diamond.to && diamond.width > 1);
        }
    }
}

#[test]
fn what_is_forged_is_no_answer() {
    for (method, ears) in [
        (Method::Udp, Ears::Queue),
        (Method::Icmp, Ears::Raw),
        (Method::Tcp, Ears::Raw),
    ] {
        let plan = plan(true, method, ears);
        let mut network = Network::new(PATH, plan.clone(), ears);
        let mut once = Once::new(plan.clone(), KEY).unwrap();
        // Who knows all but the key: addresses, ports, numbers.
        let mut forger = Once::new(plan, *b"another's secret").unwrap();
        let at = Duration::from_secs(1);
        for _ in 0..20 {
            once.poll_transmit(at);
            let Some(forged) = forger.poll_transmit(at) else {
                break;
            };
            if let Some(forged) = network.carry(at, &forged) {
                once.handle_arrival(&forged.arrival(&network.plan));
            }
        }
        assert_eq!(once.counts().answered, 0, "{method:?}");
        assert!(
            once.counts()
                .foreign
                .get("identity")
                .is_some_and(|n| *n > 5)
        );
    }
}

#[test]
fn what_is_for_others_is_no_forgery() {
    for (is_v4, method) in [
        (true, Method::Icmp),
        (false, Method::Icmp),
        (true, Method::Tcp),
    ] {
        let plan = plan(is_v4, method, Ears::Raw);
        let mut network = Network::new(PATH, plan.clone(), Ears::Raw);
        let mut once = Once::new(plan.clone(), KEY).unwrap();
        // Another program of this machine, to the same host.
        let mut theirs = plan;
        theirs.local = theirs.local.map(|local| local + 5_000);
        let mut other = Once::new(theirs, *b"another program!").unwrap();
        let at = Duration::from_secs(1);
        for _ in 0..20 {
            once.poll_transmit(at);
            let Some(transmit) = other.poll_transmit(at) else {
                break;
            };
            if let Some(coming) = network.carry(at, &transmit) {
                once.handle_arrival(&coming.arrival(&network.plan));
            }
        }
        assert_eq!(once.counts().answered, 0);
        let foreign: Vec<_> = once.counts().foreign.keys().copied().collect();
        assert_eq!(foreign, ["address"], "{method:?}");
    }
}
