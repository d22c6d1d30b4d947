//! How much of the log one kind of line may fill: a client that tries again and again, or a flood
//! of them, must not hide what others do.

use super::Moment;

/// Lines of one kind that are written in one second.
const LINES_PER_SEC_MAX: u32 = 5;
const SECOND_MILLIS: u64 = 1000;

/// The lines of the running second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    second: u64,
    lines: u32,
    left_out: u32,
}

impl Noise {
    /// Whether one more line is written, and how many were left out before it.
    pub fn line(&mut self, now: Moment) -> Option<u32> {
        let second = now.0 / SECOND_MILLIS;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines >= LINES_PER_SEC_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_few_lines_per_second_they_are_only_counted() {
        let mut noise = Noise::default();
        let mut written = |at: u64| noise.line(Moment(at));
        assert!((0..5).all(|at| written(at) == Some(0)));
        assert!((5..12).all(|at| written(at).is_none()));
        assert_eq!(written(1000), Some(7));
        assert_eq!(written(1001), Some(0));
    }
}
