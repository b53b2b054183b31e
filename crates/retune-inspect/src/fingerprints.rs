//! What is kept of each row to find rows that are alike: hashes in place of texts, so that millions of rows fit into
//! memory.
//!
//! Near duplicates are found by MinHash (A. Z. Broder, "On the resemblance and containment of documents", 1997): of the
//! set of a text's shingles, each of many hash functions keeps the smallest value, and two sets agree on one with the
//! probability of their Jaccard similarity. Values are banded (A. Rajaraman, J. Leskovec, J. D. Ullman, "Mining of
//! massive datasets", chapter 3): two rows are candidates where all `VALUES` of one of `BANDS` bands agree, with
//! probability 1 − (1 − J⁵)²⁴: 0.99 at J = 0.7, 0.22 at 0.4.
//!
//! A row takes 112 bytes.

use std::hash::{DefaultHasher, Hasher};

use crate::finding::{RowId, Split};
use crate::normalize::normalized;
use crate::threads;

/// Bands of a row.
pub(crate) const BANDS: usize = 24;
/// MinHash values in a band.
const VALUES: usize = 5;
/// Characters of a shingle.
const SHINGLE: usize = 4;
/// Texts of fewer different shingles are too short to be nearly alike.
pub(crate) const FEWEST_SHINGLES: usize = 8;
/// In the place of a band's hash: there is none.
pub(crate) const NO_BAND: u32 = 0;

/// Hashes of every row of all data sets: the training rows first, then those of validation, then those of test.
#[derive(Clone, Debug, Default)]
pub struct Fingerprints {
    /// Of the text.
    pub(crate) exact: Vec<u64>,
    /// Of the [normalised](crate::normalize) text.
    pub(crate) normal: Vec<u64>,
    /// Of each band: `[rows, BANDS]`; [`NO_BAND`] where the text is too short.
    bands: Vec<u32>,
    /// Where each data set begins, in their order.
    starts: Vec<(Split, usize)>,
}

impl Fingerprints {
    /// No row yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What follows are the rows of this data set; begin each once, in the order of [`Split::ALL`].
    pub fn begin(&mut self, split: Split) {
        self.starts.push((split, self.exact.len()));
    }

    /// Adds rows, hashed on all cores.
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) {
        for print in threads::map_items(texts, |text| print_of(text.as_ref())) {
            self.exact.push(print.exact);
            self.normal.push(print.normal);
            self.bands.extend(print.bands);
        }
    }

    /// How many rows there are, of all data sets.
    pub fn len(&self) -> usize {
        self.exact.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// The data sets that were begun.
    pub fn splits(&self) -> impl Iterator<Item = Split> + '_ {
        self.starts.iter().map(|(split, _)| *split)
    }

    /// How many rows a data set has.
    pub fn rows_of(&self, split: Split) -> usize {
        self.range(split).len()
    }

    /// The places of a data set's rows among all.
    pub fn range(&self, split: Split) -> std::ops::Range<usize> {
        let Some(at) = self.starts.iter().position(|(begun, _)| *begun == split) else { return 0..0 };
        self.starts[at].1..self.starts.get(at + 1).map_or(self.len(), |(_, start)| *start)
    }

    /// Which row of which data set stands at a place among all.
    pub fn row(&self, place: usize) -> RowId {
        let at = self.starts.partition_point(|(_, start)| *start <= place);
        let (split, start) = self.starts.get(at.wrapping_sub(1)).copied().unwrap_or((Split::Train, 0));
        RowId { split, row: place - start }
    }

    pub(crate) fn bands_of(&self, place: usize) -> &[u32] {
        &self.bands[place * BANDS..(place + 1) * BANDS]
    }
}

struct Print {
    exact: u64,
    normal: u64,
    bands: [u32; BANDS],
}

fn print_of(text: &str) -> Print {
    let normal = normalized(text);
    let shingles = shingles(&normal);
    let bands = if shingles.len() < FEWEST_SHINGLES { [NO_BAND; BANDS] } else { bands(&shingles) };
    Print { exact: hash(text.as_bytes()), normal: hash(normal.as_bytes()), bands }
}

/// SipHash under a fixed key: of ten million different texts two are equal with a chance of one in four hundred
/// thousand.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The different runs of four characters, ascending. A run of characters of 16 bits is its own number; any other is
/// hashed.
pub(crate) fn shingles(normal: &str) -> Vec<u64> {
    let characters: Vec<u32> = normal.chars().map(u32::from).collect();
    let number = |run: &[u32]| {
        if run.iter().all(|c| *c < 0x1_0000) {
            return run.iter().fold(0, |number, c| number << 16 | u64::from(*c));
        }
        hash(&run.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<u8>>())
    };
    let mut shingles: Vec<u64> = characters.windows(SHINGLE).map(number).collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// How much of two sets they share: |A ∩ B| / |A ∪ B|; both ascending.
pub(crate) fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut shared, mut i, mut j) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let (left, right) = (a[i], b[j]);
        shared += usize::from(left == right);
        i += usize::from(left <= right);
        j += usize::from(right <= left);
    }
    shared as f64 / (a.len() + b.len() - shared).max(1) as f64
}

fn bands(shingles: &[u64]) -> [u32; BANDS] {
    let mut smallest = [u32::MAX; BANDS * VALUES];
    for shingle in shingles {
        let mixed = mix(*shingle);
        let (low, high) = (mixed as u32, (mixed >> 32) as u32);
        for (place, smallest) in smallest.iter_mut().enumerate() {
            // One multiplication for each function: the number was mixed well before.
            let value = low.wrapping_mul(MULTIPLIERS[place]).wrapping_add(high);
            *smallest = (*smallest).min(value);
        }
    }
    let mut bands = [NO_BAND; BANDS];
    for (band, values) in bands.iter_mut().zip(smallest.chunks_exact(VALUES)) {
        let hash = values.iter().fold(0_u64, |hash, value| mix(hash ^ u64::from(*value)));
        *band = (hash as u32).max(NO_BAND + 1);
    }
    bands
}

/// The finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, 2014).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Odd numbers, drawn once.
const MULTIPLIERS: [u32; BANDS * VALUES] = {
    let mut drawn = [0; BANDS * VALUES];
    let mut place = 0;
    while place < drawn.len() {
        drawn[place] = mix(0x7265_7475_6e65 + place as u64) as u32 | 1;
        place += 1;
    }
    drawn
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_data_sets() {
        let mut prints = Fingerprints::new();
        prints.begin(Split::Train);
        prints.add(&["one text", "another"]);
        prints.begin(Split::Test);
        prints.add(&["One text!"]);
        assert_eq!(prints.row(1), RowId { split: Split::Train, row: 1 });
        assert_eq!(prints.row(2), RowId { split: Split::Test, row: 0 });
        assert_eq!((prints.range(Split::Validation), prints.range(Split::Test)), (0..0, 2..3));
        assert!(prints.normal[0] == prints.normal[2] && prints.exact[0] != prints.exact[2]);
    }

    #[test]
    fn values_agree_as_often_as_sets_are_alike() {
        // Two sets of 300 that share 200: J = 0.5; of 120 values and 200 pairs of sets.
        let (mut agree, mut all) = (0, 0);
        for pair in 0..200_u64 {
            let set = |from: u64| -> Vec<u64> { (from..from + 300).map(|n| mix(n + 1_000_000 * pair)).collect() };
            let smallest = |set: &[u64]| -> Vec<u32> {
                let value = |place: usize, shingle: &u64| {
                    let mixed = mix(*shingle);
                    (mixed as u32).wrapping_mul(MULTIPLIERS[place]).wrapping_add((mixed >> 32) as u32)
                };
                (0..MULTIPLIERS.len()).filter_map(|place| set.iter().map(|s| value(place, s)).min()).collect()
            };
            let (a, b) = (smallest(&set(0)), smallest(&set(100)));
            agree += a.iter().zip(&b).filter(|(a, b)| a == b).count();
            all += a.len();
        }
        let share = f64::from(agree as u32) / f64::from(all as u32);
        // Pairs vary by 0.046 where the functions are independent; five standard errors of the mean of 200.
        assert!((share - 0.5).abs() < 0.017, "{share}");
    }

    #[test]
    fn similarity_is_exact() {
        assert_eq!(jaccard(&[1, 2, 3], &[2, 3, 4]), 0.5);
        assert_eq!(jaccard(&[], &[1]), 0.0);
        assert_eq!(shingles("abcdabcd").len(), 4);
        assert_eq!(shingles("𝒳𝒴𝒵𝒲a").len(), 2);
    }
}
