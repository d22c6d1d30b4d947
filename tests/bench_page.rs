//! The pure parts of `scripts/bench`, which are Python: medians, bars, page and charts, and that
//! docs/performance.md is what its results say.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_benchmark_reckons_right_and_its_page_is_what_was_measured() {
    let mut python = Command::new("python3");
    python.args(["-B", "-m", "unittest", "discover", "-s", "tests/bench", "-t", "tests/bench"]);
    let done = python.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !told.contains("Ran 0 tests"), "{told}");
}
