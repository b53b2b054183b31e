//! The rows of a plan's data sets, read table by table and as often as they are asked for, so that texts need not be
//! held.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use retune_data::sources::stream_columns;
use retune_data::{Form, LabelMap, Table, Text, Wanted};
use retune_inspect::{Finding, RowId, Split};
use retune_recipe::{DataPlan, Plan, TaskKind};
use retune_train::tasks::form_of;

/// The data sets of a plan.
pub struct Data {
    task: TaskKind,
    plan: DataPlan,
    form: Form,
    separator: Option<char>,
    /// The names of classes that stand in the data by number.
    names: Option<LabelMap>,
    /// Which there are, each with what the plan names.
    pub splits: Vec<(Split, PathBuf)>,
}

/// One row.
pub struct Row {
    /// What the model reads.
    pub text: Text,
    /// The right answer.
    pub label: Label,
}

/// The right answer of a row.
pub enum Label {
    /// The task has none.
    None,
    /// There should be one, and there is not, or it does not read: what stands there.
    Missing(String),
    /// Its class, or classes.
    Classes(Vec<String>),
    /// Its number.
    Number(f64),
    /// Tags of its words.
    Tags(Vec<String>),
}

/// Rows of findings, with where they stand and what they say.
pub type Places = HashMap<RowId, Place>;

/// Where a row stands, and what it says.
pub struct Place {
    /// `train.csv:7`.
    pub place: String,
    /// Its text, or both.
    pub text: String,
    /// Its label, as text.
    pub label: String,
}

impl Data {
    /// The data sets that a plan names.
    pub fn open(plan: &Plan) -> anyhow::Result<Self> {
        let data = &plan.data;
        let named = [
            (Split::Train, Some(&data.train)),
            (Split::Validation, data.validation.as_ref()),
            (Split::Test, data.test.as_ref()),
        ];
        let splits: Vec<(Split, PathBuf)> =
            named.into_iter().filter_map(|(split, path)| Some((split, path?.clone()))).collect();
        for (_, path) in &splits {
            ensure!(
                !is_pipe(path),
                "{}: inspect reads its data more than once, and this can be read but once; write it to a file first",
                path.display()
            );
        }
        let separator = match plan.task.label_separator.as_deref().map(|text| (text, text.chars().count())) {
            Some((text, 1)) => text.chars().next(),
            Some((text, _)) => anyhow::bail!("task.label_separator must be one character, as \",\"; found \"{text}\""),
            None => None,
        };
        Ok(Self {
            task: plan.task.kind,
            form: form_of(data)?,
            separator,
            names: data.label_names.as_deref().map(LabelMap::from_names_file).transpose()?,
            plan: data.clone(),
            splits,
        })
    }

    /// The path of a data set.
    pub fn path(&self, split: Split) -> Option<&Path> {
        self.splits.iter().find(|(of, _)| *of == split).map(|(_, path)| path.as_path())
    }

    /// Whether validation rows will be held out of the training file.
    pub fn holds_out(&self) -> bool {
        self.path(Split::Validation).is_none()
    }

    /// Hands on the rows of a data set, some thousands at a time, each with the table that it comes from and its first
    /// row there.
    pub fn each(
        &self,
        split: Split,
        mut each: impl FnMut(&Table, Vec<Row>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(path) = self.path(split) else { return Ok(()) };
        for table in stream_columns(path, &self.form, &self.wanted())? {
            let table = table?;
            let rows = self.rows(&table)?;
            each(&table, rows)?;
        }
        Ok(())
    }

    /// These rows of a data set, ascending, in this order, with their places.
    pub fn select(&self, split: Split, wanted: &[usize]) -> anyhow::Result<Vec<(Row, String)>> {
        let mut selected = Vec::with_capacity(wanted.len());
        let (mut first, mut next) = (0, 0);
        if wanted.is_empty() {
            return Ok(selected);
        }
        self.each(split, |table, rows| {
            let count = rows.len();
            for (place, row) in rows.into_iter().enumerate() {
                if wanted.get(next) == Some(&(first + place)) {
                    selected.push((row, table.place(place).to_string()));
                    next += 1;
                }
            }
            first += count;
            Ok(())
        })?;
        ensure!(
            selected.len() == wanted.len(),
            "the data changed while it was read; start again when nothing writes to it"
        );
        Ok(selected)
    }

    /// Where the first `limit` rows of each finding stand.
    pub fn places(&self, findings: &[Finding], limit: usize) -> anyhow::Result<Places> {
        let found = findings.iter().flat_map(|finding| finding.rows.iter().take(limit));
        let ids: BTreeSet<RowId> = found.flat_map(|row| std::iter::once(row.row).chain(row.other)).collect();
        let mut places = Places::with_capacity(ids.len());
        for (split, _) in &self.splits {
            let wanted: Vec<usize> = ids.iter().filter(|id| id.split == *split).map(|id| id.row).collect();
            for (row, (found, place)) in wanted.iter().zip(self.select(*split, &wanted)?) {
                let place = Place { place, text: found.text(), label: found.label.words() };
                places.insert(RowId { split: *split, row: *row }, place);
            }
        }
        Ok(places)
    }

    fn wanted(&self) -> Vec<Wanted<'_>> {
        let is_list = self.task == TaskKind::TokenClassification;
        let texts = self.plan.text.iter().map(|name| if is_list { Wanted::List(name) } else { Wanted::Text(name) });
        let label = self.label_column().map(|name| match (self.task, self.separator) {
            (TaskKind::MultiLabel, Some(separator)) => Wanted::Separated(name, separator),
            (TaskKind::MultiLabel | TaskKind::TokenClassification, _) => Wanted::List(name),
            _ => Wanted::Text(name),
        });
        texts.chain(label).collect()
    }

    fn label_column(&self) -> Option<&str> {
        match self.task {
            TaskKind::MaskedLm | TaskKind::Embeddings => None,
            _ => Some(self.plan.label.as_deref().unwrap_or("label")),
        }
    }

    fn rows(&self, table: &Table) -> anyhow::Result<Vec<Row>> {
        let mut texts = vec![Vec::new(); table.len()];
        for name in &self.plan.text {
            if self.task == TaskKind::TokenClassification {
                let lists = table.lists(name)?;
                lists
                    .into_iter()
                    .zip(&mut texts)
                    .for_each(|(list, text)| text.push(list.unwrap_or_default().join(" ")));
            } else {
                let values = table.column(name)?;
                values.iter().zip(&mut texts).for_each(|(value, text)| text.push(value.unwrap_or_default().to_owned()));
            }
        }
        let labels = self.labels(table)?;
        Ok(texts.into_iter().zip(labels).map(|(texts, label)| Row { text: text_of(texts), label }).collect())
    }

    fn labels(&self, table: &Table) -> anyhow::Result<Vec<Label>> {
        let Some(column) = self.label_column() else { return Ok((0..table.len()).map(|_| Label::None).collect()) };
        let known = table.class_names(column);
        let class = |label: &str| self.class(known, label);
        let one = |value: Option<&str>| match value {
            None => Label::Missing(String::new()),
            Some(label) => {
                class(label).map_or_else(|| Label::Missing(label.to_owned()), |name| Label::Classes(vec![name]))
            }
        };
        let several = |list: Option<Vec<&str>>| {
            let labels: Vec<&str> = list.unwrap_or_default().into_iter().filter(|label| !label.is_empty()).collect();
            let names: BTreeSet<String> = labels.iter().filter_map(|label| class(label)).collect();
            match labels.iter().find(|label| class(label).is_none()) {
                Some(unknown) => Label::Missing((*unknown).to_owned()),
                None => Label::Classes(names.into_iter().collect()),
            }
        };
        let number = |value: Option<&str>| {
            let text = value.unwrap_or_default();
            text.trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map_or_else(|| Label::Missing(text.to_owned()), Label::Number)
        };
        Ok(match self.task {
            TaskKind::MultiLabel => table.lists(column)?.into_iter().map(several).collect(),
            TaskKind::TokenClassification => {
                let tags = |list: Option<Vec<&str>>| match list {
                    None => Label::Missing(String::new()),
                    Some(list) => Label::Tags(list.into_iter().map(str::to_owned).collect()),
                };
                table.lists(column)?.into_iter().map(tags).collect()
            }
            TaskKind::Regression => table.column(column)?.iter().map(number).collect(),
            _ => table.column(column)?.iter().map(one).collect(),
        })
    }

    /// The name of the class that a value means; `None` where the classes have names, and it is none of them.
    fn class(&self, known: Option<&[String]>, label: &str) -> Option<String> {
        let place = label.parse::<usize>().ok();
        match (&self.names, known) {
            (Some(names), _) if names.id(label).is_some() => {
                names.id(label).and_then(|id| names.name(id)).map(str::to_owned)
            }
            (Some(_), _) => None,
            (None, Some(known)) => match place {
                Some(place) => known.get(place).cloned(),
                None => known.iter().find(|name| *name == label).cloned(),
            },
            (None, None) => Some(label.to_owned()),
        }
    }
}

impl Row {
    /// Its text; of several, all of them.
    pub fn text(&self) -> String {
        match &self.text.second {
            Some(second) => format!("{} | {second}", self.text.first),
            None => self.text.first.clone(),
        }
    }

    /// Whether one of its texts is missing.
    pub fn is_empty(&self) -> bool {
        let is_blank = |text: &str| text.trim().is_empty();
        is_blank(&self.text.first) || self.text.second.as_deref().is_some_and(is_blank)
    }
}

impl Label {
    /// As people read it.
    pub fn words(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Missing(found) => found.clone(),
            Self::Classes(names) => names.join(", "),
            Self::Number(number) => number.to_string(),
            Self::Tags(tags) => tags.join(" "),
        }
    }
}

/// One text or two; a third joins the second.
fn text_of(texts: Vec<String>) -> Text {
    let mut texts = texts.into_iter();
    let first = texts.next().unwrap_or_default();
    let rest: Vec<String> = texts.collect();
    Text { first, second: if rest.is_empty() { None } else { Some(rest.join(" | ")) } }
}

fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
