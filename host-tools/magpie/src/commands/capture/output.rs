//! Where chosen packets go: a file, lines, a count.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use magpie_capture::write::{
    About, FileFormat, Files, INBOUND, InterfaceInfo, OUTBOUND, Packet, Rotation, Statistics,
    Unwritten, WriteError,
};
use magpie_os::Services;

use super::decoder::Decoder;
use super::file::File;
use crate::cli::InfoFormat;
use crate::cli::capture::Capture as Options;
use crate::output;
use crate::views::capture as view;
use crate::views::json;
use crate::views::packet::{Direction, Dump, LinkType, PacketRef, Printer, Style, Time};

/// What became of a packet.
pub(super) enum Put {
    /// It is where it was to go.
    Kept,
    /// The file has it, but it could not be shown.
    Unshown(anyhow::Error),
    /// It is among those that are in no file, for this reason.
    Unwritten(anyhow::Error),
    /// No more are wanted (`-W`).
    Unwanted,
}

/// All of them.
pub(super) struct Output {
    file: File,
    about: About,
    /// What the file knows of interfaces.
    interfaces: Vec<InterfaceInfo>,
    /// Source and name of each, for lines.
    names: Vec<(String, String)>,
    each_packet: bool,
    lines: Option<Lines>,
    decoder: Option<Decoder>,
}

struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    how: How,
    printer: Printer,
    text: String,
    each_line: bool,
    named: bool,
}

enum How {
    Text,
    Json { hex: bool },
}

impl Output {
    /// By the options; `named` says that lines name the interface.
    pub(super) fn new(
        options: &Options,
        file: Option<Rotation>,
        named: bool,
    ) -> anyhow::Result<Self> {
        let file = file.map_or(File::None, File::Waits);
        let wanted = (options.write.is_none() || options.print) && !options.decode;
        let lines = (wanted && !options.count).then(|| Lines {
            out: output::stdout(),
            how: match options.format {
                InfoFormat::Json => How::Json {
                    hex: options.hex + options.hex_ascii > 0,
                },
                InfoFormat::Table => How::Text,
            },
            printer: Printer::new(style(options), Services::of_system()),
            text: String::new(),
            each_line: options.line_buffered,
            named,
        });
        let decoder = if options.decode {
            Some(Decoder::start(options)?)
        } else {
            None
        };
        Ok(Self {
            file,
            decoder,
            about: about(),
            interfaces: Vec::new(),
            names: Vec::new(),
            each_packet: options.packet_buffered,
            lines,
        })
    }

    /// Makes the file, if it does not wait for the first packet: for its time,
    /// which is about now where `is_now`, or since pcap declares all at its
    /// beginning and the one source, that `is_file`, has told nothing yet.
    pub(super) fn open(&mut self, at_ns: u64, is_now: bool, is_file: bool) -> anyhow::Result<()> {
        match &self.file {
            File::Waits(rotation)
                if is_file
                    && self.interfaces.is_empty()
                    && rotation.format != FileFormat::Pcapng =>
            {
                Ok(())
            }
            File::Waits(rotation) if is_now || rotation.every.is_none() => self.create(at_ns),
            _ => Ok(()),
        }
    }

    fn create(&mut self, at_ns: u64) -> anyhow::Result<()> {
        if let File::Waits(rotation) = std::mem::replace(&mut self.file, File::Closed) {
            let interfaces = self.interfaces.clone();
            match Files::create(rotation, self.about.clone(), interfaces, at_ns) {
                Ok(files) => self.file = File::Open(Box::new(files)),
                Err(error) => {
                    self.file = File::Failed(error.unwritten());
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// One more interface; its number is how many there were.
    pub(super) fn add_interface(
        &mut self,
        info: InterfaceInfo,
        name: (String, String),
    ) -> anyhow::Result<()> {
        self.file.put(|files| files.add_interface(info.clone()))?;
        let decoded = self.decode(|files| files.add_interface(info.clone()).map(drop));
        self.interfaces.push(info);
        self.names.push(name);
        decoded
    }

    /// Writes and prints a packet.
    pub(super) fn packet(
        &mut self,
        number: u64,
        packet: &Packet<'_>,
        known: impl FnOnce() -> Vec<Statistics>,
    ) -> anyhow::Result<Put> {
        let mut given = false;
        let written = match self.write(packet, known, &mut given) {
            Ok(written) => written,
            Err(error) => {
                if !given {
                    self.file.miss(packet.interface);
                }
                return Ok(Put::Unwritten(error));
            }
        };
        if written == Some(false) {
            return Ok(Put::Unwanted);
        }
        match self.show(number, packet) {
            Ok(()) => Ok(Put::Kept),
            Err(error) if written.is_some() => Ok(Put::Unshown(error)),
            Err(error) => Err(error),
        }
    }

    /// Into the file, if there is one; false: no more are wanted. Whether the
    /// file was `given` it, and so knows what became of it.
    fn write(
        &mut self,
        packet: &Packet<'_>,
        known: impl FnOnce() -> Vec<Statistics>,
        given: &mut bool,
    ) -> anyhow::Result<Option<bool>> {
        if let File::Waits(_) = &self.file {
            self.create(packet.at_ns)?;
        }
        let each_packet = self.each_packet;
        self.file.put(|files| {
            if files.is_due(packet.at_ns) && !files.rotate(packet.at_ns, &known())? {
                return Ok(false);
            }
            *given = true;
            files.write(packet)?;
            if each_packet {
                files.flush()?;
            }
            Ok(true)
        })
    }

    /// Packets that were to be in a file and are in none, of each interface.
    pub(super) fn unwritten(&self) -> Option<&Unwritten> {
        self.file.unwritten()
    }

    fn show(&mut self, number: u64, packet: &Packet<'_>) -> anyhow::Result<()> {
        self.decode(|files| files.write(packet))?;
        if let Some(lines) = &mut self.lines {
            let at = usize::try_from(packet.interface).ok();
            let name = at.and_then(|at| self.names.get(at));
            let name = name.map_or(("", ""), |(source, name)| (source, name));
            lines.packet(number, packet, name).context("stdout")?;
        }
        Ok(())
    }

    /// Gives tshark something, if it is wanted; why it takes no more.
    fn decode(
        &mut self,
        give: impl FnOnce(&mut Files) -> Result<(), WriteError>,
    ) -> anyhow::Result<()> {
        let Some(mut decoder) = self.decoder.take() else {
            return Ok(());
        };
        match give(&mut decoder.files) {
            Ok(()) => {
                self.decoder = Some(decoder);
                Ok(())
            }
            Err(error) => decoder.gone(error),
        }
    }

    /// Hands everything on to the system.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.file.put(Files::flush)?;
        if let Some(lines) = &mut self.lines {
            lines.out.flush().context("stdout")?;
        }
        self.decode(Files::flush)
    }

    /// Ends the file with what is known of the interfaces, whether anybody
    /// still reads the lines or not.
    pub(super) fn close(&mut self, at_ns: u64, known: &[Statistics]) -> anyhow::Result<()> {
        let filed = self.close_file(at_ns, known);
        let shown = match &mut self.lines {
            Some(lines) => lines.out.flush().context("stdout"),
            None => Ok(()),
        };
        let decoded = match self.decoder.take() {
            Some(decoder) => decoder.end(known),
            None => Ok(()),
        };
        filed.and(decoded).and(shown)
    }

    fn close_file(&mut self, at_ns: u64, known: &[Statistics]) -> anyhow::Result<()> {
        if let File::Waits(_) = &self.file {
            self.create(at_ns)?;
        }
        if self.interfaces.is_empty() {
            // libpcap reads no file without one.
            self.add_interface(InterfaceInfo::default(), <(String, String)>::default())?;
        }
        let closed = match std::mem::replace(&mut self.file, File::Closed) {
            File::Open(files) => files.close(known),
            other => {
                self.file = other;
                return Ok(());
            }
        };
        closed.map_err(|error| {
            self.file = File::Failed(error.unwritten());
            error.into()
        })
    }

    /// stdout for the last rows of JSON.
    pub(super) fn json(&mut self) -> Option<&mut BufWriter<StdoutLock<'static>>> {
        match &mut self.lines {
            Some(Lines {
                out,
                how: How::Json { .. },
                ..
            }) => Some(out),
            _ => None,
        }
    }
}

impl Lines {
    fn packet(&mut self, number: u64, packet: &Packet<'_>, of: (&str, &str)) -> io::Result<()> {
        self.text.clear();
        let direction = match packet.flags & 3 {
            INBOUND => Some(Direction::In),
            OUTBOUND => Some(Direction::Out),
            _ => None,
        };
        let talk = self.printer.print(
            &PacketRef {
                at_ns: packet.at_ns,
                octets: packet.octets,
                wire_len: usize::try_from(packet.wire_len).unwrap_or(usize::MAX),
                link: LinkType::Ethernet,
                interface: self.named.then_some(of.1),
                direction: direction.filter(|_| self.named),
            },
            &mut self.text,
        );
        match self.how {
            How::Json { hex } => {
                let line = self.text.strip_suffix('\n').unwrap_or(&self.text);
                let row = view::packet(number, packet, of, (&talk, line), hex);
                json::line(&row, &mut self.out)?;
            }
            How::Text => self.out.write_all(self.text.as_bytes())?,
        }
        if self.each_line {
            self.out.flush()?;
        }
        Ok(())
    }
}

/// What the file says of who wrote it.
pub(super) fn about() -> About {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let os = match std::env::consts::OS {
        "linux" => format!("Linux {}", release.trim()),
        other => other.to_owned(),
    };
    About {
        hardware: Some(std::env::consts::ARCH.to_owned()),
        os: Some(os),
        application: Some(format!(
            "magpie {} ({})",
            env!("CARGO_PKG_VERSION"),
            crate::GIT
        )),
    }
}

fn style(options: &Options) -> Style {
    // An object has octets of its own, and no colours.
    let is_json = options.format == InfoFormat::Json;
    let dump = match (options.ascii, options.hex_ascii, options.hex) {
        _ if is_json => Dump::None,
        // Of several the one that says more, as in tcpdump.
        (_, 1, _) => Dump::HexAscii,
        (_, 2.., _) => Dump::HexAsciiLink,
        (_, 0, 1) => Dump::Hex,
        (_, 0, 2..) => Dump::HexLink,
        (1, 0, 0) => Dump::Ascii,
        (2.., 0, 0) => Dump::AsciiLink,
        (0, 0, 0) => Dump::None,
    };
    Style {
        numeric: is_json || options.numeric > 0,
        quiet: options.quiet,
        verbose: options.verbose,
        link: options.link,
        absolute: options.absolute_tcp_sequence_numbers,
        dump,
        time: Time::of_flags(options.time),
        nanoseconds: options.nano,
        number: options.number,
        colour: !is_json && output::is_screen() && std::env::var_os("NO_COLOR").is_none(),
        zone: TimeZone::system(),
    }
}
