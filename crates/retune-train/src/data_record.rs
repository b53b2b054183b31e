//! What a run's data files held when it began (`data.json` in its folder): a run goes on with the same data, or not at
//! all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use retune_data::{Change, Contents, DataError, DataFormat};
use retune_recipe::Plan;

use crate::TrainError;
use crate::checkpoint::write_synced;
use crate::tasks::data_format;

/// The file of a run's folder.
pub(crate) const DATA: &str = "data.json";

/// What the files of each key of the recipe held; by default nothing, as of a run that makes its data itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DataRecord(BTreeMap<String, Contents>);

impl DataRecord {
    /// Reads all data files of a plan from start to end.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn of(plan: &Plan) -> Result<Self, TrainError> {
        let contents = sources(plan).map(|(key, path, format)| Ok((key.to_owned(), Contents::of(path, format)?)));
        Ok(Self(contents.collect::<Result<_, TrainError>>()?))
    }

    /// The record of a run; `None` of one that was begun before there were such records.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(run: &Path) -> Result<Option<Self>, TrainError> {
        let path = run.join(DATA);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::Read { path, source }),
        };
        let record = serde_json::from_str(&text);
        record.map(Some).map_err(|error| TrainError::Checkpoint { path, reason: error.to_string() })
    }

    /// Writes the record into a run's folder, where there is none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, run: &Path) -> Result<(), TrainError> {
        let (path, partial) = (run.join(DATA), run.join(".data.partial"));
        let written = self.to_json().and_then(|text| write_synced(&partial, text.as_bytes()));
        written
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(|source| TrainError::Write { path: path.clone(), source })
    }

    pub(crate) fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// That the plan's files are what they were when the run began. Files to which nothing can have been written are
    /// not read.
    ///
    /// # Errors
    /// [`TrainError::DataChanged`] where a file holds something else; one cannot be read.
    pub fn check(&self, plan: &Plan, run: &Path) -> Result<(), TrainError> {
        let changes = self.changes(plan)?;
        match changes.is_empty() {
            true => Ok(()),
            false => Err(TrainError::DataChanged { run: run.to_owned(), changes }),
        }
    }

    /// That the record is of what has been read since it was made.
    ///
    /// # Errors
    /// [`DataError::Changed`] where a file was written to; one cannot be read.
    pub fn check_read(&self, plan: &Plan) -> Result<(), TrainError> {
        match self.changes(plan)?.into_iter().next() {
            None => Ok(()),
            Some((_, change)) => Err(DataError::Changed { path: change.path().to_owned() }.into()),
        }
    }

    fn changes(&self, plan: &Plan) -> Result<Vec<(&'static str, Change)>, TrainError> {
        let mut changes = Vec::new();
        for (key, path, format) in sources(plan) {
            if let Some(before) = self.0.get(key) {
                let found = before.changes(path, format)?;
                changes.extend(found.into_iter().map(|change| (key, change)));
            }
        }
        Ok(changes)
    }
}

/// The keys of a recipe that name data files, with what they name.
fn sources(plan: &Plan) -> impl Iterator<Item = (&'static str, &Path, DataFormat)> {
    let (data, format) = (&plan.data, data_format(plan.data.format));
    let label_names = data.label_names.as_deref().map(|path| ("data.label_names", path, DataFormat::Text));
    let others = [("data.validation", data.validation.as_deref()), ("data.test", data.test.as_deref())];
    let others = others.into_iter().filter_map(move |(key, path)| Some((key, path?, format)));
    [("data.train", data.train.as_path(), format)].into_iter().chain(others).chain(label_names)
}

/// The changes of an error's message: the first few, and how many more.
pub(crate) fn changes_in_words(changes: &[(&'static str, Change)]) -> String {
    const MOST: usize = 3;

    let first: Vec<String> = changes.iter().take(MOST).map(|(key, change)| format!("{key}: {change}")).collect();
    let more = if changes.len() > MOST { format!("; and {} more", changes.len() - MOST) } else { String::new() };
    format!("{}{more}", first.join("; "))
}
