//! USART3, which the ST-LINK shows to the host as a serial port, by DMA.
//!
//! The node gives and takes octets through two queues without waiting; two tasks
//! move them. There is a second line, USB: the node speaks on the one on which it
//! last heard the host.

use core::sync::atomic::{AtomicU8, Ordering};

use embassy_stm32::mode::Async;
use embassy_stm32::usart::{RingBufferedUartRx, UartTx};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;

use crate::lamps::HEARD;
use crate::usb;

/// A speed that every host's serial driver and the ST-LINK/V3 know.
pub(crate) const BAUD: u32 = 921_600;

/// What the DMA moves at once: 5.5 ms of the line.
pub(crate) const CHUNK: usize = 512;

static TO_HOST: Pipe<CriticalSectionRawMutex, 2048> = Pipe::new();
static FROM_HOST: Pipe<CriticalSectionRawMutex, 1024> = Pipe::new();

/// The line on which the host was heard last.
pub(crate) static HOST: AtomicU8 = AtomicU8::new(STLINK);
const STLINK: u8 = 0;
pub(crate) const USB: u8 = 1;

/// The node's side.
pub(crate) struct Line;

impl magpie_node::Uart for Line {
    fn read(&mut self, octets: &mut [u8]) -> usize {
        // Both are emptied, or the one not heard last would fill up and stay
        // unheard. Two hosts at a time spoil each other's frames, and no more.
        let (heard, other) = match HOST.load(Ordering::Relaxed) {
            USB => (&usb::FROM_HOST, &FROM_HOST),
            _ => (&FROM_HOST, &usb::FROM_HOST),
        };
        heard
            .try_read(octets)
            .or_else(|_| other.try_read(octets))
            .unwrap_or(0)
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        // A frame that is cut by a change of the line is sent again.
        let line = match HOST.load(Ordering::Relaxed) {
            USB => &usb::TO_HOST,
            _ => &TO_HOST,
        };
        line.try_write(octets).unwrap_or(0)
    }
}

/// Moves octets to the line.
#[embassy_executor::task]
pub(crate) async fn send(mut line: UartTx<'static, Async>, chunk: &'static mut [u8; CHUNK]) {
    loop {
        let octets = TO_HOST.read(chunk).await;
        magpie_node::wake(); // there is room again
        // What the line could not send is missed by the host, and sent again.
        let _ = line.write(chunk.get(..octets).unwrap_or_default()).await;
    }
}

/// Moves octets from the line.
#[embassy_executor::task]
pub(crate) async fn receive(mut line: RingBufferedUartRx<'static>) {
    let mut chunk = [0; 64];
    loop {
        // After an error (noise, overrun) reception begins anew with the next
        // call; what was lost of a frame is found out by its CRC.
        let Ok(octets) = line.read(&mut chunk).await else {
            continue;
        };
        let octets = chunk.get(..octets).unwrap_or_default();
        HOST.store(STLINK, Ordering::Relaxed);
        FROM_HOST.write_all(octets).await;
        HEARD.fetch_add(1, Ordering::Relaxed);
        magpie_node::wake();
    }
}
