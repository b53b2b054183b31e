//! A run, as the files of its folder tell of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use retune_recipe::{Plan, Recipe};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::Audit;
use crate::baseline::Baseline;
use crate::error::ReportError;
use crate::explanations::Explanations;
use crate::log::Log;
use crate::slices::Grouping;
use crate::table::Table;

/// A run: what its files say, and what a caller adds to it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its folder's name.
    pub name: String,
    /// Its folder, as it was named.
    pub path: PathBuf,
    /// Its plan.
    pub plan: Plan,
    /// The text of `plan.toml`.
    pub plan_text: String,
    /// `environment.json`.
    pub environment: Value,
    /// `metrics.jsonl`.
    pub log: Log,
    /// `evaluation.json`, of a finished run.
    pub evaluation: Option<FinalEvaluation>,
    /// From which probability on each label is given, where that was tuned: `retune.thresholds` or `retune.threshold` of
    /// the model's configuration.
    pub thresholds: Vec<f64>,
    /// `explanations.json`, if there is one.
    pub explanations: Option<Explanations>,
    /// `inspect.json`, if there is one.
    pub audit: Option<Audit>,
    /// The table of predictions, which the caller reads.
    pub predictions: Option<Table>,
    /// Other models' answers to the same rows.
    pub baselines: Vec<Baseline>,
    /// What else to group rows by.
    pub groupings: Vec<Grouping>,
    /// The mean power that the machine drew, in watts, where the caller knows it.
    pub watts: Option<f64>,
}

/// What `evaluation.json` holds beside the scores that the log has too.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FinalEvaluation {
    /// The data: `test` or `validation`.
    pub split: String,
    /// Rows of each data set.
    pub examples: DataSizes,
    /// Training rows of each class by name, where each row has one.
    pub training_classes: Option<serde_json::Map<String, Value>>,
    /// The measure that decided which epoch's model is kept.
    pub deciding: Option<String>,
    /// What was chosen on the validation data, a line each.
    pub tuned: Vec<String>,
    /// What a person calls the measures that matter most, by name.
    pub titles: serde_json::Map<String, Value>,
    /// Measures of each class, label or kind of entity, by name.
    pub classes: serde_json::Map<String, Value>,
}

/// Rows of each data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DataSizes {
    /// Trained on.
    pub train: u64,
    /// Decided which epoch's model is kept.
    pub validation: u64,
    /// Tested on, where there was a test.
    pub test: Option<u64>,
}

impl Run {
    /// Reads all of a folder but the table of predictions.
    ///
    /// # Errors
    /// The folder is no run's, or one of its files is damaged.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let plan_path = path.join("plan.toml");
        let plan_text = text_of(&plan_path)?.ok_or_else(|| ReportError::NotARun { path: path.to_owned() })?;
        let plan = Recipe::from_file(&plan_path)
            .and_then(|recipe| recipe.resolve())
            .map_err(|source| ReportError::Plan { path: plan_path, source })?;
        let named = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = named.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        let config: Option<Value> = json_of(&path.join("model/config.json"), "save_pretrained writes it")?;
        let audit: Option<Value> = json_of(&path.join("inspect.json"), "`inspect` writes it")?;
        Ok(Self {
            name,
            path: path.to_owned(),
            plan,
            plan_text,
            environment: json_of(&path.join("environment.json"), "`finetune` writes it")?.unwrap_or_default(),
            log: Log::parse(&text_of(&path.join("metrics.jsonl"))?.unwrap_or_default()),
            evaluation: json_of(&path.join("evaluation.json"), "`finetune` writes it")?,
            thresholds: thresholds(&config.unwrap_or_default()["retune"]),
            explanations: json_of(&path.join("explanations.json"), "`explain` writes it")?,
            audit: audit.as_ref().map(Audit::of),
            predictions: None,
            baselines: Vec::new(),
            groupings: Vec::new(),
            watts: None,
        })
    }

    /// Whether its last evaluation is there.
    pub fn is_finished(&self) -> bool {
        self.log.last.is_some()
    }

    /// The data that its final numbers are of, in a word.
    pub fn split(&self) -> &str {
        self.log.last.as_ref().map_or("validation", |last| &last.evaluation.split)
    }
}

fn thresholds(settings: &Value) -> Vec<f64> {
    let many = settings["thresholds"].as_array();
    let one = settings["threshold"].as_f64();
    many.into_iter().flatten().filter_map(Value::as_f64).chain(one).collect()
}

/// The text of a file, if it is there.
fn text_of(path: &Path) -> Result<Option<String>, ReportError> {
    match fs::read(path) {
        // What was cut off in the middle of a character is still worth reading.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ReportError::Read { path: path.to_owned(), source }),
    }
}

fn json_of<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Option<T>, ReportError> {
    let Some(text) = text_of(path)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text);
    parsed.map(Some).map_err(|source| ReportError::Json { path: path.to_owned(), expected, source })
}
