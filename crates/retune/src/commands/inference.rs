//! What `predict` and `evaluate` share: a finished run, and how to compute.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ArgMatches;
use retune_recipe::{DataFormat, DeviceChoice, Plan, Precision, TaskKind};
use retune_train::{Computation, Predictor, RunDirectory, Task, choose_products, resolve_device};

/// A finished run, ready for texts.
pub struct Inference<T> {
    /// The run's plan, with what the arguments change.
    pub plan: Plan,
    /// The model.
    pub predictor: Predictor<T>,
    /// How batches are computed.
    pub computation: Computation,
}

impl<T: Task> Inference<T> {
    /// From `--run`, `--device`, `--precision`, `--batch-size`, `--text`, `--label`, `--format` and `--columns`.
    pub fn open(matches: &ArgMatches) -> anyhow::Result<Self> {
        Self::of_run(run_of(matches)?, matches)
    }

    /// The same of a run that is named otherwise.
    pub fn of_run(run: &Path, matches: &ArgMatches) -> anyhow::Result<Self> {
        let mut plan = RunDirectory::plan_of(run)?;
        // Another file than the run's may be written in another way.
        plan.data.format = DataFormat::Auto;
        plan.data.columns = matches.get_many::<String>("columns").map(|names| names.cloned().collect());
        if let Some(format) = matches.get_one::<String>("format") {
            plan.data.format = format.parse().with_context(|| format!("--format {format}"))?;
        }
        if let Some(columns) = matches.get_many::<String>("text") {
            let columns: Vec<String> = columns.cloned().collect();
            // A vector is one text's: any number of columns will do.
            anyhow::ensure!(
                columns.len() == plan.data.text.len() || plan.task.kind == TaskKind::Embeddings,
                "--text names {} column(s), but the model reads {} text(s) for each example",
                columns.len(),
                plan.data.text.len()
            );
            plan.data.text = columns;
        }
        // `predict` has no such argument.
        if let Some(label) = matches.try_get_one::<String>("label").ok().flatten() {
            plan.data.label = Some(label.clone());
        }
        let device: DeviceChoice = match matches.get_one::<String>("device") {
            Some(name) => name.parse().with_context(|| format!("--device {name}"))?,
            None => plan.run.device,
        };
        let batch_size = match matches.get_one::<String>("batch-size") {
            Some(number) => number
                .parse()
                .ok()
                .and_then(NonZeroUsize::new)
                .with_context(|| format!("--batch-size {number}: expected a whole number of at least 1"))?,
            None => NonZeroUsize::new(plan.evaluation.batch_size).unwrap_or(NonZeroUsize::MIN),
        };
        let device = resolve_device(device)?;
        let precision: Precision = match matches.get_one::<String>("precision") {
            Some(name) => name.parse().with_context(|| format!("--precision {name}"))?,
            // The run's own device had it.
            None if plan.run.precision == Precision::Tf32 && !device.is_cuda() => Precision::Fp32,
            None => plan.run.precision,
        };
        choose_products(precision, device)?;
        // As the run computed, to the last digit.
        if let Some(threads) = plan.run.threads {
            tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        }
        let predictor = Predictor::open_run(run, &plan, device)?;
        let computation = Computation { device, precision, batch_size };
        Ok(Self { plan, predictor, computation })
    }
}

/// The folder that `--run` names.
pub fn run_of(matches: &ArgMatches) -> anyhow::Result<&PathBuf> {
    matches.get_one("run").context("--run is required")
}

/// Checks, before anything slow, that a table can be written to this file.
pub fn check_table(path: &Path) -> anyhow::Result<()> {
    retune_data::OutputFormat::of(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    anyhow::ensure!(folder.is_dir(), "cannot write {}: the folder {} is not there", path.display(), folder.display());
    Ok(())
}
