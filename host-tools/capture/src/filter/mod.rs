//! Filters in tcpdump's language (`man pcap-filter`), for Ethernet.
//!
//! libpcap compiles them, with the cargo feature `libpcap`; what runs the
//! program is [`magpie_filter`], here as on a sensor.

mod kernel;
mod listing;
mod words;

use magpie_filter::{Instruction, Invalid, Packet, Program, Quick, code};

pub use listing::Listing;

/// Octets of a packet that tcpdump keeps unless it is told otherwise.
pub const DEFAULT_SNAP_LEN: u32 = 262_144;

/// How to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compile {
    /// Octets to keep of a packet that is selected: what the program returns.
    pub snap_len: u32,
    /// Whether libpcap's optimizer runs (`tcpdump -O`: it does not).
    pub optimize: bool,
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            snap_len: DEFAULT_SNAP_LEN,
            optimize: true,
        }
    }
}

/// A filter, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    expression: String,
    instructions: Vec<Instruction>,
    /// What can be known of it without running it.
    quick: Box<Quick>,
    says_vlan: bool,
}

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// libpcap does not compile it.
    #[error("the filter `{expression}` does not compile: {why} (its language: man pcap-filter)")]
    Expression {
        /// As it was given.
        expression: String,
        /// In libpcap's words.
        why: String,
    },
    /// Its program has a loop, which could keep a sensor from its work.
    #[error(
        "the filter `{expression}` does not run: its program {}; leave out `protochain`, which \
         libpcap makes a loop of",
        .invalid.why
    )]
    Loop {
        /// As it was given.
        expression: String,
        /// Where it jumps back.
        invalid: Invalid,
    },
    /// It asks Linux's kernel about a packet, as only a filter within can.
    #[error("the filter `{expression}` does not run: {}", kernel::advice(.word.as_deref()))]
    Kernel {
        /// As it was given.
        expression: String,
        /// The word that asks; none: an offset that means the same.
        word: Option<&'static str>,
    },
    /// A sensor would refuse it.
    #[error(
        "no sensor runs the filter `{expression}`: {invalid}; a shorter one can select what the \
         longer one then reads with -r"
    )]
    Sensor {
        /// As it was given.
        expression: String,
        /// What the sensor would say.
        invalid: Invalid,
    },
    /// Nothing here can compile.
    #[error(
        "the filter `{expression}` cannot be compiled: this build is without libpcap; build with \
         `--features libpcap`"
    )]
    WithoutLibpcap {
        /// As it was given.
        expression: String,
    },
    /// libpcap compiles, and is not on this machine.
    #[error(
        "the filter `{expression}` cannot be compiled: libpcap is not there ({reason}); install it \
         (Debian, Ubuntu: apt install libpcap0.8)"
    )]
    NoLibpcap {
        /// As it was given.
        expression: String,
        /// What the loader says.
        reason: String,
    },
}

impl Filter {
    /// Compiles an expression; the empty one selects everything. Names of hosts
    /// and networks are looked up, as libpcap does.
    ///
    /// The netmask of `ip broadcast` is taken as unknown, as by `tcpdump -r`:
    /// only 255.255.255.255 and 0.0.0.0 are broadcast addresses.
    pub fn compile(expression: &str, how: Compile) -> Result<Self, FilterError> {
        let instructions = libpcap(expression, how)?;
        let back = |instruction: &Instruction| {
            instruction.code == code::JA && instruction.k > i32::MAX.cast_unsigned()
        };
        if let Some(at) = instructions.iter().position(back) {
            let why = magpie_filter::Reason::JumpBackward;
            return Err(FilterError::Loop {
                expression: expression.to_owned(),
                invalid: Invalid { at, why },
            });
        }
        if kernel::is_asked(&instructions) {
            return Err(FilterError::Kernel {
                expression: expression.to_owned(),
                word: kernel::word(expression),
            });
        }
        let mut quick = Box::new(Quick::EMPTY);
        quick.learn(Program::assume_verified(&instructions));
        Ok(Self {
            expression: expression.to_owned(),
            instructions,
            quick,
            says_vlan: words::say(expression, "vlan"),
        })
    }

    /// As it was given.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Its program. Those of more than [`magpie_filter::MAX_INSTRUCTIONS`] run
    /// here, but on no sensor.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Its program, if a sensor would run it.
    pub fn for_sensor(&self) -> Result<Program<'_>, FilterError> {
        Program::verify(&self.instructions).map_err(|invalid| FilterError::Sensor {
            expression: self.expression.clone(),
            invalid,
        })
    }

    /// Whether the expression itself is about tags, by libpcap's word `vlan`:
    /// then it is to see frames with them, else without.
    pub fn says_vlan(&self) -> bool {
        self.says_vlan
    }

    /// Octets to keep of a frame, 0 if it is not selected: seen as it is, or
    /// without its tags. `wire_len` is its length on the wire without FCS.
    pub fn run(&self, frame: &[u8], wire_len: u32, literal: bool) -> u32 {
        let packet = if literal {
            Packet::literal(frame, wire_len)
        } else {
            Packet::untagged(frame, wire_len)
        };
        self.quick.run(&packet).unwrap_or_else(|| {
            // What libpcap made, without loops.
            Program::assume_verified(&self.instructions).run(&packet)
        })
    }

    /// The program as tcpdump lists it, each line with its end.
    pub fn listing(&self, listing: Listing) -> String {
        listing::list(&self.instructions, listing)
    }
}

#[cfg(not(feature = "libpcap"))]
fn libpcap(expression: &str, _: Compile) -> Result<Vec<Instruction>, FilterError> {
    Err(FilterError::WithoutLibpcap {
        expression: expression.to_owned(),
    })
}

#[cfg(feature = "libpcap")]
fn libpcap(expression: &str, how: Compile) -> Result<Vec<Instruction>, FilterError> {
    let program = magpie_os::compile_filter(expression, how.snap_len, how.optimize);
    match program {
        Ok(program) => Ok(program
            .iter()
            .map(|i| Instruction::new(i.code, i.jt, i.jf, i.k))
            .collect()),
        Err(error @ magpie_os::LibpcapError::Missing { .. }) => Err(FilterError::NoLibpcap {
            expression: expression.to_owned(),
            reason: error.to_string(),
        }),
        Err(error) => Err(FilterError::Expression {
            expression: expression.to_owned(),
            why: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(not(feature = "libpcap"))]
    #[test]
    fn without_libpcap_the_error_says_what_to_do() {
        use super::{Compile, Filter};

        let error = Filter::compile("tcp", Compile::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`tcp`"), "{text}");
        assert!(text.contains("--features libpcap"), "{text}");
    }

    #[cfg(feature = "libpcap")]
    mod with_libpcap {
        use magpie_filter::{Instruction, MAX_INSTRUCTIONS, Reason, code};

        use super::super::{Compile, DEFAULT_SNAP_LEN, Filter, FilterError};

        fn compile(expression: &str) -> Result<Filter, FilterError> {
            Filter::compile(expression, Compile::default())
        }

        #[test]
        fn what_libpcap_makes_of_arp() {
            let arp = compile("arp").expect("an expression");
            let expected = [
                Instruction::new(code::LD_H_ABS, 0, 0, 12),
                Instruction::new(code::JEQ_K, 0, 1, 0x0806),
                Instruction::new(code::RET_K, 0, 0, DEFAULT_SNAP_LEN),
                Instruction::new(code::RET_K, 0, 0, 0),
            ];
            assert_eq!(arp.instructions(), expected);
            assert!(arp.for_sensor().is_ok());
            let short = Compile {
                snap_len: 64,
                ..Compile::default()
            };
            let short = Filter::compile("arp", short).expect("an expression");
            assert_eq!(short.instructions()[2].k, 64);
        }

        #[test]
        fn everything_is_selected_by_nothing() {
            let all = compile("").expect("an expression");
            assert_eq!(all.run(&[], 0, true), DEFAULT_SNAP_LEN);
        }

        #[test]
        fn frames_are_seen_with_or_without_their_tags() {
            let mut frame = [0; 60];
            frame[12..18].copy_from_slice(&[0x81, 0x00, 0, 7, 0x08, 0x06]);
            let arp = compile("arp").expect("an expression");
            assert!(!arp.says_vlan());
            assert_eq!(arp.run(&frame, 60, true), 0);
            assert!(arp.run(&frame, 60, false) > 0);
            let tagged = compile("vlan 7 and arp").expect("an expression");
            assert!(tagged.says_vlan());
            assert!(tagged.run(&frame, 60, true) > 0);
            assert_eq!(tagged.run(&frame, 60, false), 0);
        }

        #[test]
        fn errors_name_the_expression() {
            for (expression, why) in [
                ("tcp port 80 an udp", "syntax error"),
                ("ip and arp", "expression rejects all packets"),
                ("tcp[0] / 0 = 1", "division by zero"),
                ("tcp\0", "null"),
            ] {
                let text = compile(expression).unwrap_err().to_string();
                assert!(text.contains(&format!("`{expression}`")), "{text}");
                assert!(text.contains(why), "{text}");
            }
        }

        #[test]
        fn a_loop_is_refused_by_its_word() {
            let error = compile("ip6 protochain 6").unwrap_err();
            assert!(matches!(error, FilterError::Loop { .. }), "{error:?}");
            assert!(error.to_string().contains("protochain"), "{error}");
        }

        /// libpcap takes Ethernet without a file for one that the kernel filters.
        #[test]
        fn what_only_the_kernel_knows_is_refused_by_its_word() {
            for (expression, word, instead) in [
                ("inbound", Some("inbound"), "-Q in"),
                ("outbound or tcp", Some("outbound"), "-Q out"),
                ("not inbound", Some("inbound"), "-Q in"),
                ("tcp and(ifindex 3)", Some("ifindex"), "-i"),
                ("ether[0xfffff004:2] = 4", None, "0xfffff000"),
                ("ether[0xffffffff] = 4", None, "0xfffff000"),
            ] {
                let error = compile(expression).unwrap_err();
                let text = error.to_string();
                let FilterError::Kernel { word: found, .. } = error else {
                    panic!("{error:?}");
                };
                assert_eq!(found, word, "{expression}");
                assert!(text.contains(&format!("`{expression}`")), "{text}");
                assert!(text.contains(instead), "{text}");
                let named = word.is_none_or(|word| text.contains(&format!("`{word}`")));
                assert!(named, "{text}");
            }
            // Far beyond any packet, and in no such place.
            assert!(compile("ether[0xffffefff] = 4").is_ok());
            assert!(compile("tcp[4:4] = 0xfffff004").is_ok());
        }

        #[test]
        fn what_is_too_long_for_a_sensor_runs_here() {
            let ports: Vec<_> = (1..40).map(|n| format!("port {n}")).collect();
            let at_length = Compile {
                optimize: false,
                ..Compile::default()
            };
            let long = Filter::compile(&ports.join(" or "), at_length).expect("an expression");
            assert!(long.instructions().len() > MAX_INSTRUCTIONS);
            let error = long.for_sensor().unwrap_err();
            let FilterError::Sensor { invalid, .. } = error else {
                panic!("{error:?}");
            };
            assert_eq!(invalid.why, Reason::TooMany);
        }
    }
}
