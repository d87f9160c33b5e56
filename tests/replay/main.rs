//! Captures through the whole way without a board: exact runs, board-sized
//! tables, a line with faults, the program.

mod exact;
mod faults;
mod files;
mod filters;
mod laws;
mod mirror;
mod program;
mod tables;
mod versions;
