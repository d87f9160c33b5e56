//! Any octets as the items of a batch: what can be read can be written, for
//! hosts of any version, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie_protocol::{
    Item, Items, MAX_ITEM, VERSION_MINOR, decode_command, decode_packet_part, decode_record,
    encode_command, encode_packet_part, encode_record_for,
};

magpie_fuzz::seeds!({
    let batches = magpie_fuzz::batches::of_a_sensor().into_iter();
    let commands = magpie_fuzz::batches::of_a_host(1);
    batches
        .chain(commands)
        .map(|batch| batch[magpie_link::Header::OCTETS..].to_vec())
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let mut octets = 0;
    let mut items = Items::new(data);
    for item in &mut items {
        let Ok(item) = item else { break };
        octets += 2 + item.body.len();
        assert!(octets <= data.len(), "items overlap");
        let mut out = [0; MAX_ITEM];
        if let Ok(record) = decode_record(item) {
            for minor in [0, VERSION_MINOR] {
                let len = encode_record_for(minor, &record, &mut out).expect("what was read fits");
                assert_eq!(decode_record(only(&out[..len])).as_ref(), Ok(&record));
            }
        }
        if let Ok((part, octets)) = decode_packet_part(item) {
            let (first, second) = octets.split_at(octets.len() / 2);
            let len = encode_packet_part(&part, [first, second], &mut out);
            let len = len.expect("what was read fits");
            assert_eq!(decode_packet_part(only(&out[..len])), Ok((part, octets)));
        }
        if let Ok(command) = decode_command(item) {
            let len = encode_command(&command, &mut out).expect("what was read fits");
            assert_eq!(decode_command(only(&out[..len])), Ok(command));
        }
    }
    assert!(items.next().is_none(), "nothing comes behind an error");
});

fn only(octets: &[u8]) -> Item<'_> {
    let mut items = Items::new(octets);
    let item = items.next().expect("one item").expect("a sound item");
    assert!(items.next().is_none());
    item
}
