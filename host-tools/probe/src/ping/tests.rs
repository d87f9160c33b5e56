//! A ping against hosts made up: known cases, and laws.

use proptest::prelude::*;

use super::*;
use crate::icmp::IcmpError;

const MS: Duration = Duration::from_millis(1);
const ID: u16 = 0x1234;
const WALL: Duration = Duration::from_secs(1_700_000_000);

fn there() -> IpAddr {
    [192, 0, 2, 1].into()
}

fn config() -> Config {
    Config {
        destination: there(),
        answers: Answers::Destination,
        identifier: ID,
        size: 56,
        pattern: Pattern::default(),
        count: None,
        pace: Pace::Steady(1_000 * MS),
        preload: 1,
        timeout: 10_000 * MS,
        deadline: None,
        tells_outstanding: false,
        is_silent: false,
    }
}

/// A ping and the payloads that it sent.
struct Rig {
    ping: Ping,
    sent: Vec<Vec<u8>>,
}

impl Rig {
    fn new(config: Config) -> Self {
        Self {
            ping: Ping::new(config, Time::ZERO),
            sent: Vec::new(),
        }
    }

    fn send(&mut self, now: Time) -> Option<u64> {
        let mut octets = Vec::new();
        let number = self.ping.poll_transmit(now, WALL + now, &mut octets)?;
        assert_eq!(usize::try_from(number).unwrap(), self.sent.len() + 1);
        self.sent.push(octets[HEADER..].to_vec());
        self.ping.handle_sent(number, now);
        Some(number)
    }

    fn payload(&self, number: u64) -> Vec<u8> {
        self.sent[usize::try_from(number).unwrap() - 1].clone()
    }

    fn answer(&mut self, at: Time, number: u64) {
        let payload = self.payload(number);
        self.reply(at, there(), sequence_of(number), &payload, true);
    }

    fn reply(&mut self, at: Time, from: IpAddr, sequence: u16, payload: &[u8], sum: bool) {
        let reply = EchoReply {
            identifier: ID,
            sequence,
            payload,
            is_sum_right: sum,
            ip_options: &[],
            ttl: None,
        };
        self.ping.handle_reply(at, from, Some(60), &reply);
    }

    fn events(&mut self) -> Vec<What> {
        std::iter::from_fn(|| self.ping.poll_event())
            .map(|event| event.what)
            .filter(|what| !matches!(what, What::Sent { .. }))
            .collect()
    }
}

const UNREACHABLE: Cause = Cause::Icmp(IcmpError {
    is_v6: false,
    icmp_type: 3,
    icmp_code: 1,
    info: 0,
});

#[test]
fn three_answers_and_it_is_over() {
    let mut rig = Rig::new(Config {
        count: NonZeroU64::new(3),
        ..config()
    });
    for n in 1..=3 {
        let at = 1_000 * MS * (u32::try_from(n).unwrap() - 1);
        assert!(rig.ping.poll_timeout().unwrap() <= at);
        assert_eq!(rig.send(at), Some(n));
        assert_eq!(rig.send(at), None);
        rig.answer(at + 5 * MS, n);
        rig.ping.handle_timeout(at + 5 * MS);
    }
    assert!(rig.ping.is_done());
    assert_eq!(rig.ping.poll_timeout(), None);
    let summary = rig.ping.summary();
    assert_eq!((summary.transmitted, summary.received), (3, 3));
    assert_eq!((summary.lost(), summary.outage), (0, None));
    assert_eq!(summary.elapsed, 2_005 * MS);
    assert_eq!(summary.round_trips.unwrap().median, 5 * MS);
}

#[test]
fn the_last_one_is_waited_for_as_iputils_does() {
    let mut rig = Rig::new(Config {
        count: NonZeroU64::new(2),
        ..config()
    });
    rig.send(Time::ZERO);
    rig.answer(700 * MS, 1);
    rig.send(1_000 * MS);
    // Twice the longest round trip.
    assert_eq!(rig.ping.poll_timeout(), Some(2_400 * MS));
    rig.ping.handle_timeout(2_399 * MS);
    assert!(!rig.ping.is_done());
    rig.ping.handle_timeout(2_400 * MS);
    assert!(rig.ping.is_done());
    assert!(rig.events().contains(&What::TimedOut));
    let summary = rig.ping.summary();
    assert_eq!((summary.lost(), summary.waiting), (1, 0));
}

#[test]
fn without_any_answer_the_time_out_decides() {
    let mut rig = Rig::new(Config {
        count: NonZeroU64::new(1),
        timeout: 3_000 * MS,
        ..config()
    });
    rig.send(Time::ZERO);
    assert_eq!(rig.ping.poll_timeout(), Some(3_000 * MS));
    rig.ping.handle_timeout(3_000 * MS);
    assert!(rig.ping.is_done());
    assert_eq!(rig.events(), [What::TimedOut]);
}

#[test]
fn late_is_not_lost_and_reordered_is_neither() {
    let mut rig = Rig::new(Config {
        timeout: 1_500 * MS,
        tells_outstanding: true,
        ..config()
    });
    rig.send(Time::ZERO);
    rig.send(1_000 * MS);
    rig.ping.handle_timeout(1_500 * MS);
    rig.answer(1_600 * MS, 2);
    rig.answer(1_700 * MS, 1);
    let events = rig.events();
    assert_eq!(events[..2], [What::NoAnswerYet, What::TimedOut]);
    let [What::Reply(second), What::Reply(first)] = events[2..] else {
        panic!("{events:?}");
    };
    assert!(!second.is_late && !second.is_reordered);
    assert!(first.is_late && first.is_reordered);
    assert_eq!(first.rtt, 1_700 * MS);
    let summary = rig.ping.summary();
    assert_eq!((summary.received, summary.lost()), (2, 0));
    assert_eq!((summary.late, summary.reordered), (1, 1));
}

#[test]
fn duplicates_damage_and_strangers_are_told_apart() {
    let mut rig = Rig::new(config());
    rig.send(Time::ZERO);
    rig.answer(MS, 1);
    rig.answer(2 * MS, 1);
    rig.send(1_000 * MS);
    let mut payload = rig.payload(2);
    rig.reply(1_001 * MS, there(), 2, &payload, false);
    payload[20] ^= 1;
    // From elsewhere with a payload that is not ours: a stranger.
    rig.reply(1_001 * MS, [192, 0, 2, 9].into(), 2, &payload, true);
    rig.reply(1_002 * MS, there(), 2, &payload, true);
    rig.reply(1_003 * MS, there(), 77, &payload, true);
    rig.send(2_000 * MS);
    let payload = rig.payload(3);
    rig.reply(2_001 * MS, [192, 0, 2, 9].into(), 3, &payload[..50], true);
    rig.reply(2_001 * MS, [192, 0, 2, 9].into(), 3, &payload, true);
    let replies: Vec<Reply> = rig
        .events()
        .into_iter()
        .filter_map(|what| match what {
            What::Reply(reply) => Some(reply),
            _ => None,
        })
        .collect();
    assert_eq!(replies.len(), 5, "{replies:?}");
    assert!(replies[1].is_duplicate && !replies[2].is_sum_right);
    assert_eq!(replies[3].wrong.unwrap().at, 20);
    assert!(replies[4].is_elsewhere && replies[4].wrong.is_none());
    let summary = rig.ping.summary();
    assert_eq!((summary.received, summary.duplicates), (3, 1));
    assert_eq!((summary.bad_sums, summary.wrong_data), (1, 1));
    assert_eq!(summary.foreign, 3);
}

#[test]
fn an_error_ends_a_request_once() {
    let mut rig = Rig::new(Config {
        count: NonZeroU64::new(2),
        ..config()
    });
    let router = Some([192, 0, 2, 254].into());
    rig.send(Time::ZERO);
    for _ in 0..3 {
        rig.ping
            .handle_error(MS, router, Some(there()), (ID, 1), UNREACHABLE);
    }
    // Of another ping, or to another host.
    rig.ping
        .handle_error(MS, router, Some(there()), (ID + 1, 1), UNREACHABLE);
    let other = Some([192, 0, 2, 7].into());
    rig.ping
        .handle_error(MS, router, other, (ID, 1), UNREACHABLE);
    rig.ping.handle_timeout(MS);
    assert!(!rig.ping.is_done());
    rig.send(1_000 * MS);
    rig.ping
        .handle_unsent(2, 1_000 * MS, Cause::Local { errno: 1 });
    rig.ping.handle_timeout(1_000 * MS);
    assert!(rig.ping.is_done());
    let summary = rig.ping.summary();
    assert_eq!((summary.errors, summary.foreign, summary.others), (2, 3, 1));
    assert_eq!(summary.lost(), 2);
    assert_eq!(summary.outage.unwrap().probes, 2);
}

#[test]
fn advice_ends_no_request() {
    let mut rig = Rig::new(config());
    let router = Some([10, 0, 0, 1].into());
    let redirect = |icmp_code| {
        Cause::Icmp(IcmpError {
            is_v6: false,
            icmp_type: 5,
            icmp_code,
            info: 0x0a00_0002,
        })
    };
    rig.send(Time::ZERO);
    for code in [1, 0] {
        rig.ping
            .handle_error(MS, router, Some(there()), (ID, 1), redirect(code));
    }
    assert!(!rig.ping.is_idle());
    rig.answer(2 * MS, 1);
    let events = rig.events();
    assert!(
        matches!(events[..], [What::Advice { from, .. }, What::Reply(_)] if from == router),
        "{events:?}"
    );
    let summary = rig.ping.summary();
    assert_eq!((summary.received, summary.errors), (1, 0));
    // The second one about the same request is no news.
    assert_eq!((summary.advice, summary.foreign), (1, 1));
    assert_eq!(summary.outage, None);
}

#[test]
fn silence_changes_no_number() {
    let ends = [false, true].map(|is_silent| {
        let mut rig = Rig::new(Config {
            is_silent,
            ..config()
        });
        rig.send(Time::ZERO);
        rig.answer(MS, 1);
        rig.send(1_000 * MS);
        rig.ping
            .handle_error(1_001 * MS, None, None, (ID, 2), UNREACHABLE);
        assert_eq!(rig.events().is_empty(), is_silent);
        rig.ping.summary()
    });
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_deadline_wants_replies() {
    let mut rig = Rig::new(Config {
        count: NonZeroU64::new(2),
        deadline: Some(2_500 * MS),
        ..config()
    });
    rig.send(Time::ZERO);
    rig.send(1_000 * MS);
    rig.answer(1_001 * MS, 2);
    assert!(rig.send(2_000 * MS).is_some());
    assert_eq!(rig.ping.poll_timeout(), Some(2_500 * MS));
    rig.ping.handle_timeout(2_500 * MS);
    assert!(rig.ping.is_done());
    assert_eq!(rig.ping.summary().waiting, 2);
}

/// Asked late, as any machine is: the next request and the deadline are both
/// due, and a request would only count as lost.
#[test]
fn nothing_is_sent_from_the_deadline_on() {
    for pace in [Pace::Steady(1_000 * MS), Pace::Flood, Pace::Adaptive] {
        for late in [Time::ZERO, MS, 5_000 * MS] {
            let mut rig = Rig::new(Config {
                pace,
                deadline: Some(1_000 * MS),
                ..config()
            });
            assert_eq!(rig.send(Time::ZERO), Some(1));
            rig.answer(MS, 1);
            assert_eq!(rig.send(1_000 * MS + late), None);
            rig.ping.handle_timeout(1_000 * MS + late);
            assert!(rig.ping.is_done());
            let summary = rig.ping.summary();
            assert_eq!((summary.transmitted, summary.lost()), (1, 0));
        }
    }
}

#[test]
fn sequence_numbers_wrap() {
    let mut rig = Rig::new(Config {
        pace: Pace::Flood,
        preload: u32::MAX,
        size: 16,
        ..config()
    });
    let at = |n: u64| Duration::from_micros(n * 10);
    for n in 1..=140_000 {
        assert_eq!(rig.send(at(n)), Some(n));
        if n % 3 != 0 {
            rig.answer(at(n) + MS / 1_000, n);
        }
    }
    // A request that is forgotten: taken for the latest of its number, whose
    // payload it does not have.
    let payload = rig.payload(3);
    rig.reply(at(140_001), there(), 3, &payload, true);
    let summary = rig.ping.summary();
    assert_eq!(summary.transmitted, 140_000);
    assert_eq!(summary.received + summary.duplicates, 140_000 - 46_666 + 1);
    assert_eq!(summary.outage.unwrap().probes, 1);
    assert!(rig.ping.probes.len() <= WINDOW);
}

#[test]
fn every_end_is_told_to_whoever_watches_the_wire() {
    let mut rig = Rig::new(config());
    rig.send(Time::ZERO);
    rig.answer(MS, 1);
    rig.answer(2 * MS, 1);
    let config = config();
    let events: Vec<_> = std::iter::from_fn(|| rig.ping.poll_event())
        .filter_map(|event| event.probe(&config))
        .collect();
    assert_eq!(events.len(), 2);
    let key = crate::ProbeKey::Echo {
        identifier: ID,
        sequence: 1,
    };
    assert!(events.iter().all(|event| event.key == key));
    assert_eq!(
        events[1].outcome,
        crate::Outcome::Answered {
            from: there(),
            rtt: MS
        }
    );
}

/// What somebody does to a ping.
#[derive(Debug, Clone)]
enum Act {
    Jump(u64),
    Send,
    Tick,
    /// To a request sent, this far back.
    Answer(u64),
    Reply {
        sequence: u16,
        elsewhere: bool,
        sum: bool,
        payload: Vec<u8>,
    },
    Error {
        back: u64,
        same: bool,
    },
    Unsent(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let octets = proptest::collection::vec(any::<u8>(), 0..70);
    let act = prop_oneof![
        2 => (0..20_000_u64).prop_map(Act::Jump),
        4 => Just(Act::Send),
        1 => Just(Act::Tick),
        4 => (0..6_u64).prop_map(Act::Answer),
        1 => (0..9_u16, any::<bool>(), any::<bool>(), octets).prop_map(
            |(sequence, elsewhere, sum, payload)| Act::Reply { sequence, elsewhere, sum, payload }),
        1 => (0..4_u64, any::<bool>()).prop_map(|(back, same)| Act::Error { back, same }),
        1 => (0..4_u64).prop_map(Act::Unsent),
    ];
    proptest::collection::vec(act, 0..120)
}

fn paces() -> impl Strategy<Value = Pace> {
    prop_oneof![
        (0..3_000_u32).prop_map(|ms| Pace::Steady(ms * MS)),
        Just(Pace::Flood),
        Just(Pace::Adaptive)
    ]
}

proptest! {
    /// Whatever comes, in whatever order and at whatever time by the clock.
    #[test]
    fn the_sums_agree(
        acts in acts(),
        pace in paces(),
        count in proptest::option::of(1..10_u64),
        preload in 1..4_u32,
        deadline in proptest::option::of(0..60_000_u32),
        timeout in 0..5_000_u32,
    ) {
        let mut rig = Rig::new(Config {
            pace,
            count: count.and_then(NonZeroU64::new),
            preload,
            deadline: deadline.map(|ms| ms * MS),
            timeout: timeout * MS,
            tells_outstanding: true,
            ..config()
        });
        let mut now = Time::ZERO;
        let mut came = 0_u64;
        let mut errors = 0_u64;
        for act in acts {
            let latest = rig.ping.summary().transmitted;
            match act {
                // Forth and back.
                Act::Jump(ms) => now = Duration::from_millis(ms),
                Act::Send => {
                    rig.send(now);
                }
                Act::Tick => rig.ping.handle_timeout(now),
                Act::Answer(back) => {
                    if let Some(number) = latest.checked_sub(back).filter(|n| *n > 0) {
                        rig.answer(now, number);
                        came += 1;
                    }
                }
                Act::Reply { sequence, elsewhere, sum, payload } => {
                    let from = if elsewhere { [192, 0, 2, 9].into() } else { there() };
                    rig.reply(now, from, sequence, &payload, sum);
                    came += 1;
                }
                Act::Error { back, same } => {
                    let id = if same { ID } else { 1 };
                    let sequence = sequence_of(latest.wrapping_sub(back));
                    rig.ping.handle_error(now, None, None, (id, sequence), UNREACHABLE);
                    errors += 1;
                }
                Act::Unsent(back) => {
                    rig.ping.handle_unsent(latest.wrapping_sub(back), now, Cause::TooLong { mtu: None });
                    errors += 1;
                }
            }
            prop_assert_eq!(rig.ping.poll_timeout().is_none(), rig.ping.is_done());
        }
        let mut events = Vec::new();
        while let Some(event) = rig.ping.poll_event() {
            events.push(event);
        }
        let summary = rig.ping.summary();
        // Everything that came is in one count.
        prop_assert_eq!(
            came + errors,
            summary.received + summary.duplicates + summary.bad_sums + summary.errors
                + summary.foreign + summary.others
        );
        prop_assert!(summary.received <= summary.transmitted);
        prop_assert!(summary.waiting <= summary.lost());
        prop_assert!(summary.late + summary.reordered <= 2 * summary.received);
        // Counted again from what was told.
        let mut answered = std::collections::BTreeMap::new();
        let mut order = Vec::new();
        for event in &events {
            if let What::Reply(reply) = event.what
                && reply.is_sum_right
            {
                prop_assert_eq!(reply.is_duplicate, answered.contains_key(&event.number));
                answered.entry(event.number).or_insert(reply.rtt);
                if !reply.is_duplicate {
                    order.push((event.number, reply));
                }
            }
        }
        prop_assert_eq!(u64::try_from(answered.len()).unwrap(), summary.received);
        let mut again = RoundTrips::default();
        for (_, reply) in &order {
            again.add(reply.rtt);
        }
        prop_assert_eq!(again.summary(), summary.round_trips);
        let mut greatest = 0;
        let mut reordered = 0;
        for (number, _) in &order {
            reordered += u64::from(*number < greatest);
            greatest = greatest.max(*number);
        }
        prop_assert_eq!(reordered, summary.reordered);
        let told = |wanted: fn(&What) -> bool| {
            u64::try_from(events.iter().filter(|e| wanted(&e.what)).count()).unwrap()
        };
        prop_assert_eq!(told(|what| matches!(what, What::Error { .. })), summary.errors);
        prop_assert_eq!(told(|what| matches!(what, What::Sent { .. })), summary.transmitted);
        let late = told(|what| matches!(what, What::Reply(reply) if reply.is_late));
        prop_assert_eq!(late, summary.late);
    }

    /// It ends by itself when it is asked as it wants to be.
    #[test]
    fn it_ends(
        pace in paces(),
        count in 1..10_u64,
        answers in proptest::collection::vec(any::<bool>(), 10),
    ) {
        let mut rig = Rig::new(Config { pace, count: NonZeroU64::new(count), ..config() });
        let mut now = Time::ZERO;
        for _ in 0..100 {
            while let Some(number) = rig.send(now) {
                if answers[usize::try_from(number).unwrap() - 1] {
                    rig.answer(now + MS, number);
                }
            }
            rig.ping.handle_timeout(now);
            match rig.ping.poll_timeout() {
                None => break,
                Some(at) => now = now.max(at),
            }
        }
        prop_assert!(rig.ping.is_done());
        prop_assert_eq!(rig.ping.summary().transmitted, count);
    }
}
