//! What the host asks for.

use magpie_protocol::{Command, CommandReply, CommandType, Outcome, TimeReply, VERSION_MAJOR};

use super::Sensor;
use crate::export::Way;
use crate::filter;

impl Sensor<'_> {
    /// Does what the host asks, or answers why not.
    pub fn handle_command(&mut self, now_us: u64, command: &Command) {
        self.handle(now_us, Way::Line, command);
    }

    /// Does what is asked by whoever may be anybody, because nothing tells who
    /// it is: commands about filters are refused, answered so and counted
    /// ([`Port::refused`]). A sensor that hands out payload is a wiretap.
    pub fn handle_unauthenticated(&mut self, now_us: u64, command: &Command) {
        self.handle(now_us, Way::Network, command);
    }

    fn handle(&mut self, now_us: u64, way: Way, command: &Command) {
        match *command {
            Command::Hello { major, .. } => {
                self.exporter.greet();
                self.filters.show();
                if major != VERSION_MAJOR {
                    self.reply(way, 0, CommandType::Hello, Outcome::BadVersion);
                }
            }
            // The link's matter: nothing for the core to do.
            Command::Ack { .. } => {}
            Command::Flush { id } => self.exporter.flush(id),
            Command::TimeSync { id, host_us } => {
                let reply = TimeReply {
                    id,
                    host_us,
                    received_us: now_us,
                    sent_us: now_us,
                };
                self.exporter.answer_time(way, reply);
            }
            Command::Configure { id, set }
                if set.dedup_us.is_some_and(|us| us > 0) && self.doubled.capacity() == 0 =>
            {
                self.reply(way, id, CommandType::Configure, Outcome::Unsupported);
            }
            Command::Configure { id, set } => {
                let config = &mut self.config;
                for (setting, wanted) in [
                    (&mut config.idle_us, set.idle_us),
                    (&mut config.active_us, set.active_us),
                    (&mut config.end_us, set.end_us),
                    (&mut config.live_us, set.live_us),
                ] {
                    *setting = wanted.unwrap_or(*setting);
                }
                config.dedup_us = set.dedup_us.unwrap_or(config.dedup_us);
                self.set_looks();
                self.flows.configure(&self.config);
                self.reply(way, id, CommandType::Configure, Outcome::Done);
            }
            Command::LoadFilter { .. }
            | Command::StartFilter { .. }
            | Command::StopFilter { .. } => match way {
                Way::Network => self.exporter.refuse(way, filter::refuse(command)),
                Way::Line => {
                    let reply = self.filters.handle(command);
                    self.set_looks();
                    self.exporter.answer_filter(way, reply);
                }
            },
        }
    }

    /// Whether any filter looks at frames.
    pub fn runs_filters(&self) -> bool {
        self.filters.is_running()
    }

    /// Stops filters that nobody asked for again for
    /// [`magpie_protocol::FilterStatus::LIFE_S`] seconds (a second more at most) of
    /// this clock, which is to go on where that of frames stands or leaps. To be
    /// called before frames are observed; where it never is, filters run until they
    /// are told to stop.
    pub fn end_unheard_filters(&mut self, now_us: u64) {
        if self.runs_filters() {
            self.filters.end_unheard(now_us);
            self.set_looks();
        }
    }

    /// Whether a filter wants the next frame to wait until there is room for it
    /// ([`magpie_protocol::FilterAction::Capture`]): for a caller who can make
    /// frames wait.
    pub fn must_wait(&self) -> bool {
        self.filters.must_wait()
    }

    fn reply(&mut self, way: Way, id: u32, command: CommandType, outcome: Outcome) {
        let command = command as u8;
        let reply = CommandReply {
            id,
            command,
            outcome,
        };
        self.exporter.answer(way, reply);
    }
}
