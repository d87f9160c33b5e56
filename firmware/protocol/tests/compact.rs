//! Known octets of compact flows: what is deployed must stay readable, so a
//! change of any line here is a new major version.

use magpie_protocol::{
    AddressPair, DecodeError, Direction, EndReason, FlowKey, FlowRecord, Handshake, Item, Items,
    MAX_BODY, MAX_ITEM, Record, RecordType, Side, TcpFacts, VERSION_MINOR, VlanStack,
    decode_record, encode_record, encode_record_for,
};

const COMPACT: u8 = RecordType::CompactFlow as u8;

fn stack(ids: &[u16]) -> VlanStack {
    let mut stack = VlanStack::NONE;
    assert!(ids.iter().all(|id| stack.push(*id)));
    stack
}

fn way(packets: u64, ip_octets: u64, frame_octets: u64) -> Direction {
    Direction {
        packets,
        ip_octets,
        frame_octets,
    }
}

const V4: AddressPair = AddressPair::V4 {
    a: [10, 0, 0, 1],
    b: [10, 0, 0, 2],
};
const V6: AddressPair = AddressPair::V6 {
    a: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    b: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
};

/// A question without an answer.
fn question() -> FlowRecord {
    FlowRecord {
        flow_id: 300,
        reason: EndReason::Idle,
        key: FlowKey {
            vlan: VlanStack::NONE,
            protocol: 17,
            addresses: V4,
            a_port: 53,
            b_port: 40_000,
        },
        initiator: Side::B,
        first_us: 1_700_000_000_000_000,
        last_us: 1_700_000_000_000_000,
        ab: Direction::default(),
        ba: way(1, 60, 74),
        tcp: None,
    }
}

fn connection() -> FlowRecord {
    FlowRecord {
        flow_id: 5,
        reason: EndReason::End,
        key: FlowKey {
            protocol: 6,
            a_port: 443,
            b_port: 65_535,
            ..question().key
        },
        last_us: 1_700_000_000_000_300,
        ab: way(2, 1540, 1568),
        // An acknowledgement of 54 octets, padded to 60.
        ba: way(3, 180, 228),
        tcp: Some(TcpFacts {
            flags: [0x1b, 0x12],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: 0,
                synack_retx: 0,
                syn_to_synack_us: 200,
                synack_to_ack_us: 5,
            }),
            ..TcpFacts::default()
        }),
        ..question()
    }
}

/// All that can be there, and nothing as expected.
fn trouble() -> FlowRecord {
    FlowRecord {
        reason: EndReason::Split,
        key: FlowKey {
            vlan: stack(&[10, 0, 4095]),
            addresses: V6,
            ..connection().key
        },
        initiator: Side::A,
        // A clock that stepped back: last before first.
        first_us: 5,
        last_us: 4,
        ab: way(u64::MAX, 2, 1),
        ba: way(0, 0, 0),
        tcp: Some(TcpFacts {
            flags: [0x1b, 0x12],
            seq_back: [1, 0],
            seq_back_octets: [1460, 0],
            unseen_octets: [0, 200],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: 1,
                synack_retx: 0,
                syn_to_synack_us: -1,
                synack_to_ack_us: 250,
            }),
        }),
        ..connection()
    }
}

fn flows() -> Vec<(&'static str, FlowRecord, &'static str)> {
    let association = FlowRecord {
        key: FlowKey {
            protocol: 132,
            ..question().key
        },
        ab: way(1, 64, 78),
        ..question()
    };
    let ping = FlowRecord {
        reason: EndReason::Live,
        key: FlowKey {
            vlan: stack(&[4]),
            protocol: 58,
            addresses: V6,
            a_port: 0,
            b_port: 0,
        },
        initiator: Side::A,
        last_us: 1_700_000_000_000_001,
        ab: way(1, 104, 122),
        ba: Direction::default(),
        ..question()
    };
    vec![
        (
            "question",
            question(),
            "0918d107ac020a0000010a0000023500409c00401e18a494183c",
        ),
        (
            "association",
            association,
            "091b1103ac020a0000010a000002843500409c00401e18a494183c0140",
        ),
        (
            "ping",
            ping,
            "09306804ac02040020010db800000000000000000000000120010db800000000000000000000\
             000200401e18a49418010168",
        ),
        (
            "connection",
            connection(),
            "09249349050a0000010a000002bb01ffff00401e18a49418ac0203b4010602840c121bc80105",
        ),
        (
            "trouble",
            trouble(),
            "0961afe9050a800080ff0f20010db800000000000000000000000120010db800000000000000\
             0000000002bb01ffff0500000000ffffffffffffffffff01ffffffffffffffffff0102190000\
             1b122501b40bc801010100ffffffffffffffffff01fa01",
        ),
    ]
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"))
}

fn encoded(flow: FlowRecord) -> Vec<u8> {
    let mut out = [0; MAX_ITEM];
    let len = encode_record(&Record::Flow(flow), &mut out).unwrap();
    out[..len].to_vec()
}

fn one_item(octets: &[u8]) -> Item<'_> {
    let mut items = Items::new(octets);
    let item = items.next().unwrap().unwrap();
    assert!(items.next().is_none());
    item
}

/// What a body of this type is read as.
fn read(body: &[u8]) -> Result<FlowRecord, DecodeError> {
    let kind = COMPACT;
    match decode_record(Item { kind, body })? {
        Record::Flow(flow) => Ok(flow),
        other => panic!("{other:?}"),
    }
}

const BAD: Result<FlowRecord, DecodeError> = Err(DecodeError::BadBody(COMPACT));

#[test]
fn flows_have_their_known_octets() {
    for (name, flow, known) in flows() {
        let octets = encoded(flow);
        assert_eq!(hex(&octets), known, "{name}");
        assert_eq!(decode_record(one_item(&octets)), Ok(Record::Flow(flow)));
    }
}

/// A newer minor version appends fields to the end of a body; no prefix of one
/// is taken for the whole.
#[test]
fn longer_bodies_are_read_and_shorter_ones_refused() {
    for (name, flow, _) in flows() {
        let octets = encoded(flow);
        let body = one_item(&octets).body;
        assert_eq!(read(&[body, &[1, 255]].concat()), Ok(flow), "{name}");
        for cut in 0..body.len() {
            assert_eq!(read(&body[..cut]), BAD, "{name} cut to {cut}");
        }
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let with = |flow: FlowRecord, place: usize, flags: u8| {
        let octets = encoded(flow);
        let mut body = one_item(&octets).body.to_vec();
        body[place] ^= flags;
        // Whatever is missing of what the flags announce is there.
        body.extend([0; 40]);
        read(&body)
    };
    // TCP facts of UDP.
    for flag in [0x20, 0x40, 0x80] {
        assert_eq!(with(question(), 1, flag), BAD);
    }
    // More than nothing the other way, of a flow that went one way.
    assert_eq!(with(question(), 1, 0x10), BAD);
    // How a handshake was that there was none of.
    assert_eq!(with(connection(), 1, 0xc0), BAD);
}

#[test]
fn values_out_of_range_are_refused() {
    let octets = encoded(trouble());
    let body = one_item(&octets).body;
    let with = |place: usize, octets: &[u8]| {
        let mut changed = body[..place].to_vec();
        changed.extend(octets);
        changed.extend(&body[place + 1..]);
        changed.extend([0; 40]);
        read(&changed)
    };
    let [tag, high, mask, client, syn_retx] = [3, 49, 76, 82, 83];
    let places = [tag, high, mask, client, syn_retx].map(|place| body[place]);
    assert_eq!(places, [10, 0, 0x25, 1, 1]);
    assert_eq!(with(tag + 1, &[0x90]), BAD, "an identifier of 13 bits");
    assert_eq!(with(mask, &[0x65]), BAD, "a seventh count");
    assert_eq!(with(client, &[2]), BAD, "a third end point");
    let (most, too_much) = ([255, 255, 255, 255, 15], [255, 255, 255, 255, 16]);
    for number_of_32_bits in [high, syn_retx] {
        assert!(with(number_of_32_bits, &most).is_ok());
        assert_eq!(with(number_of_32_bits, &too_much), BAD);
    }
}

/// Of four tags a fifth cannot follow.
#[test]
fn a_stack_is_no_deeper_than_a_key_holds() {
    let mut deep = question();
    deep.key.vlan = stack(&[1, 2, 3, 4]);
    let octets = encoded(deep);
    let mut body = one_item(&octets).body.to_vec();
    assert_eq!(read(&body), Ok(deep));
    let fourth = 4 + 3 * 2;
    assert_eq!(body[fourth..fourth + 2], [4, 0]);
    body[fourth + 1] = 0x80;
    body.extend([0; 40]);
    assert_eq!(read(&body), BAD);
}

/// Hosts up to 1.2 do not know the compact form; some flows it cannot say.
#[test]
fn the_old_form_is_written_where_it_has_to_be() {
    let kind = |flow: FlowRecord, minor: u8| {
        let mut out = [0; MAX_ITEM];
        let len = encode_record_for(minor, &Record::Flow(flow), &mut out).unwrap();
        let item = one_item(&out[..len]);
        assert_eq!(decode_record(item), Ok(Record::Flow(flow)));
        item.kind
    };
    let old = RecordType::Flow as u8;
    for minor in 0..=u8::MAX {
        let expected = if minor < 3 { old } else { COMPACT };
        assert_eq!(kind(question(), minor), expected, "{minor}");
    }
    let newer = FlowRecord {
        reason: EndReason::Unknown(8),
        ..question()
    };
    let not_tcp = FlowRecord {
        tcp: Some(TcpFacts::default()),
        ..question()
    };
    let mut untold = connection();
    untold.tcp = None;
    for flow in [newer, not_tcp, untold] {
        assert_eq!(kind(flow, VERSION_MINOR), old);
    }
}

/// The largest fits an item, whatever the counters say.
#[test]
fn the_largest_fits() {
    const TOP: u64 = u64::MAX;
    let flow = FlowRecord {
        flow_id: TOP,
        key: FlowKey {
            vlan: stack(&[4095; 4]),
            ..trouble().key
        },
        initiator: Side::B,
        first_us: TOP,
        last_us: TOP - 1,
        ab: way(TOP, TOP, TOP - 1),
        ba: way(TOP, TOP, TOP - 1),
        tcp: Some(TcpFacts {
            flags: [255; 2],
            seq_back: [TOP; 2],
            seq_back_octets: [TOP; 2],
            unseen_octets: [TOP; 2],
            handshake: Some(Handshake {
                client: Side::A,
                syn_retx: u32::MAX,
                synack_retx: u32::MAX,
                syn_to_synack_us: i64::MIN,
                synack_to_ack_us: i64::MIN,
            }),
        }),
        ..trouble()
    };
    let octets = encoded(flow);
    assert_eq!((octets[0], octets.len()), (COMPACT, 214));
    assert!(octets.len() <= MAX_BODY);
    assert_eq!(decode_record(one_item(&octets)), Ok(Record::Flow(flow)));
}
