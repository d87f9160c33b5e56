//! [`Stack`] by embassy-net.

use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use core::task::{Context, Poll, Waker};

use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, ConfigV4, IpEndpoint, Ipv4Cidr, StackResources, StaticConfigV4};
use embassy_net_driver_channel as channel;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use magpie_link::MAX_BATCH;

use static_cell::ConstStaticCell;

use super::{Given, PORT, Settings, Stack};
use crate::MAX_COMMAND_BATCH;

/// Longest frame, in octets without FCS.
const MTU: usize = 1514;
/// One UDP socket, and DHCP's.
const SOCKETS: usize = 2;
/// Datagrams from the host that wait for the node.
const COMMANDS: usize = 4;
/// Most batches that a [`Memory`] may have room for.
const MOST_BATCHES: usize = 8;

/// The stack's end of the queues to the node.
pub type Device = channel::Device<'static, MTU>;
/// The stack's work: a board spawns a task that awaits its `run`.
pub type NetworkRunner = embassy_net::Runner<'static, Device>;

/// Memory of a stack: so many frames received and to be sent, so many batches.
pub struct Memory<const RECEIVED: usize, const SENT: usize, const BATCHES: usize> {
    channel: channel::State<MTU, RECEIVED, SENT>,
    resources: StackResources<SOCKETS>,
    commands: [[u8; MAX_COMMAND_BATCH]; COMMANDS],
    batches: [[u8; MAX_BATCH]; BATCHES],
}

/// Apart from [`Memory`], since these are not zero when unused.
type Metadata = ([PacketMetadata; COMMANDS], [PacketMetadata; MOST_BATCHES]);
static METADATA: ConstStaticCell<Metadata> = ConstStaticCell::new((
    [PacketMetadata::EMPTY; COMMANDS],
    [PacketMetadata::EMPTY; MOST_BATCHES],
));

impl<const RECEIVED: usize, const SENT: usize, const BATCHES: usize>
    Memory<RECEIVED, SENT, BATCHES>
{
    /// Unused.
    #[allow(clippy::new_without_default)] // it must never be made on a stack
    pub const fn new() -> Self {
        Self {
            channel: channel::State::new(),
            resources: StackResources::new(),
            commands: [[0; MAX_COMMAND_BATCH]; COMMANDS],
            batches: [[0; MAX_BATCH]; BATCHES],
        }
    }
}

/// A stack, as the node uses it.
pub struct Network {
    stack: embassy_net::Stack<'static>,
    socket: UdpSocket<'static>,
    queues: channel::Runner<'static, MTU>,
    /// The last datagram found no room.
    full: bool,
    /// What the queues were told of the cable.
    link: LinkState,
}

/// Starts the stack, once, under this Ethernet address. Nothing happens before the
/// runner runs. `seed` makes ports and transaction numbers hard to guess.
pub fn start<const RECEIVED: usize, const SENT: usize, const BATCHES: usize>(
    memory: &'static mut Memory<RECEIVED, SENT, BATCHES>,
    address: [u8; 6],
    settings: &Settings,
    seed: u64,
) -> (Network, NetworkRunner) {
    let (mut queues, device) =
        channel::new(&mut memory.channel, HardwareAddress::Ethernet(address));
    let link = LinkState::Up;
    queues.set_link_state(link);
    let mut config = Config::default();
    config.ipv4 = match settings.own {
        None => ConfigV4::Dhcp(embassy_net::DhcpConfig::default()),
        Some(own) => ConfigV4::Static(StaticConfigV4 {
            address: Ipv4Cidr::new(own.address, own.prefix),
            gateway: own.gateway,
            // A type that embassy-net does not name for others.
            #[allow(clippy::default_trait_access)]
            dns_servers: Default::default(),
        }),
    };
    let (stack, runner) = embassy_net::new(device, config, &mut memory.resources, seed);
    const { assert!(BATCHES <= MOST_BATCHES) };
    let (command_metadata, batch_metadata) = METADATA.take();
    let mut socket = UdpSocket::new(
        stack,
        command_metadata,
        memory.commands.as_flattened_mut(),
        batch_metadata,
        memory.batches.as_flattened_mut(),
    );
    // A fresh socket binds to every port but 0.
    let _ = socket.bind(PORT);
    let network = Network {
        stack,
        socket,
        queues,
        full: false,
        link,
    };
    (network, runner)
}

/// Asks once: nobody is woken by it. [`Stack::changed`] registers for that.
fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Stack for Network {
    fn hear(&mut self, frame: &[u8]) -> bool {
        let place = self
            .queues
            .try_rx_buf()
            .and_then(|place| place.get_mut(..frame.len()));
        let Some(place) = place else { return false };
        place.copy_from_slice(frame);
        self.queues.rx_done(frame.len());
        true
    }

    fn frame(&mut self) -> Option<&[u8]> {
        self.queues.try_tx_buf().map(|frame| &*frame)
    }

    fn frame_done(&mut self) {
        self.queues.tx_done();
    }

    fn address(&mut self) -> Option<Ipv4Addr> {
        self.stack
            .config_v4()
            .map(|config| config.address.address())
    }

    fn set_link(&mut self, up: bool) {
        let link = if up { LinkState::Up } else { LinkState::Down };
        // Each call wakes the stack.
        if self.link != link {
            self.link = link;
            self.queues.set_link_state(link);
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<(Option<usize>, SocketAddrV4)> {
        loop {
            let (octets, from) = match now(|cx| self.socket.poll_recv_from(buffer, cx))? {
                Ok((octets, from)) => (octets, from.endpoint),
                // The socket's buffer is smaller than any scratch.
                Err(embassy_net::udp::RecvError::Truncated) => continue,
            };
            if let IpAddr::V4(address) = IpAddr::from(from.addr) {
                return Some((Some(octets), SocketAddrV4::new(address, from.port)));
            }
        }
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddrV4) -> Given {
        let to = IpEndpoint::from(SocketAddr::V4(to));
        let given = now(|cx| self.socket.poll_send_to(datagram, to, cx));
        self.full = given.is_none();
        // What has no route is lost, as on its way; it will be sent again.
        match given {
            None => Given::Full,
            Some(_) => Given::Taken,
        }
    }

    async fn changed(&mut self) {
        poll_fn(|cx| {
            // All of them, so that each wakes us.
            let frame = self.queues.poll_tx_buf(cx).is_ready();
            let command = self.socket.poll_recv_ready(cx).is_ready();
            let room = self.full && self.socket.poll_send_ready(cx).is_ready();
            if frame || command || room {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
