//! Makes this program known to Wireshark: a short script in a folder that
//! Wireshark looks into.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, bail};

use crate::cli::extcap::Extcap as Options;
use crate::exit::Exit;
use crate::output::say;

/// What the script is called.
const NAME: &str = "magpie";

/// Its second line: what is ours may be replaced and removed.
const MARK: &str = "# Made by `magpie extcap --install`; `magpie extcap --uninstall` removes it.";

/// Where distributions have the folder, if there is no tshark to ask.
const USUAL: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/wireshark/extcap",
    "/usr/lib/aarch64-linux-gnu/wireshark/extcap",
    "/usr/lib/arm-linux-gnueabihf/wireshark/extcap",
    "/usr/lib64/wireshark/extcap",
    "/usr/lib/wireshark/extcap",
    "/usr/local/lib/wireshark/extcap",
];

/// Folders that the Wireshark of this machine looks into.
#[derive(Debug, Default, PartialEq, Eq)]
struct Folders {
    system: Option<PathBuf>,
    user: Option<PathBuf>,
}

impl Folders {
    /// As `tshark -G folders` has them.
    fn of_text(text: &str) -> Self {
        let mut folders = Self::default();
        for line in text.lines() {
            let Some((name, path)) = line.split_once(':') else {
                continue;
            };
            let path = PathBuf::from(path.trim());
            if !path.is_absolute() {
                continue;
            }
            match name.trim().to_ascii_lowercase().as_str() {
                "extcap path" | "global extcap path" => folders.system = Some(path),
                "personal extcap path" => folders.user = Some(path),
                _ => {}
            }
        }
        folders
    }

    fn of_system() -> Self {
        let told = Command::new("tshark").args(["-G", "folders"]).output();
        let mut folders = told.map_or_else(
            |_| Self::default(),
            |told| Self::of_text(&String::from_utf8_lossy(&told.stdout)),
        );
        let usual = || USUAL.iter().map(PathBuf::from).find(|path| path.is_dir());
        folders.system = folders.system.or_else(usual);
        folders
    }
}

/// Where to, by what was asked.
fn folder(options: &Options, folders: &Folders) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &options.dir {
        return std::path::absolute(dir).with_context(|| dir.display().to_string());
    }
    let no_system = || {
        anyhow!(
            "no folder of Wireshark's is found; install wireshark or tshark, or name one with --dir"
        )
    };
    if options.user {
        return folders.user.clone().ok_or_else(|| match &folders.system {
            None => no_system(),
            Some(system) => anyhow!(
                "this Wireshark looks into no folder of the user, only into {}: run it as root \
                 with --system, or use --dir DIR and start Wireshark with WIRESHARK_EXTCAP_DIR=DIR",
                system.display()
            ),
        });
    }
    let system = folders.system.clone();
    if !options.system
        && let Some(user) = &folders.user
        && system.as_deref().is_none_or(|system| !may_write(system))
    {
        return Ok(user.clone());
    }
    system.ok_or_else(no_system)
}

/// Tried, since rights are more than bits.
fn may_write(folder: &Path) -> bool {
    beside(folder).is_ok_and(|(_, probe)| fs::remove_file(probe).is_ok())
}

/// A file in this folder that nobody has, and how it is called. Another process
/// may have our number, in a container that shares the folder, or have left a
/// file of that name.
fn beside(folder: &Path) -> io::Result<(fs::File, PathBuf)> {
    const TRIES: u32 = 64;
    let mut tries = 0;
    loop {
        tries += 1;
        let path = folder.join(format!(".magpie-{}-{tries}", std::process::id()));
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path);
        match made {
            Ok(file) => return Ok((file, path)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
            Err(e) => return Err(e),
        }
    }
}

/// A word for sh: nothing in it is special.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Calls the program; where images are is told it, unless somebody said
/// otherwise.
fn script(program: &Path, images: Option<&Path>) -> anyhow::Result<String> {
    let text = |path: &Path| match path.to_str() {
        Some(text) => Ok(quoted(text)),
        None => bail!("{}: its path is not UTF-8; move it", path.display()),
    };
    let images = match images {
        Some(folder) => format!(
            "[ \"$MAGPIE_IMAGES\" ] || export MAGPIE_IMAGES={}\n",
            text(folder)?
        ),
        None => String::new(),
    };
    let program = text(program)?;
    Ok(format!(
        "#!/bin/sh\n{MARK}\n{images}exec {program} extcap \"$@\"\n"
    ))
}

/// The folder of images, from wherever Wireshark is started.
fn images(options: &Options) -> anyhow::Result<Option<PathBuf>> {
    let Some(folder) = &options.images else {
        return Ok(None);
    };
    let whole = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    if !whole.is_dir() {
        bail!(
            "{}: no folder; `cargo xtask build` fills one",
            folder.display()
        );
    }
    Ok(Some(whole))
}

/// What is there: nothing, something of ours, or somebody's.
fn is_ours(path: &Path) -> anyhow::Result<Option<bool>> {
    match fs::read(path) {
        Ok(found) => {
            let second = found.split(|octet| *octet == b'\n').nth(1);
            Ok(Some(second == Some(MARK.as_bytes())))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| path.display().to_string()),
    }
}

fn not_ours(path: &Path) -> anyhow::Error {
    anyhow!(
        "{}: it is there, and not made by magpie; move it away first",
        path.display()
    )
}

/// Says what to do where the folder is root's.
fn refused(error: io::Error, path: &Path, action: &str) -> anyhow::Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return anyhow!(
            "{}: this needs root: sudo magpie extcap {action} --system",
            path.display()
        );
    }
    anyhow::Error::new(error).context(path.display().to_string())
}

/// What others should know of a program or a folder above it, by its mode,
/// owner and group: all users' Wiresharks start it, root's among them.
fn doubt(mode: u32, owner: u32, group: u32) -> Option<&'static str> {
    const KIND: u32 = 0o170_000;
    const FOLDER: u32 = 0o040_000;
    const STICKY: u32 = 0o1000;
    let others_write = mode & 0o002 != 0 || mode & 0o020 != 0 && group != 0;
    // What is root's in a folder stays where that is sticky.
    let stays = mode & KIND == FOLDER && mode & STICKY != 0;
    if owner != 0 || others_write && !stays {
        return Some(
            "others than root can change it, and a Wireshark that root starts would run what \
             they put there",
        );
    }
    (mode & 0o001 == 0).then_some("it is closed to others, who cannot run the program")
}

/// Likewise, of a program and all folders above it.
fn doubts(program: &Path) -> Vec<String> {
    let about = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        let doubt = doubt(about.mode(), about.uid(), about.gid())?;
        Some(format!(
            "{}: {doubt}; install magpie where only root writes, as in /usr/local/bin",
            path.display()
        ))
    };
    program.ancestors().filter_map(about).collect()
}

/// Puts the script into the folder: beside its place, then in it, so that
/// Wireshark never sees half of it.
fn put(folder: &Path, script: &str) -> io::Result<()> {
    let (mut file, beside) = beside(folder)?;
    let mut write = || -> io::Result<()> {
        file.write_all(script.as_bytes())?;
        // Whatever the umask is: others use it.
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        fs::rename(&beside, folder.join(NAME))
    };
    let done = write();
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

/// `--install`.
pub(super) fn install(options: &Options) -> anyhow::Result<Exit> {
    let folders = Folders::of_system();
    let folder = folder(options, &folders)?;
    let program = std::env::current_exe().context("where this program is")?;
    let images = images(options)?;
    let script = script(&program, images.as_deref())?;
    let path = folder.join(NAME);
    if is_ours(&path)? == Some(false) {
        return Err(not_ours(&path));
    }
    fs::create_dir_all(&folder).map_err(|e| refused(e, &folder, "--install"))?;
    put(&folder, &script).map_err(|e| refused(e, &path, "--install"))?;
    say(&format!("{}: calls {}", path.display(), program.display()));
    if let Some(images) = images {
        say(&format!("emulated boards: images in {}", images.display()));
    }
    if folders.system.as_ref() == Some(&folder) {
        for doubt in doubts(&program) {
            say(&doubt);
        }
    }
    if options.dir.is_some() {
        say(&format!(
            "start Wireshark with WIRESHARK_EXTCAP_DIR={}",
            folder.display()
        ));
    }
    say("tshark -D lists what can be captured from");
    Ok(Exit::Success)
}

/// `--uninstall`: from the folder that is named, else wherever it is.
pub(super) fn uninstall(options: &Options) -> anyhow::Result<Exit> {
    let folders = Folders::of_system();
    let places = if options.dir.is_some() || options.user || options.system {
        vec![folder(options, &folders)?]
    } else {
        folders.user.into_iter().chain(folders.system).collect()
    };
    let mut found = false;
    for folder in &places {
        let path = folder.join(NAME);
        match is_ours(&path)? {
            None => continue,
            Some(false) => return Err(not_ours(&path)),
            Some(true) => {}
        }
        fs::remove_file(&path).map_err(|e| refused(e, &path, "--uninstall"))?;
        say(&format!("{}: removed", path.display()));
        found = true;
    }
    if !found {
        bail!("nothing of ours is installed there");
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_as_tshark_says_them() {
        // Debian 12's, and what newer ones say.
        let old = "Temp:                \t/tmp\nPersonal Plugins:    \t/srv/a/x\n\
                   Extcap path:         \t/usr/lib/x86_64-linux-gnu/wireshark/extcap\n";
        let folders = Folders::of_text(old);
        let system = PathBuf::from("/usr/lib/x86_64-linux-gnu/wireshark/extcap");
        assert_eq!(folders.system, Some(system.clone()));
        assert_eq!(folders.user, None);
        let new = "Personal Extcap path:\t/srv/a/.local/lib/wireshark/extcap\n\
                   Global Extcap path:\t/usr/lib/wireshark/extcap\nExtcap path:\n";
        let folders = Folders::of_text(new);
        assert_eq!(folders.system, Some("/usr/lib/wireshark/extcap".into()));
        assert_eq!(
            folders.user,
            Some("/srv/a/.local/lib/wireshark/extcap".into())
        );
    }

    #[test]
    fn what_all_users_run_is_roots_and_open_to_all() {
        for (mode, owner, group, expected) in [
            (0o100_755, 0, 0, None),
            (0o100_775, 0, 0, None),
            (0o100_755, 1000, 0, Some("change")),
            (0o100_775, 0, 50, Some("change")),
            (0o100_757, 0, 0, Some("change")),
            (0o100_750, 0, 0, Some("closed")),
            (0o040_700, 0, 0, Some("closed")),
            // /tmp: what root has there stays.
            (0o041_777, 0, 0, None),
            // Of a program the bit says nothing.
            (0o101_777, 0, 0, Some("change")),
            (0o101_775, 0, 50, Some("change")),
        ] {
            let said = doubt(mode, owner, group);
            assert_eq!(said.is_some(), expected.is_some(), "{mode:o}");
            assert!(
                said.unwrap_or_default()
                    .contains(expected.unwrap_or_default()),
                "{mode:o}"
            );
        }
        // One of its folders is enough.
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours");
        let said = doubts(&folder.path().join("magpie"));
        let named = format!("{}: ", folder.path().display());
        assert!(
            said.iter().any(|doubt| doubt.starts_with(&named)),
            "{said:?}"
        );
    }

    #[test]
    fn what_another_process_has_beside_it_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let others = folder
            .path()
            .join(format!(".magpie-{}-1", std::process::id()));
        fs::write(&others, "another's").expect("a file");
        let names = || {
            let entries = fs::read_dir(folder.path()).expect("a folder");
            let mut names: Vec<_> = entries.map(|entry| entry.expect("one").path()).collect();
            names.sort();
            names
        };
        put(folder.path(), "ours").expect("it is put there");
        let path = folder.path().join(NAME);
        assert_eq!(fs::read_to_string(&path).expect("a file"), "ours");
        assert_eq!(fs::read_to_string(&others).expect("a file"), "another's");
        assert_eq!(names(), [others.clone(), path.clone()]);
        assert!(may_write(folder.path()));
        // Nor is anything left or lost where it fails.
        fs::remove_file(&path).expect("ours");
        fs::create_dir_all(path.join("full")).expect("a folder");
        assert!(put(folder.path(), "ours").is_err());
        assert_eq!(fs::read_to_string(&others).expect("a file"), "another's");
        assert_eq!(names(), [others, path]);
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let evil = Path::new("/a b/$(id)'; rm -r x; '/magpie");
        let script = script(evil, Some(evil)).expect("UTF-8");
        assert!(
            script.contains("='/a b/$(id)'\\''; rm -r x; '\\''/magpie'\nexec "),
            "{script}"
        );
        assert!(
            script.ends_with("exec '/a b/$(id)'\\''; rm -r x; '\\''/magpie' extcap \"$@\"\n"),
            "{script}"
        );
    }
}
