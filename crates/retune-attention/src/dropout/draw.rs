//! Which elements dropout drops: one number drawn from libtorch's generator for each call, and from it every element's
//! fate by a hash of its place. So a backward pass drops what the forward pass dropped without a mask in memory, and
//! threads share no generator.

use tch::{Device, Kind, Tensor};

use crate::real::{Real, Stored};

/// The draw of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    probability: f64,
    seed: u64,
}

impl Draw {
    /// Draws from libtorch's default generator. `probability` is in `0..1`.
    pub fn new(probability: f64) -> Self {
        let seed = Tensor::randint_low(0, i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
        Self { probability, seed: seed as u64 }
    }

    /// The fates of one part of what is dropped: a head of a sequence, a stretch of a tensor.
    pub fn part(self, number: u64) -> Fates {
        // SplitMix64 (Steele, Lea and Flood 2014): the keys of parts are as far apart as draws of a generator.
        let mut key = self.seed.wrapping_add((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        key ^= key >> 31;
        let below = (self.probability * 4_294_967_296.0) as u32;
        Fates { keys: (key as u32, (key >> 32) as u32), below, gain: 1.0 / (1.0 - self.probability) }
    }
}

/// Numbers that are on their way from one slice to another.
const HELD: usize = 128;

/// Which elements of a part are dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fates {
    keys: (u32, u32),
    /// An element is dropped where its hash lies below.
    below: u32,
    /// `1/(1 − p)`.
    gain: f64,
}

impl Fates {
    /// Multiplies numbers, the first of which has this place: by 0 where the place is dropped, else by `1/(1 − p)`.
    #[inline(always)]
    pub fn apply<T: Real>(self, start: u32, numbers: &mut [T]) {
        // One slice, and all else in registers: with a second one that might overlap it, the loop was not vectorised.
        let Self { keys: (first, second), below, gain } = self;
        let gain = T::from_f64(gain);
        for (place, number) in numbers.iter_mut().enumerate() {
            let mixed = mix(mix(start.wrapping_add(place as u32) ^ first) ^ second);
            *number = *number * if mixed < below { T::ZERO } else { gain };
        }
    }

    /// The same into another slice, of another type.
    #[inline(always)]
    pub fn apply_into<Y: Stored, X: Stored<Wide = Y::Wide>>(self, start: u32, from: &[Y], to: &mut [X]) {
        let mut held = [Y::Wide::ZERO; HELD];
        for (chunk, (to, from)) in to.chunks_mut(HELD).zip(from.chunks(HELD)).enumerate() {
            let held = &mut held[..to.len()];
            held.iter_mut().zip(from).for_each(|(held, from)| *held = from.widen());
            self.apply(start.wrapping_add((chunk * HELD) as u32), held);
            to.iter_mut().zip(held).for_each(|(to, held)| *to = X::narrow(*held));
        }
    }
}

/// A bijection of 32 bits in which every bit of the result depends on all (C. Wellons' `lowbias32`).
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of 64 places are kept, the first of them in the lowest bit.
    fn kept(probability: f64, seed: u64, part: u64, start: u32) -> u64 {
        let mut numbers = [1.0; 64];
        Draw { probability, seed }.part(part).apply(start, &mut numbers);
        let gain = 1.0 / (1.0 - probability);
        assert!(numbers.iter().all(|number| *number == 0.0 || *number == gain), "{numbers:?}");
        numbers.iter().enumerate().map(|(place, number)| u64::from(*number != 0.0) << place).sum()
    }

    /// From the two published hashes in Python: a run that was begun with an older version goes on to the same bits.
    #[test]
    fn fates_are_what_they_were() {
        assert_eq!(kept(0.5, 42, 0, 0), 0xcbb0_4bd7_822f_9729);
        assert_eq!(kept(0.1, 42, 3, 0), 0xfefe_ffff_f7ff_ffdf);
        assert_eq!(kept(0.9, (1 << 62) + 5, 1 << 40, u32::MAX - 19), 0x8000_c000_0121_0001);
    }

    /// The first place has this hash, and is dropped where the probability is more than its share of 2³².
    #[test]
    fn a_place_is_dropped_where_its_hash_is_below_the_probability() {
        const HASH: f64 = 2_647_224_004.0; // 0x9dc9_6ec4
        let first = |hash: f64| kept(hash / 4_294_967_296.0, 42, 0, 0) & 1;
        assert_eq!((first(HASH), first(HASH + 1.0)), (1, 0));
    }

    /// Chunk by chunk and from one slice to another the fates are those of one slice.
    #[test]
    fn another_slice_has_the_same_fates() {
        let fates = Draw { probability: 0.4, seed: 7 }.part(1);
        let from: Vec<f64> = (0..5 * HELD + 3).map(|place| place as f64).collect();
        let (mut within, mut into) = (from.clone(), vec![0.0; from.len()]);
        fates.apply(9, &mut within);
        fates.apply_into::<f64, f64>(9, &from, &mut into);
        assert_eq!(within, into);
    }
}
