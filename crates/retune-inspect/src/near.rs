//! Rows that are nearly alike: candidates by their bands, verified by the exact Jaccard similarity of their shingles.

use std::collections::HashMap;

use crate::finding::Split;
use crate::fingerprints::{BANDS, Fingerprints, NO_BAND, jaccard, shingles};
use crate::normalize::normalized;
use crate::threads;

/// The similarity from which on two texts are nearly alike, where nobody says another.
pub const NEAR: f64 = 0.7;

/// Of one band's equal rows each is compared with so many from the front and so many before it, lest a form letter sent
/// a hundred thousand times be compared with itself five thousand million times.
const COMPARED: usize = 32;

/// For each row that is nearly alike another that stands before it, the row most like it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NearRows {
    /// In the same data set: the place of a row → that of the other, and their similarity.
    pub within: HashMap<usize, (usize, f64)>,
    /// Of validation and test rows in the training data.
    pub in_train: HashMap<usize, (usize, f64)>,
    /// Of test rows in the validation data.
    pub in_validation: HashMap<usize, (usize, f64)>,
}

/// The rows, ascending, that share a band with another: those whose texts [`near_rows`] wants. Of rows with the same
/// normalised text it is the first.
pub fn near_candidates(prints: &Fingerprints) -> Vec<usize> {
    let first = first_of_each_text(prints);
    let shared = threads::map(BANDS, |band| {
        let mut rows: Vec<u32> = Vec::new();
        for run in runs(prints, &first, band) {
            rows.extend(run);
        }
        rows
    });
    let mut is_candidate = vec![false; prints.len()];
    shared.into_iter().flatten().for_each(|row| is_candidate[row as usize] = true);
    (0..prints.len()).filter(|row| is_candidate[*row]).collect()
}

/// Which rows are nearly alike: `candidates` are those of [`near_candidates`], and `texts` stand beside them.
pub fn near_rows(prints: &Fingerprints, candidates: &[usize], texts: &[String], threshold: f64) -> NearRows {
    let normal = threads::map_items(texts, |text| normalized(text));
    let text_of: HashMap<u32, &str> =
        candidates.iter().map(|row| *row as u32).zip(normal.iter().map(String::as_str)).collect();
    let rows: Vec<u32> = candidates.iter().map(|row| *row as u32).collect();
    let found = threads::map(BANDS, |band| {
        let mut near = NearRows::default();
        for run in runs(prints, &rows, band) {
            let sets: Vec<Vec<u64>> =
                run.iter().map(|row| shingles(text_of.get(row).copied().unwrap_or_default())).collect();
            for (place, row) in run.iter().enumerate() {
                let near_ones = place.saturating_sub(COMPARED)..place;
                let front = 0..COMPARED.min(near_ones.start);
                for earlier in front.chain(near_ones) {
                    near.compare(prints, band, (run[earlier], *row), (&sets[earlier], &sets[place]), threshold);
                }
            }
        }
        near
    });
    found.into_iter().fold(NearRows::default(), NearRows::joined)
}

impl NearRows {
    fn compare(
        &mut self,
        prints: &Fingerprints,
        band: usize,
        (earlier, row): (u32, u32),
        (earlier_set, set): (&[u64], &[u64]),
        threshold: f64,
    ) {
        let (earlier, row) = (earlier as usize, row as usize);
        let (a, b) = (prints.bands_of(earlier), prints.bands_of(row));
        // What an earlier band has compared need not be compared again.
        if (0..band).any(|band| a[band] == b[band]) {
            return;
        }
        let similarity = jaccard(earlier_set, set);
        if similarity < threshold {
            return;
        }
        let (of, other) = (prints.row(row).split, prints.row(earlier).split);
        let kept = match other {
            _ if of == other => &mut self.within,
            Split::Train => &mut self.in_train,
            _ => &mut self.in_validation,
        };
        keep(kept, row, (earlier, similarity));
    }

    fn joined(mut self, other: Self) -> Self {
        for (kept, more) in [
            (&mut self.within, other.within),
            (&mut self.in_train, other.in_train),
            (&mut self.in_validation, other.in_validation),
        ] {
            more.into_iter().for_each(|(row, found)| keep(kept, row, found));
        }
        self
    }
}

/// The most similar, and of equally similar ones the first, so that threads do not decide.
fn keep(kept: &mut HashMap<usize, (usize, f64)>, row: usize, found: (usize, f64)) {
    let best = kept.entry(row).or_insert(found);
    if found.1 > best.1 || (found.1 == best.1 && found.0 < best.0) {
        *best = found;
    }
}

/// The first row of each normalised text, of those that are long enough.
fn first_of_each_text(prints: &Fingerprints) -> Vec<u32> {
    let mut order: Vec<u32> = (0..prints.len() as u32).collect();
    order.sort_unstable_by_key(|row| (prints.normal[*row as usize], *row));
    order.dedup_by_key(|row| prints.normal[*row as usize]);
    order.retain(|row| prints.bands_of(*row as usize)[0] != NO_BAND);
    order.sort_unstable();
    order
}

/// The rows with the same hash of a band, two or more, each run ascending.
fn runs(prints: &Fingerprints, rows: &[u32], band: usize) -> Vec<Vec<u32>> {
    let hash = |row: &u32| prints.bands_of(*row as usize)[band];
    let mut order = rows.to_vec();
    order.sort_unstable_by_key(|row| (hash(row), *row));
    order.chunk_by(|a, b| hash(a) == hash(b)).filter(|run| run.len() > 1).map(<[u32]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(train: &[&str], test: &[&str]) -> NearRows {
        let mut prints = Fingerprints::new();
        prints.begin(Split::Train);
        prints.add(train);
        prints.begin(Split::Test);
        prints.add(test);
        let candidates = near_candidates(&prints);
        let all: Vec<&str> = train.iter().chain(test).copied().collect();
        let texts: Vec<String> = candidates.iter().map(|row| all[*row].to_owned()).collect();
        near_rows(&prints, &candidates, &texts, NEAR)
    }

    #[test]
    fn a_changed_word_is_near_and_another_sentence_is_not() {
        let found = near(
            &[
                "the parcel that was promised for Monday has still not come to our office",
                "please cancel my subscription at the end of this month, I do not need it",
                "the parcel that was promised for Tuesday has still not come to our office",
            ],
            &["Please cancel my subscription at the end of this year; I do not need it!", "where is the nearest shop"],
        );
        assert_eq!(found.within.keys().collect::<Vec<_>>(), [&2]);
        assert_eq!(found.within[&2].0, 0);
        assert_eq!(found.in_train.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(found.in_train[&3].0, 1);
        assert!(found.in_train[&3].1 >= NEAR && found.in_train[&3].1 < 1.0);
    }

    #[test]
    fn equals_all_pairs_compared() {
        // Sentences of a few words each: many are nearly alike.
        let words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"];
        let mut random = retune_random::Random::new(retune_random::Purpose::Sample, 5, 0);
        let texts: Vec<String> = (0..400)
            .map(|_| {
                (0..9)
                    .map(|place| words[if random.below(9) < 7 { place } else { random.below(10) }])
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = near(&plain, &[]);
        let sets: Vec<Vec<u64>> = texts.iter().map(|text| shingles(&normalized(text))).collect();
        let (mut missed, mut all) = (0, 0);
        for row in 0..texts.len() {
            if texts[..row].contains(&texts[row]) {
                assert!(!found.within.contains_key(&row));
                continue;
            }
            let best = (0..row).map(|other| jaccard(&sets[other], &sets[row])).fold(0.0, f64::max);
            all += usize::from(best >= NEAR);
            match found.within.get(&row) {
                Some((other, similarity)) => assert_eq!(*similarity, jaccard(&sets[*other], &sets[row])),
                None => missed += usize::from(best >= NEAR),
            }
        }
        assert!(all > 100 && missed * 50 < all, "{missed} of {all} missed");
    }
}
