//! Emulated boards for tests: started with a capture at their mirror port,
//! watched by the program's own loop, and everything they said kept.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use magpie_capture::Reader;
use magpie_collector::{Books, Limits, Picture};
use magpie_emulator::{BOARDS, Board, FeedFrame, Refusal, board, find_image};
use magpie_sources::{
    DriveOptions, Feed, FlushOutcome, Lane, Notice, QemuBoard, QemuOptions, Report, Source, Stop,
    drive,
};

use crate::corpus::Capture;

/// A board by name, QEMU and its image being there; else the test fails with
/// what to do.
pub fn ready(name: &str) -> &'static Board {
    match Command::new("qemu-system-arm").arg("--version").output() {
        Ok(said) if said.status.success() => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("qemu-system-arm is not installed: apt-get install qemu-system-arm")
        }
        other => panic!("qemu-system-arm does not run: {other:?}"),
    }
    let board = board(name).unwrap_or_else(|e| panic!("{e}"));
    if let Err(error) = find_image(board, None) {
        panic!("{error}; the tests with emulated boards need images: cargo xtask build --all");
    }
    board
}

/// The image that forgets to count one frame.
pub fn forgetful_image(board: &Board) -> PathBuf {
    image_with(board, "magpie_forget_one", "forget")
}

/// The image whose first three boots end on purpose.
pub fn image_that_ends(board: &Board) -> PathBuf {
    image_with(board, "magpie_ends", "ends")
}

/// The image that hands out no packets.
pub fn image_without_payload(board: &Board) -> PathBuf {
    image_with(board, "magpie_no_payload", "no-payload")
}

fn image_with(board: &Board, cfg: &str, suffix: &str) -> PathBuf {
    let image = find_image(board, None).unwrap_or_else(|e| panic!("{e}"));
    let path = image
        .path
        .with_file_name(format!("{}-{suffix}.elf", board.name));
    assert!(
        path.is_file(),
        "{} is not there; cargo xtask build {} --cfg {cfg} --suffix {suffix}",
        path.display(),
        board.name
    );
    path
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// All that was heard.
    pub picture: Picture,
    /// How the source ended.
    pub report: Report,
    /// What the user would have read.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// The books against what the feeder offered.
    pub fn books(&self) -> Books {
        self.picture.books(self.report.offered.as_ref())
    }

    /// Panics where the run itself did not end well.
    #[must_use]
    pub fn sound(self, what: &str) -> Self {
        if let Some(failure) = &self.report.failure {
            panic!("{what}: {failure}; said before: {:?}", self.warnings);
        }
        assert_eq!(
            self.report.flush,
            FlushOutcome::Came,
            "{what}: no answer to the flush; {:?}",
            self.warnings
        );
        self
    }
}

/// How long a board may say nothing while its flush is under way.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs a source to its end; `watch` sees the picture several times a second
/// and may raise the stop.
pub fn run(source: Box<dyn Source>, mut watch: impl FnMut(&Picture, &Stop)) -> Outcome {
    let picture = Arc::new(Mutex::new(Picture::new(source.name(), Limits::EXACT)));
    let lane = Lane {
        source,
        picture: Arc::clone(&picture),
        record: None,
    };
    let options = DriveOptions {
        flush_patience: PATIENCE,
        refresh: Duration::from_millis(20),
        ..DriveOptions::default()
    };
    let stop = Stop::new();
    let mut warnings = Vec::new();
    let mut reports = drive(vec![lane], &stop, &options, |notice| match notice {
        Notice::Warning(text) => warnings.push(text.to_owned()),
        Notice::Refresh(shown) => watch(&shown[0].picture(), &stop),
    });
    let report = reports.pop().expect("one source, one report");
    let picture = Arc::try_unwrap(picture).expect("the run is over");
    Outcome {
        picture: picture.into_inner().unwrap_or_else(PoisonError::into_inner),
        report,
        warnings,
    }
}

/// A board fed with a capture as fast as its card takes it.
pub fn start(board: &Board, capture: &Capture, options: &QemuOptions) -> QemuBoard {
    let name = format!("qemu:{},feed={}", board.name, capture.name);
    QemuBoard::start(
        name,
        board.name,
        &Feed::File(capture.path.clone()),
        None,
        options,
    )
    .unwrap_or_else(|e| panic!("{e}"))
}

/// A whole run of a capture on a board.
pub fn replay(board: &Board, capture: &Capture) -> Outcome {
    let source = start(board, capture, &QemuOptions::default());
    run(Box::new(source), |_, _| {}).sound(&format!("{} {}", board.name, capture.name))
}

/// The frames of a capture, as a board is fed.
pub fn frames(capture: &Capture) -> io::Result<Vec<FeedFrame>> {
    let mut reader =
        Reader::new(&capture.name, File::open(&capture.path)?).map_err(io::Error::other)?;
    let mut out = Vec::new();
    while let Some(frame) = reader.next_frame().map_err(io::Error::other)? {
        out.push(FeedFrame {
            at_us: frame.at_us,
            wire_octets: frame.wire_len,
            octets: frame.data.to_vec(),
        });
    }
    Ok(out)
}

/// Whether every board takes every frame of the capture, whole.
pub fn fits(capture: &Capture) -> bool {
    let Ok(frames) = frames(capture) else {
        return false;
    };
    let refused = |board: &Board| {
        frames
            .iter()
            .any(|frame| Refusal::of(board, true, frame).is_some())
    };
    !frames.is_empty() && !BOARDS.iter().any(refused)
}
