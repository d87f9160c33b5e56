//! The line to the host: USB as a serial port (CDC-ACM).
//!
//! The node gives and takes octets through two queues without waiting; tasks move
//! them.

use core::sync::atomic::Ordering;

use embassy_executor::Spawner;
use embassy_rp::peripherals::USB;
use embassy_rp::usb::Driver;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_usb::class::cdc_acm::{CdcAcmClass, Receiver, Sender, State};
use embassy_usb::{Builder, Config, UsbDevice};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::begin;
use crate::lamp::HEARD;

/// pid.codes' pair for tests, until the project has one of its own.
const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0001;

/// Full speed's largest bulk packet.
const PACKET: usize = 64;
/// One less: every packet is a short one, so the host never waits for more.
const SHORT: usize = PACKET - 1;
/// The host may give as much: the board, the chip, the lamps on the socket.
const MILLIAMPERES: u16 = 300;

static TO_HOST: Pipe<CriticalSectionRawMutex, 2048> = Pipe::new();
static FROM_HOST: Pipe<CriticalSectionRawMutex, 1024> = Pipe::new();

type Port = Driver<'static, USB>;

static STATE: StaticCell<State<'static>> = StaticCell::new();
static CONFIGURATION: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
static BOS: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);
static CONTROL: ConstStaticCell<[u8; PACKET]> = ConstStaticCell::new([0; PACKET]);
static SERIAL: ConstStaticCell<[u8; 16]> = ConstStaticCell::new([b'0'; 16]);

/// The node's side.
pub(crate) struct Line;

impl magpie_node::Uart for Line {
    fn read(&mut self, octets: &mut [u8]) -> usize {
        FROM_HOST.try_read(octets).unwrap_or(0)
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        TO_HOST.try_write(octets).unwrap_or(0)
    }
}

/// The chip's own number (OTP, `CHIPID`) in hexadecimal digits.
fn serial() -> &'static str {
    let digits = SERIAL.take();
    let mut number = embassy_rp::otp::get_chipid().unwrap_or(0);
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(number % 16).unwrap_or(0);
        *digit = if value < 10 {
            b'0' + value
        } else {
            b'A' + value - 10
        };
        number /= 16;
    }
    core::str::from_utf8(digits).unwrap_or_default()
}

/// Starts the port.
pub(crate) fn start(spawner: Spawner, driver: Port) {
    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("Magpie");
    config.product = Some("Magpie sensor (wiznet-w6100-evb-pico2)");
    config.serial_number = Some(serial());
    config.max_power = MILLIAMPERES;
    let mut builder = Builder::new(
        driver,
        config,
        CONFIGURATION.take(),
        BOS.take(),
        &mut [],
        CONTROL.take(),
    );
    let state = STATE.init_with(State::new);
    // 64 octets.
    let class = CdcAcmClass::new(&mut builder, state, 64);
    let (sender, receiver) = class.split();
    begin(spawner, run(builder.build()));
    begin(spawner, send(sender));
    begin(spawner, receive(receiver));
}

#[embassy_executor::task]
async fn run(mut device: UsbDevice<'static, Port>) {
    device.run().await;
}

#[embassy_executor::task]
async fn send(mut line: Sender<'static, Port>) {
    let mut packet = [0; SHORT];
    loop {
        line.wait_connection().await;
        loop {
            let octets = TO_HOST.read(&mut packet).await;
            magpie_node::wake(); // there is room again
            let octets = packet.get(..octets).unwrap_or_default();
            if line.write_packet(octets).await.is_err() {
                break; // unplugged; what is missing is sent again
            }
        }
    }
}

#[embassy_executor::task]
async fn receive(mut line: Receiver<'static, Port>) {
    let mut packet = [0; PACKET];
    loop {
        line.wait_connection().await;
        while let Ok(octets) = line.read_packet(&mut packet).await {
            FROM_HOST
                .write_all(packet.get(..octets).unwrap_or_default())
                .await;
            HEARD.fetch_add(1, Ordering::Relaxed);
            magpie_node::wake();
        }
    }
}
