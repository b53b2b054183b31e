//! Numbers that stand beside sequences: the label of each token, or where an answer begins and ends.

use super::tokenized::Tokenized;
use crate::error::DataError;

/// A row of numbers for each sequence of a data set, kept where its tokens are: in memory, or in the same file.
#[derive(Clone, Debug, Default)]
pub struct Beside(Tokenized);

impl Beside {
    /// Rows that are known.
    ///
    /// ```
    /// let beside = retune_data::Beside::from_rows([vec![7, 8], vec![9]]);
    /// assert_eq!((beside.len(), beside.read(0)?), (2, vec![7, 8]));
    /// # Ok::<(), retune_data::DataError>(())
    /// ```
    pub fn from_rows<R: IntoIterator<Item = u32>>(rows: impl IntoIterator<Item = R>) -> Self {
        Self(Tokenized::from_rows(rows.into_iter().map(|row| row.into_iter().map(|number| (number, 0)))))
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of one row.
    ///
    /// # Errors
    ///
    /// [`DataError::Read`], where they are in a file.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn read(&self, row: usize) -> Result<Vec<u32>, DataError> {
        let (mut numbers, mut zeros) = (Vec::new(), Vec::new());
        self.0.read(row, &mut numbers, &mut zeros)?;
        Ok(numbers)
    }

    /// Each sequence with its row behind it, as a sequence of its own: as one file keeps them.
    ///
    /// # Panics
    ///
    /// If there are not as many rows as sequences.
    pub(crate) fn woven(tokenized: &Tokenized, beside: &Self) -> Result<Tokenized, DataError> {
        assert_eq!(tokenized.len(), beside.len(), "sequences and rows beside them");
        let mut woven = Tokenized { truncated: tokenized.truncated, ..Tokenized::default() };
        let (mut ids, mut marks) = (Vec::new(), Vec::new());
        for row in 0..tokenized.len() {
            for part in [tokenized, &beside.0] {
                ids.clear();
                marks.clear();
                part.read_marked(row, &mut ids, &mut marks)?;
                woven.push_marked(&ids, marks.iter().copied());
            }
        }
        Ok(woven)
    }

    /// What [`Beside::woven`] put together.
    pub(crate) fn unwoven(woven: &Tokenized) -> Result<(Tokenized, Self), DataError> {
        let every_second = |first: usize| woven.select(&(first..woven.len()).step_by(2).collect::<Vec<usize>>());
        Ok((every_second(0)?, Self(every_second(1)?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tokenized::tests::rows;
    use super::*;

    proptest! {
        #[test]
        fn what_is_woven_comes_apart(lengths in prop::collection::vec((0..4_u32, 0..4_u32), 0..300)) {
            let tokens = lengths.iter().map(|(length, _)| (0..*length).map(|id| (id, (id % 2) as u8)));
            let tokenized = Tokenized { truncated: 3, ..Tokenized::from_rows(tokens) };
            let numbers: Vec<Vec<u32>> = lengths.iter().map(|(_, length)| (0..*length).map(|i| u32::MAX - i).collect()).collect();
            let woven = Beside::woven(&tokenized, &Beside::from_rows(numbers.clone())).expect("one");
            let (apart, beside) = Beside::unwoven(&woven).expect("two");
            prop_assert_eq!(rows(&apart), rows(&tokenized));
            prop_assert_eq!(apart.truncated, 3);
            let read: Vec<Vec<u32>> = (0..beside.len()).map(|row| beside.read(row).expect("a row")).collect();
            prop_assert_eq!(read, numbers);
        }
    }
}
