//! The core.

use core::hint::black_box;

use magpie_link::{Overflow, Sender};
use magpie_protocol::{
    BootReport, Losses, Port, RecordSource, Tally, UplinkCounts, Want, decode_command,
};
use magpie_sensor::{Config, DoubledSet, DoubledTable, Identity, Sensor, Storage, Way, dissect};
use managed::Managed;
use static_cell::ConstStaticCell;

use super::{opaque, opaque_buffer, opaque_octets, text};

pub(super) fn all() -> Sensor<'static> {
    look();
    let mut sensor = make();
    black_box(&mut sensor);
    sensor.set_own(opaque([0; 6]));
    sensor.note_own_tx();
    sensor.note_own_failed(opaque(1));
    sensor.set_port(opaque(Port::default()));
    black_box(&mut sensor);
    observe(&mut sensor);
    black_box(&mut sensor);
    command(&mut sensor);
    black_box(&mut sensor);
    poll(&mut sensor);
    black_box(&mut sensor);
    uplink(&mut sensor);
    black_box(&mut sensor);
    sensor.set_losses(opaque(Losses::default()));
    black_box((sensor.outbox_room(), sensor.boot_id(), sensor.poll_at()));
    black_box((sensor.must_wait(), sensor.runs_filters()));
    sensor.end_unheard_filters(opaque(0));
    sensor.set_way(if opaque(false) {
        Way::Network
    } else {
        Way::Line
    });
    black_box(sensor.ledger(opaque(0)));
    sensor
}

#[inline(never)]
fn look() {
    let view = dissect::dissect(opaque_octets(), opaque(0));
    for class in view.malformed.iter() {
        black_box(class);
    }
    black_box(view);
}

static DOUBLED: ConstStaticCell<DoubledTable<[DoubledSet; 2]>> =
    ConstStaticCell::new(DoubledTable::EMPTY);

#[inline(never)]
fn make() -> Sensor<'static> {
    let storage = Storage {
        flows: black_box::<&mut [_]>(&mut []).into(),
        echoes: black_box::<&mut [_]>(&mut []).into(),
        requests: black_box::<&mut [_]>(&mut []).into(),
        ethertypes: black_box::<&mut [_]>(&mut []).into(),
        protocols: black_box::<&mut [_]>(&mut []).into(),
        vlans: black_box::<&mut [_]>(&mut []).into(),
        icmp: black_box::<&mut [_]>(&mut []).into(),
        arp_operations: black_box::<&mut [_]>(&mut []).into(),
        outbox: black_box::<&mut [_]>(&mut []).into(),
        unsent: black_box::<&mut [_]>(&mut []).into(),
        doubled: DOUBLED.try_take().map(|table| {
            let table: &'static mut DoubledTable = black_box(table);
            Managed::Borrowed(table)
        }),
        filters: black_box::<&mut [_]>(&mut []).into(),
        packets: black_box::<&mut [_]>(&mut []).into(),
    };
    let identity = Identity {
        name: text(),
        board: text(),
        firmware: text(),
        git: text(),
        ..opaque(Identity::default())
    };
    let mut sensor = Sensor::new(
        opaque(Config::default()),
        identity,
        opaque(&[0; 32]),
        storage,
    );
    sensor.set_boot(opaque(BootReport::default()));
    sensor
}

#[inline(never)]
fn observe(sensor: &mut Sensor<'static>) {
    sensor.observe(opaque(0), opaque_octets(), opaque(0));
}

#[inline(never)]
fn command(sensor: &mut Sensor<'static>) {
    for item in magpie_protocol::Items::new(opaque_octets()).flatten() {
        if let Ok(command) = decode_command(item) {
            sensor.handle_command(opaque(0), &command);
            sensor.handle_unauthenticated(opaque(0), &command);
        }
    }
}

#[inline(never)]
fn poll(sensor: &mut Sensor<'static>) {
    black_box(sensor.poll_record(opaque(0), opaque(Want::Final), opaque_buffer()));
    sensor.note_uplink(opaque(&UplinkCounts::default()), opaque(0));
    sensor.note_dropped(opaque_octets(), opaque(&Tally::default()), opaque(true));
}

/// As on a board: the link pulls from the core.
#[inline(never)]
fn uplink(sensor: &mut Sensor<'static>) {
    let mut sender = Sender::new(
        sensor.boot_id(),
        opaque_buffer(),
        opaque(Overflow::DropOldest),
    );
    black_box(&mut sender);
    black_box(sender.poll_transmit(opaque(0), sensor, opaque_buffer()));
}
