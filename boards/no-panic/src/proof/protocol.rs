//! Encoding and decoding.

use core::hint::black_box;

use magpie_protocol::{
    Configuration, Items, Known, Sum, Tally, VlanStack, decode_command, decode_record,
    encode_command, encode_record, encode_record_for,
};

use super::{opaque, opaque_buffer, opaque_octets};

/// Every decoder on unknown octets, and every encoder on what came out: a
/// decoded record can hold any value its type can.
pub(super) fn all() {
    for item in Items::new(opaque_octets()) {
        let Ok(item) = item else { continue };
        if let Ok(record) = decode_record(item) {
            black_box(encode_record(&record, opaque_buffer()).is_ok());
            black_box(encode_record_for(opaque(0), &record, opaque_buffer()).is_ok());
            if let magpie_protocol::Record::Flow(flow) = &record {
                black_box((flow.key, flow.reason.is_final()));
            }
            if let magpie_protocol::Record::Echo(echo) = &record {
                black_box(echo.unanswered());
            }
        }
        if let Ok(command) = decode_command(item) {
            black_box(encode_command(&command, opaque_buffer()).is_ok());
        }
    }
    let mut stack = opaque(VlanStack::NONE);
    black_box(stack.push(opaque(1)));
    black_box(VlanStack::from_bits(opaque(0)));
    black_box((stack.to_bits(), stack.depth(), stack.ids().count()));
    let mut known = opaque(Known::Exact(0));
    known.add(opaque(1));
    black_box(known.value());
    let mut tally = opaque(Tally::default());
    tally.add(&opaque(Tally::default()));
    black_box((
        tally,
        opaque(Sum::default()),
        opaque(Configuration::default()),
    ));
}
