//! Both ends of the wire.

use core::hint::black_box;

use magpie_link::{
    Deframer, FrameError, Header, LinkError, MAX_FRAME, Overflow, Receiver, Sender, command_batch,
    frame,
};
use magpie_protocol::{Command, Emitted, RecordSource, Tally, UplinkCounts, Want};

use super::{opaque, opaque_buffer, opaque_octets};

pub(super) fn all() {
    send();
    receive();
    framing();
}

/// A source that may claim anything about what it wrote.
struct Source;

impl RecordSource for Source {
    #[inline(never)]
    fn poll_record(&mut self, now_us: u64, want: Want, out: &mut [u8]) -> Option<Emitted> {
        black_box((now_us, want, out));
        opaque(Some(Emitted {
            len: opaque(0),
            tally: opaque(Tally::default()),
        }))
    }

    fn note_uplink(&mut self, counts: &UplinkCounts, host_minor: u8) {
        black_box((counts, host_minor));
    }

    fn note_dropped(&mut self, item: &[u8], tally: &Tally, sent: bool) {
        black_box((item, tally, sent));
    }
}

#[inline(never)]
fn send() {
    let mut sender = Sender::new(opaque(1), opaque_buffer(), opaque(Overflow::Hold));
    // In between the state is anyone's: no call may rest on an earlier one.
    black_box(&mut sender);
    black_box(sender.poll_transmit(opaque(0), &mut Source, opaque_buffer()));
    black_box(&mut sender);
    match sender.handle_batch(opaque(0), opaque_octets()) {
        Ok(commands) => commands.for_each(|command| {
            black_box(command);
        }),
        Err(error) => {
            black_box::<LinkError>(error);
        }
    }
    black_box(&mut sender);
    sender.count_bad_frame();
    black_box((
        sender.poll_at(),
        sender.counts(),
        sender.all_acked(),
        sender.room(),
    ));
    black_box((sender.held(), sender.boot_id(), sender.is_unanswered()));
    black_box(sender.unanswered_us(opaque(0)));
    sender.redirect(opaque(0));
    black_box(&mut sender);
    black_box(sender.announce(opaque_buffer()));
}

#[inline(never)]
fn receive() {
    let mut receiver = Receiver::new();
    black_box(&mut receiver);
    if let Ok(delivery) = receiver.handle_batch(opaque_octets()) {
        black_box((delivery.boot_id, delivery.lost_finals, delivery.live_gap));
        for item in delivery.items {
            black_box(item.is_ok());
        }
    }
    black_box(&mut receiver);
    black_box(receiver.poll_ack());
    black_box((receiver.counts(), receiver.boot_id(), receiver.next_final()));
    if let Ok((header, items)) = Header::parse(opaque_octets()) {
        black_box((header, items));
    }
    let commands: &[Command] = black_box(&[]);
    black_box(command_batch(opaque(0), opaque(0), commands, opaque_buffer()).is_ok());
}

#[inline(never)]
fn framing() {
    black_box(frame(opaque_octets(), opaque_buffer()).is_ok());
    let mut deframer = Deframer::<MAX_FRAME>::new();
    for octet in opaque_octets() {
        black_box(&mut deframer);
        match deframer.push(*octet) {
            Some(Ok(batch)) => {
                black_box(batch);
            }
            Some(Err(error)) => {
                black_box::<FrameError>(error);
            }
            None => {}
        }
    }
    black_box(deframer.counts());
}
