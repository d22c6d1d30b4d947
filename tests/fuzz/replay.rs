//! Each body over its corpus, over what once made it fail, and over inputs made from both.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bodies::{TARGETS, Target};
use crate::mutate::mutated;
use crate::random::{Random, seed};

/// New inputs of each target in every run of the tests.
const SLICE_COUNT: usize = 400;
/// Always the same ones.
const SLICE_SEED: u64 = 4;

fn dir(kind: &str, target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join(target)
}

/// The files of a directory in their order; none if it is not there.
fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(dir(kind, target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    inputs("corpus", target).into_iter().map(|(_, input)| input).collect()
}

/// The words of the panic, if the body fails.
fn failure(body: fn(&[u8]), input: &[u8]) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| body(input))).err()?;
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    Some(words.unwrap_or_default())
}

/// Keeps the input that fails, so that the tests replay it from now on.
fn keep(target: &str, input: &[u8]) -> PathBuf {
    let dir = dir("crashes", target);
    fs::create_dir_all(&dir).unwrap();
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let path = dir.join(format!("{hash:016x}"));
    fs::write(&path, input).unwrap();
    path
}

fn replay((name, body): Target) {
    let all = [inputs("corpus", name), inputs("crashes", name)].concat();
    assert!(!inputs("corpus", name).is_empty(), "{name} has no corpus");
    for (path, input) in all {
        let failed = failure(body, &input);
        assert!(failed.is_none(), "{}: {failed:?}", path.display());
    }
}

/// Runs new inputs until `done`; the number of them. A failing one is kept.
fn run((name, body): Target, seed: u64, mut done: impl FnMut(usize) -> bool) -> usize {
    let (corpus, mut random, mut count) = (corpus(name), Random(seed), 0);
    while !done(count) {
        let input = mutated(&mut random, &corpus);
        if let Some(words) = failure(body, &input) {
            panic!("{name}, seed {seed}, input {count}: {words}; kept: {:?}", keep(name, &input));
        }
        count += 1;
    }
    count
}

/// Threat W9. What was found once stays found.
#[test]
fn every_seed_and_every_crash_holds() {
    TARGETS.into_iter().for_each(replay);
}

/// Threat W2. Packets and frames that nobody has thought of, the same in every run.
#[test]
fn new_bytes_hold() {
    for target in [TARGETS[0], TARGETS[3]] {
        run(target, SLICE_SEED, |count| count == SLICE_COUNT);
    }
}

/// Threat W4. Names and filters of any depth, against the model.
/// Threat W7. What is shared is parsed once, and as the model does.
#[test]
fn new_topics_hold() {
    run(TARGETS[2], SLICE_SEED, |count| count == SLICE_COUNT);
}

/// Threat W9. Clients that do anything in any order, while time passes and the store fails.
#[test]
fn new_sessions_hold() {
    run(TARGETS[1], SLICE_SEED, |count| count == SLICE_COUNT);
}

/// What `scripts/fuzz` runs where there is no cargo-fuzz.
#[test]
#[ignore = "as long as HOMING_FUZZ_SECONDS says, shared by the targets"]
fn for_a_while() {
    let seconds: u64 =
        std::env::var("HOMING_FUZZ_SECONDS").map_or(60, |text| text.parse().unwrap());
    let seed = seed("HOMING_FUZZ_SEED");
    let wanted = std::env::var("HOMING_FUZZ_TARGET").ok();
    let is_wanted = |(name, _): &Target| wanted.as_deref().is_none_or(|wanted| wanted == *name);
    let targets: Vec<Target> = TARGETS.into_iter().filter(is_wanted).collect();
    assert!(!targets.is_empty(), "there is no target {wanted:?}");
    let each = Duration::from_secs(seconds) / targets.len() as u32;
    for target in targets {
        let start = Instant::now();
        let count = run(target, seed, |_| start.elapsed() >= each);
        println!("{:<10} {count:>9} executions, HOMING_FUZZ_SEED={seed}", target.0);
    }
}
