//! The command line of `magpie extcap`: what a person installs, and what
//! Wireshark calls.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
After --install, sensors on serial lines, emulated boards and this machine's interfaces appear in
Wireshark's list and in `tshark -D`, with their options: the filter, which runs on the sensor,
the snap length, board, serial port.

Examples:
  sudo magpie extcap --install                  for all users (Debian: the only place)
  sudo magpie extcap --install --images target/images
                                                the same, with emulated boards ready to start
  magpie extcap --install --user                where Wireshark looks into a folder of the user
  magpie extcap --install --dir ~/extcap        then: WIRESHARK_EXTCAP_DIR=~/extcap wireshark
  tshark -i magpie-serial-ttyACM0 -f 'port 53'
  tshark -i magpie-qemu-mps2-an386 -o extcap.magpie_qemu_mps2_an386.feed:lab.pcap
  magpie extcap --uninstall

What is installed is a short script that calls this program where it is now: install again
when it moves. Listening to interfaces of this machine needs CAP_NET_RAW, as `magpie capture` does.";

/// `magpie extcap`.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // flags
pub struct Extcap {
    /// Make sensors known to Wireshark: for all users if you may, else for you
    #[arg(long, conflicts_with_all = ["uninstall", "extcap_interfaces", "capture"])]
    pub install: bool,
    /// Take back what --install did
    #[arg(long, conflicts_with_all = ["extcap_interfaces", "capture"])]
    pub uninstall: bool,
    /// Into the folder of this user's Wireshark
    #[arg(long, conflicts_with_all = ["system", "dir"])]
    pub user: bool,
    /// Into the folder of everybody's Wireshark
    #[arg(long, conflicts_with = "dir")]
    pub system: bool,
    /// Images of emulated boards are in this folder, whoever calls (else where
    /// `MAGPIE_IMAGES` says when Wireshark starts)
    #[arg(long, value_name = "FOLDER", requires = "install")]
    pub images: Option<PathBuf>,
    /// Into this folder; Wireshark has to be told of it, see below
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Wireshark asks: what can be captured from?
    #[arg(long, help_heading = "What Wireshark calls")]
    pub extcap_interfaces: bool,
    /// Which Wireshark asks
    #[arg(long, value_name = "VERSION", hide = true)]
    pub extcap_version: Option<String>,
    /// It asks about, or captures from, this one
    #[arg(long, value_name = "INTERFACE", help_heading = "What Wireshark calls")]
    pub extcap_interface: Option<String>,
    /// It asks: which link types?
    #[arg(
        long,
        requires = "extcap_interface",
        help_heading = "What Wireshark calls"
    )]
    pub extcap_dlts: bool,
    /// It asks: which options?
    #[arg(
        long,
        requires = "extcap_interface",
        help_heading = "What Wireshark calls"
    )]
    pub extcap_config: bool,
    /// It asks again for the choices of an option
    #[arg(
        long,
        value_name = "OPTION",
        requires = "extcap_interface",
        help_heading = "What Wireshark calls"
    )]
    pub extcap_reload_option: Option<String>,
    /// Without --capture it asks whether a filter is right; with it, the filter
    #[arg(
        long,
        value_name = "FILTER",
        requires = "extcap_interface",
        help_heading = "What Wireshark calls"
    )]
    pub extcap_capture_filter: Option<String>,
    /// Capture
    #[arg(long, requires_all = ["extcap_interface", "fifo"], help_heading = "What Wireshark calls")]
    pub capture: bool,
    /// Into this pipe
    #[arg(long, value_name = "PIPE", help_heading = "What Wireshark calls")]
    pub fifo: Option<PathBuf>,
    /// Messages of the toolbar; nothing is asked of us there
    #[arg(long, value_name = "PIPE", hide = true)]
    pub extcap_control_in: Option<PathBuf>,
    /// Messages to the toolbar
    #[arg(long, value_name = "PIPE", hide = true)]
    pub extcap_control_out: Option<PathBuf>,

    /// Only packets that it takes, beside those of the capture filter
    #[arg(long, value_name = "FILTER", help_heading = "Options of interfaces")]
    pub filter: Option<String>,
    /// Keep so many octets of a packet; 0: all
    #[arg(long, value_name = "OCTETS", help_heading = "Options of interfaces")]
    pub snap_len: Option<u32>,
    /// The filter sees VLAN tags where they are
    #[arg(long, help_heading = "Options of interfaces")]
    pub no_vlan: bool,
    /// Serial port of the sensor
    #[arg(long, value_name = "PATH", help_heading = "Options of interfaces")]
    pub port: Option<PathBuf>,
    /// Its speed
    #[arg(long, value_name = "BAUD", help_heading = "Options of interfaces")]
    pub baud: Option<u32>,
    /// Emulated board
    #[arg(long, value_name = "BOARD", help_heading = "Options of interfaces")]
    pub board: Option<String>,
    /// Capture file that arrives at its mirror port
    #[arg(long, value_name = "FILE", help_heading = "Options of interfaces")]
    pub feed: Option<PathBuf>,
    /// Interface of this machine whose frames arrive there
    #[arg(long, value_name = "IFACE", help_heading = "Options of interfaces")]
    pub feed_interface: Option<String>,
    /// Frames a second that arrive at most
    #[arg(long, value_name = "N", help_heading = "Options of interfaces")]
    pub pace: Option<u32>,
}
