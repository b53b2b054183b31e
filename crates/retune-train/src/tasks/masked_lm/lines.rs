//! The texts of masked language modelling: those to learn from stay in their file, which may be larger than memory.

use std::path::{Path, PathBuf};

use retune_data::sources::Wanted;
use retune_data::{DataError, Maskable, Table, TextTokenizer, Tokenized, encode_maskable_stream};
use retune_recipe::DataPlan;

use crate::TrainError;
use crate::task::Examples;
use crate::tasks::kept::{Columns, FileRows, Kept};
use crate::tasks::tables::Tables;

/// Texts, one after the other, without those that are blank.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The file that they come from.
    pub path: PathBuf,
    /// Whether they hold masks that are to be filled in, and none is to be made.
    pub to_fill: bool,
    /// Those of a file are counted without blank ones.
    texts: Kept<Vec<String>, Column>,
}

/// The column that texts are in.
#[derive(Debug, Clone)]
struct Column(String);

impl Columns for Column {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        vec![Wanted::Text(&self.0)]
    }
}

impl Examples for Lines {
    fn len(&self) -> usize {
        self.texts.count()
    }
}

impl Lines {
    /// Those of a file to learn from.
    pub(super) fn to_learn_from(path: &Path, plan: &DataPlan) -> Result<Self, TrainError> {
        let column = Column(plan.text[0].clone());
        let tables = Tables::of(path, plan, column.wanted())?;
        let (mut kept, mut count) = (Vec::new(), 0);
        tables.each(|table| {
            let texts = texts(table, &column.0)?;
            count += texts.len();
            if tables.is_held() {
                kept.extend(texts);
            }
            Ok(())
        })?;
        let texts = match tables.is_held() {
            true => Kept::Held(kept),
            false => Kept::File(FileRows::all(&tables, column.clone(), count)),
        };
        match count {
            0 => Err(DataError::NoRows { path: path.to_owned() }.into()),
            _ => Ok(Self { path: path.to_owned(), to_fill: false, texts }),
        }
    }

    /// Those of a table, whose masks are to be filled in.
    pub(super) fn to_fill(table: &Table, plan: &DataPlan) -> Result<Self, TrainError> {
        let texts = Kept::Held(texts(table, &plan.text[0])?);
        Ok(Self { path: table.path().to_owned(), to_fill: true, texts })
    }

    /// Texts of the command line, whose masks are to be filled in.
    pub(super) fn given(mut texts: Vec<String>) -> Result<Self, TrainError> {
        texts.retain(|text| !is_blank(text));
        if texts.is_empty() {
            return Err(TrainError::Input { reason: "there is no text to fill in".to_owned() });
        }
        Ok(Self { path: PathBuf::new(), to_fill: true, texts: Kept::Held(texts) })
    }

    /// Those of these rows, which ascend.
    pub(super) fn select(&self, chosen: &[usize]) -> Self {
        Self { path: self.path.clone(), to_fill: self.to_fill, texts: self.texts.of_rows(chosen) }
    }

    /// Texts to be shown, which those that are to be filled in are.
    pub(super) fn held(&self) -> &[String] {
        match &self.texts {
            Kept::Held(texts) => texts,
            Kept::File(_) => &[],
        }
    }

    /// Tokenises them: where masks are to be filled in, or each line is for itself, a sequence each; else blocks of all.
    pub(super) fn encode(&self, tokenizer: &TextTokenizer, line_by_line: bool) -> Result<Tokenized, TrainError> {
        let sequences = if self.to_fill || line_by_line { Maskable::Lines } else { Maskable::Blocks };
        let file = match (&self.texts, sequences) {
            (Kept::Held(texts), Maskable::Lines) => return Ok(tokenizer.encode_lines(texts)?),
            (Kept::Held(texts), Maskable::Blocks) => return Ok(tokenizer.encode_blocks(texts)?),
            (Kept::File(file), _) => file,
        };
        let mut read = None;
        let to_texts = |table: &Table| {
            let texts = texts(table, &file.columns.0)?;
            *read.get_or_insert(0) += texts.len();
            Ok(texts)
        };
        let (cache, chosen) = (tokenizer.cache(), file.chosen());
        let tokenized =
            file.with_source(|source| encode_maskable_stream(source, tokenizer, cache, to_texts, sequences, chosen))?;
        match read {
            Some(read) if read != file.count_of_file() => Err(file.changed().into()),
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
