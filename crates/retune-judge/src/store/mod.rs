//! A study in one SQLite file: its rows, those that are drawn, the judges, every answer.

mod answering;
mod making;
mod schema;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Judgement;
use crate::error::JudgeError;
use crate::estimate::Population;
use crate::item::Item;
use crate::settings::StudySettings;

/// An open study.
#[derive(Debug)]
pub struct Study {
    path: PathBuf,
    connection: Connection,
    settings: StudySettings,
    population: Population,
    /// By position, the rows that are judged.
    sample: Vec<Sampled>,
}

/// A row that is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The row.
    pub item: Item,
    /// The probability with which it was drawn.
    pub probability: f64,
    /// The stratum that it was drawn from.
    pub stratum: usize,
}

/// A judge, and how far they have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The judge's name.
    pub judge: String,
    /// How many rows they have answered.
    pub done: u64,
    /// How many there are.
    pub rows: u64,
}

/// A row to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Its position among those that are judged, from 0.
    pub position: u64,
    /// Whether the second run stands on the left.
    pub swapped: bool,
}

/// An answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The judge's place among [`Study::judges`].
    pub judge: usize,
    /// The row's position.
    pub position: usize,
    /// What was answered.
    pub judgement: Judgement,
}

impl Study {
    /// Opens the study of a file, or makes it: draws rows, and writes all of it in one transaction.
    ///
    /// # Errors
    ///
    /// The settings ask for what the items do not have; the file is no study's, or another's.
    pub fn begin(path: &Path, settings: &StudySettings, items: &[Item]) -> Result<Self, JudgeError> {
        let sample = making::drawn(settings, items)?;
        let mut connection = schema::open(path, true)?;
        let database = |source| JudgeError::Database { path: path.to_owned(), source };
        let digest = making::digest(items);
        if schema::is_made(&connection).map_err(database)? {
            let study = Self::load(path, connection)?;
            let differences = study.settings.differences(settings);
            if !differences.is_empty() {
                return Err(JudgeError::OtherSettings { path: path.to_owned(), differences });
            }
            let stored: String = study.read("SELECT items_digest FROM study", |row| row.get(0))?;
            if stored != digest {
                return Err(JudgeError::OtherItems { path: path.to_owned() });
            }
            return Ok(study);
        }
        let population = making::population(settings, items)?;
        making::make(&mut connection, settings, items, &sample, &population, &digest).map_err(database)?;
        Self::load(path, connection)
    }

    /// Opens a study that is there.
    ///
    /// # Errors
    ///
    /// There is none, or the file is something else.
    pub fn open(path: &Path) -> Result<Self, JudgeError> {
        let connection = schema::open(path, false)?;
        Self::load(path, connection)
    }

    fn load(path: &Path, connection: Connection) -> Result<Self, JudgeError> {
        let population = Population { strata: Vec::new(), drawn: 0, by_size: false, expected: 0.0 };
        let settings: String = connection
            .query_row("SELECT settings FROM study", [], |row| row.get(0))
            .map_err(|source| JudgeError::Database { path: path.to_owned(), source })?;
        let settings = parse(path, "the settings", &settings)?;
        let mut study = Self { path: path.to_owned(), connection, settings, population, sample: Vec::new() };
        let population: String = study.read("SELECT population FROM study", |row| row.get(0))?;
        study.population = parse(path, "the population", &population)?;
        study.sample = study
            .rows("SELECT item, probability, stratum FROM sample JOIN items USING (place) ORDER BY position", |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?))
            })?
            .into_iter()
            .map(|(item, probability, stratum)| {
                Ok(Sampled { item: parse(path, "a row", &item)?, probability, stratum: stratum as usize })
            })
            .collect::<Result<_, JudgeError>>()?;
        Ok(study)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is asked, and of which rows.
    pub fn settings(&self) -> &StudySettings {
        &self.settings
    }

    /// All rows that could be drawn.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// The rows that are judged, in their order.
    pub fn sample(&self) -> &[Sampled] {
        &self.sample
    }

    /// All rows of the file.
    ///
    /// # Errors
    ///
    /// The file does not read.
    pub fn items(&self) -> Result<Vec<Item>, JudgeError> {
        let rows = self.rows("SELECT item FROM items ORDER BY place", |row| row.get::<_, String>(0))?;
        rows.iter().map(|item| parse(&self.path, "a row", item)).collect()
    }

    /// The judges, in the order in which they came.
    ///
    /// # Errors
    ///
    /// The file does not read.
    pub fn judges(&self) -> Result<Vec<Progress>, JudgeError> {
        let sql = "SELECT name, (SELECT count(*) FROM answers WHERE judge = judges.id AND undone = 0)
                   FROM judges ORDER BY id";
        let rows = self.sample.len() as u64;
        self.rows(sql, |row| Ok(Progress { judge: row.get(0)?, done: row.get::<_, i64>(1)? as u64, rows }))
    }

    /// Every answer that counts, by position and then by judge.
    ///
    /// # Errors
    ///
    /// The file does not read.
    pub fn answers(&self) -> Result<Vec<Answered>, JudgeError> {
        let sql = "SELECT (SELECT count(*) FROM judges AS before WHERE before.id < answers.judge), position, judgement
                   FROM answers WHERE undone = 0 ORDER BY position, judge";
        let numbers = self.rows(sql, |row| {
            Ok((row.get::<_, i64>(0)? as usize, row.get::<_, i64>(1)? as usize, row.get::<_, String>(2)?))
        })?;
        let answered = |(judge, position, judgement): (usize, usize, String)| {
            Ok(Answered { judge, position, judgement: parse(&self.path, "an answer", &judgement)? })
        };
        numbers.into_iter().map(answered).collect()
    }

    /// Of comparisons, how many answers prefer what stood on the left, and how many prefer either side.
    ///
    /// # Errors
    ///
    /// The file does not read.
    pub fn sides(&self) -> Result<(u64, u64), JudgeError> {
        let sql = "SELECT judgement, swapped FROM answers JOIN sides USING (judge, position) WHERE undone = 0";
        let rows = self.rows(sql, |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?;
        let (mut left, mut either) = (0, 0);
        for (judgement, swapped) in rows {
            let preferred: Judgement = parse(&self.path, "an answer", &judgement)?;
            if matches!(preferred, Judgement::First | Judgement::Second) {
                either += 1;
                left += u64::from((preferred == Judgement::First) != swapped);
            }
        }
        Ok((left, either))
    }

    /// SQLite's own number of how it writes: 2 where all that is committed is on the disk.
    ///
    /// # Errors
    ///
    /// The file does not read.
    pub fn synchronous(&self) -> Result<i64, JudgeError> {
        self.read("PRAGMA synchronous", |row| row.get(0))
    }

    fn read<T>(&self, sql: &str, of: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Result<T, JudgeError> {
        self.connection.query_row(sql, [], of).map_err(|source| self.database(source))
    }

    fn rows<T>(
        &self,
        sql: &str,
        of: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JudgeError> {
        let rows = || self.connection.prepare_cached(sql)?.query_map([], of)?.collect::<rusqlite::Result<Vec<T>>>();
        rows().map_err(|source| self.database(source))
    }

    fn write(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<usize, JudgeError> {
        let written = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        written.map_err(|source| self.database(source))
    }

    fn database(&self, source: rusqlite::Error) -> JudgeError {
        JudgeError::Database { path: self.path.clone(), source }
    }
}

/// Of types of this crate, which are all JSON.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(path: &Path, what: &'static str, text: &str) -> Result<T, JudgeError> {
    serde_json::from_str(text).map_err(|source| JudgeError::Damaged { path: path.to_owned(), what, source })
}
