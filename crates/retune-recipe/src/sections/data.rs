//! The examples.

use std::path::PathBuf;

use super::{AT_LEAST_ONE, section};
use crate::choices::DataFormat;
use crate::keys::Fallback::{Derived, Float, Required, Text, Unset};
use crate::keys::{Kind, Range};

section! {
    /// The examples: the keys under `data`. Paths are relative to the current directory.
    DataPlan in "data" {
        train: PathBuf = Kind::Path, Required,
            "The examples to train on: a file, a folder or a pattern of files, an array of a document \
                (data.json#train), or a data set on the Hugging Face Hub (hub:org/name, hub:org/name:config@revision#split).", flag "--train";
        validation: Option<PathBuf> = Kind::Path, Unset("unset: split off the training file"),
            "The file that decides which epoch's model is kept; of a hub:org/name the split validation, unless it names one.", flag "--eval";
        test: Option<PathBuf> = Kind::Path, Unset("unset: no test"),
            "The file that the kept model is tested on, once, at the end; of a hub:org/name the split test, unless it names one.", flag "--test";
        format: DataFormat = Kind::Choice(DataFormat::NAMES), Text("auto"),
            "How the files are written (of the Hub it is Parquet); auto goes by the extension. In tsv-unquoted, a quotation mark is a character like \
                any other.", flag "--format";
        columns: Option<Vec<String>> = Kind::Names, Unset("unset: the files name their columns"),
            "The names of all columns, in their order, of files that do not name them: CSV and TSV without a header, JSON \
                rows that are lists, CoNLL.", flag "--columns";
        text: Vec<String> = Kind::Columns, Required,
            "The column that holds the text, or the columns of a pair (or, for embeddings, a triplet) of texts; a.b names a \
                nested field.", flag "--text";
        label: Option<String> = Kind::Text, Unset("unset: the task needs none"),
            "The column that holds the label: a class, classes, a number, tags, answers, or the right choice.", flag "--label";
        label_names: Option<PathBuf> = Kind::Path, Unset("unset: labels stand in the data by name"),
            "A file with the name of one class on each line, for data in which labels are numbers, from 0.";
        choices: Option<Vec<String>> = Kind::Names, Unset("unset: the task has none"),
            "The columns of the choices, or the one that holds a list of them (multiple-choice).", flag "--choices";
        filter: Option<String> = Kind::Expression, Unset("unset: all rows"),
            "Which rows are read, as an expression of their columns (CEL): size(text) > 10 && label != \"other\".", flag "--filter";
        computed: Option<Vec<String>> = Kind::Computed, Unset("unset: none"),
            "Columns made of others, each as NAME = EXPRESSION (CEL): text = title + \". \" + body.", flag "--compute";
        max_length: usize = Kind::Integer { min: 3 }, Derived("128; 384 where the task is question-answering"),
            "Tokens of an example, special tokens counted; longer texts are cut.";
        train_fraction: f64 = Kind::Float(Range::PositiveToOne), Float(1.0),
            "The share of the training rows that is used, drawn by seed; a smaller share is part of a larger one.";
        train_per_class: Option<usize> = AT_LEAST_ONE, Unset("unset: all"),
            "At most so many training rows of each class are used, drawn by seed; fewer are part of more (classification).",
            flag "--per-class";
        validation_fraction: f64 = Kind::Float(Range::Between), Float(0.1),
            "The share of the training file that is split off, by class and seed, where data.validation is not given.";
    }
}

impl DataPlan {
    /// The same of all rows: for data of which each row is to have its answer.
    pub fn unfiltered(&self) -> Self {
        Self { filter: None, ..self.clone() }
    }
}
