//! Doubled mirrors: captures doubled by us, and the detector written a second
//! time, from the words of `magpie_sensor::doubled`.

mod counts;
mod decisions;
mod mutate;
mod second;
mod table;
mod twice;
