//! The live screen, and the table of `traceroute --live`, on a terminal: the
//! program itself, behind a pty of ours and in tmux. `cargo test -p magpie-tests --test terminal -- --include-ignored` runs
//! both; without tmux, which is left out then, without `--include-ignored`.

mod feed;
mod laws;
mod pty;
mod tmux;
mod trace;
