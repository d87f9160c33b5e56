//! What `magpie ping` shows, from events and summaries and nothing else.

pub mod json;
pub mod plot;
pub mod text;
