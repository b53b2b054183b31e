//! Values of one column, gathered row by row.

use polars::prelude::*;

use super::Wanted;

/// The values of one column so far.
pub(crate) struct ColumnBuilder<'a> {
    pub(crate) wanted: Wanted<'a>,
    values: Values,
}

enum Values {
    Texts(StringChunkedBuilder),
    Lists(ListStringChunkedBuilder),
}

/// The column wants a list and got a text, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch;

impl<'a> ColumnBuilder<'a> {
    pub(crate) fn new(wanted: Wanted<'a>) -> Self {
        let name = wanted.name().into();
        let values = match wanted {
            Wanted::Text(_) => Values::Texts(StringChunkedBuilder::new(name, 0)),
            Wanted::List(_) | Wanted::Separated(..) => Values::Lists(ListStringChunkedBuilder::new(name, 0, 0)),
        };
        Self { wanted, values }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.wanted.name()
    }

    pub(crate) fn push_null(&mut self) {
        match &mut self.values {
            Values::Texts(values) => values.append_null(),
            Values::Lists(values) => values.append_null(),
        }
    }

    /// Appends a text, or the items that it is split into; the empty string is a null.
    pub(crate) fn push_text(&mut self, text: Option<&str>) -> Result<(), Mismatch> {
        let text = text.filter(|text| !text.is_empty());
        match (&mut self.values, self.wanted) {
            (Values::Texts(values), _) => values.append_option(text),
            (Values::Lists(values), Wanted::Separated(_, separator)) => match text {
                Some(text) => values.append_values_iter(items(text, separator)),
                None => values.append_null(),
            },
            (Values::Lists(_), _) => return Err(Mismatch),
        }
        Ok(())
    }

    /// Appends a list. An empty item stays one: it stands for its place.
    pub(crate) fn push_list<'t>(&mut self, items: impl Iterator<Item = &'t str>) -> Result<(), Mismatch> {
        match &mut self.values {
            Values::Texts(_) => Err(Mismatch),
            Values::Lists(values) => {
                values.append_values_iter(items);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Column {
        match self.values {
            Values::Texts(values) => values.finish().into_column(),
            Values::Lists(mut values) => values.finish().into_column(),
        }
    }
}

fn items(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|item| !item.is_empty())
}
