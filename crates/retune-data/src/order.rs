//! Which rows stand in which batch.

use std::cmp::Reverse;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::random::{Purpose, generator, shuffle};
use crate::tokenize::Tokenized;

/// Batches of training rows without end: epoch after epoch, each a new order of all rows.
///
/// The order of epoch `e` is a function of `(seed, e, len)` alone: a Fisher–Yates shuffle of `0..len` by ChaCha8 under
/// the key `seed ‖ e ‖ "retune/epoch/v1\0"` (numbers of eight bytes, little endian). So [`OrderState`], two numbers, is
/// all that a checkpoint keeps, and to go on from it costs nothing: no epoch is replayed.
#[derive(Clone, Debug)]
pub struct EpochOrder {
    seed: u64,
    batch_size: NonZeroUsize,
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
    /// From the first row of epoch 0, over `len` rows. The last batch of an epoch holds what is left.
    pub fn new(seed: u64, len: NonZeroUsize, batch_size: NonZeroUsize) -> Self {
        Self::resume(seed, len, batch_size, OrderState::default())
    }

    /// From where `state` was taken. A position at or beyond the last row means the next epoch.
    pub fn resume(seed: u64, len: NonZeroUsize, batch_size: NonZeroUsize, mut state: OrderState) -> Self {
        if state.position >= len.get() {
            state = OrderState { epoch: state.epoch + 1, position: 0 };
        }
        Self { seed, batch_size, state, rows: epoch_rows(seed, state.epoch, len.get()) }
    }

    /// The next batch: at least one row, at most `batch_size`, all of one epoch. An epoch has ended when
    /// [`EpochOrder::state`] is at position 0 after it.
    pub fn next_batch(&mut self) -> Vec<usize> {
        let start = self.state.position;
        let end = (start + self.batch_size.get()).min(self.rows.len());
        let batch = self.rows[start..end].to_vec();
        self.state.position = end;
        if end == self.rows.len() {
            self.state = OrderState { epoch: self.state.epoch + 1, position: 0 };
            self.rows = epoch_rows(self.seed, self.state.epoch, self.rows.len());
        }
        batch
    }

    /// What to keep in a checkpoint.
    pub fn state(&self) -> OrderState {
        self.state
    }

    /// Batches in one epoch, with the last, partial one.
    pub fn batches_per_epoch(&self) -> usize {
        self.rows.len().div_ceil(self.batch_size.get())
    }
}

/// Batches to evaluate: every row once, the longest texts first and equals in their order, so that equal lengths lie
/// side by side. Results go back to the data set's order by the rows.
pub fn evaluation_batches(tokenized: &Tokenized, batch_size: NonZeroUsize) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..tokenized.len()).collect();
    rows.sort_by_key(|&row| Reverse(tokenized.length(row)));
    rows.chunks(batch_size.get()).map(<[usize]>::to_vec).collect()
}

fn epoch_rows(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..len).collect();
    shuffle(&mut rows, &mut generator(Purpose::Epoch, seed, epoch));
    rows
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

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
            let start = OrderState { epoch: skip, position: 0 };
            let mut order = EpochOrder::resume(seed, size(len), size(batch), start);
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
            let mut through = EpochOrder::new(seed, size(len), size(batch));
            for _ in 0..stop {
                through.next_batch();
            }
            let kept = serde_json::to_string(&through.state()).expect("JSON");
            let state = serde_json::from_str(&kept).expect("a state");
            let mut resumed = EpochOrder::resume(seed, size(len), size(batch), state);
            for _ in 0..10 {
                prop_assert_eq!(through.next_batch(), resumed.next_batch());
                prop_assert_eq!(through.state(), resumed.state());
            }
        }

        #[test]
        fn the_batch_size_does_not_change_the_order(seed in any::<u64>(), len in 1..40_usize, batch in 1..12_usize) {
            let mut small = EpochOrder::new(seed, size(len), size(batch));
            let mut rows = Vec::new();
            while rows.len() < len {
                rows.extend(small.next_batch());
            }
            prop_assert_eq!(rows, EpochOrder::new(seed, size(len), size(len)).next_batch());
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
    fn epochs_and_seeds_differ() {
        assert_ne!(epoch_rows(1, 0, 50), epoch_rows(1, 1, 50));
        assert_ne!(epoch_rows(1, 0, 50), epoch_rows(2, 0, 50));
        assert_ne!(epoch_rows(1, 0, 50), (0..50).collect::<Vec<_>>());
    }
}
