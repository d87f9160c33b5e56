//! One source, named twice: each of its packets would be there twice.

use std::fs;
use std::path::Path;

use anyhow::bail;
use magpie_capture::write::FileId;
use magpie_sources::Spec;

/// Refuses it, whatever names a file has.
pub(super) fn refuse(specs: &[Spec]) -> anyhow::Result<()> {
    let known: Vec<_> = specs.iter().map(|spec| (spec, file(spec))).collect();
    for (n, (spec, id)) in known.iter().enumerate() {
        let same =
            |other: &&(&Spec, Option<FileId>)| other.0 == *spec || id.is_some() && other.1 == *id;
        match known.iter().take(n).find(same) {
            Some((other, _)) if other == spec => {
                bail!("{spec}: it is named twice, and its packets would be there twice");
            }
            Some((other, _)) => bail!(
                "{other}, {spec}: they are one file, and its packets would be there twice; leave \
                 one out"
            ),
            None => {}
        }
    }
    Ok(())
}

/// Which file it is, if it is one; a wrong name is told when it is opened.
fn file(spec: &Spec) -> Option<FileId> {
    let path = match spec {
        Spec::File(path) if path == Path::new("-") => Path::new("/dev/stdin"),
        Spec::File(path) => path,
        _ => return None,
    };
    fs::metadata(path).ok().map(|about| FileId::of(&about))
}
