//! Histograms of times, from which percentiles are read: small, and two of them are one when their bytes are put behind each other.
//!
//! Buckets are spaced by logarithm: sixteen for each power of two, so that a percentile is off by at most a 32nd (3.1 %) of
//! itself, and from 0 to 16 µs exact. The bytes are pairs: a bucket in two bytes, then a count in groups of seven bits, the least
//! first, each but the last with its highest bit set (LEB128).

use std::collections::BTreeMap;

/// Buckets for each power of two, as a power of two.
const BITS: u32 = 4;

/// How often there was a time of each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(BTreeMap<u16, u64>);

impl Sketch {
    /// Counts a time, in microseconds.
    pub fn add(&mut self, us: u64) {
        let count = self.0.entry(bucket(us)).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts all that these bytes tell. `None`: they are not those of sketches.
    pub fn add_bytes(&mut self, mut bytes: &[u8]) -> Option<()> {
        while let Some((at, rest)) = bytes.split_first_chunk::<2>() {
            let (count, rest) = read_count(rest)?;
            let counted = self.0.entry(u16::from_be_bytes(*at)).or_default();
            *counted = counted.saturating_add(count);
            bytes = rest;
        }
        bytes.is_empty().then_some(())
    }

    /// The bytes that tell the same, each bucket once.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 4);
        for (at, count) in &self.0 {
            bytes.extend_from_slice(&at.to_be_bytes());
            write_count(*count, &mut bytes);
        }
        bytes
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.0.values().copied().fold(0, u64::saturating_add)
    }

    /// The time that this share of all is not above (nearest rank), in microseconds; `None`: none was counted.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((share * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut passed = 0_u64;
        for (at, counted) in &self.0 {
            passed = passed.saturating_add(*counted);
            if passed >= rank {
                return Some(middle(*at));
            }
        }
        None
    }
}

/// The bucket of a time. The database has the same rule as a function, `usage_sketch`.
fn bucket(us: u64) -> u16 {
    let power = us.max(1).ilog2();
    if power < BITS {
        return us as u16;
    }
    let within = (us >> (power - BITS)) & ((1 << BITS) - 1);
    (((power - BITS + 1) << BITS) as u64 + within) as u16
}

/// The middle of a bucket.
fn middle(at: u16) -> u64 {
    let (group, within) = (u32::from(at) >> BITS, u64::from(at) & ((1 << BITS) - 1));
    if group == 0 {
        return within;
    }
    let width = 1_u64.checked_shl(group - 1).unwrap_or(u64::MAX);
    width.saturating_mul((1 << BITS) + within).saturating_add(width / 2)
}

fn write_count(mut count: u64, bytes: &mut Vec<u8>) {
    while count >= 0x80 {
        bytes.push(count as u8 | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
}

fn read_count(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut count = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        count |= u64::from(byte & 0x7f).checked_shl(place as u32 * 7)?;
        if byte & 0x80 == 0 {
            return Some((count, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_off_by_a_32nd_at_most() {
        let mut times: Vec<u64> = (0..40_u32).flat_map(|power| [1, 3, 5].map(|odd| odd << power)).collect();
        times.extend((1..20).map(|number| number * 37_000 + 11));
        times.sort_unstable();
        let mut sketch = Sketch::default();
        times.iter().for_each(|time| sketch.add(*time));
        assert_eq!(sketch.count(), times.len() as u64);
        for percent in 1..=100_usize {
            let exact = times[(percent * times.len()).div_ceil(100) - 1];
            let read = sketch.quantile(percent as f64 / 100.0).unwrap();
            assert!(read.abs_diff(exact) * 32 <= exact, "{percent} %: {read} for {exact}");
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn buckets_follow_each_other_and_hold_their_middles() {
        let small = 1..100_000_u64;
        let large = (17..64).flat_map(|power| [1_u64 << power, (1 << power) + 12_345, (1 << power) / 16 * 17]);
        for us in small.chain(large) {
            let (before, at) = (bucket(us - 1), bucket(us));
            assert!(at == before || at == before + 1, "{us}");
            assert_eq!(bucket(middle(at)), at, "{us}");
        }
        assert!(bucket(u64::MAX) < 1024);
    }

    #[test]
    fn bytes_behind_each_other_are_the_sum() {
        let mut sketches = [Sketch::default(), Sketch::default()];
        for number in 0..1000_u64 {
            sketches[(number % 2) as usize].add(number * number % 777_777);
        }
        sketches[0].0.insert(7, u64::MAX);
        let [one, other] = &sketches;
        let bytes = [one.to_bytes(), other.to_bytes()].concat();
        let (mut read, mut summed) = (Sketch::default(), one.clone());
        read.add_bytes(&bytes).unwrap();
        summed.add_bytes(&other.to_bytes()).unwrap();
        assert_eq!(read, summed);
        assert!(read.to_bytes().len() < bytes.len());
        for broken in
            [&[0][..], &[0, 1], &[0, 1, 0x80], &[0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]]
        {
            assert_eq!(Sketch::default().add_bytes(broken), None, "{broken:?}");
        }
    }
}
