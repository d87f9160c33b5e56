//! A line made of a unix socket, and one made of a pseudo-terminal.

use super::*;
use magpie_link::{Deframer, MAX_BATCH};
use std::os::unix::net::UnixListener;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(20);

fn batch(number: u8) -> Vec<u8> {
    vec![number; 40]
}

fn on_the_line(number: u8) -> Vec<u8> {
    framed(&batch(number)).unwrap()
}

fn line(folder: &Path) -> (UnixListener, PathBuf) {
    let path = folder.join("uart");
    (UnixListener::bind(&path).unwrap(), path)
}

fn next(source: &mut SerialLine) -> Incoming {
    source.receive(LONG).unwrap()
}

#[test]
fn batches_come_through_garbage_and_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, path) = line(folder.path());
    let mut source = SerialLine::open(&path, None).unwrap();
    assert_eq!(source.name(), format!("serial:{}", path.display()));
    let (mut board, _) = listener.accept().unwrap();
    board.write_all(b"U-Boot 2026\r\n").unwrap();
    board.write_all(&on_the_line(1)).unwrap();
    let cut = on_the_line(2);
    board.write_all(&cut[..cut.len() / 2]).unwrap();
    board.write_all(&on_the_line(3)).unwrap();
    let mut damaged = on_the_line(4);
    damaged[10] ^= 0x40;
    board.write_all(&damaged).unwrap();
    board.write_all(&on_the_line(5)).unwrap();
    for number in [1, 3, 5] {
        assert_eq!(next(&mut source), Incoming::Batch(batch(number)));
    }
    assert_eq!(source.receive(SHORT).unwrap(), Incoming::Idle);
    let octets = 13 + 4 * on_the_line(1).len() + cut.len() / 2;
    let uplink = Uplink::Serial {
        octets: octets as u64,
        room: None,
    };
    assert_eq!(source.uplink(), Some(uplink), "garbage is carried too");
    let counts = source.counts();
    assert_eq!((counts.frames, counts.bad_crc), (3, 1));
    assert_eq!(counts.bad_crc + counts.cut + counts.too_long, 3);
    let said = source.warnings().join("\n");
    assert!(said.contains("3 damaged frames"), "{said}");
}

#[test]
fn a_lost_line_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, path) = line(folder.path());
    let mut source = SerialLine::open(&path, None).unwrap();
    let (mut board, _) = listener.accept().unwrap();
    board.write_all(&on_the_line(1)).unwrap();
    let cut = on_the_line(2);
    board.write_all(&cut[..20]).unwrap();
    drop(board);
    drop(listener);
    assert_eq!(next(&mut source), Incoming::Batch(batch(1)));
    // Down, refused: that is no error, and what is sent is dropped.
    assert_eq!(source.receive(RETRY * 2).unwrap(), Incoming::Idle);
    source.send(&batch(9)).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(source.receive(RETRY * 2).unwrap(), Incoming::Idle);
    let (listener, _) = line(folder.path());
    assert_eq!(next(&mut source), Incoming::Reconnected);
    let (mut board, _) = listener.accept().unwrap();
    // The first half from before the cut must not spoil this one.
    board.write_all(&on_the_line(3)[1..]).unwrap();
    assert_eq!(next(&mut source), Incoming::Batch(batch(3)));
    let said = source.warnings().join("\n");
    assert!(
        said.contains("connection lost") && said.contains("connected again"),
        "{said}"
    );
}

#[test]
fn a_lost_line_is_waited_for_no_longer_than_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, path) = line(folder.path());
    let mut source = SerialLine::open(&path, None).unwrap();
    drop(listener.accept().unwrap());
    drop(listener);
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(source.receive(SHORT).unwrap(), Incoming::Idle);
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn commands_go_out_framed_and_a_deaf_sensor_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, path) = line(folder.path());
    let mut source = SerialLine::open(&path, None).unwrap();
    let (mut board, _) = listener.accept().unwrap();
    // Far more than the socket holds while nobody reads.
    let command = vec![5; 1300];
    for _ in 0..400 {
        let start = Instant::now();
        source.send(&command).unwrap();
        if start.elapsed() >= WRITE {
            break;
        }
    }
    board
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut deframer = Deframer::<{ MAX_BATCH + 4 }>::new();
    let mut good = 0;
    let mut read_all = |deframer: &mut Deframer<{ MAX_BATCH + 4 }>| {
        let mut octets = [0; 4096];
        while let Ok(n @ 1..) = board.read(&mut octets) {
            for octet in &octets[..n] {
                if let Some(Ok(got)) = deframer.push(*octet) {
                    assert_eq!(got, command);
                    good += 1;
                }
            }
        }
        good
    };
    let before = read_all(&mut deframer);
    assert!(before > 10);
    // The frame that was cut in the middle costs only itself.
    source.send(&command).unwrap();
    assert_eq!(read_all(&mut deframer), before + 1);
}

#[test]
fn a_tty_works_both_ways_and_may_hang_up() {
    let (mut board, tty) = serialport::TTYPort::pair().unwrap();
    let path = serialport::SerialPort::name(&tty).unwrap();
    drop(tty);
    let mut source = SerialLine::open(Path::new(&path), Some(9600)).unwrap();
    assert_eq!(source.name(), format!("serial:{path}@9600"));
    assert_eq!(source.receive(SHORT).unwrap(), Incoming::Idle);
    board.write_all(&on_the_line(1)).unwrap();
    assert_eq!(next(&mut source), Incoming::Batch(batch(1)));
    let uplink = source.uplink().unwrap();
    assert_eq!(uplink.room(), Some(960), "9,600 baud");
    assert_eq!(uplink.octets(), Some(on_the_line(1).len() as u64));
    source.send(&batch(2)).unwrap();
    let mut got = vec![0; on_the_line(2).len()];
    serialport::SerialPort::set_timeout(&mut board, LONG).unwrap();
    board.read_exact(&mut got).unwrap();
    assert_eq!(got, on_the_line(2));
    drop(board);
    assert_eq!(source.receive(RETRY * 2).unwrap(), Incoming::Idle);
    assert!(source.warnings().join("\n").contains("connection lost"));
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| SerialLine::open(path, None).err().unwrap().to_string();
    let none = folder.path().join("ttyACM0");
    assert!(said(&none).contains("ttyACM0") && said(&none).contains("plug the board in"));
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(said(&file).contains("neither a tty nor a unix socket; to read a file write file:"));
    let (listener, path) = line(folder.path());
    drop(listener);
    assert!(said(&path).contains("nobody listens"));
    let denied = cannot_open(
        "serial:/dev/ttyACM0",
        Path::new("/dev/ttyACM0"),
        io::Error::from(ErrorKind::PermissionDenied),
    );
    let denied = denied.to_string();
    assert!(denied.contains("/dev/ttyACM0") && denied.contains("-G dialout $USER"));
    assert!(denied.contains(&format!("sudo cp boards/{RULES} /etc/udev/rules.d/")));
    assert!(rules().contains("sudo cp boards/70-magpie.rules /etc/udev/rules.d/"));
}

/// Who may open the lines of our boards.
const RULES: &str = "70-magpie.rules";

fn boards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards")
}

fn rules() -> String {
    std::fs::read_to_string(boards().join(RULES)).unwrap()
}

/// A rule, as its keys with operators, and the values.
fn rule(line: &str) -> Vec<(&str, &str)> {
    let parts = line.split(", ").map(|part| {
        let (key, value) = part.split_once('"').unwrap_or_else(|| panic!("{line}"));
        (
            key,
            value.strip_suffix('"').unwrap_or_else(|| panic!("{line}")),
        )
    });
    parts.collect()
}

#[test]
fn the_udev_rules_are_whole() {
    let text = rules();
    let lines = text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let rules: Vec<_> = lines.map(rule).collect();
    let values = |wanted: &str| -> Vec<&str> {
        let all = rules.iter().flatten();
        all.filter(|(key, _)| *key == wanted)
            .map(|(_, value)| *value)
            .collect()
    };
    // udev passes over a key that it does not know, and the line with it.
    for (key, value) in rules.iter().flatten() {
        let known = [
            "ATTRS{idVendor}==",
            "ATTRS{idProduct}==",
            "ATTRS{manufacturer}==",
            "SUBSYSTEM==",
            "ENV{DEVTYPE}==",
            "ENV{ID_MM_DEVICE_IGNORE}=",
            "ENV{ID_MM_PORT_IGNORE}=",
            "GROUP=",
            "MODE=",
            "TAG+=",
            "GOTO=",
            "LABEL=",
        ];
        assert!(known.contains(key) && !value.contains('"'), "{key}{value}");
    }
    for label in values("GOTO=") {
        assert!(values("LABEL=").contains(&label), "{label}");
    }
    assert_eq!(values("GROUP="), ["dialout"]);
    assert_eq!(values("TAG+="), ["uaccess"]);
    assert_eq!(values("ENV{ID_MM_DEVICE_IGNORE}="), ["1"]);
    let number = RULES.split('-').next().map(str::parse);
    assert!(matches!(number, Some(Ok(0..73))), "73-seat-late.rules");
}

/// The numbers and the name under which our images present themselves are those
/// of the rules.
#[test]
fn the_udev_rules_are_for_our_boards() {
    let text = rules();
    let mut found = 0;
    for board in std::fs::read_dir(boards()).unwrap() {
        let Ok(usb) = std::fs::read_to_string(board.unwrap().path().join("src/usb.rs")) else {
            continue;
        };
        let after = |mark: &str| {
            let (_, rest) = usb.split_once(mark).unwrap_or_else(|| panic!("{mark}"));
            rest.split([';', ')']).next().unwrap().trim_matches('"')
        };
        let line = format!(
            r#"ATTRS{{idVendor}}=="{}", ATTRS{{idProduct}}=="{}", ATTRS{{manufacturer}}=="{}", GOTO="magpie""#,
            after("const VENDOR: u16 = 0x"),
            after("const PRODUCT: u16 = 0x"),
            after("config.manufacturer = Some("),
        );
        assert!(text.lines().any(|rule| rule == line), "{line}");
        found += 1;
    }
    assert!(found >= 2, "{found} boards with USB");
    // The probe whose number the NUCLEO's page names.
    let page = std::fs::read_to_string(boards().join("nucleo-h743zi2/README.md")).unwrap();
    let (_, probe) = page.split_once("--probe\n0483:").unwrap();
    let line = format!(r#"ATTRS{{idProduct}}=="{}", GOTO"#, &probe[..4]);
    assert!(text.contains(&line), "{line}");
}
