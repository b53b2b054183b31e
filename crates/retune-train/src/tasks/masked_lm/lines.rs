//! The texts of masked language modelling: those to learn from stay in their file, which may be larger than memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use retune_data::sources::{DataSource, Form, Wanted};
use retune_data::{DataError, Maskable, Table, TextTokenizer, Tokenized, encode_maskable_stream};
use retune_recipe::DataPlan;

use crate::TrainError;
use crate::task::Examples;
use crate::tasks::file_texts::Rows;
use crate::tasks::tables::Tables;

/// Texts, one after the other, without those that are blank.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The file that they come from.
    pub path: PathBuf,
    /// Whether they hold masks that are to be filled in, and none is to be made.
    pub to_fill: bool,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// What is to be shown again, or came from a pipe.
    Held(Vec<String>),
    File {
        form: Arc<Form>,
        column: String,
        /// Counted without blank texts.
        rows: Rows,
    },
}

impl Examples for Lines {
    fn len(&self) -> usize {
        match &self.source {
            Source::Held(texts) => texts.len(),
            Source::File { rows, .. } => rows.len(),
        }
    }
}

impl Lines {
    /// Those of a file.
    pub(super) fn read(path: &Path, plan: &DataPlan, to_fill: bool) -> Result<Self, TrainError> {
        let column = plan.text[0].clone();
        let wanted = [Wanted::Text(&column)];
        let tables = Tables::of(path, plan, wanted.to_vec())?;
        let holds = to_fill || tables.is_held();
        let (mut kept, mut count) = (Vec::new(), 0);
        tables.each(|table| {
            let texts = texts(table, &column)?;
            count += texts.len();
            if holds {
                kept.extend(texts);
            }
            Ok(())
        })?;
        let (form, rows) = (tables.form.clone(), Rows::All(count));
        let source = if holds { Source::Held(kept) } else { Source::File { form, column: column.clone(), rows } };
        let lines = Self { path: path.to_owned(), to_fill, source };
        match lines.len() {
            0 => Err(DataError::NoRows { path: path.to_owned() }.into()),
            _ => Ok(lines),
        }
    }

    /// Texts of the command line, whose masks are to be filled in.
    pub(super) fn given(mut texts: Vec<String>) -> Result<Self, TrainError> {
        texts.retain(|text| !is_blank(text));
        if texts.is_empty() {
            return Err(TrainError::Input { reason: "there is no text to fill in".to_owned() });
        }
        Ok(Self { path: PathBuf::new(), to_fill: true, source: Source::Held(texts) })
    }

    /// Those of these rows, which ascend.
    pub(super) fn select(&self, chosen: &[usize]) -> Self {
        let source = match &self.source {
            Source::Held(texts) => Source::Held(chosen.iter().map(|row| texts[*row].clone()).collect()),
            Source::File { form, column, rows } => {
                Source::File { form: Arc::clone(form), column: column.clone(), rows: rows.select(chosen) }
            }
        };
        Self { path: self.path.clone(), to_fill: self.to_fill, source }
    }

    /// Texts to be shown, which those that are to be filled in are.
    pub(super) fn held(&self) -> &[String] {
        match &self.source {
            Source::Held(texts) => texts,
            Source::File { .. } => &[],
        }
    }

    /// Tokenises them: where masks are to be filled in, or each line is for itself, a sequence each; else blocks of all.
    pub(super) fn encode(&self, tokenizer: &TextTokenizer, line_by_line: bool) -> Result<Tokenized, TrainError> {
        let sequences = if self.to_fill || line_by_line { Maskable::Lines } else { Maskable::Blocks };
        let (form, column, rows) = match (&self.source, sequences) {
            (Source::Held(texts), Maskable::Lines) => return Ok(tokenizer.encode_lines(texts)?),
            (Source::Held(texts), Maskable::Blocks) => return Ok(tokenizer.encode_blocks(texts)?),
            (Source::File { form, column, rows }, _) => (form, column, rows),
        };
        let wanted = [Wanted::Text(column)];
        let source = DataSource { path: &self.path, form, wanted: &wanted };
        let (chosen, all) = match rows {
            Rows::All(count) => (None, *count),
            Rows::Chosen(rows, count) => (Some(rows.as_slice()), *count),
        };
        let mut read = None;
        let to_texts = |table: &Table| {
            let texts = texts(table, column)?;
            *read.get_or_insert(0) += texts.len();
            Ok(texts)
        };
        let tokenized = encode_maskable_stream(&source, tokenizer, tokenizer.cache(), to_texts, sequences, chosen)?;
        match read {
            Some(read) if read != all => Err(DataError::Changed { path: self.path.clone() }.into()),
            _ => Ok(tokenized),
        }
    }
}

/// The texts of a table, but for blank ones.
fn texts(table: &Table, column: &str) -> Result<Vec<String>, DataError> {
    Ok(table.column(column)?.iter().flatten().filter(|text| !is_blank(text)).map(str::to_owned).collect())
}

/// Whether a line has no sequence, as the tokenizer's lines have it.
fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&letter))
}
