use magpie::views::packet::*;
use std::process::Command;

fn theirs(file: &str, flags: &[&str]) -> Vec<String> {
    let out = Command::new("tcpdump")
        .env("TZ", "UTC")
        .args(["-n", "--number", "-r", file])
        .args(flags)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    split(&text)
}
fn split(text: &str) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for line in text.lines() {
        let want = format!("{:5}  ", all.len() + 1);
        if line.starts_with(&want) {
            all.push(line[want.len()..].to_owned());
        } else if let Some(last) = all.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    all
}
fn ours(file: &str, style: Style) -> Vec<String> {
    let mut r = match magpie_capture::Reader::new(file, std::fs::File::open(file).unwrap()) {
        Ok(r) => r,
        Err(e) => {
            eprintln!("{e}");
            return vec![];
        }
    };
    let mut p = Printer::new(style, Default::default());
    let mut out = vec![];
    while let Ok(Some(f)) = r.next_frame() {
        let mut s = String::new();
        p.print(
            &PacketRef {
                at_ns: f.at_ns() as u64,
                octets: f.data,
                wire_len: f.wire_len as usize,
                link: LinkType::Ethernet,
                interface: None,
                direction: None,
            },
            &mut s,
        );
        s.pop();
        out.push(s);
    }
    out
}

#[test]
fn explore() {
    let flags = std::env::var("FLAGS").unwrap_or_default();
    let show: usize = std::env::var("SHOW")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3);
    let mut style = Style {
        numeric: true,
        ..Style::default()
    };
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let mut ts = 0;
    for f in &flags {
        match *f {
            "-v" => style.verbose = 1,
            "-vv" => style.verbose = 2,
            "-vvv" => style.verbose = 3,
            "-e" => style.link = true,
            "-q" => style.quiet = true,
            "-S" => style.absolute = true,
            "-x" => style.dump = Dump::Hex,
            "-xx" => style.dump = Dump::HexLink,
            "-X" => style.dump = Dump::HexAscii,
            "-XX" => style.dump = Dump::HexAsciiLink,
            "-A" => style.dump = Dump::Ascii,
            "-AA" => style.dump = Dump::AsciiLink,
            "--nano" => style.nanoseconds = true,
            t if t.starts_with("-t") => ts = t.len() - 1,
            other => panic!("{other}"),
        }
    }
    style.time = Time::of_flags(ts as u8);
    let (mut same, mut total) = (0, 0);
    let only = std::env::var("ONLY").unwrap_or_default();
    let skip: Vec<String> = std::env::var("SKIP")
        .unwrap_or_default()
        .split('|')
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect();
    let mut files: Vec<_> = ["captures", "../../../shared/corpus/captures"]
        .iter()
        .flat_map(|d| std::fs::read_dir(d).unwrap())
        .map(|e| e.unwrap().path().display().to_string())
        .filter(|f| {
            (f.ends_with("pcap")
                || f.ends_with("pcapng")
                || f.ends_with("trace")
                || f.ends_with(".cap"))
                && f.contains(&only)
        })
        .collect();
    files.sort();
    for file in files {
        let (t, o) = (theirs(&file, &flags), ours(&file, style.clone()));
        let mut shown = 0;
        if t.len() != o.len() {
            println!("{file}: {} {}", t.len(), o.len());
        }
        for (n, (t, o)) in t.iter().zip(&o).enumerate() {
            total += 1;
            if t == o {
                same += 1;
                continue;
            }
            if t.starts_with(o.as_str()) && o.contains(", length ") {
                continue;
            }
            if let Some((head, tail)) = o.split_once("UDP, length ") {
                let _ = tail;
                if t.starts_with(head) {
                    continue;
                }
            }
            if skip.iter().any(|s| t.contains(s)) {
                continue;
            }
            if std::env::var("FIRST").is_ok() && t.lines().next() != o.lines().next() {
                continue;
            }
            if shown < show {
                println!("{file} {}\n< {t}\n> {o}", n + 1);
                shown += 1;
            }
        }
    }
    println!("same {same} of {total}");
}
