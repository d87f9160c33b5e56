//! What a capture program says to Wireshark (extcap(4)): which interfaces it
//! has, which link types, which options. Text only: nothing is opened here.
//!
//! A sentence is a word and values in braces, `interface {value=a}{display=b}`.
//! The grammar has no escapes, so that braces and line ends in a value cannot
//! be said and are replaced.

use std::fmt;

/// What Wireshark is told of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Version of the program.
    pub version: String,
    /// Page with help; empty: there is none.
    pub help: String,
    /// Name of the program.
    pub display: String,
}

/// Something that can be captured from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// How Wireshark names it to us.
    pub value: String,
    /// How it is shown.
    pub display: String,
}

/// A choice of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What we are given.
    pub value: String,
    /// What is shown.
    pub display: String,
    /// Whether it is the one unless another is chosen.
    pub default: bool,
}

/// What kind of value an option takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A number, 0 to this.
    Unsigned {
        /// Greatest value.
        max: u32,
    },
    /// On or off; given as the bare option.
    Switch,
    /// One of a list.
    Selector(Vec<Choice>),
    /// A file that exists.
    File,
}

/// An option of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The option on our command line, with its dashes.
    pub call: &'static str,
    /// Its name in the dialog.
    pub display: &'static str,
    /// What it does.
    pub tooltip: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value unless another is given.
    pub default: Option<String>,
    /// Whether a capture needs it.
    pub required: bool,
    /// Whether its choices can be asked for again.
    pub reload: bool,
    /// The tab of the dialog.
    pub group: &'static str,
}

/// A sentence as it grows.
struct Sentence(String);

impl Sentence {
    fn new(word: &str) -> Self {
        Self(format!("{word} "))
    }

    fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        self.0 += &["{", key, "=", &Said(&value).to_string(), "}"].concat();
        self
    }

    fn with_some(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Onto the others.
    fn end(self, text: &mut String) {
        text.push_str(&self.0);
        text.push('\n');
    }
}

/// A value that can be said.
struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '{' => f.write_str("(")?,
                '}' => f.write_str(")")?,
                c if c.is_control() => f.write_str("?")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// Whether a value reaches Wireshark, and comes back, as it is.
pub fn can_be_said(value: &str) -> bool {
    !value.is_empty() && Said(value).to_string() == value
}

/// Answers `--extcap-interfaces`. What cannot be said is left out.
pub fn interfaces(about: &About, interfaces: &[Interface]) -> String {
    let mut out = String::new();
    let help = Some(&about.help).filter(|help| !help.is_empty());
    Sentence::new("extcap")
        .with("version", &about.version)
        .with_some("help", help)
        .with("display", &about.display)
        .end(&mut out);
    for interface in interfaces.iter().filter(|i| can_be_said(&i.value)) {
        Sentence::new("interface")
            .with("value", &interface.value)
            .with("display", &interface.display)
            .end(&mut out);
    }
    out
}

/// Answers `--extcap-dlts`: Ethernet (LINKTYPE 1).
pub fn link_types() -> String {
    "dlt {number=1}{name=EN10MB}{display=Ethernet}\n".to_owned()
}

/// Answers `--extcap-config`.
pub fn config(arguments: &[Argument]) -> String {
    let mut out = String::new();
    for (number, argument) in arguments.iter().enumerate() {
        argument.sentence(number).end(&mut out);
    }
    for (number, argument) in arguments.iter().enumerate() {
        argument.choices(number, &mut out);
    }
    out
}

/// Answers `--extcap-reload-option`: the choices of one option, by its name
/// with or without dashes.
pub fn reload(arguments: &[Argument], option: &str) -> String {
    let named = |argument: &Argument| {
        argument.call.trim_start_matches('-') == option.trim_start_matches('-')
    };
    let mut out = String::new();
    let mut found = arguments.iter().enumerate().filter(|(_, one)| named(one));
    if let Some((number, argument)) = found.next() {
        argument.choices(number, &mut out);
    }
    out
}

impl Argument {
    fn sentence(&self, number: usize) -> Sentence {
        let kind = match self.kind {
            Kind::Text => "string",
            Kind::Unsigned { .. } => "unsigned",
            Kind::Switch => "boolflag",
            Kind::Selector(_) => "selector",
            Kind::File => "fileselect",
        };
        let range = match self.kind {
            Kind::Unsigned { max } => Some(format!("0,{max}")),
            _ => None,
        };
        Sentence::new("arg")
            .with("number", number)
            .with("call", self.call)
            .with("display", self.display)
            .with("tooltip", self.tooltip)
            .with("type", kind)
            .with_some("range", range)
            .with_some("mustexist", (self.kind == Kind::File).then_some(true))
            .with_some("default", self.default.as_ref())
            .with_some("required", self.required.then_some(true))
            .with_some("reload", self.reload.then_some(true))
            .with_some("placeholder", self.reload.then_some("Look again"))
            .with("group", self.group)
    }

    fn choices(&self, number: usize, out: &mut String) {
        let Kind::Selector(choices) = &self.kind else {
            return;
        };
        for choice in choices {
            // The empty one is `none of them`.
            if choice.value.is_empty() || can_be_said(&choice.value) {
                Sentence::new("value")
                    .with("arg", number)
                    .with("value", &choice.value)
                    .with("display", &choice.display)
                    .with("default", choice.default)
                    .end(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about() -> About {
        About {
            version: "0.1.0".to_owned(),
            help: String::new(),
            display: "Magpie".to_owned(),
        }
    }

    fn argument(kind: Kind) -> Argument {
        Argument {
            call: "--port",
            display: "Serial port",
            tooltip: "The sensor's line",
            kind,
            default: None,
            required: false,
            reload: false,
            group: "Sensor",
        }
    }

    #[test]
    fn sentences_as_the_manual_has_them() {
        let one = Interface {
            value: "magpie-eth0".to_owned(),
            display: "Magpie: eth0".to_owned(),
        };
        assert_eq!(
            interfaces(&about(), &[one]),
            "extcap {version=0.1.0}{display=Magpie}\n\
             interface {value=magpie-eth0}{display=Magpie: eth0}\n"
        );
        let choice = Choice {
            value: "/dev/ttyACM0".to_owned(),
            display: "ttyACM0".to_owned(),
            default: true,
        };
        let port = Argument {
            required: true,
            reload: true,
            ..argument(Kind::Selector(vec![choice]))
        };
        let snap = Argument {
            call: "--snap-len",
            default: Some("0".to_owned()),
            ..argument(Kind::Unsigned { max: 10 })
        };
        let choices = "value {arg=1}{value=/dev/ttyACM0}{display=ttyACM0}{default=true}\n";
        assert_eq!(
            config(&[snap.clone(), port.clone()]),
            format!(
                "arg {{number=0}}{{call=--snap-len}}{{display=Serial port}}\
                 {{tooltip=The sensor's line}}{{type=unsigned}}{{range=0,10}}{{default=0}}\
                 {{group=Sensor}}\n\
                 arg {{number=1}}{{call=--port}}{{display=Serial port}}\
                 {{tooltip=The sensor's line}}{{type=selector}}{{required=true}}\
                 {{reload=true}}{{placeholder=Look again}}{{group=Sensor}}\n{choices}"
            )
        );
        assert_eq!(reload(&[snap.clone(), port.clone()], "port"), choices);
        assert_eq!(reload(&[snap, port], "--snap-len"), "");
    }

    proptest! {
        /// Whatever an interface is called, a sentence stays one line, and its
        /// values stay within their braces.
        #[test]
        fn a_name_cannot_become_a_sentence(value in ".*", display in ".*") {
            let one = Interface { value: value.clone(), display };
            let said = interfaces(&about(), &[one]);
            let lines: Vec<&str> = said.lines().collect();
            prop_assert_eq!(said.matches('\n').count(), lines.len());
            if can_be_said(&value) {
                let expected = format!("interface {{value={value}}}");
                prop_assert!(lines.len() == 2 && lines[1].starts_with(&expected), "{}", said);
                prop_assert_eq!(lines[1].matches(['{', '}']).count(), 4);
            } else {
                prop_assert_eq!(lines.len(), 1);
            }
        }
    }
}
