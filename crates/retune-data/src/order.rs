//! Which rows stand in which batch.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::tokenize::Tokenized;
use retune_random::{Purpose, Random};

/// How the rows of an epoch are drawn from those that are trained on.
///
/// The order of epoch `e` is a function of `(seed, e)` and of what stands here, so that [`OrderState`], two numbers, is
/// all that a checkpoint keeps, and to go on from it costs nothing: no epoch is replayed.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// The rows that are trained on.
    members: Vec<usize>,
    drawing: Drawing,
}

#[derive(Clone, Debug)]
enum Drawing {
    Shuffled,
    /// The length of each member, in tokens.
    LengthGrouped(Vec<usize>),
    /// For each class, the places of its members.
    ClassBalanced(Vec<Vec<usize>>),
}

/// Batches of which rows are sorted by length together, where lengths are grouped: as in `transformers`.
const BATCHES_IN_GROUP: usize = 50;

impl Sampler {
    /// All of `len` rows, in each epoch in a new order: a Fisher–Yates shuffle by ChaCha8 under the key
    /// `seed ‖ e ‖ "retune/epoch/v1\0"` (numbers of eight bytes, little endian).
    pub fn shuffled(len: NonZeroUsize) -> Self {
        Self { members: (0..len.get()).collect(), drawing: Drawing::Shuffled }
    }

    /// A share of the rows, above 0 and at most 1, drawn by seed, at least one. A smaller share is part of a larger one.
    #[must_use]
    pub fn share(mut self, fraction: f64, seed: u64) -> Self {
        let kept = (self.members.len() as f64 * fraction).round() as usize;
        if kept < self.members.len() {
            Random::new(Purpose::Share, seed, 0).shuffle(&mut self.members);
            self.members.truncate(kept.max(1));
            self.members.sort_unstable();
        }
        self
    }

    /// At most so many rows of each class, drawn by seed; of a class that has fewer, all. Fewer rows are part of more,
    /// and what is drawn of a class does not hang on the others. `class` gives a row's class.
    #[must_use]
    pub fn per_class(mut self, count: usize, seed: u64, class: impl Fn(usize) -> usize) -> Self {
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in self.members {
            classes.entry(class(row)).or_default().push(row);
        }
        self.members = Vec::new();
        for (class, mut rows) in classes {
            Random::new(Purpose::PerClass, seed, class as u64).shuffle(&mut rows);
            rows.truncate(count);
            self.members.append(&mut rows);
        }
        self.members.sort_unstable();
        self
    }

    /// Every row once, in batches of like lengths: the shuffled rows are sorted within groups of 50 batches, longest
    /// first, and the batches come in a new order. `length` gives a row's tokens.
    #[must_use]
    pub fn grouped_by_length(mut self, length: impl Fn(usize) -> usize) -> Self {
        self.drawing = Drawing::LengthGrouped(self.members.iter().map(|row| length(*row)).collect());
        self
    }

    /// As many draws as there are rows, each from a class drawn uniformly from those that have rows; within a class, no
    /// row comes again before all have come. `class` gives a row's class.
    #[must_use]
    pub fn balanced_by_class(mut self, class: impl Fn(usize) -> usize) -> Self {
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, row) in self.members.iter().enumerate() {
            classes.entry(class(*row)).or_default().push(place);
        }
        self.drawing = Drawing::ClassBalanced(classes.into_values().collect());
        self
    }

    /// The rows that are trained on, in their order.
    pub fn members(&self) -> &[usize] {
        &self.members
    }

    fn epoch(&self, seed: u64, epoch: u64, batch_size: usize) -> Vec<usize> {
        let mut random = Random::new(Purpose::Epoch, seed, epoch);
        let mut places: Vec<usize> = (0..self.members.len()).collect();
        match &self.drawing {
            Drawing::Shuffled => random.shuffle(&mut places),
            Drawing::LengthGrouped(lengths) => {
                random.shuffle(&mut places);
                for group in places.chunks_mut(batch_size * BATCHES_IN_GROUP) {
                    group.sort_by_key(|place| Reverse(lengths[*place]));
                }
                // The batch that is not full stays the last: every other one is of the size that was asked for.
                let whole = places.len() - places.len() % batch_size;
                let rest = places.split_off(whole);
                let mut batches: Vec<Vec<usize>> = places.chunks(batch_size).map(<[usize]>::to_vec).collect();
                random.shuffle(&mut batches);
                places = [batches.concat(), rest].concat();
            }
            Drawing::ClassBalanced(classes) => {
                let mut left: Vec<Vec<usize>> = vec![Vec::new(); classes.len()];
                for place in &mut places {
                    let class = random.below(classes.len());
                    if left[class].is_empty() {
                        left[class].clone_from(&classes[class]);
                        random.shuffle(&mut left[class]);
                    }
                    *place = left[class].pop().unwrap_or_default();
                }
            }
        }
        places.into_iter().map(|place| self.members[place]).collect()
    }
}

/// Batches of training rows without end, epoch after epoch.
#[derive(Clone, Debug)]
pub struct EpochOrder {
    seed: u64,
    batch_size: NonZeroUsize,
    sampler: Sampler,
    state: OrderState,
    /// The order of `state.epoch`.
    rows: Vec<usize>,
}

/// How far training has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// Epochs finished.
    pub epoch: u64,
    /// Rows of the epoch at hand that have been given out: less than there are, for with the last one the next epoch
    /// begins.
    pub position: usize,
}

impl EpochOrder {
    /// From the first row of epoch 0. The last batch of an epoch holds what is left.
    pub fn new(seed: u64, sampler: Sampler, batch_size: NonZeroUsize) -> Self {
        let rows = sampler.epoch(seed, 0, batch_size.get());
        Self { seed, batch_size, sampler, state: OrderState::default(), rows }
    }

    /// Goes to where `state` was taken. A position at or beyond the last row means the next epoch.
    pub fn go_to(&mut self, mut state: OrderState) {
        if state.position >= self.rows.len() {
            state = OrderState { epoch: state.epoch + 1, position: 0 };
        }
        self.state = state;
        self.rows = self.sampler.epoch(self.seed, state.epoch, self.batch_size.get());
    }

    /// The next batch: at least one row, at most `batch_size`, all of one epoch. An epoch has ended when
    /// [`EpochOrder::state`] is at position 0 after it.
    pub fn next_batch(&mut self) -> Vec<usize> {
        let start = self.state.position;
        let end = (start + self.batch_size.get()).min(self.rows.len());
        let batch = self.rows[start..end].to_vec();
        self.state.position = end;
        if end == self.rows.len() {
            self.go_to(OrderState { epoch: self.state.epoch + 1, position: 0 });
        }
        batch
    }

    /// What to keep in a checkpoint.
    pub fn state(&self) -> OrderState {
        self.state
    }

    /// The rows that are trained on, in their order.
    pub fn members(&self) -> &[usize] {
        self.sampler.members()
    }

    /// Batches in one epoch, with the last, partial one.
    pub fn batches_per_epoch(&self) -> usize {
        self.rows.len().div_ceil(self.batch_size.get())
    }

    /// Rows in one epoch.
    pub fn rows_per_epoch(&self) -> usize {
        self.rows.len()
    }
}

/// Batches to evaluate: every row once, the longest texts first and equals in their order, so that equal lengths lie
/// side by side. Results go back to the data set's order by the rows.
pub fn evaluation_batches(tokenized: &Tokenized, batch_size: NonZeroUsize) -> Vec<Vec<usize>> {
    evaluation_batches_of((0..tokenized.len()).collect(), tokenized, batch_size)
}

/// The same of these rows alone.
pub fn evaluation_batches_of(mut rows: Vec<usize>, tokenized: &Tokenized, batch_size: NonZeroUsize) -> Vec<Vec<usize>> {
    rows.sort_by_key(|&row| Reverse(tokenized.length(row)));
    rows.chunks(batch_size.get()).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn epoch_rows(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
        Sampler::shuffled(size(len)).epoch(seed, epoch, 1)
    }

    fn order(seed: u64, len: usize, batch: usize) -> EpochOrder {
        EpochOrder::new(seed, Sampler::shuffled(size(len)), size(batch))
    }

    fn size(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).expect("a number above 0")
    }

    #[test]
    fn the_orders_are_fixed_for_good() {
        expect!["[8, 2, 1, 4, 5, 3, 0, 7, 6, 9]"].assert_eq(&format!("{:?}", epoch_rows(42, 0, 10)));
        expect!["[1, 4, 8, 3, 5, 2, 9, 6, 7, 0]"].assert_eq(&format!("{:?}", epoch_rows(42, 1, 10)));
    }

    proptest! {
        #[test]
        fn an_epoch_is_every_row_once(seed in any::<u64>(), len in 1..70_usize, batch in 1..20_usize, skip in 0..3_u64) {
            let mut order = order(seed, len, batch);
            order.go_to(OrderState { epoch: skip, position: 0 });
            let mut batches = Vec::new();
            while order.state().epoch == skip {
                batches.push(order.next_batch());
            }
            prop_assert_eq!(order.state(), OrderState { epoch: skip + 1, position: 0 });
            prop_assert_eq!(batches.len(), order.batches_per_epoch());
            let (last, full) = batches.split_last().expect("a batch");
            prop_assert!(full.iter().all(|rows| rows.len() == batch) && !last.is_empty() && last.len() <= batch);
            prop_assert_eq!(batches.concat(), epoch_rows(seed, skip, len));
            let mut rows = batches.concat();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn resuming_goes_on_as_if_never_stopped(
            seed in any::<u64>(), len in 1..40_usize, batch in 1..12_usize, stop in 0..30_usize,
        ) {
            let mut through = order(seed, len, batch);
            for _ in 0..stop {
                through.next_batch();
            }
            let kept = serde_json::to_string(&through.state()).expect("JSON");
            let state = serde_json::from_str(&kept).expect("a state");
            let mut resumed = order(seed, len, batch);
            resumed.go_to(state);
            for _ in 0..10 {
                prop_assert_eq!(through.next_batch(), resumed.next_batch());
                prop_assert_eq!(through.state(), resumed.state());
            }
        }

        #[test]
        fn the_batch_size_does_not_change_the_order(seed in any::<u64>(), len in 1..40_usize, batch in 1..12_usize) {
            let mut small = order(seed, len, batch);
            let mut rows = Vec::new();
            while rows.len() < len {
                rows.extend(small.next_batch());
            }
            prop_assert_eq!(rows, order(seed, len, len).next_batch());
        }

        #[test]
        fn grouping_takes_every_row_once_and_sorts_within_batches(
            seed in any::<u64>(), lengths in prop::collection::vec(1_usize..40, 1..300), batch in 1..6_usize,
        ) {
            let sampler = Sampler::shuffled(size(lengths.len())).grouped_by_length(|row| lengths[row]);
            let rows = sampler.epoch(seed, 1, batch);
            for rows in rows.chunks(batch) {
                prop_assert!(rows.is_sorted_by_key(|&row| Reverse(lengths[row])));
            }
            let mut sorted = rows;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..lengths.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_smaller_share_is_part_of_a_larger(
            seed in any::<u64>(), len in 1..60_usize, less in 0.01..1.0_f64, more in 0.01..1.0_f64,
        ) {
            let (less, more) = (less.min(more), less.max(more));
            let [less, more] = [less, more].map(|share| Sampler::shuffled(size(len)).share(share, seed).members);
            prop_assert!(!less.is_empty() && less.iter().all(|row| more.contains(row)), "{:?} {:?}", less, more);
        }

        #[test]
        fn so_many_of_each_class_and_fewer_are_part_of_more(
            seed in any::<u64>(), classes in prop::collection::vec(0_usize..3, 1..60), less in 1..8_usize, more in 1..8_usize,
        ) {
            let (less, more) = (less.min(more), less.max(more));
            let drawn = |count| Sampler::shuffled(size(classes.len())).per_class(count, seed, |row| classes[row]).members;
            let [few, many] = [less, more].map(drawn);
            prop_assert!(few.is_sorted() && few.iter().all(|row| many.contains(row)), "{:?} {:?}", few, many);
            for class in 0..3 {
                let count = |rows: &[usize]| rows.iter().filter(|row| classes[**row] == class).count();
                let all: Vec<usize> = (0..classes.len()).collect();
                prop_assert_eq!(count(&few), count(&all).min(less));
            }
        }

        #[test]
        fn within_a_class_no_row_comes_again_before_all_have_come(
            seed in any::<u64>(), classes in prop::collection::vec(0_usize..3, 1..40),
        ) {
            let sampler = Sampler::shuffled(size(classes.len())).balanced_by_class(|row| classes[row]);
            let rows = sampler.epoch(seed, 0, 1);
            prop_assert_eq!(rows.len(), classes.len());
            for class in 0..3 {
                let own = classes.iter().filter(|other| **other == class).count();
                let drawn: Vec<_> = rows.iter().filter(|row| classes[**row] == class).collect();
                for round in drawn.chunks(own.max(1)) {
                    let mut different = round.to_vec();
                    different.sort_unstable();
                    different.dedup();
                    prop_assert_eq!(different.len(), round.len());
                }
            }
        }

        #[test]
        fn evaluation_sees_every_row_once_longest_first(
            lengths in prop::collection::vec(1_usize..6, 0..40), batch in 1..12_usize,
        ) {
            let tokenized = Tokenized::from_rows(lengths.iter().map(|&length| vec![(0, 0); length]));
            let rows = evaluation_batches(&tokenized, size(batch)).concat();
            prop_assert!(rows.is_sorted_by_key(|&row| (Reverse(lengths[row]), row)));
            let mut sorted = rows;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..lengths.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn classes_come_equally_often() {
        // One row in ten is of the second class.
        let sampler = Sampler::shuffled(size(5000)).balanced_by_class(|row| usize::from(row % 10 == 0));
        let second = sampler.epoch(3, 0, 32).iter().filter(|row| **row % 10 == 0).count();
        // Five standard deviations of a fair coin.
        assert!((2323..=2677).contains(&second), "{second}");
    }

    #[test]
    fn like_lengths_lie_together_and_batches_are_in_no_order_of_length() {
        let length = |row: usize| row * 7919 % 997;
        let sampler = Sampler::shuffled(size(3200)).grouped_by_length(length);
        let rows = sampler.epoch(3, 0, 32);
        let spread = |rows: &[usize]| {
            let lengths = rows.iter().map(|row| length(*row));
            lengths.clone().max().unwrap() - lengths.min().unwrap()
        };
        let widest = rows.chunks(32).map(spread).max().unwrap();
        assert!(widest < 80, "{widest}");
        let longest: Vec<_> = rows.chunks(32).map(|rows| length(rows[0])).collect();
        assert!(!longest.is_sorted_by_key(|length| Reverse(*length)));
    }

    #[test]
    fn seeds_draw_other_rows_of_a_class_whatever_the_others_are() {
        let drawn = |seed, classes: usize| Sampler::shuffled(size(60)).per_class(5, seed, |row| row % classes).members;
        expect!["[2, 8, 11, 19, 30, 31, 32, 42, 51, 55]"].assert_eq(&format!("{:?}", drawn(42, 2)));
        assert_ne!(drawn(1, 2), drawn(2, 2));
    }

    #[test]
    fn epochs_and_seeds_differ() {
        assert_ne!(epoch_rows(1, 0, 50), epoch_rows(1, 1, 50));
        assert_ne!(epoch_rows(1, 0, 50), epoch_rows(2, 0, 50));
        assert_ne!(epoch_rows(1, 0, 50), (0..50).collect::<Vec<_>>());
    }
}
