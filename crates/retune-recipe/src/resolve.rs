//! From what the user wrote to what the program runs on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::choices::{DataFormat, one_of};
use crate::keys::{self, Fallback, Key};
use crate::plan::{DataPlan, EvaluationPlan, ModelPlan, Plan, RunPlan, TaskPlan, TrainPlan};
use crate::problem::{Origin, Problem, ProblemKind, RecipeError, Said};
use crate::recipe::Recipe;
use crate::value::{FromValue, Value};
use crate::{DeviceChoice, LossChoice, Precision, SelectionMetric, TaskKind};

impl Recipe {
    /// Fills in the defaults and checks the whole.
    ///
    /// # Errors
    ///
    /// Every problem of the recipe: what was said wrongly, what is missing, what contradicts itself.
    pub fn resolve(&self) -> Result<Plan, RecipeError> {
        let mut resolver = Resolver { recipe: self, problems: self.problems().to_vec() };
        let plan = resolver.plan();
        resolver.contradictions();
        let problems = resolver.problems;
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(RecipeError { problems }),
        }
    }
}

impl Recipe {
    /// The folder that the recipe's run writes, whatever else is wrong with the recipe.
    pub fn output(&self) -> PathBuf {
        let resolver = Resolver { recipe: self, problems: Vec::new() };
        resolver.optional("run.output").unwrap_or_else(|| resolver.default_output())
    }
}

struct Resolver<'a> {
    recipe: &'a Recipe,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    /// The plan; `None` where a required key is missing, once all that are missing have been noted.
    fn plan(&mut self) -> Option<Plan> {
        let (model, task, data) = (self.model(), self.task(), self.data());
        Some(Plan {
            task: task?,
            train: self.train()?,
            evaluation: self.evaluation()?,
            run: self.run()?,
            model: model?,
            data: data?,
        })
    }

    fn model(&mut self) -> Option<ModelPlan> {
        Some(ModelPlan {
            path: self.get("model.path")?,
            revision: self.get("model.revision")?,
            offline: self.get("model.offline")?,
        })
    }

    fn kind(&self) -> TaskKind {
        self.optional("task.kind").unwrap_or(TaskKind::Classification)
    }

    fn task(&mut self) -> Option<TaskPlan> {
        let kind = self.kind();
        let said: LossChoice = self.get("task.loss")?;
        let losses = kind.losses();
        let loss = if said == LossChoice::Auto { losses[0] } else { said };
        self.require_for_task("task.loss", losses.contains(&loss), || {
            (one_of(&losses.iter().map(|loss| loss.as_str()).collect::<Vec<_>>()), loss.to_string())
        });
        Some(TaskPlan {
            kind,
            loss,
            label_smoothing: self.get("task.label_smoothing")?,
            class_weights: self.get("task.class_weights")?,
            positive_weights: self.get("task.positive_weights")?,
            focal_gamma: self.get("task.focal_gamma")?,
            huber_delta: self.get("task.huber_delta")?,
            label_separator: self.optional("task.label_separator"),
            mask_probability: self.get("task.mask_probability")?,
            whole_word_masking: self.get("task.whole_word_masking")?,
            line_by_line: self.get("task.line_by_line")?,
            stride: self.get("task.stride")?,
            max_answer_length: self.get("task.max_answer_length")?,
            n_best: self.get("task.n_best")?,
            pooling: self.get("task.pooling")?,
            scale: self.get("task.scale")?,
            margin: self.get("task.margin")?,
        })
    }

    /// Notes a problem unless a value that was said suits the task.
    fn require_for_task(&mut self, key: &'static str, suits: bool, words: impl FnOnce() -> (String, String)) {
        if !suits {
            let (expected, found) = words();
            let (expected, found) = (expected.into(), found.into());
            let kind = ProblemKind::NotForTask { key, expected, found, task: self.kind().as_str() };
            self.problems.push(Problem { origin: self.recipe.origin(key).cloned(), kind });
        }
    }

    /// The columns of a task that has its own where none are said.
    fn columns(&mut self) -> (Option<Vec<String>>, Option<String>) {
        let kind = self.kind();
        if kind == TaskKind::QuestionAnswering {
            let text = self.optional("data.text");
            let text: Vec<String> = text.unwrap_or_else(|| vec!["question".to_owned(), "context".to_owned()]);
            return (Some(text), Some(self.optional("data.label").unwrap_or_else(|| "answers".to_owned())));
        }
        let text = self.get("data.text");
        let label = self.optional("data.label");
        if label.is_none() && !kind.label_is_optional() {
            self.note_missing("data.label");
        }
        (text, label)
    }

    fn data(&mut self) -> Option<DataPlan> {
        // All are asked for before any is needed, so that all that are missing are named.
        let train = self.get("data.train");
        let (text, label) = self.columns();
        let choices: Option<Vec<String>> = self.optional("data.choices");
        if choices.is_none() && self.kind() == TaskKind::MultipleChoice {
            self.note_missing("data.choices");
        }
        if let Some(text) = &text {
            let (least, most) = self.kind().text_columns();
            self.require_for_task("data.text", (least..=most).contains(&text.len()), || {
                let expected =
                    if least == most { format!("{least} column(s)") } else { format!("{least} or {most} columns") };
                (expected, text.len().to_string())
            });
        }
        Some(DataPlan {
            train: train?,
            validation: self.optional("data.validation"),
            test: self.optional("data.test"),
            format: self.get::<DataFormat>("data.format")?,
            columns: self.optional("data.columns"),
            text: text?,
            label,
            label_names: self.optional("data.label_names"),
            choices,
            max_length: self.optional("data.max_length").unwrap_or(match self.kind() {
                TaskKind::QuestionAnswering => 384,
                _ => 128,
            }),
            validation_fraction: self.get("data.validation_fraction")?,
        })
    }

    fn train(&mut self) -> Option<TrainPlan> {
        Some(TrainPlan {
            epochs: self.get("train.epochs")?,
            max_steps: self.optional("train.max_steps"),
            batch_size: self.get("train.batch_size")?,
            micro_batch_size: self.optional("train.micro_batch_size"),
            learning_rate: self.get("train.learning_rate")?,
            warmup_fraction: self.get("train.warmup_fraction")?,
            weight_decay: self.get("train.weight_decay")?,
            max_grad_norm: self.get("train.max_grad_norm")?,
            adam_beta1: self.get("train.adam_beta1")?,
            adam_beta2: self.get("train.adam_beta2")?,
            adam_epsilon: self.get("train.adam_epsilon")?,
            log_every: self.get("train.log_every")?,
        })
    }

    fn evaluation(&mut self) -> Option<EvaluationPlan> {
        let said: SelectionMetric = self.get("evaluation.metric")?;
        let metrics = SelectionMetric::of(self.kind());
        let metric = if said == SelectionMetric::Auto { metrics[0] } else { said };
        self.require_for_task("evaluation.metric", metrics.contains(&metric), || {
            (one_of(&metrics.iter().map(|metric| metric.as_str()).collect::<Vec<_>>()), metric.to_string())
        });
        Some(EvaluationPlan {
            batch_size: self.get("evaluation.batch_size")?,
            metric,
            tune_thresholds: self.get("evaluation.tune_thresholds")?,
            calibrate: self.get("evaluation.calibrate")?,
            bootstrap_samples: self.get("evaluation.bootstrap_samples")?,
        })
    }

    fn run(&mut self) -> Option<RunPlan> {
        Some(RunPlan {
            output: self.optional("run.output").unwrap_or_else(|| self.default_output()),
            seed: self.get("run.seed")?,
            device: self.get::<DeviceChoice>("run.device")?,
            precision: self.get::<Precision>("run.precision")?,
            threads: self.optional("run.threads"),
        })
    }

    /// `runs/` and the name of the recipe, or else of the training file.
    fn default_output(&self) -> PathBuf {
        let train: Option<PathBuf> = self.optional("data.train");
        let stem = match &self.recipe.file {
            Some(recipe) => recipe.file_stem().map(OsString::from),
            None => train.as_deref().and_then(name_of_data),
        };
        Path::new("runs").join(stem.unwrap_or("run".into()))
    }

    fn optional<T: FromValue>(&self, path: &'static str) -> Option<T> {
        self.recipe.settings.get(path).and_then(|setting| T::from_value(&setting.value))
    }

    /// What was said, or the default; `None`, with the problem noted, where there is neither.
    fn get<T: FromValue>(&mut self, path: &'static str) -> Option<T> {
        let key = keys::find(path)?;
        let value = self.optional(path).or_else(|| default_of(key).and_then(|value| T::from_value(&value)));
        if value.is_none() {
            self.note_missing(path);
        }
        value
    }

    fn note_missing(&mut self, path: &'static str) {
        if let Some(key) = keys::find(path).filter(|_| !self.recipe.meant.contains(path)) {
            let origin = self.recipe.file.clone().map(|path| Origin::File { path, line: None });
            let kind = ProblemKind::Missing { key: key.path, flag: key.flag, doc: key.doc };
            self.problems.push(Problem { origin, kind });
        }
    }

    fn contradictions(&mut self) {
        let train: Option<PathBuf> = self.optional("data.train");
        for held_out in ["data.validation", "data.test"] {
            if train.is_some() && train == self.optional(held_out) {
                let reason = "what is measured on the training examples says nothing of new ones; name another file";
                self.contradiction("data.train", held_out, reason);
            }
        }
        let text: Vec<String> = self.optional("data.text").unwrap_or_default();
        let label: Option<String> = self.optional("data.label");
        if label.is_some_and(|label| text.contains(&label)) {
            let reason = "a model that reads the label has nothing to learn; name another column";
            self.contradiction("data.text", "data.label", reason);
        }
    }

    fn contradiction(&mut self, first: &'static str, second: &'static str, reason: &'static str) {
        let said = |key| self.recipe.origin(key).map(|origin| Box::new(Said { key, origin: origin.clone() }));
        if let (Some(first), Some(second)) = (said(first), said(second)) {
            self.problems.push(Problem { origin: None, kind: ProblemKind::Contradiction { first, second, reason } });
        }
    }
}

/// What a run on these data is called: the name of the file or the folder, without the chosen array, the extensions and
/// the marks of a pattern, as `data` of `data.json#train` and `train` of `train-*.csv.gz`.
fn name_of_data(path: &Path) -> Option<OsString> {
    let name = path.file_name()?.to_str()?;
    let file = name.split_once('#').map_or(name, |(file, _)| file);
    let stem = Path::new(file.strip_suffix(".gz").unwrap_or(file)).file_stem()?.to_str()?;
    let stem = stem.replace(['*', '?', '[', ']'], "");
    let stem = stem.trim_matches(['-', '_', '.']);
    (!stem.is_empty()).then(|| stem.into())
}

fn default_of(key: &Key) -> Option<Value> {
    match key.fallback {
        Fallback::Required | Fallback::Unset(_) | Fallback::Derived(_) => None,
        Fallback::Text(text) => Some(Value::Text(text.to_owned())),
        Fallback::Integer(number) => Some(Value::Integer(number)),
        Fallback::Float(number) => Some(Value::Float(number)),
        Fallback::Switch(switch) => Some(Value::Switch(switch)),
    }
}
