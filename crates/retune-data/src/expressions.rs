//! A filter of rows, and columns computed from others, in the Common Expression Language (CEL, <https://cel.dev>).
//!
//! CEL rather than SQL or the expressions of polars: it looks at one row at a time, so that a stream of tables gives
//! the same as the whole; its order of a text and a number is an error, and what of its equality is not is refused
//! here; and polars' lazy engine, which its SQL needs, would bring ninety crates.

mod names;
mod row;

use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value, extensions};
use polars::prelude::Column;

use crate::error::DataError;
use crate::table::{ColumnBuilder, Table, Wanted, float_text};
use row::Rows;

/// Which rows of a data file are kept, and which columns are computed from those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expressions {
    filter: Option<Expression>,
    computed: Vec<Computed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Computed {
    column: String,
    expression: Expression,
}

/// An expression on the columns of a row.
#[derive(Clone)]
struct Expression {
    /// Where it was written, for messages.
    key: String,
    source: String,
    program: Arc<Program>,
    /// The columns that it reads, each once.
    columns: Vec<String>,
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    for extension in [extensions::strings, extensions::lists, extensions::math] {
        environment.add_extension(extension).expect("each extension declares what no other does");
    }
    Arc::new(environment)
});

impl Expressions {
    /// A filter, which is true or false of each row, and computed columns as `NAME = EXPRESSION`.
    ///
    /// In an expression, a column's name stands for its value in the row: a text (numbers too are what the file has
    /// written: `double(score) > 0.5`), a list of texts where the task reads the column as one, or null where it is
    /// empty; `a.b` is a nested field, and `row["any name"]` a column whose name is none of CEL. What CEL has is there
    /// (`==`, `&&`, `in`, `? :`, `size`, `contains`, `startsWith`, `matches`, `exists`, …), with its extensions for
    /// strings (`lowerAscii`, `replace`, `split`, `join`, `trim`, …), lists and mathematics. All expressions read what
    /// the file has: a computed column may replace one of the same name, and is not seen by the filter or by other
    /// columns.
    ///
    /// ```
    /// let filter = "size(text) > 3 && label in ['good', 'bad']";
    /// retune_data::Expressions::new(Some(filter), &["text = title + '. ' + text".into()])?;
    /// # Ok::<(), retune_data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`DataError::Expression`] for each that is not CEL, compares a column with what is not a text, or names a column
    /// that another computed one has.
    pub fn new(filter: Option<&str>, computed: &[String]) -> Result<Self, DataError> {
        let mut problems = Vec::new();
        let filter = filter.map(|source| Expression::new("data.filter".to_owned(), source)).transpose();
        let filter = filter.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let mut columns: Vec<Computed> = Vec::new();
        for assignment in computed {
            match Computed::new(assignment) {
                Ok(new) if columns.iter().any(|column| column.column == new.column) => {
                    problems.push(new.expression.wrong("the column is computed twice; leave one of the two out"));
                }
                Ok(new) => columns.push(new),
                Err(problem) => problems.push(problem),
            }
        }
        DataError::gather(problems)?;
        Ok(Self { filter, computed: columns })
    }

    pub(crate) fn are_none(&self) -> bool {
        self.filter.is_none() && self.computed.is_empty()
    }

    /// What the filter is, where there is one.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.filter.as_ref().map(|filter| filter.source.as_str())
    }

    /// The columns to read from the file so that the wanted ones can be had.
    pub(crate) fn columns_of_file<'a>(&'a self, wanted: &[Wanted<'a>]) -> Vec<Wanted<'a>> {
        let (computed, mut of_file): (Vec<Wanted<'a>>, Vec<Wanted<'a>>) =
            wanted.iter().partition(|wanted| self.computed_as(wanted.name()).is_some());
        let computed = computed.iter().filter_map(|wanted| self.computed_as(wanted.name()));
        let read = self.filter.iter().chain(computed).flat_map(|expression| &expression.columns);
        for column in read {
            if !of_file.iter().any(|wanted| wanted.name() == column) {
                of_file.push(Wanted::Text(column));
            }
        }
        of_file
    }

    /// One of the computed columns, for what is wrong with all of them.
    pub(crate) fn without_columns(&self) -> Option<DataError> {
        let first = self.computed.first()?;
        Some(first.expression.wrong("no column of the file is read at all; let one expression, or data.text, name one"))
    }

    /// The columns that the filter reads.
    pub(crate) fn filter_columns(&self) -> &[String] {
        self.filter.as_ref().map(|filter| filter.columns.as_slice()).unwrap_or_default()
    }

    /// How many rows of a table the filter keeps.
    pub(crate) fn count(&self, table: &Table) -> Result<usize, DataError> {
        let rows = Rows::of(table);
        Ok(self.kept(&rows, &rows.context(&ENVIRONMENT), table)?.len())
    }

    fn kept(&self, rows: &Rows<'_>, context: &Context<'_, '_>, table: &Table) -> Result<Vec<usize>, DataError> {
        let Some(filter) = &self.filter else { return Ok((0..table.len()).collect()) };
        let mut kept = Vec::new();
        for row in 0..table.len() {
            rows.go_to(row);
            if filter.holds(context, table, row)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    fn computed_as(&self, column: &str) -> Option<&Expression> {
        self.computed.iter().find(|computed| computed.column == column).map(|computed| &computed.expression)
    }

    /// The rows of a table that the filter keeps, with the wanted columns; `None` where it keeps none.
    pub(crate) fn apply(&self, table: Table, wanted: &[Wanted<'_>]) -> Result<Option<Table>, DataError> {
        let (kept, computed) = self.evaluate(&table, wanted)?;
        if kept.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = wanted.iter().map(|wanted| wanted.name()).collect();
        table.with_rows_and_columns(&kept, computed, &names).map(Some)
    }

    /// The rows that the filter keeps, and of them the computed ones of the wanted columns.
    fn evaluate(&self, table: &Table, wanted: &[Wanted<'_>]) -> Result<(Vec<usize>, Vec<Column>), DataError> {
        let rows = Rows::of(table);
        let context = rows.context(&ENVIRONMENT);
        let kept = self.kept(&rows, &context, table)?;
        let mut computed = Vec::new();
        for &wanted in wanted {
            let Some(expression) = self.computed_as(wanted.name()) else { continue };
            let mut column = ColumnBuilder::new(wanted);
            for &row in &kept {
                rows.go_to(row);
                expression.compute(&context, table, row, &mut column)?;
            }
            computed.push(column.finish());
        }
        Ok((kept, computed))
    }
}

impl Computed {
    fn new(assignment: &str) -> Result<Self, DataError> {
        let parts = assignment.split_once('=').map(|(column, source)| (column.trim(), source.trim()));
        let Some((column, source)) = parts.filter(|(column, source)| !column.is_empty() && !source.is_empty()) else {
            return Err(DataError::Expression {
                key: "data.computed".to_owned(),
                source_text: assignment.to_owned(),
                message: "NAME = EXPRESSION is wanted, as \"text = title + ' ' + body\"".to_owned(),
            });
        };
        let expression = Expression::new(format!("data.computed, column `{column}`"), source)?;
        Ok(Self { column: column.to_owned(), expression })
    }
}

impl Expression {
    fn new(key: String, source: &str) -> Result<Self, DataError> {
        let program = ENVIRONMENT.compile(source).map_err(|error| {
            let message = error.errors.first().map_or("not CEL".to_owned(), |error| {
                // What the grammar would take instead is a list of all that can begin a value.
                let said = error.msg.trim_start_matches("Syntax error: ");
                let said = said.split_once(" expecting {").map_or(said, |(said, _)| said);
                format!(
                    "not CEL, at character {}: {}",
                    error.pos.1.max(1),
                    said.replace("mismatched input '<EOF>'", "something is missing")
                        .replace("mismatched", "unexpected")
                )
            });
            DataError::Expression { key: key.clone(), source_text: source.to_owned(), message }
        })?;
        let found = names::of(&program.expression().expr);
        let expression = Self { key, source: source.to_owned(), program: Arc::new(program), columns: found.columns };
        match found.problem {
            Some(problem) => Err(expression.wrong(&problem)),
            None => Ok(expression),
        }
    }

    fn wrong(&self, message: &str) -> DataError {
        DataError::Expression { key: self.key.clone(), source_text: self.source.clone(), message: message.to_owned() }
    }

    fn value(&self, context: &Context<'_, '_>, table: &Table, row: usize) -> Result<Value, DataError> {
        self.program.execute(context).map_err(|error| self.fails(table, row, row::explain(&error)))
    }

    fn fails(&self, table: &Table, row: usize, message: String) -> DataError {
        DataError::Evaluate {
            place: table.place(row),
            key: self.key.clone(),
            source_text: self.source.clone(),
            message,
        }
    }

    fn holds(&self, context: &Context<'_, '_>, table: &Table, row: usize) -> Result<bool, DataError> {
        match self.value(context, table, row)? {
            Value::Bool(holds) => Ok(holds),
            other => {
                let message = format!("a filter says true or false, and this says {}", row::in_words(&other));
                Err(self.fails(table, row, message))
            }
        }
    }

    fn compute(
        &self,
        context: &Context<'_, '_>,
        table: &Table,
        row: usize,
        column: &mut ColumnBuilder<'_>,
    ) -> Result<(), DataError> {
        let value = self.value(context, table, row)?;
        let unsuited = || {
            let message = format!("the value is {}; {}", row::in_words(&value), column.wanted.expected());
            self.fails(table, row, message)
        };
        let mismatch = match &value {
            Value::Null => {
                column.push_null();
                Ok(())
            }
            Value::List(items) => match items.iter().map(as_text).collect::<Option<Vec<String>>>() {
                Some(items) if !matches!(column.wanted, Wanted::Text(_)) => {
                    column.push_list(items.iter().map(String::as_str))
                }
                _ => return Err(unsuited()),
            },
            other => match as_text(other) {
                Some(text) if !matches!(column.wanted, Wanted::List(_)) => column.push_text(Some(&text)),
                _ => return Err(unsuited()),
            },
        };
        mismatch.map_err(|_| self.fails(table, row, column.wanted.expected().to_owned()))
    }
}

/// A value as a file would have it written.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(float_text(*number, number)),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

// What an expression is, its text says: the program is made of it. Caches go by this form.
impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

#[cfg(test)]
mod tests;
