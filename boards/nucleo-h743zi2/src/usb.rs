//! The user USB port as a serial port (CDC-ACM), beside the ST-LINK's.

use core::sync::atomic::Ordering;

use embassy_executor::Spawner;
use embassy_stm32::Peri;
use embassy_stm32::interrupt::typelevel::{Binding, OTG_FS};
use embassy_stm32::peripherals::{PA11, PA12, USB_OTG_FS};
use embassy_stm32::usb::{self, Driver, InterruptHandler};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_usb::class::cdc_acm::{CdcAcmClass, Receiver, Sender, State};
use embassy_usb::{Builder, Config, UsbDevice};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::begin;
use crate::lamps::HEARD;
use crate::uplink::{HOST, USB};

/// pid.codes' pair for tests, until the project has one of its own.
const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0001;

/// Full speed's largest bulk packet.
const PACKET: usize = 64;
/// One less: every packet is a short one, so the host never waits for more.
const SHORT: usize = PACKET - 1;

pub(crate) static TO_HOST: Pipe<CriticalSectionRawMutex, 2048> = Pipe::new();
pub(crate) static FROM_HOST: Pipe<CriticalSectionRawMutex, 1024> = Pipe::new();

type Port = Driver<'static, USB_OTG_FS>;

static STATE: StaticCell<State<'static>> = StaticCell::new();
static ENDPOINT_OUT: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
static CONFIGURATION: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
static BOS: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);
static CONTROL: ConstStaticCell<[u8; PACKET]> = ConstStaticCell::new([0; PACKET]);

/// Starts the port (UM2407, "USB OTG FS"): CN13, powered by the board.
pub(crate) fn start(
    spawner: Spawner,
    controller: Peri<'static, USB_OTG_FS>,
    irqs: impl Binding<OTG_FS, InterruptHandler<USB_OTG_FS>> + 'static,
    dp: Peri<'static, PA12>,
    dm: Peri<'static, PA11>,
) {
    let mut how = usb::Config::default();
    // The pin that would sense the host's power does other things here.
    how.vbus_detection = false;
    let driver = Driver::new_fs(controller, irqs, dp, dm, ENDPOINT_OUT.take(), how);
    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("Magpie");
    config.product = Some("Magpie sensor (nucleo-h743zi2)");
    config.serial_number = Some(embassy_stm32::uid::uid_hex());
    config.self_powered = true;
    config.max_power = 0;
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
            HOST.store(USB, Ordering::Relaxed);
            FROM_HOST
                .write_all(packet.get(..octets).unwrap_or_default())
                .await;
            HEARD.fetch_add(1, Ordering::Relaxed);
            magpie_node::wake();
        }
    }
}
