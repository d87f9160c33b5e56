//! Files: whose they are, when the next one begins, what survives.

use super::*;

#[test]
fn nobodys_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "precious").unwrap();
    let error = files(folder.path(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("--force") && error.contains("x:"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    // A link to nowhere is somebody's wish, not ours.
    let link = folder.path().join("y");
    std::os::unix::fs::symlink(folder.path().join("z"), &link).unwrap();
    let error = files(folder.path(), |rotation| rotation.path = link).unwrap_err();
    assert!(matches!(error, WriteError::Exists { .. }), "{error}");
    let forced = files(folder.path(), |rotation| rotation.force = true).unwrap();
    forced.close(&[]).unwrap();
    assert!(fs::read(&path).unwrap().starts_with(&[0x0a, 0x0d]));
    // Devices are no files.
    let full = files(folder.path(), |rotation| rotation.path = "/dev/full".into());
    let error = full.unwrap_err();
    assert!(
        matches!(&error, WriteError::Write { packets: 0, .. }),
        "{error}"
    );
    let nowhere = files(folder.path(), |rotation| {
        rotation.path = "/no/such/x".into();
    });
    assert!(matches!(nowhere.unwrap_err(), WriteError::Open { .. }));
}

/// Writes packets a second apart and rotates where it is due; how many went in.
fn write(files: &mut Files, packets: u64) -> u64 {
    for n in 0..packets {
        let at_ns = NS + n * 1_000_000_000;
        if files.is_due(at_ns) && !files.rotate(at_ns, &[Statistics::default()]).unwrap() {
            return n;
        }
        let octets = [u8::try_from(n).unwrap(); 968];
        let packet = Packet {
            at_ns,
            ..packet(&octets)
        };
        files.write(&packet).unwrap();
    }
    packets
}

fn numbers(path: PathBuf) -> Vec<u8> {
    let (packets, notes) = read(fs::read(path).unwrap());
    assert_eq!(notes, Notes::default());
    packets
        .into_iter()
        .map(|(_, _, octets)| octets[0])
        .collect()
}

#[test]
fn a_file_that_is_large_enough_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    // A packet's block has 1000 octets.
    let mut all = files(folder.path(), |rotation| rotation.octets = Some(1999)).unwrap();
    write(&mut all, 5);
    assert_eq!(all.made(), 3);
    all.close(&[]).unwrap();
    assert_eq!(names(folder.path()), ["x", "x1", "x2"]);
    assert_eq!(numbers(folder.path().join("x")), [0, 1]);
    assert_eq!(numbers(folder.path().join("x2")), [4]);
    // The next number may be somebody's.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x1"), "precious").unwrap();
    let mut all = files(folder.path(), |rotation| rotation.octets = Some(1)).unwrap();
    all.write(&packet(&[])).unwrap();
    assert!(matches!(
        all.rotate(NS, &[]),
        Err(WriteError::Exists { .. })
    ));
}

/// A stranger's file may name any number of interfaces.
#[test]
fn interfaces_do_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = files(folder.path(), |rotation| rotation.octets = Some(1)).unwrap();
    for _ in 0..500 {
        all.add_interface(InterfaceInfo::default()).unwrap();
        write(&mut all, 1);
    }
    let made = all.made();
    all.close(&[]).unwrap();
    let entries = fs::read_dir(folder.path()).unwrap();
    let octets: u64 = entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let packets = 500 * 1000;
    assert!(octets < packets * 5 / 2, "{octets} in {made} files");
    // No file is without a packet.
    assert!(made <= 500);
}

#[test]
fn a_ring_of_files_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let ring = |rotation: &mut Rotation| {
        rotation.octets = Some(500);
        rotation.files = NonZeroU32::new(11);
    };
    let mut all = files(folder.path(), ring).unwrap();
    write(&mut all, 13);
    all.close(&[]).unwrap();
    let all = names(folder.path());
    assert_eq!(all.len(), 11);
    assert_eq!((&*all[0], &*all[10]), ("x00", "x10"));
    let first: Vec<_> = ["x00", "x01", "x02", "x10"]
        .into_iter()
        .flat_map(|name| numbers(folder.path().join(name)))
        .collect();
    assert_eq!(first, [11, 12, 2, 10]);
}

/// Whoever may write into the folder must not choose what is emptied.
#[test]
fn what_took_the_place_of_a_ring_file_is_not_ours() {
    for link in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        let ring = |rotation: &mut Rotation| {
            rotation.octets = Some(1);
            rotation.files = NonZeroU32::new(2);
        };
        let mut all = files(folder.path(), ring).unwrap();
        assert_eq!(write(&mut all, 2), 2);
        let first = folder.path().join("x0");
        fs::remove_file(&first).unwrap();
        if link {
            std::os::unix::fs::symlink(&precious, &first).unwrap();
        } else {
            fs::hard_link(&precious, &first).unwrap();
        }
        let error = all.rotate(NS, &[]).unwrap_err();
        assert!(matches!(error, WriteError::Exists { .. }), "{error}");
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        // One that was taken away is made again.
        let mut all = files(folder.path(), |rotation| {
            ring(rotation);
            rotation.path = folder.path().join("y");
        })
        .unwrap();
        assert_eq!(write(&mut all, 2), 2);
        fs::remove_file(folder.path().join("y0")).unwrap();
        all.write(&packet(&[])).unwrap();
        assert!(all.rotate(NS, &[]).unwrap());
    }
}

#[test]
fn what_is_read_is_never_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    fs::write(&input, "precious").unwrap();
    fs::hard_link(&input, folder.path().join("x")).unwrap();
    fs::hard_link(&input, folder.path().join("r1")).unwrap();
    let id = crate::write::FileId::of(&fs::metadata(&input).unwrap());
    let error = files(folder.path(), |rotation| {
        rotation.force = true;
        rotation.inputs = vec![id];
    });
    let error = error.unwrap_err();
    assert!(matches!(error, WriteError::Input { .. }), "{error}");
    let mut ring = files(folder.path(), |rotation| {
        rotation.path = folder.path().join("r");
        rotation.octets = Some(1);
        rotation.files = NonZeroU32::new(3);
        rotation.force = true;
        rotation.inputs = vec![id];
    })
    .unwrap();
    ring.write(&packet(&[])).unwrap();
    let error = ring.rotate(NS, &[]).unwrap_err();
    assert!(matches!(error, WriteError::Input { .. }), "{error}");
    assert_eq!(fs::read(&input).unwrap(), b"precious");
}

#[test]
fn times_make_files_and_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let by_time = |rotation: &mut Rotation| {
        rotation.path = folder.path().join("x%s.pcapng");
        rotation.every = Some(Duration::from_secs(2));
        rotation.files = NonZeroU32::new(3);
    };
    let mut all = files(folder.path(), by_time).unwrap();
    assert_eq!(write(&mut all, 20), 6);
    all.close(&[]).unwrap();
    let expected: Vec<_> = (0..3)
        .map(|n| format!("x{}.pcapng", 1_700_000_000 + n * 2))
        .collect();
    assert_eq!(names(folder.path()), expected);
    assert_eq!(numbers(folder.path().join(&expected[2])), [4, 5]);
    // Without a time in the name all goes into one file: nothing is lost.
    let one = |rotation: &mut Rotation| {
        rotation.path = folder.path().join("y");
        rotation.every = Some(Duration::from_secs(1));
    };
    let mut all = files(folder.path(), one).unwrap();
    assert_eq!(write(&mut all, 5), 5);
    all.close(&[]).unwrap();
    assert_eq!(numbers(folder.path().join("y")), [0, 1, 2, 3, 4]);
    let wrong = files(folder.path(), |rotation| {
        rotation.path = folder.path().join("%!");
        rotation.every = Some(Duration::from_secs(1));
    });
    assert!(matches!(wrong.unwrap_err(), WriteError::Name { .. }));
}

#[test]
fn what_was_flushed_survives_a_killed_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = files(folder.path(), |_| {}).unwrap();
    for _ in 0..3 {
        all.write(&packet(&[1; 100])).unwrap();
    }
    all.flush().unwrap();
    all.write(&packet(&[2; 100])).unwrap();
    // As the system sees it when nothing more is done.
    let (got, notes) = read(fs::read(folder.path().join("x")).unwrap());
    assert_eq!((got.len(), notes), (3, Notes::default()));
    std::mem::forget(all);
}
