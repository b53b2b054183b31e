//! Rows of numbers, dense or sparse, as classifiers read them.

use ndarray::{Array2, ArrayView2};

use crate::error::{InspectError, same_length};

/// What is known of `n` rows: `[n, d]`.
#[derive(Clone, Debug)]
pub enum Features {
    /// All numbers, as vectors of a model are.
    Dense(DenseRows),
    /// Those that are not 0, as counts of words are.
    Sparse(SparseRows),
}

/// `[n, d]`, row by row.
#[derive(Clone, Debug)]
pub struct DenseRows {
    values: Array2<f64>,
}

/// `[n, d]` with few entries in each row, ordered by their columns.
#[derive(Clone, Debug, Default)]
pub struct SparseRows {
    /// Where each row begins, and where the last ends: `n + 1`.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    width: usize,
}

impl Features {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.values.nrows(),
            Self::Sparse(sparse) => sparse.rows(),
        }
    }

    /// How many numbers a row has.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.values.ncols(),
            Self::Sparse(sparse) => sparse.width,
        }
    }

    /// These rows, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Dense(dense) => Self::Dense(DenseRows { values: dense.values.select(ndarray::Axis(0), rows) }),
            Self::Sparse(sparse) => {
                let mut selected = SparseRows::of_width(sparse.width);
                rows.iter().for_each(|row| selected.push(sparse.row(*row)));
                Self::Sparse(selected)
            }
        }
    }
}

impl DenseRows {
    /// `n` rows of `width` numbers, end to end.
    ///
    /// # Errors
    /// The numbers do not fill whole rows, or one is not finite.
    pub fn new(values: Vec<f64>, width: usize) -> Result<Self, InspectError> {
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let row = place / width.max(1);
            return Err(InspectError::Value { what: "a feature", row, value: values[place] });
        }
        let (rows, found) = (values.len() / width.max(1), values.len());
        same_length("the features", rows * width, found)?;
        let values = Array2::from_shape_vec((rows, width), values).map_err(|_| InspectError::Length {
            what: "the features",
            expected: rows * width,
            found,
        })?;
        Ok(Self { values })
    }

    /// These rows, and below them those of another.
    ///
    /// # Errors
    /// They have another number of columns.
    pub fn joined(mut self, other: &Self) -> Result<Self, InspectError> {
        same_length("a row of features", self.values.ncols(), other.values.ncols())?;
        let found = other.values.ncols();
        self.values.append(ndarray::Axis(0), other.values.view()).map_err(|_| InspectError::Length {
            what: "a row of features",
            expected: self.values.ncols(),
            found,
        })?;
        Ok(self)
    }

    /// Each row divided by its Euclidean length; a row of zeros stays.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        for mut row in self.values.rows_mut() {
            let length = row.dot(&row).sqrt();
            if length > 0.0 {
                row /= length;
            }
        }
        self
    }

    /// Each column less its mean and divided by its standard deviation over all rows; a column that is constant becomes
    /// 0.
    #[must_use]
    pub fn standardized(mut self) -> Self {
        for mut column in self.values.columns_mut() {
            let mean = column.mean().unwrap_or(0.0);
            column -= mean;
            let deviation = (column.dot(&column) / column.len().max(1) as f64).sqrt();
            if deviation > 1e-12 {
                column /= deviation;
            } else {
                column.fill(0.0);
            }
        }
        self
    }

    pub(crate) fn view(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }
}

impl SparseRows {
    /// No row yet.
    pub fn of_width(width: usize) -> Self {
        Self { starts: vec![0], width, ..Self::default() }
    }

    /// Adds a row: its columns in ascending order, each with its number.
    pub fn push(&mut self, entries: impl IntoIterator<Item = (u32, f64)>) {
        for (column, value) in entries {
            self.columns.push(column);
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The entries of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// How many numbers a row stands for.
    pub fn width(&self) -> usize {
        self.width
    }
}
