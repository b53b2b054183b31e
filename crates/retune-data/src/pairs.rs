//! Pairs of rows for contrastive learning from classes.

use std::collections::BTreeMap;

use retune_random::{Purpose, Random};

/// Two different rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The row that a partner was drawn for.
    pub row: usize,
    /// Its partner.
    pub partner: usize,
    /// Whether both are of one class: a positive pair.
    pub same_class: bool,
}

/// For each row, in their order, `each` times a partner of its class and one of another (Tunstall et al. 2022, arXiv
/// 2209.11055; SetFit's `num_iterations` counts so too): each is drawn uniformly from all that there are, by ChaCha8
/// under the seed and the row's place, so that a pair may come more than once. No row is its own partner. A row whose
/// class has no other has no positive pairs; where there is one class, there are no negative ones.
///
/// `labels` gives the class of each row. At most `2 · each · n` pairs.
pub fn contrastive_pairs(labels: &[u32], each: usize, seed: u64) -> Vec<Pair> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        classes.entry(*label).or_default().push(row);
    }
    // All rows by class: those of another class are the ones before and after a class's own range.
    let by_class: Vec<usize> = classes.values().flatten().copied().collect();
    let mut ranges = BTreeMap::new();
    let mut start = 0;
    for (label, rows) in &classes {
        ranges.insert(*label, start..start + rows.len());
        start += rows.len();
    }
    let mut pairs = Vec::new();
    for (row, label) in labels.iter().enumerate() {
        let own = &ranges[label];
        let others = labels.len() - own.len();
        let mut random = Random::new(Purpose::Pairs, seed, row as u64);
        for _ in 0..each {
            if own.len() > 1 {
                let place = own.start + random.below(own.len() - 1);
                // The last of the class stands where the row itself does.
                let partner = if by_class[place] == row { by_class[own.end - 1] } else { by_class[place] };
                pairs.push(Pair { row, partner, same_class: true });
            }
            if others > 0 {
                let place = random.below(others);
                let partner = by_class[if place < own.start { place } else { place + own.len() }];
                pairs.push(Pair { row, partner, same_class: false });
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_has_as_many_of_each_sort_as_can_be(
            labels in prop::collection::vec(0_u32..4, 1..40), each in 1..6_usize, seed in any::<u64>(),
        ) {
            let pairs = contrastive_pairs(&labels, each, seed);
            prop_assert_eq!(&pairs, &contrastive_pairs(&labels, each, seed));
            for pair in &pairs {
                prop_assert_ne!(pair.row, pair.partner);
                prop_assert_eq!(pair.same_class, labels[pair.row] == labels[pair.partner]);
            }
            for (row, label) in labels.iter().enumerate() {
                let own = labels.iter().filter(|other| *other == label).count();
                for (same_class, partners) in [(true, own - 1), (false, labels.len() - own)] {
                    let found = pairs.iter().filter(|pair| pair.row == row && pair.same_class == same_class).count();
                    prop_assert_eq!(found, if partners > 0 { each } else { 0 });
                }
            }
        }
    }

    #[test]
    fn partners_are_equally_likely() {
        const DRAWS: usize = 6000;
        let mut times = [0_u32; 6];
        for pair in contrastive_pairs(&[0, 1, 0, 1, 0, 0], DRAWS, 3).iter().filter(|pair| pair.row == 2) {
            times[pair.partner] += 1;
        }
        assert_eq!(times[2], 0);
        // Five standard deviations: of 6,000 thirds 183, of 6,000 halves 194.
        assert!([0, 4, 5].iter().all(|row| times[*row].abs_diff(2000) < 183), "{times:?}");
        assert!([1, 3].iter().all(|row| times[*row].abs_diff(3000) < 194), "{times:?}");
    }

    #[test]
    fn the_pairs_are_fixed_for_good() {
        let pairs: Vec<_> = contrastive_pairs(&[0, 1, 0, 1], 1, 42).iter().map(|p| (p.row, p.partner)).collect();
        expect!["[(0, 2), (0, 3), (1, 3), (1, 2), (2, 0), (2, 1), (3, 1), (3, 0)]"].assert_eq(&format!("{pairs:?}"));
        assert_ne!(contrastive_pairs(&[0, 1, 0, 1], 5, 1), contrastive_pairs(&[0, 1, 0, 1], 5, 2));
    }

    #[test]
    fn one_class_and_classes_of_one_row() {
        assert!(contrastive_pairs(&[3, 3], 2, 0).iter().all(|pair| pair.same_class));
        assert!(contrastive_pairs(&[0, 1, 2], 2, 0).iter().all(|pair| !pair.same_class));
        assert!(contrastive_pairs(&[0], 2, 0).is_empty() && contrastive_pairs(&[], 2, 0).is_empty());
    }
}
