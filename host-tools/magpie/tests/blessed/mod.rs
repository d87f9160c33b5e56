//! Text held against files in `tests/golden`. After a wanted change:
//! `MAGPIE_BLESS=1 cargo test -p magpie --test NAME`, then read the difference.

use std::path::PathBuf;

/// Compares with the file, or writes it where that was asked for.
pub(crate) fn golden(name: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("MAGPIE_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
        return;
    }
    let want = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; MAGPIE_BLESS=1 writes it", path.display()));
    for (n, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(want, got, "{name}, line {}", n + 1);
    }
    assert_eq!(want, got, "{name}");
}
