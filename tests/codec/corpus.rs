//! The fuzz body over the committed seeds, so that what fuzzing found stays found.

use std::fs;
use std::path::PathBuf;

use crate::fuzz_decode::fuzz_decode;
use crate::refuse;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/decode")
}

#[test]
fn every_seed_holds() {
    let mut seeds = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        fuzz_decode(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= refuse::all().len(), "only {seeds} seeds: run write_seeds");
}

/// Each seed cut at every byte, and with every byte replaced by the awkward ones.
#[test]
fn every_seed_cut_and_bent_holds() {
    for case in refuse::all() {
        for at in 0..case.frame.len() {
            fuzz_decode(&case.frame[..at]);
            for byte in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                let mut bent = case.frame.clone();
                bent[at] = byte;
                fuzz_decode(&bent);
            }
        }
    }
}

/// Writes the hand-made frames into the corpus: `cargo test --test codec -- --ignored write_seeds`.
#[test]
#[ignore = "writes files; run it after adding a case"]
fn write_seeds() {
    fs::create_dir_all(corpus()).unwrap();
    for case in refuse::all() {
        fs::write(corpus().join(case.name), case.frame).unwrap();
    }
}
