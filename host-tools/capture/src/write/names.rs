//! Names of the files of a rotation.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::WriteError;

/// The name with the conversions of strftime(3) replaced by a local time.
pub(super) fn timed(path: &Path, at_ns: u64) -> Result<PathBuf, WriteError> {
    let wrong = |why: String| WriteError::Name {
        file: path.to_owned(),
        why,
    };
    let Some(pattern) = path.to_str() else {
        return Err(wrong("a name with a time (-G) must be UTF-8".into()));
    };
    let at = Timestamp::from_nanosecond(at_ns.into()).map_err(|e| wrong(e.to_string()))?;
    let at = at.to_zoned_datetime(TimeZone::system());
    let name = strtime::format(pattern, &at)
        .map_err(|e| wrong(format!("no pattern of strftime (-G): {e}")))?;
    Ok(name.into())
}

/// The name with a number behind it, as tcpdump does: the first has none, or
/// zeroes where there is a limit, so that all numbers have one width.
pub(super) fn numbered(path: &Path, number: u64, limit: Option<u32>) -> PathBuf {
    let width = limit.map_or(0, |limit| {
        // As many digits as the greatest number has; one file needs none.
        match limit.saturating_sub(1) {
            0 => 0,
            greatest => greatest.to_string().len(),
        }
    });
    if number == 0 && width == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{number:0width$}"));
    name.into()
}
