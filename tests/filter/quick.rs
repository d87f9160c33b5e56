//! What is known of a packet without running the program is what the program
//! says: over frames cut at every length, with tags and octets changed, by
//! programs that libpcap improved and by those that it did not.

use std::sync::atomic::{AtomicUsize, Ordering};

use magpie_capture::filter::{Compile, Filter};
use magpie_filter::{Packet, Program, Quick};

use crate::share::{all_frames, expressions, for_each};

/// Frames that the tests are made on.
const FRAMES: usize = 120;
/// A frame is cut at each length up to this.
const CUT: usize = 90;

/// Frames from all over the captures; each also behind two tags, and with an
/// octet changed that it may be known by.
fn frames() -> Vec<Vec<u8>> {
    let all = all_frames();
    let some = all.iter().step_by((all.len() / FRAMES).max(1));
    let mut frames = Vec::new();
    for (n, frame) in some.enumerate() {
        let data = &frame.data;
        frames.push(data.clone());
        if let Some((addresses, rest)) = data.split_at_checked(12) {
            let tags = [0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8];
            frames.push([addresses, &tags, rest].concat());
        }
        let mut changed = data.clone();
        if let Some(octet) = changed.get_mut(12 + n % 40) {
            *octet ^= 1 << (n % 8);
            frames.push(changed);
        }
    }
    frames
}

#[test]
fn what_is_known_quickly_is_what_the_program_says() {
    let frames = frames();
    let (expressions, known, asked) = (expressions(), AtomicUsize::new(0), AtomicUsize::new(0));
    for_each(&expressions, |expression| {
        for optimize in [true, false] {
            let how = Compile {
                optimize,
                ..Compile::default()
            };
            let filter = Filter::compile(expression, how).unwrap_or_else(|e| panic!("{e}"));
            let program = Program::assume_verified(filter.instructions());
            let mut quick = Quick::EMPTY;
            quick.learn(program);
            for frame in &frames {
                for len in (0..frame.len().min(CUT)).chain([frame.len()]) {
                    let cut = &frame[..len];
                    let wire_len = u32::try_from(frame.len()).expect("a frame");
                    for packet in [
                        Packet::literal(cut, wire_len),
                        Packet::untagged(cut, wire_len),
                    ] {
                        let told = quick.run(&packet);
                        if let Some(told) = told {
                            assert_eq!(told, program.run(&packet), "`{expression}` {cut:x?}");
                        }
                        if optimize && len == frame.len() {
                            asked.fetch_add(1, Ordering::Relaxed);
                            known.fetch_add(usize::from(told.is_some()), Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    });
    let (known, asked) = (known.into_inner(), asked.into_inner());
    println!("of {asked} judgements on whole frames {known} are known quickly");
    assert!(known > asked / 2);
}
