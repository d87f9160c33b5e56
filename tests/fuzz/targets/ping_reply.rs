//! Replies, errors and IPv4 options of anybody's making, into a ping.
#![no_main]

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use magpie_fuzz::input::{Input, push_piece};
use magpie_probe::icmp::IcmpError;
use magpie_probe::ip_options::{self, IpOption};
use magpie_probe::ping::{
    Answers, Cause, Config, Framing, HEADER, Pace, Pattern, Ping, What, parse_advice, parse_quote,
    parse_reply,
};

const ID: u16 = 0x1234;

magpie_fuzz::seeds!(seeds());

/// A ping, and its first requests as it wrote them.
fn begun(is_v6: bool) -> (Ping, Vec<Vec<u8>>) {
    let destination: IpAddr = if is_v6 {
        [0, 0, 0, 0, 0, 0, 0, 1].into()
    } else {
        [127, 0, 0, 1].into()
    };
    let config = Config {
        destination,
        answers: Answers::Destination,
        identifier: ID,
        size: 24,
        pattern: Pattern::default(),
        count: NonZeroU64::new(200),
        pace: Pace::Flood,
        preload: 100,
        timeout: Duration::from_secs(1),
        deadline: None,
        tells_outstanding: true,
        is_silent: false,
    };
    let mut ping = Ping::new(config, Duration::ZERO);
    let mut requests = Vec::new();
    let mut octets = Vec::new();
    for _ in 0..3 {
        let number = ping
            .poll_transmit(Duration::ZERO, Duration::ZERO, &mut octets)
            .expect("the first three go at once");
        ping.handle_sent(number, Duration::ZERO);
        requests.push(octets.clone());
    }
    (ping, requests)
}

/// Whole conversations: what a socket would give for these requests.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for is_v6 in [false, true] {
        let (_, requests) = begun(is_v6);
        let mut seed = vec![u8::from(is_v6)];
        for (at, request) in requests.iter().enumerate() {
            let mut reply = request.clone();
            reply[0] = if is_v6 { 129 } else { 0 };
            // An error quotes the request itself.
            let (operation, octets) = if at == 2 {
                (3, request.clone())
            } else {
                (0, reply.clone())
            };
            seed.push(operation);
            push_piece(&mut seed, &octets);
            if !is_v6 {
                // The sum is less by 8 in its first octet's place (RFC 1624).
                let sum = u32::from(u16::from_be_bytes([reply[2], reply[3]])) + 0x0800;
                let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
                reply[2..4].copy_from_slice(&sum.to_be_bytes());
                let mut packet = vec![0; 24];
                packet[0] = 0x46;
                packet[9] = 1;
                packet[20..24].copy_from_slice(&[7, 3, 4, 0]);
                packet.extend(reply);
                seed.push(1);
                push_piece(&mut seed, &packet);
            }
        }
        seeds.push(seed);
    }
    let mut options = vec![0, 4];
    push_piece(&mut options, &ip_options::record_route());
    options.push(4);
    push_piece(
        &mut options,
        &ip_options::timestamps(&ip_options::Stamps::WithAddress),
    );
    seeds.push(options);
    seeds
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let is_v6 = input.u8() & 1 == 1;
    let (mut ping, _) = begun(is_v6);
    let destination = ping.config().destination;
    let mut octets = Vec::new();
    let (mut came, mut now) = (0_u64, Duration::from_millis(1));
    while !input.is_empty() {
        let operation = input.u8();
        // Forth and back.
        now = match operation >> 5 {
            0 => now + Duration::from_millis(7),
            1 => now + Duration::from_secs(3),
            2 => Duration::ZERO,
            _ => now,
        };
        let from = if operation & 0x10 == 0 {
            destination
        } else {
            [192, 0, 2, 9].into()
        };
        let piece = input.piece();
        match operation % 6 {
            kind @ 0..=1 => {
                let framing = match (is_v6, kind) {
                    (true, _) => Framing::Icmp6,
                    (false, 0) => Framing::Icmp4,
                    (false, _) => Framing::Ip4,
                };
                if let Some(reply) = parse_reply(framing, piece) {
                    assert!(reply.payload.len() + reply.ip_options.len() + HEADER <= piece.len());
                    ping.handle_reply(now, from, None, &reply);
                    came += 1;
                }
                if let Some(advice) = parse_advice(piece) {
                    let cause = Cause::Icmp(advice.error);
                    ping.handle_error(now, Some(from), Some(advice.to), advice.request, cause);
                    came += 1;
                }
            }
            3 => {
                if let Some(request) = parse_quote(is_v6, piece) {
                    let cause = Cause::Icmp(IcmpError {
                        is_v6,
                        icmp_type: 3,
                        icmp_code: operation,
                        info: 0,
                    });
                    assert!(
                        !IcmpError {
                            is_v6,
                            icmp_type: operation,
                            icmp_code: 0,
                            info: 0
                        }
                        .text()
                        .is_empty()
                    );
                    ping.handle_error(now, Some(from), Some(destination), request, cause);
                    came += 1;
                }
            }
            4 => {
                for option in ip_options::read(piece) {
                    match option {
                        IpOption::Route(route) => assert!(route.len() * 4 <= piece.len()),
                        IpOption::Stamps { stamps, .. } => assert!(stamps.len() * 4 <= piece.len()),
                    }
                }
            }
            _ => {
                if let Some(number) = ping.poll_transmit(now, now, &mut octets) {
                    ping.handle_sent(number, now);
                }
                ping.handle_timeout(now);
            }
        }
    }
    let (mut replies, mut errors, mut outstanding, mut advice) = (0, 0, 0, 0);
    while let Some(event) = ping.poll_event() {
        match event.what {
            What::Reply(reply) => replies += u64::from(reply.is_sum_right && !reply.is_duplicate),
            What::Error { .. } => errors += 1,
            What::Sent { .. } => outstanding += 1,
            What::Advice { .. } => advice += 1,
            What::TimedOut | What::NoAnswerYet => {}
        }
    }
    let summary = ping.summary();
    assert_eq!(
        (summary.received, summary.errors, summary.transmitted),
        (replies, errors, outstanding)
    );
    assert_eq!(summary.advice, advice);
    let counted = summary.received
        + summary.duplicates
        + summary.bad_sums
        + summary.errors
        + summary.advice
        + summary.foreign
        + summary.others;
    assert_eq!(
        counted, came,
        "something that came is in no count, or in two"
    );
    assert!(summary.received <= summary.transmitted);
});
