//! Laws of the encoding: what was written is read back, and nothing that can
//! arrive makes a reader panic.
//!
//! The other modules make any record and any command, from any values.

mod filters;
mod sensor;
mod traffic;
mod values;

use magpie_protocol::{
    Command, CommandReply, Configuration, EncodeError, Items, KEY_OTHER, MAX_BODY, MAX_ITEM,
    Outcome, PacketHead, PacketPart, PartPlace, Record, TimeReply, VERSION_MINOR, VlanStack,
    decode_command, decode_flow_key, decode_packet_part, decode_record, encode_command,
    encode_packet_part, encode_record, encode_record_for,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use filters::{action, filter_reply, filter_status, instructions};
use sensor::{counts, hello, ledger, port};
use traffic::{echo, echo_sample, flow, likely_flow, too_big, unsent};
use values::{number, numbers, stack, sum};

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
