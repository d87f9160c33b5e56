//! The file of `-w`, from the wish for it to its end.

use std::path::Path;

use anyhow::bail;
use magpie_capture::write::{FileFormat, FileId, Files, Rotation, Unwritten, WriteError};

use crate::cli::capture::{Capture as Options, FileFormat as Form};

/// A file, made when its name is known.
pub(super) enum File {
    None,
    /// Its name is a time, which the first packet of a file will tell.
    Waits(Rotation),
    Open(Box<Files>),
    /// `-W` is reached, or all is over.
    Closed,
    /// It failed, and these packets are not in it.
    Failed(Unwritten),
}

impl File {
    /// Does something with the file, if there is one; where that fails nothing
    /// more goes in.
    pub(super) fn put<T>(
        &mut self,
        put: impl FnOnce(&mut Files) -> Result<T, WriteError>,
    ) -> anyhow::Result<Option<T>> {
        let Self::Open(files) = self else {
            return Ok(None);
        };
        match put(files) {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                *self = Self::Failed(error.unwritten());
                Err(error.into())
            }
        }
    }

    /// Another packet that it was never given, since it failed.
    pub(super) fn miss(&mut self, interface: u32) {
        if let Self::Failed(unwritten) = self {
            *unwritten.entry(interface).or_default() += 1;
        }
    }

    /// What it never got, if it failed.
    pub(super) fn unwritten(&self) -> Option<&Unwritten> {
        match self {
            Self::Failed(unwritten) => Some(unwritten),
            _ => None,
        }
    }
}

/// Which files are asked for, if any; `inputs` are never overwritten.
pub(super) fn wanted(options: &Options, inputs: Vec<FileId>) -> anyhow::Result<Option<Rotation>> {
    let Some(path) = &options.write else {
        return Ok(None);
    };
    let rotates = options.file_size.is_some() || options.rotate.is_some();
    if path == Path::new("-") && rotates {
        bail!("-w -: stdout cannot be followed by another file (-C, -G)");
    }
    if path == Path::new("-") && options.print {
        bail!("-w - --print: stdout takes either packets or lines");
    }
    let rotation = Rotation {
        path: path.to_owned(),
        format: match options.file_format {
            Form::Pcapng => FileFormat::Pcapng,
            Form::Pcap => FileFormat::Pcap,
            Form::Nsecpcap => FileFormat::PcapNanos,
        },
        octets: options.file_size,
        every: options.rotate,
        files: options.files,
        force: options.force,
        inputs,
    };
    rotation.check_name()?;
    Ok(Some(rotation))
}
