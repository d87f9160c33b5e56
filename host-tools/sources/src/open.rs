//! From a name to a source.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use magpie_os::{Capture, CaptureOptions};

use crate::pipe::{Patient, Pipe};
use crate::record_file::MAGIC;
use crate::{
    Datagrams, Feed, InProcess, Interface, QemuBoard, QemuOptions, RecordFile, SensorOptions,
    SerialLine, Source, SourceError, Spec,
};

/// How whatever is named is to be opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// For capture files and interfaces.
    pub sensor: SensorOptions,
    /// For emulated boards.
    pub qemu: QemuOptions,
}

/// Opens every one of them, and then gives up the rights over the network,
/// which only opening needs: call it before other threads are started, since
/// those keep theirs.
pub fn open_all(
    specs: &[Spec],
    options: &OpenOptions,
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    // First the interfaces: other sources start threads.
    let captures = specs.iter().map(Spec::listen);
    let captures = captures.collect::<Result<Vec<_>, _>>()?;
    magpie_os::drop_privileges()?;
    let both = specs.iter().zip(captures);
    both.map(|(spec, capture)| spec.open_with(options, capture))
        .collect()
}

impl Spec {
    /// Opens what it names.
    pub fn open(&self, options: &OpenOptions) -> Result<Box<dyn Source>, SourceError> {
        self.open_with(options, self.listen()?)
    }

    /// Listens to the interface it needs, if it needs one.
    fn listen(&self) -> Result<Option<Capture>, SourceError> {
        match self {
            Self::Interface(interface)
            | Self::Qemu {
                feed: Feed::Interface(interface),
                ..
            } => {
                let capture = Capture::open(interface, &CaptureOptions::default())?;
                Ok(Some(capture))
            }
            _ => Ok(None),
        }
    }

    fn open_with(
        &self,
        options: &OpenOptions,
        capture: Option<Capture>,
    ) -> Result<Box<dyn Source>, SourceError> {
        let name = self.to_string();
        match self {
            Self::File(path) => open_file(path, &options.sensor),
            Self::Serial { path, baud } => Ok(Box::new(SerialLine::open(path, *baud)?)),
            Self::Qemu { board, feed, pace } => {
                let how = &options.qemu;
                let board = QemuBoard::start_with(name, board, feed, *pace, how, capture)?;
                Ok(Box::new(board))
            }
            Self::Interface(interface) => {
                let capture = match capture {
                    Some(capture) => capture,
                    None => Capture::open(interface, &CaptureOptions::default())?,
                };
                Ok(Box::new(Interface::new(name, capture, &options.sensor)?))
            }
            Self::Udp(address) => Ok(Box::new(Datagrams::bind(*address)?)),
        }
    }
}

/// Opens a capture file (with a sensor core in this process) or a file of
/// kept records, whichever it is; the path `-` is stdin.
pub fn open_file(path: &Path, options: &SensorOptions) -> Result<Box<dyn Source>, SourceError> {
    if path == Path::new("-") {
        return open_stream("file:-", "stdin", Pipe::new(io::stdin()), options);
    }
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|reason| {
        let advice = match reason.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "run as a user who may read it",
            _ => "check that it is a readable file",
        };
        SourceError::io(file.clone(), reason, advice)
    })?;
    let name = format!("file:{file}");
    if opened.metadata().is_ok_and(|about| about.is_file()) {
        open_stream(&name, &file, opened, options)
    } else {
        open_stream(&name, &file, Pipe::new(opened), options)
    }
}

/// Opens whatever holds a capture or kept records. `name` is the source's,
/// `file` how messages call the thing. A reader that has nothing yet may say
/// `WouldBlock`, after a short wait.
pub fn open_stream(
    name: &str,
    file: &str,
    mut from: impl Read + Send + 'static,
    options: &SensorOptions,
) -> Result<Box<dyn Source>, SourceError> {
    let first = first_octets(&mut from)
        .map_err(|reason| SourceError::io(file, reason, "check that it is a readable file"))?;
    let is_records = first == MAGIC;
    let whole = Cursor::new(first).chain(from);
    Ok(if is_records {
        Box::new(RecordFile::new(name, file, Patient(whole))?)
    } else {
        Box::new(InProcess::new(name, file, whole, options)?)
    })
}

/// As many octets as the magic has, or fewer where there are no more.
fn first_octets(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(MAGIC.len());
    Patient(from)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut first)?;
    Ok(first)
}
