//! Latencies in buckets that grow with the value: 1.6 % exact, a fixed size, cheap to add to.

/// Values of one power of two share so many buckets.
const SUB_BITS: u32 = 6;
const SUB_COUNT: usize = 1 << SUB_BITS;
const BUCKETS_COUNT: usize = (64 - SUB_BITS as usize + 1) * SUB_COUNT;

/// Counts of values, in whatever unit they have.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS_COUNT], count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.max) = (0, 0);
    }

    /// The value that `percent` of all values do not exceed; 0 without values.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent / 100.0 * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let exponent = 63 - (value | 1).leading_zeros();
    if exponent < SUB_BITS {
        return value as usize;
    }
    let shift = exponent - SUB_BITS;
    (shift as usize + 1) * SUB_COUNT + ((value >> shift) as usize & (SUB_COUNT - 1))
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    if index < 2 * SUB_COUNT {
        return index as u64;
    }
    let shift = (index / SUB_COUNT - 1) as u32;
    let low = ((SUB_COUNT + index % SUB_COUNT) as u64) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_lies_within_its_bucket(value: u64) {
            let index = bucket(value);
            prop_assert!(index < BUCKETS_COUNT);
            prop_assert!(value <= upper(index));
            prop_assert!(index == 0 || value > upper(index - 1));
            prop_assert!(upper(index) - value <= value / SUB_COUNT as u64);
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in prop::collection::vec(0u64..10_000_000, 1..300),
            percent in 0.0f64..=100.0,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let rank = (percent / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
            let exact = values[rank - 1];
            let found = histogram.percentile(percent);
            prop_assert!(exact <= found && found - exact <= exact / SUB_COUNT as u64);
            prop_assert_eq!(histogram.percentile(100.0), *values.last().unwrap());
        }
    }

    #[test]
    fn nothing_has_percentiles_of_zero() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), 0);
        histogram.add(7);
        histogram.clear();
        assert_eq!(histogram.percentile(100.0), 0);
    }
}
