//! Anything that could come back of a trace, at any time.
#![no_main]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::input::Input;
use magpie_fuzz::replies;
use magpie_probe::trace::{Arrival, Content, Counts, Event, extensions};

magpie_fuzz::seeds!(magpie_fuzz::replies::all());

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Answered,
    Lost,
    Late,
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let choice = input.u8();
    let plan = replies::plan(choice);
    let mut machine = replies::machine(choice);
    let mut now = Duration::ZERO;
    let mut fates: HashMap<u32, Fate> = HashMap::new();
    let mut counts = Counts::default();
    while !input.is_empty() {
        match input.u8() % 6 {
            0 => {
                for _ in 0..input.u8() % 40 {
                    if machine.poll_transmit(now).is_none() {
                        break;
                    }
                }
            }
            // On by up to 6.5 s, or back by less.
            1 => now += Duration::from_micros(u64::from(input.u16()) * 100),
            2 => now = now.saturating_sub(Duration::from_micros(input.u16().into())),
            3 => {
                let (kind, from) = (input.u8(), input.u8());
                let octets = input.piece();
                let _ = extensions(octets, kind & 8 != 0);
                let from: IpAddr = match plan.destination {
                    IpAddr::V4(v4) => {
                        let [a, b, c, _] = v4.octets();
                        [a, b, c, from].into()
                    }
                    IpAddr::V6(v6) => {
                        let mut octets = v6.octets();
                        octets[15] = from;
                        octets.into()
                    }
                };
                let content = match (kind & 3, octets) {
                    (0, octets) => Content::Icmp(octets),
                    (1, octets) => Content::Tcp(octets),
                    (2, octets) => Content::Datagram(octets),
                    (_, [icmp_type, code, quoted @ ..]) => Content::Queued {
                        icmp_type: *icmp_type,
                        code: *code,
                        mtu: u32::from(kind) * 6,
                        destination: Some(SocketAddr::new(plan.destination, plan.port)),
                        quoted,
                        extension: (kind & 16 != 0).then_some(usize::from(kind)),
                    },
                    (_, octets) => Content::Datagram(octets),
                };
                machine.handle_arrival(&Arrival {
                    at: now,
                    from,
                    ttl: Some(kind),
                    flow: (kind & 32 != 0).then_some(0),
                    content,
                });
            }
            4 => machine.handle_timeout(now),
            _ => {
                machine.handle_sent(u32::from(input.u8()), now);
            }
        }
        while let Some(event) = machine.poll_event() {
            match event {
                Event::Sent(probe) => {
                    counts.sent += 1;
                    assert_eq!(fates.insert(probe.serial, Fate::Waiting), None);
                }
                Event::Answered(probe, _) => {
                    counts.answered += 1;
                    let before = fates.insert(probe.serial, Fate::Answered);
                    assert_eq!(before, Some(Fate::Waiting));
                }
                Event::Expired(probe) => {
                    counts.lost += 1;
                    assert_eq!(fates.insert(probe.serial, Fate::Lost), Some(Fate::Waiting));
                }
                Event::Late(probe, _) => {
                    counts.lost -= 1;
                    counts.late += 1;
                    assert_eq!(fates.insert(probe.serial, Fate::Late), Some(Fate::Lost));
                }
                Event::Duplicate(probe, _) => {
                    counts.duplicates += 1;
                    let fate = fates.get(&probe.serial);
                    assert!(matches!(fate, Some(Fate::Answered | Fate::Late)));
                }
                _ => {}
            }
        }
    }
    let told = machine.counts();
    assert_eq!(
        (
            told.sent,
            told.answered,
            told.late,
            told.lost,
            told.duplicates
        ),
        (
            counts.sent,
            counts.answered,
            counts.late,
            counts.lost,
            counts.duplicates
        )
    );
    // It ends, whatever came: in hops, tries and rounds. That takes a while, so
    // it is looked at with some inputs only.
    if data.len() % 16 != 0 {
        return;
    }
    for _ in 0..20_000 {
        let Some(timeout) = machine.poll_timeout() else {
            return;
        };
        now = now.max(timeout);
        while machine.poll_transmit(now).is_some() {}
        machine.handle_timeout(now);
        while machine.poll_event().is_some() {}
    }
    panic!("it does not end");
});
