//! The labels of all rows, as numbers.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use retune_inspect::sizes::{ClassSizes, number_findings};
use retune_inspect::{Finding, FoundRow, Kind, Severity, Split};
use retune_recipe::TaskKind;

use super::rows::Label;

/// The labels of all data sets.
pub struct Labels {
    task: TaskKind,
    classes: Names,
    /// What conflicts compare: a class, or a set of classes.
    keys: Names,
    splits: Vec<(Split, Of)>,
}

/// The labels of one data set.
#[derive(Default)]
struct Of {
    keys: Vec<Option<u32>>,
    /// The classes of all rows, end to end, and where those of each row end.
    classes: Vec<u32>,
    ends: Vec<usize>,
    numbers: Vec<f64>,
    missing: Vec<(usize, String)>,
}

/// Names and their numbers, in the order in which they were first seen.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Labels {
    /// None yet.
    pub fn new(task: TaskKind) -> Self {
        Self { task, classes: Names::default(), keys: Names::default(), splits: Vec::new() }
    }

    /// What is added belongs to this data set.
    pub fn begin(&mut self, split: Split) {
        self.splits.push((split, Of::default()));
    }

    /// Adds the next row's.
    pub fn add(&mut self, label: &Label) {
        let Some((_, of)) = self.splits.last_mut() else { return };
        let row = of.keys.len();
        let key = match label {
            Label::None => None,
            Label::Missing(found) => {
                of.missing.push((row, found.clone()));
                None
            }
            Label::Classes(names) => {
                of.classes.extend(names.iter().map(|name| self.classes.id(name)));
                Some(self.keys.id(&label.words()))
            }
            Label::Number(number) => {
                of.numbers.push(*number);
                None
            }
            Label::Tags(tags) => {
                let types: BTreeSet<&str> = tags.iter().filter_map(|tag| entity_type(tag)).collect();
                of.classes.extend(types.into_iter().map(|name| self.classes.id(name)));
                // As many as there are sentences: their hashes do.
                let mut hasher = DefaultHasher::new();
                tags.hash(&mut hasher);
                Some(hasher.finish() as u32)
            }
        };
        of.keys.push(key);
        of.ends.push(of.classes.len());
    }

    /// What conflicts compare, of all rows of all data sets; `None` where numbers are learnt, or nothing is.
    pub fn keys(&self) -> Option<Vec<Option<u32>>> {
        let has_classes =
            matches!(self.task, TaskKind::Classification | TaskKind::MultiLabel | TaskKind::TokenClassification);
        has_classes.then(|| self.splits.iter().flat_map(|(_, of)| of.keys.iter().copied()).collect())
    }

    /// The name of such a key.
    pub fn key_name(&self, key: u32) -> String {
        match self.task {
            TaskKind::TokenClassification => format!("tagging {key:08x}"),
            _ => match self.keys.names.get(key as usize).map(String::as_str) {
                Some("") | None => "nothing".to_owned(),
                Some(name) => name.to_owned(),
            },
        }
    }

    /// The number of a class.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.ids.get(name).map(|id| *id as usize)
    }

    /// The names of all classes.
    pub fn class_names(&self) -> &[String] {
        &self.classes.names
    }

    /// What is to be said of sizes, and of labels that are missing.
    pub fn findings(&self, holds_out: bool) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.splits.iter().filter_map(|(split, of)| missing(*split, of)).collect();
        if self.task == TaskKind::Regression {
            let of =
                |split: Split| self.splits.iter().find(|(of, _)| *of == split).map(|(_, of)| of.numbers.as_slice());
            let others: Vec<(Split, &[f64])> =
                [Split::Validation, Split::Test].into_iter().filter_map(|split| Some((split, of(split)?))).collect();
            findings.extend(number_findings(of(Split::Train).unwrap_or_default(), &others));
        } else if !self.classes.names.is_empty() {
            let several = self.task != TaskKind::Classification;
            let mut sizes = ClassSizes::new(self.classes.names.clone(), several);
            for (split, of) in &self.splits {
                let starts = std::iter::once(0).chain(of.ends.iter().copied());
                sizes.add(*split, starts.zip(&of.ends).map(|(start, end)| &of.classes[start..*end]));
            }
            findings.extend(sizes.findings(holds_out));
        }
        findings
    }
}

impl Names {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }
}

/// `LOC` of `B-LOC`; `None` of `O`; a tag without a prefix is its own.
fn entity_type(tag: &str) -> Option<&str> {
    match tag.split_once('-') {
        Some(("B" | "I" | "E" | "S" | "L" | "U", name)) => Some(name),
        _ if tag == "O" => None,
        _ => Some(tag),
    }
}

fn missing(split: Split, of: &Of) -> Option<Finding> {
    if of.missing.is_empty() {
        return None;
    }
    let count = of.missing.len();
    let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    let found = of.missing.iter().map(|(row, found)| {
        let note = if found.is_empty() { "no label".to_owned() } else { format!("`{found}` is no label here") };
        FoundRow::new(split, *row, note)
    });
    let title = format!("{rows} of {split} have no label, or one that does not read");
    let advice = "finetune refuses them: fill the label in, or remove the row";
    let found = found.collect();
    Some(
        Finding::new(Kind::MissingLabel, Severity::Serious, split, title, advice)
            .with("rows", count as f64)
            .with_rows(found),
    )
}
