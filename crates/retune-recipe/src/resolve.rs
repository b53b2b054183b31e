//! From what the user wrote to what the program runs on.

mod contradictions;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::choices::one_of;
use crate::keys::{self, Fallback, Key};
use crate::plan::Plan;
use crate::problem::{Origin, Problem, ProblemKind, RecipeError};
use crate::recipe::Recipe;
use crate::sections::{
    AdapterPlan, CheckpointPlan, DataPlan, EvaluationPlan, FewShotPlan, ModelPlan, OptimizerPlan, RegularizationPlan,
    RunPlan, SchedulePlan, TaskPlan, TrainPlan,
};
use crate::value::{Field, PlanValue, Value};
use crate::{HeadChoice, LossChoice, OptimizerKind, Sampling, SelectionMetric, TaskKind, Trained};

impl Recipe {
    /// Fills in the defaults and checks the whole.
    ///
    /// # Errors
    ///
    /// Every problem of the recipe: what was said wrongly, what is missing, what contradicts itself.
    pub fn resolve(&self) -> Result<Plan, RecipeError> {
        let mut resolver = Resolver { recipe: self, problems: self.problems().to_vec() };
        let plan = resolver.plan();
        resolver.required_by_task();
        resolver.suits_task();
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

pub(crate) struct Resolver<'a> {
    recipe: &'a Recipe,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    /// The plan; `None` where a required key is missing, once all that are missing have been noted.
    fn plan(&mut self) -> Option<Plan> {
        let (model, task, data) = (ModelPlan::resolve(self), TaskPlan::resolve(self), DataPlan::resolve(self));
        Some(Plan {
            few_shot: FewShotPlan::resolve(self)?,
            train: TrainPlan::resolve(self)?,
            optimizer: OptimizerPlan::resolve(self)?,
            schedule: SchedulePlan::resolve(self)?,
            regularization: RegularizationPlan::resolve(self)?,
            adapter: AdapterPlan::resolve(self)?,
            checkpoint: CheckpointPlan::resolve(self)?,
            evaluation: EvaluationPlan::resolve(self)?,
            run: RunPlan::resolve(self)?,
            model: model?,
            task: task?,
            data: data?,
        })
    }

    /// The value of a key that was not said, or whose word leaves it open, where it depends on other keys.
    fn derived(&self, path: &str) -> Option<Value> {
        let kind = self.kind();
        let asks_questions = kind == TaskKind::QuestionAnswering;
        let optimizer = self.optional("optimizer.kind").unwrap_or(OptimizerKind::AdamW);
        let few_shot = self.few_shot();
        Some(match path {
            "task.head" if few_shot => HeadChoice::SentenceEmbedding.to_value(),
            "task.head" => HeadChoice::Architecture.to_value(),
            "train.trained" => if few_shot { Trained::Head } else { Trained::All }.to_value(),
            "train.epochs" => Value::Float(if few_shot { 50.0 } else { 3.0 }),
            "train.learning_rate" => Value::Float(if few_shot { 0.01 } else { 5e-5 }),
            "task.loss" => kind.losses()[0].to_value(),
            "evaluation.metric" => SelectionMetric::of(kind)[0].to_value(),
            "data.text" if asks_questions => vec!["question".to_owned(), "context".to_owned()].to_value(),
            "data.label" if asks_questions => "answers".to_owned().to_value(),
            "data.max_length" if asks_questions => Value::Integer(384),
            "data.max_length" => Value::Integer(128),
            "optimizer.beta1" => Value::Float(if optimizer == OptimizerKind::Adafactor { 0.0 } else { 0.9 }),
            "optimizer.beta2" => Value::Float(if optimizer == OptimizerKind::Lion { 0.99 } else { 0.999 }),
            "run.output" => self.default_output().to_value(),
            _ => return None,
        })
    }

    /// Whether a contrastive stage comes first.
    fn few_shot(&self) -> bool {
        self.recipe.settings.contains_key("few_shot.pairs")
    }

    fn kind(&self) -> TaskKind {
        self.optional("task.kind").unwrap_or(TaskKind::Classification)
    }

    /// What was said must suit the task.
    fn suits_task(&mut self) {
        let kind = self.kind();
        if let Some(loss) = self.value::<LossChoice>("task.loss") {
            let losses: Vec<&str> = kind.losses().iter().map(|loss| loss.as_str()).collect();
            self.require_for_task("task.loss", losses.contains(&loss.as_str()), || (one_of(&losses), loss.to_string()));
        }
        if let Some(metric) = self.value::<SelectionMetric>("evaluation.metric") {
            let metrics: Vec<&str> = SelectionMetric::of(kind).iter().map(|metric| metric.as_str()).collect();
            let suits = metrics.contains(&metric.as_str());
            self.require_for_task("evaluation.metric", suits, || (one_of(&metrics), metric.to_string()));
        }
        if let Some(text) = self.value::<Vec<String>>("data.text") {
            let (least, most) = kind.text_columns();
            self.require_for_task("data.text", (least..=most).contains(&text.len()), || {
                let expected =
                    if least == most { format!("{least} column(s)") } else { format!("{least} or {most} columns") };
                (expected, text.len().to_string())
            });
        }
        let classifies = kind == TaskKind::Classification;
        for key in ["few_shot.pairs", "data.train_per_class"] {
            let said: Option<usize> = self.optional(key);
            self.require_for_task(key, said.is_none() || classifies, || {
                ("left out".to_owned(), said.unwrap_or_default().to_string())
            });
        }
        // By the words of the recipe: with few_shot.pairs, the head follows from it.
        let head = self.optional("task.head").unwrap_or(HeadChoice::Architecture);
        self.require_for_task("task.head", head == HeadChoice::Architecture || classifies, || {
            (HeadChoice::Architecture.to_string(), head.to_string())
        });
        if self.value("train.sampling") == Some(Sampling::ClassBalanced) {
            self.require_for_task("train.sampling", kind == TaskKind::Classification, || {
                ("shuffled or length-grouped".to_owned(), Sampling::ClassBalanced.to_string())
            });
        }
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

    /// Keys that a task needs and others do not.
    fn required_by_task(&mut self) {
        let kind = self.kind();
        let has = |path| self.recipe.settings.contains_key(path) || self.derived(path).is_some();
        let label_is_missing = !kind.label_is_optional() && !has("data.label");
        let choices_are_missing = kind == TaskKind::MultipleChoice && !has("data.choices");
        if label_is_missing {
            self.note_missing("data.label");
        }
        if choices_are_missing {
            self.note_missing("data.choices");
        }
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

    fn optional<T: PlanValue>(&self, path: &'static str) -> Option<T> {
        self.recipe.settings.get(path).and_then(|setting| T::from_value(&setting.value))
    }

    /// What was said, or else what follows from other keys, or else the default; `None`, with the problem noted, where
    /// there must be a value and is none.
    pub(crate) fn get<T: Field>(&mut self, path: &'static str) -> Option<T> {
        let field = self.value(path);
        if field.is_none() {
            self.note_missing(path);
        }
        field
    }

    fn value<T: Field>(&self, path: &'static str) -> Option<T> {
        let said = self.recipe.settings.get(path).map(|setting| setting.value.clone());
        let leaves_open = said.as_ref().is_none_or(|said| *said == Value::Text("auto".to_owned()));
        let derived = if leaves_open { self.derived(path) } else { None };
        let value = derived.or(said).or_else(|| keys::find(path).and_then(default_of));
        T::from_said(value.as_ref()).ok()
    }

    fn note_missing(&mut self, path: &'static str) {
        if let Some(key) = keys::find(path).filter(|_| !self.recipe.meant.contains(path)) {
            let origin = self.recipe.file.clone().map(|path| Origin::File { path, line: None });
            let kind = ProblemKind::Missing { key: key.path, flag: key.flag, doc: key.doc };
            self.problems.push(Problem { origin, kind });
        }
    }
}

/// What a run on these data is called: the name of the file or the folder, without the chosen array, the extensions and
/// the marks of a pattern, as `data` of `data.json#train` and `train` of `train-*.csv.gz`; of a data set on the Hub its
/// own name and that of its configuration.
fn name_of_data(path: &Path) -> Option<OsString> {
    if let Some(text) = path.to_str().and_then(|text| text.strip_prefix(contradictions::HUB)) {
        let name = text.split(['@', '#']).next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default().replace(':', "-");
        return (!name.is_empty()).then(|| name.into());
    }
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
