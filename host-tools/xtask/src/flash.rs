//! `cargo xtask flash`: an image, onto the board it was built for.
//!
//! `[package.metadata.board]` says how:
//!
//! ```toml
//! chip = "STM32H743ZITx"               # by a debug probe, as probe-rs calls the chip
//! flash = "uf2"                        # or as a file on the drive of its boot ROM
//! uf2_family = "0xe48bff59"            # then also: for whom the file is
//! watch = "serial:/dev/ttyACM0@921600" # where its records come out
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::Variant;
use crate::speak::Voice;
use crate::workspace::{Board, Workspace};
use crate::{drive, run, uf2};

/// How long a board may take to restart with its new image.
const RESTART: Duration = Duration::from_secs(10);
const PROBE_RS: &str = "probe-rs";

/// Options of `cargo xtask flash`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The board
    board: String,
    #[command(flatten)]
    speak: Voice,
    /// Cargo features of the board; `defmt` = logs by the debug probe
    #[arg(long, value_name = "FEATURES")]
    features: Option<String>,
    /// Name the image BOARD-SUFFIX.elf [default: what was asked for]
    #[arg(long)]
    suffix: Option<String>,
    /// Take this image; build none
    #[arg(long, value_name = "ELF", conflicts_with_all = ["speak", "features", "suffix"])]
    image: Option<PathBuf>,
    /// The mounted drive of the board's boot ROM (boards flashed by UF2)
    #[arg(long, value_name = "PATH")]
    drive: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// For probe-rs, such as `-- --probe 0483:374e:SERIAL` where there are several
    #[arg(last = true, value_name = "PROBE_RS_OPTION")]
    probe: Vec<String>,
}

/// How an image gets onto a board.
#[derive(Debug, PartialEq, Eq)]
enum Way<'w> {
    Probe { chip: &'w str },
    Uf2 { family: u32 },
}

impl<'w> Way<'w> {
    fn of(board: &Board<'w>) -> Result<Self> {
        let name = board.name;
        let text = |key: &str| board.about.get(key).and_then(|value| value.as_str());
        if let Some(machine) = text("machine") {
            bail!(
                "{name} is QEMU's {machine}: there is nothing to flash; `cargo demo --board {name}` runs it"
            );
        }
        let manifest = "[package.metadata.board]";
        match text("flash").unwrap_or("probe-rs") {
            "uf2" => {
                let family = text("uf2_family").and_then(|f| f.strip_prefix("0x"));
                let family = family
                    .and_then(|f| u32::from_str_radix(f, 16).ok())
                    .with_context(|| format!("{name}: no uf2_family = \"0x…\" in {manifest}"))?;
                uf2::model(family).with_context(|| format!("{name}: uf2_family"))?;
                Ok(Self::Uf2 { family })
            }
            "probe-rs" => {
                let chip = text("chip").with_context(|| {
                    format!("{name}: no chip = \"…\" (`probe-rs chip list`) in {manifest}")
                })?;
                Ok(Self::Probe { chip })
            }
            other => bail!("{name}: flash = \"{other}\" in {manifest} is neither probe-rs nor uf2"),
        }
    }
}

/// Builds and flashes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let boards = workspace.boards_named(std::slice::from_ref(&args.board))?;
    let [board] = boards.as_slice() else {
        bail!("{} boards are called {}", boards.len(), args.board);
    };
    let way = Way::of(board)?;
    // Whatever can be seen to be missing, before minutes of building.
    match &way {
        Way::Probe { .. } if args.drive.is_some() => bail!(
            "{} is flashed by a debug probe, so there is no --drive",
            board.name
        ),
        Way::Probe { .. } => match probe_rs() {
            Err(error) if args.dry_run => run::say(&format!("{error:#}")),
            probe_rs => drop(probe_rs?),
        },
        Way::Uf2 { .. } if !args.probe.is_empty() => bail!(
            "{} is flashed by its boot drive, so there are no options for probe-rs",
            board.name
        ),
        Way::Uf2 { family } => {
            if let Some(dir) = &args.drive {
                drive::named(dir, uf2::model(*family)?)?;
            }
        }
    }
    let image = image(&workspace, board, args)?;
    match way {
        Way::Probe { chip } => by_probe(chip, &image, args)?,
        Way::Uf2 { family } => by_drive(family, &image, &uf2_of(&workspace, &image)?, args)?,
    }
    if !args.dry_run {
        next(board, &image, args);
    }
    Ok(())
}

/// Builds the image, or says where it would be.
fn image(workspace: &Workspace, board: &Board<'_>, args: &Args) -> Result<PathBuf> {
    if let Some(image) = &args.image {
        if !image.is_file() {
            bail!("there is no image {}", image.display());
        }
        return Ok(image.clone());
    }
    let variant = variant(args)?;
    if args.dry_run {
        variant.check(board)?;
        let image = variant.path(workspace, board);
        println!("would build {}", image.display());
        return Ok(image);
    }
    variant.build(workspace, board)
}

/// What was asked for; all of it stands in the image's name.
fn variant(args: &Args) -> Result<Variant> {
    let mut variant = Variant::speaking(&args.speak)?;
    variant.features.clone_from(&args.features);
    variant.name_features();
    if args.suffix.is_some() {
        variant.suffix.clone_from(&args.suffix);
    }
    Ok(variant)
}

/// Where probe-rs is.
fn probe_rs() -> Result<PathBuf> {
    run::find_program(PROBE_RS).context(
        "probe-rs, which flashes this board, is not installed: `cargo install probe-rs-tools --locked` \
         (https://probe.rs/docs/getting-started/installation has binaries, and the udev rules that \
         let users other than root reach a probe)",
    )
}

/// Flashes by a debug probe, reads back, and restarts.
fn by_probe(chip: &str, image: &Path, args: &Args) -> Result<()> {
    let command = |what: &[&str], file: Option<&Path>| {
        let mut command = Command::new(PROBE_RS);
        command
            .args(what)
            .args(["--chip", chip])
            .args(&args.probe)
            .args(file);
        command
    };
    let steps = [
        command(&["download", "--verify"], Some(image)),
        command(&["reset"], None),
    ];
    for mut step in steps {
        if args.dry_run {
            println!("would run {}", run::shown(&step));
            continue;
        }
        run::say(&run::shown(&step));
        run::run(&mut step).context(
            "probe-rs could not flash the board: see above; is its ST-LINK (or other probe) plugged in, \
             and does `probe-rs list` show it?",
        )?;
    }
    Ok(())
}

/// The UF2 file of an image: beside the images, wherever that one is.
fn uf2_of(workspace: &Workspace, image: &Path) -> Result<PathBuf> {
    let name = image
        .file_stem()
        .with_context(|| format!("{} has no name", image.display()))?;
    Ok(workspace.images().join(name).with_extension("uf2"))
}

/// Writes the UF2 file and copies it to the boot drive.
fn by_drive(family: u32, image: &Path, uf2: &Path, args: &Args) -> Result<()> {
    let model = uf2::model(family)?;
    let find = || match &args.drive {
        Some(dir) => drive::named(dir, model),
        None => drive::only_one(&drive::mounts(), model),
    };
    if args.dry_run {
        println!("would write {}", uf2.display());
        match find() {
            Ok(drive) => println!("would copy it to {}", drive.display()),
            Err(error) => println!("would not copy it: {error:#}"),
        }
        return Ok(());
    }
    let elf = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let octets = uf2::from_elf(&elf, family)
        .with_context(|| format!("cannot make a UF2 file of {}", image.display()))?;
    if let Some(dir) = uf2.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    fs::write(uf2, &octets).with_context(|| format!("cannot write {}", uf2.display()))?;
    println!("{}", uf2.display());
    let drive = find().with_context(|| format!("{} is made, but not copied", uf2.display()))?;
    run::say(&format!(
        "copying {} octets to {}",
        octets.len(),
        drive.display()
    ));
    if drive::write(&octets, &drive, RESTART)? {
        run::say("the drive is gone: the board restarts with the new image");
    } else {
        run::say(
            "the drive is still there, so the board has not restarted by itself: unplug it and plug it in \
             without BOOTSEL; if the drive comes back, it did not take the image",
        );
    }
    Ok(())
}

/// Says how to go on.
fn next(board: &Board<'_>, image: &Path, args: &Args) {
    let text = |key: &str| board.about.get(key).and_then(|value| value.as_str());
    let source = text("watch").unwrap_or("serial:/dev/ttyACM0");
    println!("next: magpie watch {source}");
    if let Some(host) = args.speak.host {
        let (address, port) = (host.ip(), host.port());
        println!("or, on {address}: magpie watch udp://0.0.0.0:{port}");
    }
    run::say(&format!(
        "in this folder that is `cargo run --release -p magpie -- watch {source}`"
    ));
    let logs = args
        .features
        .as_ref()
        .is_some_and(|f| f.split([',', ' ']).any(|f| f == "defmt"));
    if let Some(chip) = text("chip").filter(|_| logs) {
        println!("logs: probe-rs attach --chip {chip} {}", image.display());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::{Args, Way, by_drive, variant};
    use crate::speak::Voice;
    use crate::uf2;
    use crate::workspace::Board;

    fn way(about: &Value) -> Result<String, String> {
        let board = Board {
            name: "some-board",
            target: "thumbv8m.main-none-eabihf",
            about,
            capacities: Vec::new(),
            speak: None,
        };
        Way::of(&board)
            .map(|w| format!("{w:?}"))
            .map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn the_manifest_says_how() {
        let chip = way(&json!({"chip": "STM32H743ZITx", "real": true}));
        assert_eq!(chip, Ok("Probe { chip: \"STM32H743ZITx\" }".into()));
        let uf2 = way(&json!({"flash": "uf2", "uf2_family": "0xe48bff59", "chip": "RP235x"}));
        assert_eq!(uf2, Ok("Uf2 { family: 3834380121 }".into()));
        for (about, says) in [
            (
                json!({"machine": "mps2-an386"}),
                "cargo demo --board some-board",
            ),
            (json!({}), "no chip"),
            (json!({"flash": "uf2"}), "no uf2_family"),
            (
                json!({"flash": "uf2", "uf2_family": "e48bff59"}),
                "no uf2_family",
            ),
            (
                json!({"flash": "uf2", "uf2_family": "0xe48bff56"}),
                "none of the RP2350's",
            ),
            (json!({"flash": "carrier pigeon"}), "carrier pigeon"),
        ] {
            let error = way(&about).expect_err("refused");
            assert!(error.contains(says), "{error}");
        }
    }

    fn args() -> Args {
        Args {
            board: "some-board".into(),
            speak: Voice::default(),
            features: None,
            suffix: None,
            image: None,
            drive: None,
            dry_run: false,
            probe: Vec::new(),
        }
    }

    #[test]
    fn an_image_with_features_has_a_name_of_its_own() {
        let suffix = |args: &Args| variant(args).expect("nothing to refuse").suffix;
        assert_eq!(suffix(&args()), None);
        let features = Some("defmt,other".to_owned());
        let with = |suffix: Option<&str>| Args {
            features: features.clone(),
            suffix: suffix.map(Into::into),
            ..args()
        };
        assert_eq!(suffix(&with(None)).as_deref(), Some("defmt-other"));
        assert_eq!(suffix(&with(Some("log"))).as_deref(), Some("log"));
        let speak = |features| Args {
            speak: Voice::plain(),
            features,
            ..args()
        };
        assert_eq!(suffix(&speak(None)).as_deref(), Some("speak"));
        let both = suffix(&speak(Some("defmt".into())));
        assert_eq!(both.as_deref(), Some("speak-defmt"));
    }

    #[test]
    fn what_is_on_the_drive_is_what_the_image_loads() {
        const FAMILY: u32 = 0xe48b_ff59;
        let dir = std::env::temp_dir().join(format!("magpie-flash-{}", std::process::id()));
        let drive = dir.join("drive");
        fs::create_dir_all(&drive).expect("a folder");
        let (image, uf2) = (
            dir.join("some-board.elf"),
            dir.join("images/some-board.uf2"),
        );
        let elf = uf2::tests::elf(&[(0x1000_0000, 0x1000_0000, &[1, 2, 3])]);
        fs::write(&image, &elf).expect("a file");
        let try_it = |drive: &PathBuf| {
            let args = Args {
                drive: Some(drive.clone()),
                ..args()
            };
            by_drive(FAMILY, &image, &uf2, &args)
        };
        let error = try_it(&drive).expect_err("no INFO_UF2.TXT yet");
        assert!(
            format!("{error:#}").contains("is made, but not copied"),
            "{error:#}"
        );

        // The board: takes the file, and its drive goes away.
        fs::write(drive.join("INFO_UF2.TXT"), "Board-ID: RP2350\r\n").expect("a file");
        let expected = uf2::from_elf(&elf, FAMILY).expect("converts");
        let board = std::thread::spawn({
            let (drive, expected) = (drive.clone(), expected.clone());
            move || {
                while !fs::read(drive.join("MAGPIE.UF2")).is_ok_and(|octets| octets == expected) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                fs::remove_file(drive.join("INFO_UF2.TXT"))
            }
        });
        try_it(&drive).expect("flashed");
        board.join().expect("no panic").expect("removed");
        assert_eq!(fs::read(&uf2).expect("there"), expected);
        fs::remove_dir_all(&dir).expect("removed");
    }
}
