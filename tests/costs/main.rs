//! What things cost, counted in allocations and bytes, which no other load of the machine changes.
//!
//! - `publish`: the codec, per PUBLISH.
//! - `properties`: very many user properties.
//! - `idle`: memory per connected, silent device.
//! - `subscriptions`: memory per subscription, and what a match takes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

// The worker of the unit tests, with the names it knows.
use homing::{auth, broker, metrics, model, mqtt, session, shard, store};

mod idle;
mod properties;
mod publish;
mod subscriptions;
#[allow(dead_code)]
#[path = "../../src/shard/tests/world.rs"]
mod world;

use std::alloc::System;
use std::sync::Mutex;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time: the allocator counts for all threads.
static ALONE: Mutex<()> = Mutex::new(());
/// The test runner's own thread allocates and gives back now and then; the least of some tries is
/// the cost itself.
const TRIES: usize = 5;

/// What was taken of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Allocations and reallocations.
    count: usize,
    /// Bytes taken and not given back.
    kept_bytes: isize,
}

/// The cost of `work`, which does the same every time.
fn cost(mut work: impl FnMut()) -> Cost {
    let tries = (0..TRIES).map(|_| cost_once(&mut work));
    tries.min_by_key(|cost| (cost.count, cost.kept_bytes.abs())).expect("some tries")
}

/// For work that can be done only once.
fn cost_once(work: impl FnOnce()) -> Cost {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    let given = change.bytes_deallocated as isize;
    Cost {
        count: change.allocations + change.reallocations,
        kept_bytes: change.bytes_allocated as isize - given,
    }
}

/// What is still held of the allocator.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Pieces of memory.
    count: isize,
    requested_bytes: isize,
}

/// glibc's malloc has a word before each piece and hands out multiples of 16 bytes.
const PIECE_OVERHEAD_BYTES: isize = 8 + 8;

impl Kept {
    /// With what the allocator adds, about.
    fn bytes(self) -> isize {
        self.requested_bytes + self.count * PIECE_OVERHEAD_BYTES
    }
}

/// What `work`, done once, leaves behind.
fn kept(work: impl FnOnce()) -> Kept {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    Kept {
        count: change.allocations as isize - change.deallocations as isize,
        requested_bytes: change.bytes_allocated as isize - change.bytes_deallocated as isize,
    }
}
