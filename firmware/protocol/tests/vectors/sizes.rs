//! The largest records fit an item.

use magpie_protocol::{
    Address, AddressPair, Census, CountEntry, Counts, Direction, Doubles, EndReason, FlowKey,
    FlowRecord, FlowSum, Handshake, Known, Ledger, Losses, MAX_BODY, MAX_ITEM, Record, Side, Sum,
    TableId, Tally, TcpFacts, Unsent, UnsentKey, UnsentLine, UplinkCounts, decode_record,
    encode_record_for,
};

use super::{FIRST, one_item, stack};

/// The largest of each record fits an item, whatever the counters say.
#[test]
fn the_largest_records_fit() {
    const TOP: u64 = u64::MAX;
    let sum = Sum {
        frames: TOP,
        octets: TOP,
    };
    let census = Census {
        made: TOP,
        live: TOP,
        live_packets: TOP,
        live_octets: TOP,
        evicted: TOP,
    };
    let tally = Tally {
        records: TOP,
        flows: TOP,
        packets: TOP,
        octets: TOP,
    };
    let known = Known::AtLeast(TOP);
    let ledger = Ledger {
        at_us: TOP,
        flush: u32::MAX,
        counted: sum,
        in_flows: sum,
        arp: sum,
        other: sum,
        invalid: sum,
        lost: Losses {
            fcs: known,
            oversize: known,
            mac_fifo: known,
            no_descriptor: known,
            ring: known,
        },
        malformed: TOP,
        vlan_cut: TOP,
        own_tx: TOP,
        own_rx: TOP,
        forged: TOP,
        flows: census,
        echoes: census,
        echo_forgotten: TOP,
        exported: tally,
        never_sent: tally,
        uplink: UplinkCounts {
            acked: TOP,
            never_sent: tally,
            unconfirmed: tally,
            batches: TOP,
            resent: TOP,
            bad_frames: TOP,
        },
        doubles: Doubles {
            window_us: u32::MAX,
            sum,
            unsure: TOP,
            forgotten: TOP,
        },
        filtered: sum,
    };
    let entry = CountEntry {
        key: TOP,
        frames: TOP,
        octets: TOP,
    };
    let counts = Counts {
        table: TableId::Vlan,
        entries: [entry; Counts::MAX_ENTRIES].into_iter().collect(),
    };
    let direction = Direction {
        packets: TOP,
        ip_octets: TOP,
        frame_octets: TOP - 1,
    };
    let flow = FlowRecord {
        flow_id: TOP,
        reason: EndReason::Unknown(255),
        key: FlowKey {
            vlan: stack(&[4095; 4]),
            protocol: 255,
            addresses: AddressPair::V6 {
                a: [255; 16],
                b: [255; 16],
            },
            a_port: 65535,
            b_port: 65535,
        },
        initiator: Side::B,
        first_us: TOP,
        last_us: TOP - 1,
        ab: direction,
        ba: direction,
        tcp: Some(TcpFacts {
            flags: [255; 2],
            seq_back: [TOP; 2],
            seq_back_octets: [TOP; 2],
            unseen_octets: [TOP; 2],
            handshake: Some(Handshake {
                client: Side::B,
                syn_retx: u32::MAX,
                synack_retx: u32::MAX,
                syn_to_synack_us: i64::MIN,
                synack_to_ack_us: i64::MIN,
            }),
        }),
    };
    let flows = FlowSum {
        flows: TOP,
        packets: TOP,
        octets: TOP,
    };
    let line = UnsentLine {
        place: u16::MAX,
        key: Some(UnsentKey {
            protocol: 255,
            responder: Address::V6([255; 16]),
        }),
        missed_at_most: TOP,
        never_sent: flows,
        unconfirmed: flows,
    };
    let unsent = Unsent {
        flows: TOP,
        lines: [line; Unsent::MAX_LINES].into_iter().collect(),
    };
    for (record, octets) in [
        (Record::Ledger(ledger), 598),
        (Record::Unsent(unsent), 566),
        (Record::Counts(counts), 245),
        (Record::Flow(flow), 239),
    ] {
        // Exactly the room a record source is promised.
        let mut out = [0; MAX_ITEM];
        let len = encode_record_for(FIRST, &record, &mut out).unwrap();
        assert_eq!(len, octets);
        assert!(len <= MAX_BODY);
        assert_eq!(decode_record(one_item(&out[..len])), Ok(record));
    }
}
