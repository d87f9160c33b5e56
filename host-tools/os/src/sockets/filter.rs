//! The filter language of `ss`: `state established ( dport = :https or sport =
//! :22 ) and not dst 10.0.0.0/8`.
//!
//! `and` and `or` bind alike and from left to right, as they do there: who
//! mixes them writes parentheses. Words are separated by spaces.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{End, Services, SocketInfo, SocketKind, States};

mod host;
mod parser;

use host::Host;
use parser::Parser;

/// What a socket has to fulfil.
#[derive(Debug, Clone)]
pub struct Filter {
    states: Option<States>,
    expression: Option<Expression>,
    /// Families that were named (`unix:`, `inet6:`): no other is shown.
    families: Vec<Family>,
    ephemeral: RangeInclusive<u16>,
}

/// Why a filter cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter: {what}\n  {text}\n  {:>at$}", '^', at = self.at + 1)]
pub struct FilterError {
    /// The whole filter.
    pub text: String,
    /// Which character of it, from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Inet,
    Inet6,
    Unix,
}

impl Family {
    fn of(socket: &SocketInfo) -> Self {
        match &socket.local {
            End::Unix { .. } => Self::Unix,
            End::Inet { address, .. } if address.is_ipv6() => Self::Inet6,
            End::Inet { .. } => Self::Inet,
        }
    }
}

#[derive(Debug, Clone)]
enum Expression {
    /// The first, then each with what stands before it; from left to right.
    List(Box<Self>, Vec<(Joint, Self)>),
    Not(Box<Self>),
    Host(Side, Host),
    Port(Side, Comparison, u32),
    Device(String),
    Mark {
        value: u32,
        mask: u32,
    },
    Autobound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Local,
    Peer,
}

impl Side {
    fn of(self, socket: &SocketInfo) -> &End {
        match self {
            Self::Local => &socket.local,
            Self::Peer => &socket.peer,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "=" | "==" | "eq" => Self::Equal,
            "!=" | "ne" | "neq" => Self::NotEqual,
            "<" | "lt" => Self::Less,
            "<=" | "le" | "leq" => Self::AtMost,
            ">" | "gt" => Self::Greater,
            ">=" | "ge" | "geq" => Self::AtLeast,
            _ => return None,
        })
    }

    fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// A port, or what `ss` shows in its place: the inode of a unix socket.
fn port_of(end: &End) -> u32 {
    match end {
        End::Inet { port, .. } => u32::from(*port),
        End::Unix { inode, .. } => *inode,
    }
}

/// What names mean while a filter is read.
pub struct Names<'a> {
    /// Ports.
    pub services: &'a Services,
    /// Which tables are asked for: a name of a port is looked up in theirs.
    pub kinds: &'a [SocketKind],
    /// Addresses of a host.
    pub resolve: &'a dyn Fn(&str) -> Vec<IpAddr>,
}

impl Filter {
    /// Reads it; words may be in one piece or in several.
    pub fn parse(words: &[String], names: &Names<'_>) -> Result<Self, FilterError> {
        let text = words.join(" ");
        let mut parser = Parser::new(&text, names);
        let states = parser.states()?;
        let expression = parser.whole()?;
        Ok(Self {
            states,
            expression,
            families: parser.families(),
            ephemeral: names.services.ephemeral(),
        })
    }

    /// The states that it names, if it names any.
    pub fn states(&self) -> Option<States> {
        self.states
    }

    /// Whether it asks for marks, which the kernel tells to few.
    pub fn asks_for_marks(&self) -> bool {
        fn asks(expression: &Expression) -> bool {
            match expression {
                Expression::Mark { .. } => true,
                Expression::Not(inner) => asks(inner),
                Expression::List(first, more) => {
                    asks(first) || more.iter().any(|(_, next)| asks(next))
                }
                _ => false,
            }
        }
        self.expression.as_ref().is_some_and(asks)
    }

    /// Whether a socket fulfils it. Its state is not looked at: that is asked
    /// of the kernel.
    pub fn matches(&self, socket: &SocketInfo) -> bool {
        let family = Family::of(socket);
        (self.families.is_empty() || self.families.contains(&family))
            && self
                .expression
                .as_ref()
                .is_none_or(|expression| self.holds(expression, socket))
    }

    fn holds(&self, expression: &Expression, socket: &SocketInfo) -> bool {
        match expression {
            Expression::List(first, more) => {
                let first = self.holds(first, socket);
                more.iter()
                    .fold(first, |so_far, (joint, next)| match joint {
                        Joint::And => so_far && self.holds(next, socket),
                        Joint::Or => so_far || self.holds(next, socket),
                    })
            }
            Expression::Not(inner) => !self.holds(inner, socket),
            Expression::Host(side, host) => host.matches(side.of(socket)),
            Expression::Port(side, comparison, port) => {
                comparison.holds(port_of(side.of(socket)), *port)
            }
            Expression::Device(name) => {
                socket.interface.as_ref() == Some(name)
                    || name.parse() == Ok(socket.interface_index)
            }
            Expression::Mark { value, mask } => socket.mark.unwrap_or(0) & mask == *value,
            Expression::Autobound => match &socket.local {
                End::Inet { port, .. } => self.ephemeral.contains(port),
                // What the kernel chooses: a zero and five hexadecimal digits.
                End::Unix { name, .. } => name.as_ref().is_none_or(|name| {
                    matches!(name.as_slice(), [0, digits @ ..]
                        if digits.len() == 5 && digits.iter().all(u8::is_ascii_hexdigit))
                }),
            },
        }
    }
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
