//! Paths that are data, walked in a time of their own, and arrivals that
//! nobody would send in good faith.

mod hostile;
mod network;
mod scenarios;
