//! New inputs from known ones: a seeded generator that bends, cuts, repeats and joins them.

use crate::random::Random;

/// No input is longer.
const INPUT_BYTES_MAX: usize = 8 * 1024;
/// Bytes at which readers go wrong.
const AWKWARD: [u8; 8] = [0x00, 0x01, 0x7F, 0x80, 0x82, 0xC0, 0xFE, 0xFF];

/// An input that is new, or noise where there is nothing to begin with.
pub fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    if corpus.is_empty() || random.below(8) == 0 {
        return noise(random);
    }
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        bend(random, &mut input, corpus);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn noise(random: &mut Random) -> Vec<u8> {
    let length = [8, 64, 400, 1500][random.below(4)];
    (0..random.below(length)).map(|_| random.next() as u8).collect()
}

fn bend(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    if input.is_empty() {
        return input.extend(noise(random));
    }
    let at = random.below(input.len());
    let piece = at..(at + 1 + random.below(16)).min(input.len());
    match random.below(7) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = random.next() as u8,
        2 => input[at] = AWKWARD[random.below(AWKWARD.len())],
        3 => input.insert(at, random.next() as u8),
        4 => drop(input.drain(piece)),
        5 => {
            let copy = input[piece].to_vec();
            let to = random.below(input.len());
            input.splice(to..to, copy);
        }
        _ => {
            let other = &corpus[random.below(corpus.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
    }
}
