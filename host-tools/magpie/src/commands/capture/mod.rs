//! `magpie capture`: packets of files, interfaces and sensors, chosen, shown
//! and written.

mod bounds;
mod decoder;
mod desk;
mod expression;
mod file;
mod interfaces;
mod merge;
mod output;
mod run;
mod sensor;
mod source;
mod twice;

use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use magpie_capture::anonymize::{Anonymizer, Key, Payload};
use magpie_capture::write::{InterfaceInfo, LONGEST};
use magpie_os::CaptureOptions;
use magpie_sources::{OpenOptions, Spec, Stop, open_all};

use self::expression::Expression;
use self::output::Output;
use self::run::{Ended, Wants};
use self::sensor::Sensor;
use self::source::{CaptureFile, Listener, PacketSource, SourceBooks};
use crate::cli::InfoFormat;
use crate::cli::capture::{Capture as Options, Direction, Request};
use crate::exit::Exit;
use crate::output::{is_quiet, note, say, stdout};
use crate::views::capture::{self as view, Books};
use crate::views::json;

/// Raised by Ctrl-C: all sources end, and what they hold is still written.
static STOP: Stop = Stop::new();

/// Memory for frames of all interfaces together, beside the least of each.
const RINGS: u32 = 256;

/// How often it is looked whether a run has ended meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// Ends the run when nobody reads.
fn end_with_reader(pipe: File) {
    std::thread::spawn(move || {
        loop {
            match magpie_os::reader_is_gone(&pipe, LOOK) {
                Ok(false) => {}
                Ok(true) | Err(_) => break STOP.raise(),
            }
        }
    });
}

/// Runs it. `written` is the pipe that -w names, where it is one: the run ends
/// when nobody reads it any more, even while there is nothing to write.
pub(crate) fn run(options: &Options, written: Option<File>) -> anyhow::Result<Exit> {
    if options.list_interfaces {
        return interfaces::list();
    }
    if options.decode && options.format == InfoFormat::Json {
        bail!("--decode --format json: tshark prints lines, not our objects; leave one out");
    }
    let mut request = options.request()?;
    interfaces::name_numbers(&mut request)?;
    let expression = Expression::compile(options, &request)?;
    if options.dump_program > 0 {
        let mut out = stdout();
        out.write_all(expression.listing(options.dump_program)?.as_bytes())
            .and_then(|()| out.flush())
            .context("stdout")?;
        return Ok(Exit::Success);
    }
    twice::refuse(&request.sources)?;
    let anonymizer = anonymizer(options)?;
    // By now, lest a name be given to another file meanwhile.
    let inputs = source::inputs(&request.sources);
    let file = file::wanted(options, inputs)?;
    let sources = open(options, &request, &expression)?;
    // A second one ends at once, as long as something can end.
    let _ = ctrlc::set_handler(|| STOP.raise());
    magpie_os::survive_file_limit();
    if let Some(pipe) = written {
        end_with_reader(pipe);
    }
    let wants = Wants {
        expression: &expression,
        snap_len: (options.snap_len > 0).then_some(options.snap_len),
        limit: options.count_packets.map(Into::into),
        anonymizer,
        says: options.verbose > 0 && options.write.is_some() && !options.print,
    };
    let is_live = sources.iter().any(|source| source.is_live());
    for source in &sources {
        tell(options, source.as_ref());
    }
    if let Some(caution) = expression.caution()
        && is_live
    {
        say(caution);
    }
    let output = Output::new(options, file, sources.len() > 1)?;
    let ended = run::run(sources, wants, output, &STOP)?;
    end(options, ended, is_live)
}

/// As tcpdump tells it, on stderr.
fn tell(options: &Options, source: &dyn PacketSource) {
    let snap_len = match options.snap_len {
        0 => LONGEST,
        octets => octets.min(LONGEST),
    };
    if source.is_live() {
        note(&format!(
            "listening on {}, link-type EN10MB (Ethernet), snapshot length {snap_len} bytes",
            source.name()
        ));
    } else {
        note(&format!(
            "reading from file {}, link-type EN10MB (Ethernet)",
            source.name()
        ));
    }
}

fn end(options: &Options, mut ended: Ended, is_live: bool) -> anyhow::Result<Exit> {
    let books = &ended.books;
    if options.count {
        let mut out = stdout();
        let s = if ended.chosen == 1 { "" } else { "s" };
        writeln!(out, "{} packet{s}", ended.chosen)
            .and_then(|()| out.flush())
            .context("stdout")?;
    } else if let Some(out) = ended.output.json() {
        let rows = ended.interfaces.iter().map(view::interface);
        for row in rows.chain([view::books(books)]) {
            json::line(&row, out).context("stdout")?;
        }
        out.flush().context("stdout")?;
    }
    if !is_quiet() {
        tell_books(&ended, is_live);
    }
    if let Some(error) = ended.failure {
        return Err(error);
    }
    Ok(exit(books, &ended.source_books, ended.source_failed))
}

/// Frames that vanished within a source are missing all the same.
fn exit(books: &Books, of_sources: &[SourceBooks], source_failed: bool) -> Exit {
    if books.is_open() || of_sources.iter().any(|books| books.is_open) {
        Exit::Open
    } else if source_failed {
        Exit::Usage
    } else {
        Exit::Success
    }
}

/// The books, on stderr. Nobody listening is no error.
fn tell_books(ended: &Ended, is_live: bool) {
    let mut err = std::io::stderr();
    for books in &ended.source_books {
        let _ = writeln!(err, "{}", books.line);
    }
    let books = &ended.books;
    if is_live {
        for line in books.lines() {
            let _ = writeln!(err, "{line}");
        }
    }
    let _ = writeln!(err, "{books}");
}

/// What replaces addresses (`--anonymize`), if that is asked for.
fn anonymizer(options: &Options) -> anyhow::Result<Option<Anonymizer>> {
    if !options.anonymize {
        return Ok(None);
    }
    let key = match &options.anonymize_key {
        None => Key::random().context("no randomness for a key")?,
        Some(path) => {
            let wrong = || format!("--anonymize-key: {}", path.display());
            Key::parse(&fs::read(path).with_context(wrong)?).with_context(wrong)?
        }
    };
    let payload = if options.anonymize_payload {
        Payload::Kept
    } else {
        Payload::Cut
    };
    Ok(Some(Anonymizer::new(&key, payload)))
}

fn open(
    options: &Options,
    request: &Request,
    expression: &Expression,
) -> anyhow::Result<Vec<Box<dyn PacketSource>>> {
    let mut specs = request.sources.clone();
    let mut every = Vec::new();
    if request.any {
        every = interfaces::every()?;
        let names = every.iter().map(|one| one.name.clone());
        specs.extend(names.map(Spec::Interface));
    }
    if specs.is_empty() {
        bail!(
            "nothing to listen to: name an interface (magpie capture -D lists them), or a file \
             with -r"
        );
    }
    let is_listener = |spec: &&Spec| matches!(spec, Spec::Interface(_));
    let is_sensor = |spec: &&Spec| !matches!(spec, Spec::Interface(_) | Spec::File(_));
    let listeners = specs.iter().filter(is_listener).count();
    // First what needs rights and no threads.
    let mut listening = Vec::new();
    for spec in specs.iter().filter(is_listener) {
        listening.push(listen(options, request, spec, listeners)?);
    }
    let sensors: Vec<_> = specs.iter().filter(is_sensor).cloned().collect();
    if !sensors.is_empty() && options.direction != Direction::Inout {
        bail!("-Q: a sensor does not know which way a packet goes; leave it out");
    }
    // Gives the rights up, too.
    let opened = open_all(&sensors, &OpenOptions::default())?;
    if request.any {
        interfaces::tell_of_others(every.iter().map(|one| one.index).collect());
    }
    let mut listening = listening.into_iter();
    let mut opened = opened.into_iter();
    let alone = specs.len() == 1;
    let mut sources: Vec<Box<dyn PacketSource>> = Vec::new();
    for spec in &specs {
        match spec {
            Spec::Interface(_) => sources.extend(listening.next()),
            Spec::File(path) => {
                // An FCS would prove a guess of the addresses that it was over.
                let keeps_fcs = !options.anonymize;
                sources.push(Box::new(CaptureFile::open(path, keeps_fcs)?));
            }
            sensor => {
                if let Some(source) = opened.next() {
                    let asks = expression.asks(options, alone)?;
                    sources.push(Box::new(Sensor::new(sensor, source, asks)));
                }
            }
        }
    }
    Ok(sources)
}

fn listen(
    options: &Options,
    request: &Request,
    spec: &Spec,
    listeners: usize,
) -> anyhow::Result<Box<dyn PacketSource>> {
    let interface = match spec {
        Spec::Interface(name) => name.clone(),
        other => other.to_string(),
    };
    let share = RINGS / u32::try_from(listeners).unwrap_or(RINGS).max(1);
    let defaults = CaptureOptions::default();
    let how = CaptureOptions {
        blocks: share.clamp(4, defaults.blocks),
        // As in tcpdump.
        promiscuous: !options.not_promiscuous && !request.any,
        ..defaults
    };
    let capture = magpie_os::Capture::open(&interface, &how)?;
    let info = InterfaceInfo {
        name: Some(interface.clone()),
        ..InterfaceInfo::default()
    };
    Ok(Box::new(Listener::new(
        interface,
        capture,
        info,
        options.direction,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_books_of_a_sensor_are_the_exit_code_too() {
        let ours = Books::of(&[]);
        let of_sensor = |is_open| SourceBooks {
            line: String::new(),
            is_open,
        };
        let both = [of_sensor(false), of_sensor(true)];
        assert_eq!(exit(&ours, &both, true), Exit::Open);
        assert_eq!(exit(&ours, &both[..1], false), Exit::Success);
        assert_eq!(exit(&ours, &both[..1], true), Exit::Usage);
    }
}
