//! What the host makes of a sensor's records: one [`Session`] a source checks
//! versions, keeps order and asks; one [`Picture`] holds what is known.
//!
//! The crate reads no clock, no socket and no file; times are arguments. Every
//! view and export is made from the picture alone.
//!
//! Order of use: for each source a [`Session`] and a [`Picture`]; every batch
//! to [`Session::handle_batch`], everything [`Session::poll_transmit`] gives
//! back to the sensor; at the end [`Session::request_flush`] until
//! [`Session::flushed`]; then [`Picture::books`], which says whether every
//! frame is accounted for, and [`Mirror::of`], which says what the mirror port
//! hides.
//!
//! A sensor runs filters where [`Session::request_filter`] asks for them; what they
//! select, and what became of every frame of it, [`Session::take_filter_events`]
//! gives.
//!
//! What comes from a sensor is hostile: memory is bounded by [`Limits`], and
//! what did not fit is summed in [`Forgotten`].
#![forbid(unsafe_code)]

mod books;
mod boot;
mod clock;
mod counts;
mod echo;
mod ended;
mod event;
mod filter;
mod flow;
mod gone;
mod ledger;
mod limits;
mod mirror;
mod peak;
mod picture;
mod position;
mod rate;
mod samples;
mod session;
mod table;
mod unsent;

pub use books::{Books, Loss, Offered, Refusal, State};
pub use boot::{Boot, Flushed, Received};
pub use clock::Clock;
pub use counts::{Count, CountTable, sum as count_sum};
pub use echo::EchoSums;
pub use event::Event;
pub use filter::{
    FilterAccount, FilterEvent, FilterPacket, FilterRefusal, FilterRequest, WallTime,
};
pub use flow::{FlowSums, addresses, ends};
pub use ledger::add as ledger_sum;
pub use limits::Limits;
pub use mirror::{Doubt, EchoLoss, Mirror, Share};
pub use peak::Peak;
pub use picture::{Forgotten, LinkFacts, Picture};
pub use position::{EntryId, Position};
pub use rate::Rate;
pub use samples::Samples;
pub use session::{Session, SessionError};
pub use table::{Echo, EchoTable, Flow, FlowTable, Held, Table, TableRecord};
pub use unsent::{UnsentFlows, UnsentSums, address};
