//! Laws of the encoding: what was written is read back, and nothing that can
//! arrive makes a reader panic.

use magpie_protocol::{
    Address, AddressPair, BootReason, BootReport, BpfInstruction, Capacities, Census, ClockKind,
    Command, CommandReply, Configuration, CountEntry, Counts, Direction, Doubles, EchoKey,
    EchoRecord, EchoSample, EncodeError, EndReason, FilterAction, FilterReason, FilterReply,
    FilterRoom, FilterState, FilterStatus, FlowKey, FlowRecord, FlowSum, Handshake, Hello,
    Instructions, Items, KEY_OTHER, Known, Ledger, LinkState, Losses, MAX_BODY, MAX_ITEM, NetState,
    Outcome, PacketHead, PacketPart, PartPlace, Port, Record, Side, Sum, TableId, Tally, TcpFacts,
    TimeReply, TooBig, Unsent, UnsentKey, UnsentLine, UplinkCounts, VERSION_MINOR, VlanStack,
    decode_command, decode_flow_key, decode_packet_part, decode_record, encode_command,
    encode_packet_part, encode_record, encode_record_for,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Counters small and large, so that every length of varint comes up.
fn number() -> impl Strategy<Value = u64> + Clone {
    (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

fn signed() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

fn numbers<const N: usize>() -> impl Strategy<Value = [u64; N]> {
    vec(number(), N).prop_map(|numbers| numbers.try_into().unwrap())
}

fn stack() -> impl Strategy<Value = VlanStack> {
    vec(0..4096_u16, 0..=VlanStack::MAX).prop_map(|ids| {
        let mut stack = VlanStack::NONE;
        for id in ids {
            assert!(stack.push(id));
        }
        stack
    })
}

fn addresses() -> impl Strategy<Value = AddressPair> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| AddressPair::V4 { a, b }),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| AddressPair::V6 { a, b }),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|b| if b { Side::B } else { Side::A })
}

fn reason() -> impl Strategy<Value = EndReason> {
    any::<u8>().prop_map(EndReason::from)
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![
        Just(Known::Unknown),
        number().prop_map(Known::Exact),
        number().prop_map(Known::AtLeast)
    ]
}

fn direction([packets, ip_octets, frame_octets]: [u64; 3]) -> Direction {
    Direction {
        packets,
        ip_octets,
        frame_octets,
    }
}

fn tally([records, flows, packets, octets]: [u64; 4]) -> Tally {
    Tally {
        records,
        flows,
        packets,
        octets,
    }
}

fn census([made, live, live_packets, live_octets, evicted]: [u64; 5]) -> Census {
    Census {
        made,
        live,
        live_packets,
        live_octets,
        evicted,
    }
}

fn sum([frames, octets]: [u64; 2]) -> Sum {
    Sum { frames, octets }
}

fn handshake() -> impl Strategy<Value = Handshake> {
    (side(), any::<[u32; 2]>(), signed(), signed()).prop_map(|(client, retx, first, second)| {
        Handshake {
            client,
            syn_retx: retx[0],
            synack_retx: retx[1],
            syn_to_synack_us: first,
            synack_to_ack_us: second,
        }
    })
}

fn tcp() -> impl Strategy<Value = TcpFacts> {
    (any::<[u8; 2]>(), numbers::<6>(), option::of(handshake())).prop_map(|(flags, n, handshake)| {
        TcpFacts {
            flags,
            seq_back: [n[0], n[1]],
            seq_back_octets: [n[2], n[3]],
            unseen_octets: [n[4], n[5]],
            handshake,
        }
    })
}

fn flow() -> impl Strategy<Value = FlowRecord> {
    let key = (stack(), any::<u8>(), addresses(), any::<[u16; 2]>());
    (
        key,
        reason(),
        side(),
        numbers::<3>(),
        numbers::<3>(),
        numbers::<3>(),
        option::of(tcp()),
    )
        .prop_map(
            |((vlan, protocol, addresses, ports), reason, initiator, n, ab, ba, tcp)| FlowRecord {
                flow_id: n[0],
                reason,
                key: FlowKey {
                    vlan,
                    protocol,
                    addresses,
                    a_port: ports[0],
                    b_port: ports[1],
                },
                initiator,
                first_us: n[1],
                last_us: n[2],
                ab: direction(ab),
                ba: direction(ba),
                tcp,
            },
        )
}

/// A flow as they are in nature: of its parts any may be missing, or follow
/// from the others.
fn likely_flow() -> impl Strategy<Value = FlowRecord> {
    let protocol = prop_oneof![Just(6_u8), Just(17), Just(1), Just(58), any::<u8>()];
    let traits = any::<[bool; 6]>();
    (flow(), protocol, 0..8_u8, tcp(), traits).prop_map(
        |(mut flow, protocol, reason, mut tcp, traits)| {
            let [portless, one_way, brief, plain, smooth, untroubled] = traits;
            flow.reason = EndReason::from(reason);
            flow.key.protocol = protocol;
            if portless {
                (flow.key.a_port, flow.key.b_port) = (0, 0);
            }
            let (forth, back) = match flow.initiator {
                Side::A => (&mut flow.ab, &mut flow.ba),
                Side::B => (&mut flow.ba, &mut flow.ab),
            };
            if brief {
                forth.packets = 1;
                flow.last_us = flow.first_us;
            }
            if one_way {
                *back = Direction::default();
                tcp.flags = match flow.initiator {
                    Side::A => [tcp.flags[0], 0],
                    Side::B => [0, tcp.flags[1]],
                };
            }
            if plain {
                let a_frame = 14 + 4 * flow.key.vlan.depth() as u64;
                for way in [forth, back] {
                    way.frame_octets = way
                        .packets
                        .wrapping_mul(a_frame)
                        .wrapping_add(way.ip_octets);
                }
            }
            if untroubled {
                tcp = TcpFacts {
                    flags: tcp.flags,
                    handshake: tcp.handshake,
                    ..TcpFacts::default()
                };
            }
            if let Some(handshake) = tcp.handshake.as_mut().filter(|_| smooth) {
                handshake.client = flow.initiator;
                (handshake.syn_retx, handshake.synack_retx) = (0, 0);
            }
            flow.tcp = (protocol == 6).then_some(tcp);
            flow
        },
    )
}

fn echo_key() -> impl Strategy<Value = EchoKey> {
    (stack(), addresses(), any::<u16>()).prop_map(|(vlan, addresses, id)| EchoKey {
        vlan,
        addresses,
        id,
    })
}

fn echo() -> impl Strategy<Value = EchoRecord> {
    (echo_key(), reason(), numbers::<9>()).prop_map(|(key, reason, n)| EchoRecord {
        echo_id: n[0],
        reason,
        key,
        first_us: n[1],
        last_us: n[2],
        requests: n[3],
        replies: n[4],
        matched: n[5],
        duplicates: n[6],
        orphans: n[7],
        waiting: n[8],
    })
}

fn echo_sample() -> impl Strategy<Value = EchoSample> {
    (number(), echo_key(), any::<u16>(), number(), signed()).prop_map(
        |(echo_id, key, sequence, reply_us, rtt_us)| EchoSample {
            echo_id,
            key,
            sequence,
            reply_us,
            rtt_us,
        },
    )
}

fn counts() -> impl Strategy<Value = Counts> {
    let entry = numbers::<3>().prop_map(|[key, frames, octets]| CountEntry {
        key,
        frames,
        octets,
    });
    (any::<u8>(), vec(entry, 0..=Counts::MAX_ENTRIES)).prop_map(|(table, entries)| Counts {
        table: TableId::from(table),
        entries: entries.into_iter().collect(),
    })
}

fn uplink() -> impl Strategy<Value = UplinkCounts> {
    (numbers::<4>(), numbers::<4>(), numbers::<4>()).prop_map(|(n, never_sent, unconfirmed)| {
        UplinkCounts {
            acked: n[0],
            never_sent: tally(never_sent),
            unconfirmed: tally(unconfirmed),
            batches: n[1],
            resent: n[2],
            bad_frames: n[3],
        }
    })
}

fn ledger() -> impl Strategy<Value = Ledger> {
    let losses = [known(), known(), known(), known(), known()].prop_map(
        |[fcs, oversize, mac_fifo, no_descriptor, ring]| Losses {
            fcs,
            oversize,
            mac_fifo,
            no_descriptor,
            ring,
        },
    );
    let sums = vec(numbers::<2>().prop_map(sum), 6);
    let tallies = (numbers::<4>(), numbers::<4>());
    let tables = (numbers::<5>(), numbers::<5>());
    (
        any::<u32>(),
        numbers::<7>(),
        sums,
        losses,
        tables,
        tallies,
        uplink(),
    )
        .prop_map(|(flush, n, sums, lost, tables, tallies, uplink)| Ledger {
            at_us: n[0],
            flush,
            counted: sums[0],
            in_flows: sums[1],
            arp: sums[2],
            other: sums[3],
            invalid: sums[4],
            lost,
            malformed: n[1],
            vlan_cut: n[2],
            own_tx: n[3],
            own_rx: n[4],
            forged: n[5],
            flows: census(tables.0),
            echoes: census(tables.1),
            echo_forgotten: n[6],
            exported: tally(tallies.0),
            never_sent: tally(tallies.1),
            uplink,
            doubles: Doubles {
                window_us: flush.rotate_left(9),
                sum: sums[1],
                unsure: n[3],
                forgotten: n[5],
            },
            filtered: sums[5],
        })
}

/// Text of at most `N` octets, in any alphabet.
fn text<const N: usize>() -> impl Strategy<Value = heapless::String<N>> {
    any::<String>().prop_map(|all| {
        let mut text = heapless::String::new();
        for c in all.chars() {
            if text.push(c).is_err() {
                break;
            }
        }
        text
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let texts = (text::<32>(), text::<32>(), text::<24>(), text::<24>());
    let kinds = (any::<[u8; 3]>(), any::<bool>(), any::<u32>(), number());
    let boot = (
        any::<u32>(),
        any::<u8>(),
        text::<96>(),
        any::<Option<u32>>(),
    );
    let boot = boot.prop_map(|(count, reason, last_word, watchdogs)| BootReport {
        count,
        reason: BootReason::from(reason),
        last_word,
        watchdogs,
    });
    (texts, kinds, any::<[u32; 6]>(), boot).prop_map(
        |(
            (name, board, firmware, git),
            ([major, minor, clock], zero_seed, boot_id, at_us),
            n,
            boot,
        )| {
            Hello {
                major,
                minor,
                boot_id,
                at_us,
                clock: ClockKind::from(clock),
                zero_seed,
                name,
                board,
                firmware,
                git,
                capacities: Capacities {
                    flows: n[0],
                    echoes: n[1],
                    echo_requests: n[2],
                    outbox_octets: n[3],
                    resend_octets: n[4],
                    max_frame: n[5],
                    doubles: n[0].rotate_left(7),
                    filters: FilterRoom {
                        slots: n[1].to_le_bytes()[0],
                        ring_octets: n[2].rotate_left(7),
                        payload: n[3] % 2 == 1,
                    },
                },
                boot,
            }
        },
    )
}

fn port() -> impl Strategy<Value = Port> {
    let link = prop_oneof![
        Just(LinkState::Unknown),
        Just(LinkState::Down),
        (any::<u32>(), any::<bool>())
            .prop_map(|(mbit, full_duplex)| LinkState::Up { mbit, full_duplex }),
    ];
    let net = prop_oneof![
        Just(NetState::Silent),
        Just(NetState::Asking),
        Just(NetState::NoLease),
        any::<[u8; 4]>().prop_map(NetState::Up),
        (4..=u8::MAX).prop_map(NetState::Unknown),
    ];
    (number(), link, net, option::of(any::<u16>()), any::<u32>()).prop_map(
        |(at_us, link, net, cpu_permille, refused)| Port {
            at_us,
            link,
            net,
            cpu_permille,
            refused,
        },
    )
}

fn too_big() -> impl Strategy<Value = TooBig> {
    (number(), addresses(), any::<u32>()).prop_map(|(at_us, addresses, mtu)| TooBig {
        at_us,
        addresses,
        mtu,
    })
}

fn unsent() -> impl Strategy<Value = Unsent> {
    let flow_sum = |[flows, packets, octets]: [u64; 3]| FlowSum {
        flows,
        packets,
        octets,
    };
    let responder = prop_oneof![
        any::<[u8; 4]>().prop_map(Address::V4),
        any::<[u8; 16]>().prop_map(Address::V6),
    ];
    let key = (any::<u8>(), responder).prop_map(|(protocol, responder)| UnsentKey {
        protocol,
        responder,
    });
    let line = (
        any::<u16>(),
        option::of(key),
        number(),
        numbers::<3>(),
        numbers::<3>(),
    );
    let line = line.prop_map(
        move |(place, key, missed_at_most, never, unsure)| UnsentLine {
            place,
            key,
            missed_at_most,
            never_sent: flow_sum(never),
            unconfirmed: flow_sum(unsure),
        },
    );
    (number(), vec(line, 0..=Unsent::MAX_LINES)).prop_map(|(flows, lines)| Unsent {
        flows,
        lines: lines.into_iter().collect(),
    })
}

fn action() -> impl Strategy<Value = FilterAction> {
    prop_oneof![
        Just(FilterAction::Count),
        (any::<u32>(), numbers::<2>(), any::<bool>()).prop_map(
            |(snap_len, [packets, octets], wait)| {
                FilterAction::Capture {
                    snap_len,
                    max_packets: packets,
                    max_octets: octets,
                    wait,
                }
            }
        ),
        Just(FilterAction::Only),
        (3..=u8::MAX).prop_map(FilterAction::Unknown),
    ]
}

fn filter_reply() -> impl Strategy<Value = FilterReply> {
    (any::<u32>(), any::<[u8; 4]>(), any::<u16>()).prop_map(|(id, octets, instruction)| {
        let [command, slot, outcome, reason] = octets;
        FilterReply {
            id,
            command,
            slot,
            outcome: Outcome::from(outcome),
            reason: FilterReason::from(reason),
            instruction,
        }
    })
}

fn filter_status() -> impl Strategy<Value = FilterStatus> {
    let sums = (
        numbers::<2>(),
        numbers::<2>(),
        numbers::<2>(),
        numbers::<2>(),
    );
    (any::<(u8, u8, u32)>(), number(), action(), sums).prop_map(
        |((slot, state, run), at_us, action, sums)| FilterStatus {
            slot,
            run,
            at_us,
            state: FilterState::from(state),
            action,
            matched: sum(sums.0),
            kept: sum(sums.1),
            dropped: sum(sums.2),
            forwarded: sum(sums.3),
        },
    )
}

fn instructions() -> impl Strategy<Value = Instructions> {
    vec(any::<[u8; 8]>(), 0..=Instructions::MAX).prop_map(|octets| {
        let all: Vec<_> = octets
            .into_iter()
            .map(BpfInstruction::from_octets)
            .collect();
        let (taken, rest) = Instructions::take(&all);
        assert_eq!((taken.as_slice(), rest), (&all[..], &[][..]));
        taken
    })
}

fn part() -> impl Strategy<Value = PacketPart> {
    let head = (numbers::<3>(), any::<[u32; 2]>()).prop_map(|([at_us, frames, octets], len)| {
        PartPlace::First(PacketHead {
            at_us,
            wire_len: len[0],
            captured_len: len[1],
            dropped: sum([frames, octets]),
        })
    });
    let place = prop_oneof![
        head,
        any::<std::num::NonZeroU32>().prop_map(PartPlace::Later)
    ];
    (any::<(u8, u32)>(), number(), place).prop_map(|((slot, run), number, place)| PacketPart {
        slot,
        run,
        number,
        place,
    })
}

fn record() -> impl Strategy<Value = Record> {
    let time = (any::<u32>(), numbers::<3>()).prop_map(|(id, [host_us, received_us, sent_us])| {
        TimeReply {
            id,
            host_us,
            received_us,
            sent_us,
        }
    });
    let reply =
        (any::<u32>(), any::<u8>(), any::<u8>()).prop_map(|(id, command, outcome)| CommandReply {
            id,
            command,
            outcome: Outcome::from(outcome),
        });
    prop_oneof![
        hello().prop_map(Record::Hello),
        ledger().prop_map(Record::Ledger),
        flow().prop_map(Record::Flow),
        likely_flow().prop_map(Record::Flow),
        echo().prop_map(Record::Echo),
        echo_sample().prop_map(Record::EchoSample),
        counts().prop_map(Record::Counts),
        time.prop_map(Record::TimeReply),
        reply.prop_map(Record::CommandReply),
        port().prop_map(Record::Port),
        too_big().prop_map(Record::TooBig),
        unsent().prop_map(Record::Unsent),
        filter_reply().prop_map(Record::FilterReply),
        filter_status().prop_map(Record::FilterStatus),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let times = || option::of(number());
    let window = option::of(any::<u32>());
    let set = (times(), times(), times(), times(), window).prop_map(
        |(idle_us, active_us, end_us, live_us, dedup_us)| Configuration {
            idle_us,
            active_us,
            end_us,
            live_us,
            dedup_us,
        },
    );
    prop_oneof![
        any::<(u8, u8)>().prop_map(|(major, minor)| Command::Hello { major, minor }),
        (any::<u32>(), number()).prop_map(|(boot_id, next)| Command::Ack { boot_id, next }),
        any::<u32>().prop_map(|id| Command::Flush { id }),
        (any::<u32>(), number()).prop_map(|(id, host_us)| Command::TimeSync { id, host_us }),
        (any::<u32>(), set).prop_map(|(id, set)| Command::Configure { id, set }),
        (any::<(u32, u8, u16, u16)>(), instructions()).prop_map(
            |((id, slot, of, at), instructions)| Command::LoadFilter {
                id,
                slot,
                of,
                at,
                instructions,
            }
        ),
        (any::<(u32, u8, bool, u16, u32)>(), action()).prop_map(
            |((id, slot, literal, of, check), action)| Command::StartFilter {
                id,
                slot,
                literal,
                action,
                of,
                check,
            }
        ),
        any::<(u32, u8, bool)>().prop_map(|(id, slot, discard)| Command::StopFilter {
            id,
            slot,
            discard
        }),
    ]
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(record in record(), host_minor in 0..=VERSION_MINOR) {
        let mut out = [0; MAX_ITEM];
        let len = encode_record_for(host_minor, &record, &mut out).unwrap();
        let mut items = Items::new(&out[..len]);
        prop_assert_eq!(decode_record(items.next().unwrap().unwrap()), Ok(record));
        prop_assert!(items.next().is_none());
    }

    /// In each of their forms.
    #[test]
    fn a_flow_is_known_by_the_beginning_of_its_record(
        flow in flow(),
        host_minor in 0..=VERSION_MINOR,
    ) {
        let mut out = [0; MAX_ITEM];
        let len = encode_record_for(host_minor, &Record::Flow(flow), &mut out).unwrap();
        let item = Items::new(&out[..len]).next().unwrap().unwrap();
        prop_assert_eq!(decode_flow_key(item), Some((flow.key, flow.initiator)));
    }

    #[test]
    fn parts_of_packets_come_back_as_they_were(
        part in part(),
        octets in vec(any::<u8>(), 0..=MAX_BODY - PacketPart::MAX_HEAD),
        at in any::<prop::sample::Index>(),
        room in 0..MAX_ITEM,
    ) {
        let mut out = [0; MAX_ITEM];
        let (first, second) = octets.split_at(at.index(octets.len() + 1));
        let len = encode_packet_part(&part, [first, second], &mut out).unwrap();
        let mut items = Items::new(&out[..len]);
        let read = decode_packet_part(items.next().unwrap().unwrap());
        prop_assert_eq!(read, Ok((part, &octets[..])));
        prop_assert!(items.next().is_none());
        let whole = len - if len > 130 { 3 } else { 2 };
        let count = if octets.len() < 0x80 { 1 } else { 2 };
        prop_assert_eq!(part.head_len() - 2 + count + octets.len(), whole);
        let mut small = vec![0; room];
        match encode_packet_part(&part, [first, second], &mut small) {
            Ok(written) => prop_assert_eq!(&small[..written], &out[..len]),
            Err(_) => prop_assert!(room <= len),
        }
    }

    #[test]
    fn commands_come_back_as_they_were(command in command()) {
        let mut out = [0; MAX_ITEM];
        let len = encode_command(&command, &mut out).unwrap();
        let mut items = Items::new(&out[..len]);
        prop_assert_eq!(decode_command(items.next().unwrap().unwrap()), Ok(command));
        prop_assert!(items.next().is_none());
    }

    /// A buffer that is too small is refused or suffices; never half written.
    #[test]
    fn small_buffers_are_refused(record in record(), room in 0..MAX_ITEM) {
        let mut whole = [0; MAX_ITEM];
        let len = encode_record(&record, &mut whole).unwrap();
        let mut out = vec![0; room];
        match encode_record(&record, &mut out) {
            Ok(written) => prop_assert_eq!(&out[..written], &whole[..len]),
            Err(error) => {
                prop_assert_eq!(error, EncodeError::NoRoom);
                // One octet more than the item is asked for at most.
                prop_assert!(room <= len);
            }
        }
    }

    /// Any octets: no panic, and no more items than octets.
    #[test]
    fn any_octets_can_be_read(octets in vec(any::<u8>(), 0..1400)) {
        let mut items = 0;
        for item in Items::new(&octets).flatten() {
            items += 1;
            let _ = decode_record(item);
            let _ = decode_packet_part(item);
            let _ = decode_flow_key(item);
            let _ = decode_command(item);
        }
        prop_assert!(items * 2 <= octets.len());
    }

    /// Any body under any known type: no panic, and what is read can be
    /// written again and read back the same.
    #[test]
    fn any_body_can_be_read(kind in 0..=16_u8, body in vec(any::<u8>(), 0..600)) {
        let mut out = [0; MAX_ITEM];
        if let Ok(record) = decode_record(magpie_protocol::Item { kind, body: &body }) {
            let len = encode_record(&record, &mut out).unwrap();
            let item = Items::new(&out[..len]).next().unwrap().unwrap();
            prop_assert_eq!(decode_record(item), Ok(record));
        }
        let item = magpie_protocol::Item { kind: 16, body: &body };
        if let Ok((part, octets)) = decode_packet_part(item) {
            let len = encode_packet_part(&part, [octets, &[]], &mut out).unwrap();
            let item = Items::new(&out[..len]).next().unwrap().unwrap();
            prop_assert_eq!(decode_packet_part(item), Ok((part, octets)));
        }
        let kind = kind + 127;
        if let Ok(command) = decode_command(magpie_protocol::Item { kind, body: &body }) {
            let len = encode_command(&command, &mut out).unwrap();
            let item = Items::new(&out[..len]).next().unwrap().unwrap();
            prop_assert_eq!(decode_command(item), Ok(command));
        }
    }

    /// Octets of a real record with some changed: the reader's deep paths.
    #[test]
    fn damaged_records_can_be_read(record in record(), damage in vec(any::<(u16, u8)>(), 1..4)) {
        let mut out = [0; MAX_ITEM];
        let len = encode_record(&record, &mut out).unwrap();
        for (place, octet) in damage {
            out[usize::from(place) % len] = octet;
        }
        for item in Items::new(&out[..len]).flatten() {
            let _ = decode_record(item);
        }
    }

    #[test]
    fn stacks_and_their_bits_agree(stack in stack(), bits in any::<u64>()) {
        prop_assert_eq!(VlanStack::from_bits(stack.to_bits()), stack);
        prop_assert_ne!(stack.to_bits(), KEY_OTHER);
        let read = VlanStack::from_bits(bits);
        prop_assert_eq!(VlanStack::from_bits(read.to_bits()), read);
    }
}
