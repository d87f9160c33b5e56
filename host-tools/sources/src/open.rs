//! From a name to a source.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use crate::record_file::MAGIC;
use crate::{InProcess, RecordFile, SensorOptions, Source, SourceError};

/// Opens a capture file (with a sensor core in this process) or a file of
/// kept records, whichever it is; the path `-` is stdin.
pub fn open_file(path: &Path, options: &SensorOptions) -> Result<Box<dyn Source>, SourceError> {
    if path == Path::new("-") {
        return open_stream("file:-", "stdin", io::stdin(), options);
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
    open_stream(&format!("file:{file}"), &file, opened, options)
}

/// Opens whatever holds a capture or kept records. `name` is the source's,
/// `file` how messages call the thing.
pub fn open_stream(
    name: &str,
    file: &str,
    mut from: impl Read + Send + 'static,
    options: &SensorOptions,
) -> Result<Box<dyn Source>, SourceError> {
    let mut first = Vec::with_capacity(MAGIC.len());
    from.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut first)
        .map_err(|reason| SourceError::io(file, reason, "check that it is a readable file"))?;
    let is_records = first == MAGIC;
    let whole = Cursor::new(first).chain(from);
    Ok(if is_records {
        Box::new(RecordFile::new(name, file, whole)?)
    } else {
        Box::new(InProcess::new(name, file, whole, options)?)
    })
}
