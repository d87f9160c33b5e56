//! The mutator of all targets.

use libfuzzer_sys::fuzzer_mutate;

/// As libFuzzer's own, but now and then a seed comes in: in the input's place,
/// or behind it. So a run needs no corpus folder to get beyond the first
/// check of a format, and seeds never lag behind the format they are made by.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    random: u32,
    seeds: &[Vec<u8>],
) -> usize {
    let which = random as usize / 32;
    let (Some(seed), kept) = (seeds.get(which % seeds.len().max(1)), random % 32) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let start = match kept {
        0 => 0,
        1..=3 => size.min(max_size),
        _ => return fuzzer_mutate(data, size, max_size),
    };
    let end = (start + seed.len()).min(max_size);
    data[start..end].copy_from_slice(&seed[..end - start]);
    end
}

/// Sets [`mutate`] as the target's mutator, with the seeds that this gives.
#[macro_export]
macro_rules! seeds {
    ($make:expr) => {
        static SEEDS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| $make);
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                      size: usize,
                                      max_size: usize,
                                      random: u32| {
            $crate::mutate::mutate(data, size, max_size, random, &SEEDS)
        });
    };
}
