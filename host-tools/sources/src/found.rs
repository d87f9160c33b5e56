//! What this machine has that can be opened.

use std::path::PathBuf;

use magpie_emulator::{BOARDS, find_image};

/// A serial port that may have a sensor behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPort {
    /// The device.
    pub path: PathBuf,
    /// What its USB device calls itself.
    pub product: Option<String>,
}

/// Serial ports of USB devices, in the order of their names. The ports of the
/// mainboard are left out: most lead nowhere, and one may be the console.
pub fn serial_ports() -> Vec<SerialPort> {
    let found = serialport::available_ports().unwrap_or_default();
    let mut ports: Vec<SerialPort> = found
        .into_iter()
        .filter_map(|port| {
            let product = match port.port_type {
                serialport::SerialPortType::UsbPort(usb) => usb.product,
                _ if is_usb(&port.port_name) => None,
                _ => return None,
            };
            Some(SerialPort {
                path: port.port_name.into(),
                product,
            })
        })
        .collect();
    ports.sort_by(|a, b| a.path.cmp(&b.path));
    ports
}

fn is_usb(name: &str) -> bool {
    name.contains("ttyACM") || name.contains("ttyUSB")
}

/// Boards that QEMU can play here: those whose image is there.
pub fn emulated_boards() -> Vec<&'static str> {
    let there = BOARDS
        .iter()
        .filter(|board| find_image(board, None).is_ok());
    there.map(|board| board.name).collect()
}
