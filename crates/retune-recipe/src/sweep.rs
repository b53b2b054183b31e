//! The section `[sweep]`: what a search over recipes tries. A run of one recipe has no use for it.
//!
//! Its keys have a table of their own, [`sweep_keys()`], and its problems are kept apart: they are reported by
//! [`Recipe::sweep`], and `finetune` does not stumble over them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml_edit::{Item, TableLike, Value as Toml};

use crate::choices::{ChoiceError, choices, one_of, through_text};
use crate::keys::Fallback::{Derived, Integer, Text, Unset};
use crate::keys::{self, Key, Kind};
use crate::problem::{Origin, Problem, ProblemKind, RecipeError};
use crate::recipe::{Recipe, Setting};
use crate::value::{PlanValue, Value};
use crate::{SelectionMetric, TaskKind, check, nearest, space, walk};

pub use crate::space::{Dimension, SweepDomain};

choices! {
    /// How the trials' values are chosen.
    SamplerChoice {
        /// Each for itself, at random.
        Random = "random",
        /// By what the trials before have shown: the tree-structured Parzen estimator.
        Tpe = "tpe",
    }
}

choices! {
    /// Which trials' models stay on the disk.
    KeepChoice {
        /// The best trial's.
        Best = "best",
        /// Every trial's.
        All = "all",
    }
}

const AT_LEAST_ONE: Kind = Kind::Integer { min: 1 };

static SWEEP_KEYS: &[Key] = &[
    key("sweep.trials", AT_LEAST_ONE, Integer(20), Some("--trials"), "How many recipes are tried."),
    key(
        "sweep.sampler",
        Kind::Choice(SamplerChoice::NAMES),
        Text("tpe"),
        Some("--sampler"),
        "How their values are chosen.",
    ),
    key("sweep.seed", Kind::Integer { min: 0 }, Integer(0), None, "The seed of the sampler."),
    key(
        "sweep.metric",
        Kind::Choice(SelectionMetric::NAMES),
        Derived("evaluation.metric"),
        None,
        "The measure on the validation data that trials are compared by.",
    ),
    key(
        "sweep.halving",
        Kind::Integer { min: 2 },
        Unset("unset: every trial trains to its end"),
        Some("--halving"),
        "Successive halving: of so many trials one goes on from each rung.",
    ),
    key("sweep.min_epochs", AT_LEAST_ONE, Integer(1), Some("--min-epochs"), "Epochs to the first rung of halving."),
    key("sweep.parallel", AT_LEAST_ONE, Integer(1), Some("--parallel"), "Trials that are trained at the same time."),
    key(
        "sweep.keep",
        Kind::Choice(KeepChoice::NAMES),
        Text("best"),
        Some("--keep"),
        "Whose models and checkpoints stay on the disk when they are no longer needed; measures always stay.",
    ),
];

const fn key(
    path: &'static str,
    kind: Kind,
    fallback: keys::Fallback,
    flag: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { path, kind, fallback, flag, doc }
}

/// Every key of the section `[sweep]`, apart from the searched ones in `[sweep.space]`.
pub fn sweep_keys() -> &'static [Key] {
    SWEEP_KEYS
}

/// What a search does: the section `[sweep]` checked and resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPlan {
    /// Recipes that are tried, at least 1.
    pub trials: usize,
    /// How their values are chosen.
    pub sampler: SamplerChoice,
    /// The sampler's seed.
    pub seed: u64,
    /// The measure that trials are compared by; `Auto` only where the data decide.
    pub metric: SelectionMetric,
    /// One of so many goes on from each rung, at least 2; `None` where every trial trains to its end.
    pub halving: Option<usize>,
    /// Epochs to the first rung, at least 1.
    pub min_epochs: usize,
    /// Trials at the same time, at least 1.
    pub parallel: usize,
    /// Whose models stay.
    pub keep: KeepChoice,
    /// What is searched, at least one key, in the order of the recipe.
    pub space: Vec<Dimension>,
}

/// The section as the user wrote it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SweepSection {
    settings: Vec<(&'static Key, Setting)>,
    space: Vec<Dimension>,
    problems: Vec<Problem>,
    is_said: bool,
}

impl SweepSection {
    /// Reads the section of a file; `line_of` gives the line of an item.
    pub(crate) fn read(
        table: &dyn TableLike,
        file: &Path,
        line_of: &dyn Fn(&dyn TableLike, &str) -> Option<usize>,
    ) -> Self {
        let mut section = SweepSection { is_said: true, ..SweepSection::default() };
        for (name, item) in table.iter() {
            let origin = Origin::File { path: file.to_owned(), line: line_of(table, name) };
            match (name, item.as_table_like()) {
                ("space", Some(space)) => section.read_space("", space, file, line_of),
                ("space", None) => section.wrong_space(&origin, item),
                _ => section.set(name, &origin, |key| check::check_item(key, item)),
            }
        }
        section
    }

    /// The keys of the space; `"train.epochs" = …` and `train.epochs = …` mean the same.
    fn read_space(
        &mut self,
        section: &str,
        table: &dyn TableLike,
        file: &Path,
        line_of: &dyn Fn(&dyn TableLike, &str) -> Option<usize>,
    ) {
        for (name, item) in table.iter() {
            let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            match item.as_table_like() {
                Some(inner) if section.is_empty() && keys::is_section(name) => {
                    self.read_space(name, inner, file, line_of);
                }
                _ => {
                    let origin = Origin::File { path: file.to_owned(), line: line_of(table, name) };
                    self.add_dimension(&path, item, origin);
                }
            }
        }
    }

    fn add_dimension(&mut self, path: &str, item: &Item, origin: Origin) {
        match space::dimension(path, item) {
            Ok(dimension) => {
                self.space.retain(|other| other.key != dimension.key);
                self.space.push(dimension);
            }
            Err(kinds) => self.problems.extend(kinds.into_iter().map(|kind| Problem::at(&origin, kind))),
        }
    }

    fn wrong_space(&mut self, origin: &Origin, item: &Item) {
        let kind = ProblemKind::WrongType {
            key: "sweep.space".to_owned(),
            expected: "a table of keys to search, begun by the line [sweep.space]".to_owned(),
            found: item.to_string().trim().to_owned(),
        };
        self.problems.push(Problem::at(origin, kind));
    }

    fn set(&mut self, name: &str, origin: &Origin, check: impl FnOnce(&'static Key) -> Result<Value, ProblemKind>) {
        self.is_said = true;
        let path = format!("sweep.{name}");
        let checked = match SWEEP_KEYS.iter().find(|key| key.path == path) {
            Some(key) => check(key).map(|value| (key, value)),
            None => Err(ProblemKind::UnknownKey {
                suggestion: nearest::key(&path, known()),
                known: known().collect(),
                key: path,
            }),
        };
        match checked {
            Ok((key, value)) => {
                self.settings.retain(|(other, _)| other.path != key.path);
                self.settings.push((key, Setting { value, origin: origin.clone() }));
            }
            Err(kind) => self.problems.push(Problem::at(origin, kind)),
        }
    }

    fn value<T: PlanValue>(&self, path: &str) -> Option<T> {
        let (_, setting) = self.settings.iter().find(|(key, _)| key.path == path)?;
        T::from_value(&setting.value)
    }

    fn origin(&self, path: &str) -> Option<Origin> {
        self.settings.iter().find(|(key, _)| key.path == path).map(|(_, setting)| setting.origin.clone())
    }

    /// The section as TOML, with an empty line before it; nothing where nothing was said.
    pub(crate) fn to_toml(&self) -> String {
        if !self.is_said {
            return String::new();
        }
        let mut text = "\n[sweep]\n".to_owned();
        for (key, setting) in &self.settings {
            text.push_str(&format!("# {}\n{} = {}\n", key.doc, key.name(), setting.value));
        }
        if !self.space.is_empty() {
            text.push_str("\n[sweep.space]\n");
            text.extend(self.space.iter().map(|dimension| format!("\"{}\" = {}\n", dimension.key, dimension.values)));
        }
        text
    }
}

/// The keys that messages list.
fn known() -> impl Iterator<Item = &'static str> {
    SWEEP_KEYS.iter().map(|key| key.path).chain(["sweep.space"])
}

impl Recipe {
    /// The search that the section `[sweep]` asks for.
    ///
    /// # Errors
    ///
    /// Every problem of the section: there is none, nothing is searched, a key or a range is wrong.
    pub fn sweep(&self) -> Result<SweepPlan, RecipeError> {
        let section = &self.sweep;
        let mut problems = section.problems.clone();
        if section.space.is_empty() && problems.is_empty() {
            let origin = self.file.clone().map(|path| Origin::File { path, line: None });
            let reason = "there is nothing to search: add a section [sweep.space] with keys and their ranges, as \
                          \"train.learning_rate\" = { min = 1e-5, max = 1e-3, scale = \"log\" }";
            problems.push(Problem { origin, kind: ProblemKind::Syntax { reason: reason.to_owned() } });
        }
        let metric = self.sweep_metric(&mut problems);
        if !problems.is_empty() {
            return Err(RecipeError { problems });
        }
        Ok(SweepPlan {
            trials: section.value("sweep.trials").unwrap_or(20),
            sampler: section.value("sweep.sampler").unwrap_or(SamplerChoice::Tpe),
            seed: section.value("sweep.seed").unwrap_or(0),
            metric,
            halving: section.value("sweep.halving"),
            min_epochs: section.value("sweep.min_epochs").unwrap_or(1),
            parallel: section.value("sweep.parallel").unwrap_or(1),
            keep: section.value("sweep.keep").unwrap_or(KeepChoice::Best),
            space: section.space.clone(),
        })
    }

    /// What was said of it, or `evaluation.metric`, or the task's own.
    fn sweep_metric(&self, problems: &mut Vec<Problem>) -> SelectionMetric {
        fn of<T: PlanValue>(recipe: &Recipe, path: &str) -> Option<T> {
            recipe.settings.get(path).and_then(|setting| T::from_value(&setting.value))
        }
        let task: TaskKind = of(self, "task.kind").unwrap_or(TaskKind::Classification);
        let said: Option<SelectionMetric> = self.sweep.value("sweep.metric");
        let metric = said.or_else(|| of(self, "evaluation.metric")).unwrap_or(SelectionMetric::Auto);
        let metrics = SelectionMetric::of(task);
        if metric == SelectionMetric::Auto {
            return metrics[0];
        }
        if said.is_some() && !metrics.contains(&metric) {
            let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
            let kind = ProblemKind::NotForTask {
                key: "sweep.metric",
                expected: one_of(&names).into(),
                found: metric.as_str().into(),
                task: task.as_str(),
            };
            problems.push(Problem { origin: self.sweep.origin("sweep.metric"), kind });
        }
        metric
    }

    /// Sets a key of the section `[sweep]`, as [`Recipe::set`] does those of the others: `sweep.trials`, or
    /// `sweep.space.train.epochs` to a TOML table. Whether the key is of that section.
    pub(crate) fn set_sweep(&mut self, path: &str, value: &str, origin: &str) -> bool {
        let Some(name) = path.strip_prefix("sweep.") else { return false };
        let origin = Origin::Flag(origin.to_owned());
        match name.strip_prefix("space.") {
            Some(searched) => {
                let item = Item::Value(value.parse::<Toml>().unwrap_or_else(|_| Toml::from(value)));
                self.sweep.is_said = true;
                self.sweep.add_dimension(searched, &item, origin);
            }
            None => self.sweep.set(name, &origin, |key| check::check_text(key, value)),
        }
        true
    }

    /// The same recipe without the section `[sweep]`.
    #[must_use]
    pub fn without_sweep(&self) -> Recipe {
        let mut recipe = self.clone();
        recipe.sweep = SweepSection::default();
        recipe
    }
}

crate::value::choice_values!(SamplerChoice, KeepChoice);

/// The problem of a key of the space that no recipe has.
pub(crate) fn unknown(path: &str) -> ProblemKind {
    walk::unknown_key(path)
}
