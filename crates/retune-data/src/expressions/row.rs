//! The values that an expression reads, and what is wrong with them in words.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::common::types::{CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Value};

use super::names::ROW;
use crate::table::Table;

/// A table's columns, of which an expression sees one row at a time.
pub(super) struct Rows<'t> {
    columns: Vec<(&'t str, Cells<'t>)>,
    row: AtomicUsize,
}

enum Cells<'t> {
    Texts(Vec<Option<&'t str>>),
    Lists(Vec<Option<Vec<&'t str>>>),
}

impl<'t> Rows<'t> {
    pub(super) fn of(table: &'t Table) -> Self {
        let cells = |name: &'t str| match table.column(name) {
            Ok(texts) => Cells::Texts(texts.iter().collect()),
            Err(_) => Cells::Lists(table.lists(name).unwrap_or_default()),
        };
        let columns = table.frame().columns().iter().map(|column| {
            let name = column.name().as_str();
            (name, cells(name))
        });
        Self { columns: columns.collect(), row: AtomicUsize::new(0) }
    }

    pub(super) fn go_to(&self, row: usize) {
        self.row.store(row, Ordering::Relaxed);
    }

    pub(super) fn context<'c>(&'c self, environment: &Arc<Env>) -> Context<'c, 'c> {
        let mut context = Context::with_env(Arc::clone(environment));
        context.set_variable_resolver(self);
        context
    }

    fn value<'b>(&'b self, cells: &'b Cells<'t>) -> Box<dyn Val + 'b> {
        let row = self.row.load(Ordering::Relaxed);
        let text = |text: &'b str| CelString::from(text);
        match cells {
            Cells::Texts(texts) => match texts[row] {
                Some(value) => Box::new(text(value)),
                None => Box::new(CelNull),
            },
            Cells::Lists(lists) => match &lists[row] {
                Some(items) => {
                    let items: Vec<Box<dyn Val + 'b>> =
                        items.iter().map(|item| Box::new(text(item)) as Box<dyn Val + 'b>).collect();
                    Box::new(CelList::from(items))
                }
                None => Box::new(CelNull),
            },
        }
    }
}

impl VariableResolver for Rows<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let found = self.columns.iter().find(|(name, _)| *name == variable);
        if found.is_none() && variable == ROW {
            let entry = |(name, cells): &'b (&str, Cells<'_>)| (CelMapKey::from(*name), self.value(cells));
            let row: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>> = self.columns.iter().map(entry).collect();
            return Some(CowVal::owned(CelMap::from(row)));
        }
        found.map(|(_, cells)| CowVal::from(self.value(cells)))
    }
}

/// A value in a message.
pub(super) fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "null, which is what an empty field is".to_owned(),
        Value::String(text) => format!("the text `{}`", crate::nearest::short(text)),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => format!("the number {number}"),
        Value::UInt(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::List(items) => format!("a list of {}", items.len()),
        _ => "neither text, number, truth value nor list".to_owned(),
    }
}

/// Why an evaluation failed, and what is usually meant instead.
pub(super) fn explain(error: &ExecutionError) -> String {
    let overload = match error {
        ExecutionError::NoSuchOverload(overload) => overload,
        ExecutionError::UndeclaredReference(name) => return format!("there is no function `{name}` in CEL"),
        ExecutionError::FunctionError { function, message } => return format!("`{function}` fails: {message}"),
        other => return other.to_string(),
    };
    let types = overload.argument_types();
    let name = overload.function().trim_matches(|letter| matches!(letter, '_' | '!' | '@'));
    let name = if name.is_empty() { overload.function() } else { name };
    let has = |wanted: &[&str]| types.iter().any(|kind| wanted.contains(&kind.as_str()));
    let hint = if has(&["null", "null_type"]) {
        "; a column whose field is empty is null: ask for `COLUMN != null && …` first"
    } else if has(&["string"]) && has(&["int", "uint", "double"]) {
        "; columns hold texts: write double(COLUMN) or int(COLUMN) for the number that it stands for, string(…) for a text"
    } else {
        ""
    };
    format!("`{name}` does not go with {}{hint}", types.join(" and "))
}
