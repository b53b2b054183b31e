//! Rows → a packed batch: sequences end to end, nothing padded.

use std::cmp::Reverse;

use crate::error::DataError;
use crate::tokenize::Tokenized;

/// `b` sequences of together `t` tokens, in the types that libtorch takes indices in.
///
/// Sequences are ordered by length, the longest first and equals as they came, so that attention may treat each run of
/// equal lengths as one rectangle. The order is that of `rows`, and what is computed per sequence goes back by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBatch {
    /// Token ids, `[t]`.
    pub input_ids: Vec<i64>,
    /// Which text of a pair, `[t]`.
    pub token_type_ids: Vec<i64>,
    /// The place of each token in its sequence, from 0, `[t]`.
    pub position_ids: Vec<i64>,
    /// Sequence `i` is at `cu_seqlens[i]..cu_seqlens[i + 1]`, `[b + 1]`, from 0.
    pub cu_seqlens: Vec<i64>,
    /// The row of each sequence in the data set, `[b]`.
    pub rows: Vec<usize>,
}

/// Packs these rows.
///
/// # Errors
///
/// Those of [`Tokenized::read`].
///
/// # Panics
///
/// If a row is not in the data set.
pub fn collate(tokenized: &Tokenized, rows: &[usize]) -> Result<PackedBatch, DataError> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|&row| Reverse(tokenized.length(row)));
    let tokens = rows.iter().map(|&row| tokenized.length(row)).sum();
    let mut batch = PackedBatch {
        input_ids: Vec::with_capacity(tokens),
        token_type_ids: Vec::with_capacity(tokens),
        position_ids: Vec::with_capacity(tokens),
        cu_seqlens: Vec::with_capacity(rows.len() + 1),
        rows,
    };
    batch.cu_seqlens.push(0);
    let (mut ids, mut type_ids) = (Vec::new(), Vec::new());
    for &row in &batch.rows {
        ids.clear();
        type_ids.clear();
        tokenized.read(row, &mut ids, &mut type_ids)?;
        batch.position_ids.extend((0_i64..).take(ids.len()));
        batch.input_ids.extend(ids.iter().map(|&id| i64::from(id)));
        batch.token_type_ids.extend(type_ids.iter().map(|&id| i64::from(id)));
        batch.cu_seqlens.push(batch.input_ids.len() as i64);
    }
    Ok(batch)
}

impl PackedBatch {
    /// The number of sequences, `b`.
    pub fn sequences(&self) -> usize {
        self.rows.len()
    }

    /// The number of tokens, `t`.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text `i` is `i`, repeated `lengths[i]` times; its second half is of type 1.
    fn tokenized(lengths: &[usize]) -> Tokenized {
        let row = |(row, &length)| (0..length).map(move |i| (row, u8::from(2 * i >= length)));
        Tokenized::from_rows((0..).zip(lengths).map(row))
    }

    #[test]
    fn longest_first_and_equals_as_they_came() {
        let batch = collate(&tokenized(&[2, 3, 1, 2]), &[3, 2, 1, 0]).expect("a batch");
        assert_eq!(batch.rows, [1, 3, 0, 2]);
        assert_eq!(batch.input_ids, [1, 1, 1, 3, 3, 0, 0, 2]);
        assert_eq!(batch.token_type_ids, [0, 0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(batch.position_ids, [0, 1, 2, 0, 1, 0, 1, 0]);
        assert_eq!(batch.cu_seqlens, [0, 3, 5, 7, 8]);
        assert_eq!((batch.sequences(), batch.tokens()), (4, 8));
    }

    proptest! {
        #[test]
        fn every_sequence_is_whole_and_under_its_row(
            lengths in prop::collection::vec(0_usize..9, 1..30),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let rows: Vec<usize> = picks.iter().map(|pick| pick.index(lengths.len())).collect();
            let data = tokenized(&lengths);
            let batch = collate(&data, &rows).expect("a batch");

            let mut expected = rows.clone();
            expected.sort_by(|a, b| lengths[*b].cmp(&lengths[*a]));
            prop_assert_eq!(&batch.rows, &expected);
            prop_assert_eq!(batch.cu_seqlens.len(), rows.len() + 1);
            prop_assert_eq!(batch.cu_seqlens.last(), Some(&(batch.tokens() as i64)));
            for (i, &row) in batch.rows.iter().enumerate() {
                let range = batch.cu_seqlens[i] as usize..batch.cu_seqlens[i + 1] as usize;
                prop_assert_eq!(range.len(), lengths[row]);
                prop_assert!(batch.input_ids[range.clone()].iter().all(|&id| id == row as i64));
                prop_assert!(batch.position_ids[range].iter().copied().eq(0..lengths[row] as i64));
            }
            prop_assert_eq!(batch.token_type_ids.len(), batch.tokens());
        }
    }
}
