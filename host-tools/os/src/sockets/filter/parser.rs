//! A filter's words, and what they amount to.

use super::host::{self, Host, Pattern};
use super::{Comparison, Expression, Family, FilterError, Joint, Names, Side, number};
use crate::sockets::{State, States};

/// Parentheses within parentheses.
const DEEPEST: usize = 64;

/// A word and which character of the text it begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'t> {
    at: usize,
    word: &'t str,
}

/// Words between spaces; parentheses may touch them.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    for mut word in text.split(char::is_whitespace) {
        let end = at + word.chars().count();
        while let Some(rest) = word.strip_prefix('(') {
            tokens.push(Token { at, word: "(" });
            word = rest;
            at += 1;
        }
        // A name of a unix socket may end with one that it opened.
        let mut closing = 0;
        while !word.contains('(')
            && let Some(rest) = word.strip_suffix(')')
        {
            word = rest;
            closing += 1;
        }
        if !word.is_empty() {
            tokens.push(Token { at, word });
        }
        for n in (0..closing).rev() {
            tokens.push(Token {
                at: end - 1 - n,
                word: ")",
            });
        }
        at = end + 1;
    }
    tokens
}

pub(super) struct Parser<'t, 'n> {
    tokens: Vec<Token<'t>>,
    next: usize,
    names: &'n Names<'n>,
    families: Vec<Family>,
    text: &'t str,
}

impl<'t, 'n> Parser<'t, 'n> {
    pub(super) fn new(text: &'t str, names: &'n Names<'n>) -> Self {
        Self {
            tokens: tokens(text),
            next: 0,
            names,
            families: Vec::new(),
            text,
        }
    }

    /// Families that were named.
    pub(super) fn families(self) -> Vec<Family> {
        self.families
    }

    /// All that follows the states.
    pub(super) fn whole(&mut self) -> Result<Option<Expression>, FilterError> {
        if self.peek().is_none() {
            return Ok(None);
        }
        let list = self.list(0)?;
        if self.peek().is_some() {
            // Only this ends a list before the filter ends.
            return Err(self.wrong("a parenthesis is closed that was not opened"));
        }
        Ok(Some(list))
    }

    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.next).map(|token| token.word)
    }

    fn take(&mut self) -> Option<&'t str> {
        let word = self.peek()?;
        self.next += 1;
        Some(word)
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let found = self.peek().is_some_and(|word| words.contains(&word));
        self.next += usize::from(found);
        found
    }

    /// What is wrong with the word that comes next.
    fn wrong(&self, what: impl Into<String>) -> FilterError {
        let end = self.text.chars().count();
        FilterError {
            text: self.text.to_owned(),
            at: self.tokens.get(self.next).map_or(end, |token| token.at),
            what: what.into(),
        }
    }

    /// Likewise, with the word that was taken last.
    fn was_wrong(&self, what: impl Into<String>) -> FilterError {
        let mut error = self.wrong(what);
        let last = self.next.checked_sub(1).and_then(|at| self.tokens.get(at));
        error.at = last.map_or(0, |token| token.at);
        error
    }

    /// `state NAME` and `exclude NAME`, which come first.
    pub(super) fn states(&mut self) -> Result<Option<States>, FilterError> {
        let mut states: Option<States> = None;
        loop {
            let adds = self.takes(&["state"]);
            if !adds && !self.takes(&["exclude", "excl"]) {
                return Ok(states);
            }
            let Some(word) = self.take() else {
                return Err(self.wrong(format!("a state is missing; {}", known_states())));
            };
            let Some(named) = States::named(word) else {
                let what = format!("`{word}` is no state; {}", known_states());
                return Err(self.was_wrong(what));
            };
            states = Some(if adds {
                states.unwrap_or(States::NONE).and(named)
            } else {
                states.unwrap_or(States::ALL).without(named)
            });
        }
    }

    fn list(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let first = self.term(depth)?;
        let mut more = Vec::new();
        loop {
            let joint = if self.takes(&["or", "|", "||"]) {
                Joint::Or
            } else if self.takes(&["and", "&", "&&"]) || self.peek().is_some_and(|w| w != ")") {
                Joint::And
            } else {
                return Ok(if more.is_empty() {
                    first
                } else {
                    Expression::List(Box::new(first), more)
                });
            };
            more.push((joint, self.term(depth)?));
        }
    }

    fn term(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth > DEEPEST {
            return Err(self.wrong("too many parentheses or negations within each other"));
        }
        let Some(word) = self.take() else {
            return Err(self.wrong("a condition is missing"));
        };
        match word {
            "(" => {
                let opened = self.was_wrong("this parenthesis is not closed");
                let list = self.list(depth + 1)?;
                if self.takes(&[")"]) {
                    Ok(list)
                } else {
                    Err(opened)
                }
            }
            "not" | "!" => Ok(Expression::Not(Box::new(self.term(depth + 1)?))),
            "src" => self.host(Side::Local),
            "dst" => self.host(Side::Peer),
            "sport" => self.port(Side::Local),
            "dport" => self.port(Side::Peer),
            "dev" => {
                let negate = self.equality()?;
                let name = self.value("the name of an interface")?.to_owned();
                Ok(negated(negate, Expression::Device(name)))
            }
            "fwmark" => {
                let negate = self.equality()?;
                let word = self.value("a mark")?;
                let (value, mask) = word.split_once('/').unwrap_or((word, "0xffffffff"));
                let (Some(value), Some(mask)) = (number(value), number(mask)) else {
                    return Err(self.was_wrong(format!("`{word}` is no mark (VALUE or VALUE/MASK)")));
                };
                Ok(negated(negate, Expression::Mark { value, mask }))
            }
            "autobound" => Ok(Expression::Autobound),
            "state" | "exclude" | "excl" => {
                Err(self.was_wrong(format!("`{word}` comes before all conditions")))
            }
            "cgroup" => Err(self.was_wrong("`cgroup` is not supported here")),
            ")" | "and" | "or" | "&" | "&&" | "|" | "||" => {
                Err(self.was_wrong(format!("a condition is missing before `{word}`")))
            }
            _ => Err(self.was_wrong(format!(
                "`{word}` is no condition; there are: src, dst, sport, dport, dev, fwmark, autobound \
                 (words are separated by spaces)"
            ))),
        }
    }

    fn value(&mut self, what: &str) -> Result<&'t str, FilterError> {
        match self.peek() {
            None | Some("(" | ")") => Err(self.wrong(format!("{what} is missing"))),
            Some(word) => {
                self.next += 1;
                Ok(word)
            }
        }
    }

    fn comparison(&mut self) -> Comparison {
        match self.peek().and_then(Comparison::of) {
            None => Comparison::Equal,
            Some(comparison) => {
                self.next += 1;
                comparison
            }
        }
    }

    /// True where it is `!=`.
    fn equality(&mut self) -> Result<bool, FilterError> {
        match self.comparison() {
            Comparison::Equal => Ok(false),
            Comparison::NotEqual => Ok(true),
            _ => Err(self.was_wrong("only ports have an order; here = and != may stand")),
        }
    }

    fn host(&mut self, side: Side) -> Result<Expression, FilterError> {
        let negate = self.equality()?;
        let word = self.value("an address")?;
        let (family, rest) = match word.split_once(':') {
            Some(("unix", rest)) => (Some(Family::Unix), rest),
            Some(("inet", rest)) => (Some(Family::Inet), rest),
            Some(("inet6", rest)) => (Some(Family::Inet6), rest),
            _ => (None, word),
        };
        self.families.extend(family);
        let host = if family == Some(Family::Unix) {
            Host::Unix(Pattern::new(rest))
        } else {
            Host::parse(rest, self.names).map_err(|what| self.was_wrong(what))?
        };
        Ok(negated(negate, Expression::Host(side, host)))
    }

    fn port(&mut self, side: Side) -> Result<Expression, FilterError> {
        let comparison = self.comparison();
        let word = self.value("a port")?;
        let port = host::port(word.strip_prefix(':').unwrap_or(word), self.names)
            .map_err(|what| self.was_wrong(what))?;
        Ok(Expression::Port(side, comparison, port))
    }
}

fn negated(negate: bool, expression: Expression) -> Expression {
    if negate {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}

fn known_states() -> String {
    let states = State::ALL.map(|(_, _, long)| long).join(", ");
    format!("there are: {states}, all, connected, synchronized, bucket, big")
}
