//! What can be wrong with data, each with where it is and how to mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::PolarsError;
use thiserror::Error;

use crate::nearest::{did_you_mean, quoted, short};

/// Where in its file a row stands. Both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// The line on which the record starts, in a text format.
    Line(u64),
    /// Where the record starts in a document whose records may share a line (JSON). The column counts bytes.
    Character {
        /// The line.
        line: u32,
        /// The column in it.
        column: u32,
    },
    /// The row, in a format without lines (Parquet, Arrow).
    Row(u64),
}

/// A row of a file: `dev.csv:12`, `dev.json:1:380`, or `dev.parquet, row 12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The row in it.
    pub position: Position,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::Line(line) => write!(f, "{}:{line}", self.path.display()),
            Position::Character { line, column } => write!(f, "{}:{line}:{column}", self.path.display()),
            Position::Row(row) => write!(f, "{}, row {row}", self.path.display()),
        }
    }
}

/// What can be wrong with a data file, a label, a tokenizer file or an output file.
///
/// Messages are for the person at the keyboard: what is wrong, where, and how to mend it.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named for what they hold, and the messages show each of them")]
pub enum DataError {
    /// Several independent problems of one input, one a line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<DataError>),

    /// The path leads nowhere.
    #[error("{}: no such file; a relative path starts at the working directory", .path.display())]
    NotFound { path: PathBuf },

    /// The path is a directory.
    #[error("{}: this is a directory, and a file is wanted; name one file in it", .path.display())]
    IsDirectory { path: PathBuf },

    /// The system refused to read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },

    /// Files of one data set that number its classes differently.
    #[error(
        "{} and {} name the classes of column `{column}` differently; train on one of them, or write both with the same names",
        .first.display(),
        .second.display()
    )]
    ClassesDiffer { column: String, first: PathBuf, second: PathBuf },

    /// Files that were written to, added or removed while they were read.
    #[error("{}: the data changed while it was read; start again when nothing writes to it any more", .path.display())]
    Changed { path: PathBuf },

    /// The extension names no data format, and none was given.
    #[error(
        "{}: the extension names no data format (.csv, .tsv, .json, .jsonl, .ndjson, .parquet, .arrow, .feather, \
         .conll, .conllu or .txt, each also with .gz); rename the file or state its format",
        .path.display()
    )]
    UnknownFormat { path: PathBuf },

    /// A pattern that no file matches.
    #[error("{}: no file matches this pattern", .path.display())]
    NoMatch { path: PathBuf },

    /// A folder without data files.
    #[error(
        "{}: no file in this folder has the extension of a data format; name a file, or state the format",
        .path.display()
    )]
    NoDataFiles { path: PathBuf },

    /// A pattern that is none.
    #[error("{}: not a pattern of files: {message}", .path.display())]
    BadPattern { path: PathBuf, message: &'static str },

    /// A folder, or a pattern, of files of different forms.
    #[error(
        "{}: the files are of different forms, as {} and {}; name those of one form by a pattern, such as {}",
        .path.display(), .first.display(), .second.display(), .example.display()
    )]
    MixedForms { path: PathBuf, first: PathBuf, second: PathBuf, example: PathBuf },

    /// `FILE#NAME` where the file is no JSON document.
    #[error(
        "{}: `#{name}` chooses among the arrays of a JSON document, and this file is read as {form}; leave it out",
        .path.display()
    )]
    NoArrays { path: PathBuf, name: String, form: &'static str },

    /// A JSON document that holds no array of rows, or several and none was chosen.
    #[error(
        "{}: the document holds {}",
        .path.display(),
        match .arrays.first() {
            None => "no array of objects or of lists, as [{\"text\": …}, …]".to_owned(),
            Some(first) => format!(
                "several arrays of rows: {}; choose one, as in {}#{}",
                quoted(.arrays), .path.display(), short(.arrays.iter().find(|name| *name == "train").unwrap_or(first))
            ),
        }
    )]
    WhichArray { path: PathBuf, arrays: Vec<String> },

    /// A JSON document without the array that was chosen.
    #[error(
        "{}: no array of rows at `{name}`; the document holds {}{}",
        .path.display(), quoted(.arrays), did_you_mean(.name, .arrays)
    )]
    MissingArray { path: PathBuf, name: String, arrays: Vec<String> },

    /// A file that is called `.gz` and is not compressed.
    #[error("{}: the name ends in .gz, but the content is not gzip; rename the file, or compress it", .path.display())]
    NotGzip { path: PathBuf },

    /// A gzip file that is cut short or damaged. `bytes` counts what could be read of the content.
    #[error(
        "{}: the gzip file is cut short or damaged after {bytes} bytes of its content ({message}); \
         copy or download it again",
        .path.display()
    )]
    Gzip { path: PathBuf, bytes: usize, message: String },

    /// Nothing in the file, or white space only.
    #[error("{}: the file is empty", .path.display())]
    Empty { path: PathBuf },

    /// A header, or an empty array, and nothing after it.
    #[error("{}: the file has no rows of data", .path.display())]
    NoRows { path: PathBuf },

    /// A text file in another encoding. `offset` counts bytes from 0.
    #[error(
        "{path}:{line}: not UTF-8 (byte 0x{byte:02X} at offset {offset}); \
         convert it, if it is {encoding}, with: {}",
        iconv(.path, .encoding), path = .path.display()
    )]
    NotUtf8 { path: PathBuf, line: u64, offset: usize, byte: u8, encoding: &'static str },

    /// A record with another number of fields than the header, or the names given for one. `as_in` says which.
    #[error("{place}: expected {expected} fields {as_in}, found {found}; {hint}")]
    FieldCount { place: Place, expected: usize, as_in: &'static str, found: usize, hint: &'static str },

    /// A header in a file of which it was said that it has none.
    #[error(
        "{place}: this is a header, {}, and data.columns names the columns of files without one; \
         leave data.columns out",
        quoted(.columns)
    )]
    UnexpectedHeader { place: Place, columns: Vec<String> },

    /// Rows that are lists, and no names for their items.
    #[error(
        "{place}: the row is a list, and its {items} items have no names; give them, as in data.columns = \
         [\"text\", \"label\"] or --columns text label"
    )]
    UnnamedColumns { place: Place, items: usize },

    /// A number of names of columns that the form cannot have.
    #[error("{}: {form} has {expected}, and data.columns names {found}", .path.display())]
    ColumnNames { path: PathBuf, form: &'static str, expected: &'static str, found: usize },

    /// A quote that opens a field and never closes. The place is the line of the quote.
    #[error("{place}: the quote that opens here is never closed; close it; {hint}")]
    UnclosedQuote { place: Place, hint: &'static str },

    /// Text between a closing quote and the next delimiter.
    #[error("{place}: text follows a closing quote; {hint}")]
    TextAfterQuote { place: Place, hint: &'static str },

    /// A column that the file lacks.
    #[error(
        "{}: no column `{column}`; the columns are {}{}{}",
        .path.display(), quoted(.columns), did_you_mean(.column, .columns), separator_hint(.columns)
    )]
    MissingColumn { path: PathBuf, column: String, columns: Vec<String> },

    /// A header that names a wanted column twice.
    #[error("{}: the header names the column `{column}` twice; rename one of the two", .path.display())]
    DuplicateColumn { path: PathBuf, column: String },

    /// A later JSON object that lacks a field which the first one has.
    #[error(
        "{place}: the object lacks the field `{field}`; its fields are {}{}",
        quoted(.fields), did_you_mean(.field, .fields)
    )]
    MissingField { place: Place, field: String, fields: Vec<String> },

    /// Text that is not JSON. `column` counts bytes from 1.
    #[error("{}:{line}:{column}: not valid JSON: {message}; {hint}", .path.display())]
    Json { path: PathBuf, line: u64, column: usize, message: String, hint: &'static str },

    /// JSON, but not records.
    #[error("{place}: expected {expected}, found {found}")]
    NotRecords { place: Place, expected: &'static str, found: &'static str },

    /// JSON of another shape than the form's. `column` counts bytes from 1.
    #[error("{}:{line}:{column}: not in the form of {form}: {message}", .path.display())]
    JsonShape { path: PathBuf, line: u64, column: usize, form: &'static str, message: String },

    /// A filter or a computed column that is no expression on columns. `key` says which.
    #[error("{key}: `{source_text}`: {message}")]
    Expression { key: String, source_text: String, message: String },

    /// An expression that has no value, or none that serves, in a row.
    #[error("{place}: {key}: `{source_text}`: {message}")]
    Evaluate { place: Place, key: String, source_text: String, message: String },

    /// A filter that keeps no row.
    #[error("{}: data.filter, `{filter}`, keeps none of its rows; widen it, or leave it out", .path.display())]
    NothingKept { path: PathBuf, filter: String },

    /// A value, or a whole column, of another type than the one wanted, as `expected` says.
    #[error("{place}: column `{column}` holds {found}; {expected}")]
    WrongType { place: Place, column: String, found: String, expected: &'static str },

    /// A Parquet or Arrow file that does not read.
    #[error(
        "{}: not a readable {form} file ({message}); it may be cut short: write or download it again",
        .path.display()
    )]
    Columnar { path: PathBuf, form: &'static str, message: String },

    /// A row without text. `more` counts the further rows.
    #[error("{place}: column `{column}` is empty{}; fill the text in, or remove the row", and_more(*.more))]
    EmptyText { place: Place, column: String, more: usize },

    /// A row without label. `more` counts the further rows.
    #[error(
        "{place}: the label (column `{column}`) is empty{}; fill the label in, or remove the row",
        and_more(*.more)
    )]
    EmptyLabel { place: Place, column: String, more: usize },

    /// A training file with one class.
    #[error(
        "{}: all {rows} rows have the label `{}`; to train a classifier takes at least two classes",
        .path.display(), short(.label)
    )]
    OneClass { path: PathBuf, label: String, rows: usize },

    /// A label that the training data, or the model, does not know. `more` counts the further rows with such a label.
    #[error(
        "{place}: label `{}` (column `{column}`) is not among those trained on: {}{}; \
         correct it, remove the row, or add training examples of it{}",
        short(.label), quoted(.known), did_you_mean(.label, .known), and_more(*.more)
    )]
    UnknownLabel { place: Place, column: String, label: String, known: Vec<String>, more: usize },

    /// Two ids with one name.
    #[error("the label `{}` has two ids, {first} and {second}; give each class its own name", short(.label))]
    DuplicateLabel { label: String, first: u32, second: u32 },

    /// A share of rows that is not between 0 and 1.
    #[error("the share of rows held out for evaluation is {fraction}; it must lie between 0 and 1, such as 0.1")]
    SplitFraction { fraction: f64 },

    /// Rows too few to split.
    #[error("{rows} rows cannot be split: no class has two rows; give an evaluation file, or more examples")]
    SplitTooSmall { rows: usize },

    /// A tokenizer file that is not JSON, or JSON of another kind.
    #[error(
        "{}:{line}:{column}: {what}: {message}; a tokenizer.json as the `tokenizers` library saves it is wanted",
        .path.display()
    )]
    TokenizerFile { path: PathBuf, line: usize, column: usize, what: &'static str, message: String },

    /// A model directory without tokenizer.
    #[error(
        "{}: no tokenizer: neither tokenizer.json nor vocab.txt, vocab.json with merges.txt, spiece.model, spm.model or \
         sentencepiece.bpe.model; copy the tokenizer's files into it",
        .directory.display()
    )]
    NoTokenizer { directory: PathBuf },

    /// A tokenizer of a form that only Python reads.
    #[error(
        "{directory}: no tokenizer.json, and {found}; save it once in Python with \
         AutoTokenizer.from_pretrained('{directory}').save_pretrained('{directory}'), which writes tokenizer.json",
        directory = .directory.display()
    )]
    TokenizerForm { directory: PathBuf, found: String },

    /// A model directory that names a class of tokenizers without the file of it.
    #[error(
        "{}: neither tokenizer.json nor {file}, of which a {class} is made; copy one of them into it",
        .directory.display()
    )]
    TokenizerPartMissing { directory: PathBuf, class: &'static str, file: &'static str },

    /// A model directory whose class of tokenizers has no file but `tokenizer.json`, which it lacks.
    #[error("{}: no tokenizer.json, the only file of which a {class} is made; copy it into it", .directory.display())]
    TokenizerJsonMissing { directory: PathBuf, class: String },

    /// A value in one of a tokenizer's files that is of another kind.
    #[error("{}: `{key}`: expected {expected}, found {}", .path.display(), short(.found))]
    TokenizerSetting { path: PathBuf, key: String, expected: &'static str, found: String },

    /// A vocabulary without a token that texts cannot be written without.
    #[error(
        "{}: the vocabulary lacks `{token}`, the {role}; if the vocabulary is the right one, name its own {role} in \
         tokenizer_config.json",
        .path.display()
    )]
    VocabularyLacks { path: PathBuf, token: String, role: &'static str },

    /// A file that should be a SentencePiece model.
    #[error("{}: not a SentencePiece model: {reason}; copy or download the file again", .path.display())]
    SentencePiece { path: PathBuf, reason: &'static str },

    /// A vocabulary, or merges, or settings, of which no tokenizer can be made.
    #[error("{}: no tokenizer can be made of it: {message}; copy or download the file again", .path.display())]
    TokenizerRefused { path: PathBuf, message: String },

    /// A model without mask. `token` is the one that its files name and its vocabulary lacks.
    #[error(
        "{}: the tokenizer has no mask token{}; masked language modelling needs a model that was trained with one, as \
         BERT and RoBERTa were, or name it as `mask_token` in tokenizer_config.json",
        .directory.display(), .token.as_ref().map(|token| format!(": `{}` is not in the vocabulary", short(token)))
            .unwrap_or_default()
    )]
    NoMaskToken { directory: PathBuf, token: Option<String> },

    /// A length that leaves no room for text.
    #[error("the maximal length of {max_length} tokens leaves no room for text; at least {minimum} are needed")]
    MaxLength { max_length: usize, minimum: usize },

    /// The tokenizer failed on a text. `rows` are the first and the last of the group that held it, from 0.
    #[error("the tokenizer failed on one of the examples {first} to {last}: {message}")]
    Tokenize { first: usize, last: usize, message: String },

    /// A question that fills a window over its context. `example` counts from 0, `more` the further examples, and
    /// `question` and `special` are tokens.
    #[error(
        "example {example} (from 0): the question of {question} tokens and {special} special ones leave {} of \
         {max_length} tokens for the context, and neighbouring windows share {stride}{}; raise the maximal length to at \
         least {}, lower the stride, or shorten the question",
        .max_length.saturating_sub(question + special), and_more(*.more), question + special + stride + 1
    )]
    WindowTooShort { example: usize, question: usize, special: usize, max_length: usize, stride: usize, more: usize },

    /// A sentence whose words have more labels, or fewer, than there are words. `sentence` counts from 0.
    #[error("sentence {sentence} (from 0) has {words} words and {labels} labels; give each word one label")]
    LabelCount { sentence: usize, words: usize, labels: usize },

    /// An output file whose extension names no format.
    #[error("{}: the extension names no output format; use .parquet, .csv, .tsv or .jsonl", .path.display())]
    UnknownOutputFormat { path: PathBuf },

    /// The system refused to write.
    #[error("{}: cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },

    /// The table could not be turned into the output format.
    #[error("{}: the table cannot be written: {source}", .path.display())]
    WriteTable { path: PathBuf, source: PolarsError },
}

impl DataError {
    /// The same error, where there are so many examples before those that it counts.
    pub(crate) fn of_examples_after(mut self, before: usize) -> Self {
        match &mut self {
            Self::Tokenize { first, last, .. } => {
                *first += before;
                *last += before;
            }
            Self::WindowTooShort { example, .. } => *example += before,
            Self::LabelCount { sentence, .. } => *sentence += before,
            _ => {}
        }
        self
    }

    /// One error out of many: itself where there is one, else [`DataError::Several`].
    pub(crate) fn gather(mut problems: Vec<DataError>) -> Result<(), DataError> {
        match problems.pop() {
            None => Ok(()),
            Some(only) if problems.is_empty() => Err(only),
            Some(last) => {
                problems.push(last);
                Err(DataError::Several(problems))
            }
        }
    }
}

/// The command that makes a file UTF-8.
fn iconv(path: &Path, encoding: &str) -> String {
    let shown = path.display();
    if path.extension().is_some_and(|extension| extension == "gz") {
        return format!("gzip -dc {shown} | iconv -f {encoding} -t UTF-8 > {}", path.with_extension("").display());
    }
    format!("iconv -f {encoding} -t UTF-8 {shown} > {shown}.utf8")
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and 1 more row)".to_owned(),
        more => format!(" (and {more} more rows)"),
    }
}

/// A header that came out as one field was probably separated by something else.
fn separator_hint(columns: &[String]) -> &'static str {
    match columns {
        [only] if only.contains('\t') => "; that is one field with tabs in it: read the file as TSV",
        [only] if only.contains(';') => {
            "; that is one field with semicolons in it: separate the file by commas or tabs"
        }
        [only] if only.contains(',') => "; that is one field with commas in it: read the file as CSV",
        _ => "",
    }
}
