//! A table as plain columns: what whoever reads `predictions.parquet` hands over.

/// Columns of one length, by name, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

/// The values of a column, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Texts.
    Texts(Vec<String>),
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Texts(values) => values.len(),
            Self::Numbers(values) => values.len(),
        }
    }
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// A column is not as long as the first; its name is given back.
    pub fn new(columns: Vec<(String, Column)>) -> Result<Self, String> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        match columns.iter().find(|(_, column)| column.len() != rows) {
            Some((name, column)) => {
                Err(format!("have {} rows in column '{name}' and {rows} in the first", column.len()))
            }
            None => Ok(Self { columns }),
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// A column of texts.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        self.columns.iter().find_map(|(known, column)| match column {
            Column::Texts(values) if known == name => Some(values.as_slice()),
            _ => None,
        })
    }

    /// A column of numbers, also of numbers that are written as texts.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        let (_, column) = self.columns.iter().find(|(known, _)| known == name)?;
        match column {
            Column::Numbers(values) => Some(values.clone()),
            Column::Texts(values) => values.iter().map(|value| value.trim().parse().ok()).collect(),
        }
    }

    /// The columns of numbers whose names begin so, with what follows in them.
    pub fn numbers_after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [f64])> {
        self.columns.iter().filter_map(move |(name, column)| match column {
            Column::Numbers(values) => Some((name.strip_prefix(prefix)?, values.as_slice())),
            Column::Texts(_) => None,
        })
    }
}
