//! QEMU's control socket: one JSON object a line, asked and answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::EmulatorError;

/// How long one command may take: QEMU answers in microseconds, but a busy
/// machine may not let it run at once.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest line taken from QEMU, in octets.
const LINE: u64 = 1 << 20;

/// A control connection.
pub(crate) struct Qmp {
    reader: BufReader<UnixStream>,
    next_id: u64,
    // Names of events that came while an answer was awaited.
    events: Vec<String>,
}

impl Qmp {
    /// Greets QEMU on a connected socket.
    pub(crate) fn new(stream: UnixStream) -> Result<Self, EmulatorError> {
        let failed = |source| EmulatorError::Socket {
            what: "control socket",
            source,
        };
        stream.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        stream.set_write_timeout(Some(ANSWER)).map_err(failed)?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
            next_id: 0,
            events: Vec::new(),
        };
        let greeting = qmp.line("greeting")?;
        if greeting.get("QMP").is_none() {
            return Err(broken("greeting", "it did not greet as QEMU does"));
        }
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns its answer.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: &Value,
    ) -> Result<Value, EmulatorError> {
        self.next_id = self.next_id.wrapping_add(1);
        self.events.clear();
        let id = self.next_id;
        let mut text = json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
        text.push('\n');
        self.reader
            .get_mut()
            .write_all(text.as_bytes())
            .map_err(|e| broken(command, &e.to_string()))?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let mut answer = self.line(command)?;
            if answer.get("id").and_then(Value::as_u64) == Some(id) {
                if let Some(value) = answer.get_mut("return") {
                    return Ok(value.take());
                }
                let said = answer.pointer("/error/desc").and_then(Value::as_str);
                return Err(broken(command, said.unwrap_or("an answer without content")));
            }
            self.note(&answer);
            if Instant::now() > deadline {
                return Err(broken(command, "no answer in time"));
            }
        }
    }

    /// Runs a command and waits for the event that says it is carried out.
    pub(crate) fn execute_until(
        &mut self,
        command: &str,
        event: &str,
    ) -> Result<(), EmulatorError> {
        self.execute(command, &json!({}))?;
        let deadline = Instant::now() + ANSWER;
        while !self.events.iter().any(|seen| seen == event) {
            if Instant::now() > deadline {
                return Err(broken(command, &format!("no event {event} in time")));
            }
            let message = self.line(command)?;
            self.note(&message);
        }
        Ok(())
    }

    fn note(&mut self, message: &Value) {
        // Cleared with every command, so a handful at most.
        if let Some(name) = message.get("event").and_then(Value::as_str)
            && self.events.len() < 100
        {
            self.events.push(name.to_owned());
        }
    }

    /// Reads a 32-bit word of physical memory.
    pub(crate) fn read_word(&mut self, address: u32) -> Result<u32, EmulatorError> {
        let command = format!("xp /1wx {address:#x}");
        let answer = self.execute("human-monitor-command", &json!({ "command-line": command }))?;
        answer
            .as_str()
            .and_then(parse_word)
            .ok_or_else(|| broken(&command, &format!("it answered {answer}")))
    }

    fn line(&mut self, command: &str) -> Result<Value, EmulatorError> {
        let mut line = String::new();
        let got = self
            .reader
            .by_ref()
            .take(LINE)
            .read_line(&mut line)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::WouldBlock => broken(command, "no answer in time"),
                _ => broken(command, &e.to_string()),
            })?;
        if got == 0 {
            return Err(broken(command, "QEMU closed the connection"));
        }
        serde_json::from_str(&line)
            .map_err(|e| broken(command, &format!("not JSON ({e}): {}", line.trim_end())))
    }
}

fn broken(command: &str, reason: &str) -> EmulatorError {
    EmulatorError::Control {
        command: command.to_owned(),
        reason: reason.to_owned(),
    }
}

/// `0000000020000100: 0x0000002a` -> 42.
fn parse_word(answer: &str) -> Option<u32> {
    let (_, value) = answer.trim().split_once(": 0x")?;
    u32::from_str_radix(value, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_the_monitors_text() {
        assert_eq!(parse_word("0000000020000100: 0x0000002a\r\n"), Some(42));
        assert_eq!(parse_word("20000100: 0xffffffff"), Some(u32::MAX));
        assert_eq!(parse_word("Cannot access memory"), None);
        assert_eq!(parse_word(""), None);
    }

    /// A QEMU that says what it is told to, then hangs up.
    fn scripted(answers: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(theirs.try_clone().unwrap()).lines();
            let mut theirs = theirs;
            for answer in answers {
                theirs.write_all(answer.as_bytes()).unwrap();
                let _ = lines.next();
            }
        });
        ours
    }

    #[test]
    fn events_between_are_passed_over() {
        let stream = scripted(&[
            "{\"QMP\": {}}\n",
            "{\"return\": {}, \"id\": 1}\n",
            "{\"event\": \"STOP\"}\n{\"return\": 7, \"id\": 1}\n{\"return\": 8, \"id\": 2}\n",
        ]);
        let mut qmp = Qmp::new(stream).unwrap();
        assert_eq!(qmp.execute("query", &json!({})).unwrap(), json!(8));
    }

    #[test]
    fn an_event_is_awaited_wherever_it_comes() {
        for answers in [
            &[
                "{\"QMP\": {}}\n",
                "{\"return\": {}, \"id\": 1}\n",
                "{\"event\": \"RESET\"}\n{\"return\": {}, \"id\": 2}\n",
            ],
            &[
                "{\"QMP\": {}}\n",
                "{\"return\": {}, \"id\": 1}\n",
                "{\"return\": {}, \"id\": 2}\n{\"event\": \"X\"}\n{\"event\": \"RESET\"}\n",
            ],
        ] {
            let mut qmp = Qmp::new(scripted(answers)).unwrap();
            qmp.execute_until("system_reset", "RESET").unwrap();
        }
    }

    #[test]
    fn refusals_and_hang_ups_are_named() {
        let stream = scripted(&[
            "{\"QMP\": {}}\n",
            "{\"return\": {}, \"id\": 1}\n",
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such\"}, \"id\": 2}\n",
        ]);
        let mut qmp = Qmp::new(stream).unwrap();
        let said = qmp.execute("odd", &json!({})).unwrap_err().to_string();
        assert!(said.contains("odd") && said.contains("no such"), "{said}");
        let said = qmp.execute("more", &json!({})).unwrap_err().to_string();
        assert!(said.contains("more"), "{said}");
    }
}
