//! The contrastive stage of few-shot classification (SetFit: Tunstall et al. 2022, arXiv 2209.11055): the encoder
//! learns to put texts of one class near each other and of others apart, before a head is trained on what it then
//! gives.
//!
//! It is a run of the task `embeddings` like any other, with its own folder, checkpoints and `plan.toml`; only its
//! pairs are made here. Both the pairs and the plan are functions of the plan of the run that it comes before, so that
//! to resume needs neither.

use std::path::Path;

use retune_data::{OutputColumn, OutputValues, Sampler, Text, contrastive_pairs, write_table};
use retune_recipe::{
    DataFormat, DataPlan, EvaluationPlan, FewShotPlan, HeadChoice, LossChoice, Plan, PoolingChoice, RegularizationPlan,
    RunPlan, Sampling, SelectionMetric, TaskKind, TaskPlan, TrainPlan, Trained,
};

use crate::TrainError;
use crate::task::Splits;
use crate::tasks::{Embeddings, GroupExamples, Kept, TextExamples};

/// What the contrastive stage trains on and how.
#[derive(Debug)]
pub struct Stage {
    /// Its own plan, which resolves as a recipe once the pairs are [written](Stage::write_pairs).
    pub plan: Plan,
    /// Its task.
    pub task: Embeddings,
    /// Its pairs, each of two texts with the cosine that theirs shall be: 1 within a class, 0 between two.
    pub data: Splits<GroupExamples<f64>>,
}

/// The columns of the files of pairs: the two texts, and their cosine.
const COLUMNS: [&str; 3] = ["text", "partner", "cosine"];
/// Validation texts that pairs are made of, at most: the loss on them is for people to read, and decides between epochs
/// where there are several.
const MOST_VALIDATION: usize = 100;

impl Stage {
    /// The stage that comes before a plan's run, in a folder of its own; `rows` are the training examples that the run
    /// uses. Of the validation examples, each has one pair of each sort.
    ///
    /// # Errors
    /// There is no positive pair among the rows, or no negative one; or a text cannot be read again.
    pub fn new(
        plan: &Plan,
        examples: &Splits<TextExamples<u32>>,
        rows: &[usize],
        folder: &Path,
    ) -> Result<Self, TrainError> {
        let seed = plan.run.seed;
        let pairs = plan.few_shot.pairs.unwrap_or_default();
        let train = groups(&examples.train, rows, pairs, seed)?;
        let has = |cosine: f64| train.labels.contains(&cosine);
        let path = plan.data.train.display();
        if !has(1.0) {
            let reason = format!(
                "few_shot.pairs: {path}: no two of the {} training rows are of one class, so that there is no positive pair; give \
                 two rows or more of a class (a larger data.train_per_class), or leave few_shot.pairs out",
                rows.len()
            );
            return Err(TrainError::Input { reason });
        }
        if !has(0.0) {
            let reason = format!(
                "few_shot.pairs: {path}: all {} training rows are of one class, so that there is no negative pair; give rows of \
                 two classes or more, or leave few_shot.pairs out",
                rows.len()
            );
            return Err(TrainError::Input { reason });
        }
        let held_out = examples.validation.texts.len();
        let share = Sampler::shuffled(held_out.try_into().unwrap_or(std::num::NonZeroUsize::MIN))
            .share(MOST_VALIDATION as f64 / held_out.max(1) as f64, seed);
        let validation = groups(&examples.validation, share.members(), 1, seed)?;
        // One validation text has no partner: then the loss on the training pairs is told.
        let validation = if validation.labels.is_empty() { train.clone() } else { validation };
        let plan = stage_plan(plan, folder);
        let task = Embeddings::of_plan(&plan)?;
        Ok(Self { plan, task, data: Splits { train, validation, test: None, validation_is_split: false } })
    }

    /// Writes the pairs where the stage's plan says that they are, for people and for the plan to be a whole recipe.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_pairs(&self) -> Result<(), TrainError> {
        let files = [
            (Some(&self.plan.data.train), &self.data.train),
            (self.plan.data.validation.as_ref(), &self.data.validation),
        ];
        for (path, pairs) in files.into_iter().filter_map(|(path, pairs)| Some((path?, pairs))) {
            let groups = pairs.groups.read()?;
            let side = |place: usize| groups.iter().map(|group| group[place].first.clone()).collect();
            let values =
                [OutputValues::Text(side(0)), OutputValues::Text(side(1)), OutputValues::Float(pairs.labels.clone())];
            let columns = COLUMNS.iter().zip(values);
            write_table(
                path,
                columns.map(|(name, values)| OutputColumn { name: (*name).to_owned(), values }).collect(),
            )?;
        }
        Ok(())
    }
}

/// Pairs of some of the examples, `each` of both sorts for each of them.
fn groups(
    examples: &TextExamples<u32>,
    rows: &[usize],
    each: usize,
    seed: u64,
) -> Result<GroupExamples<f64>, TrainError> {
    let chosen = examples.select(rows);
    let texts = chosen.texts.read()?;
    let pairs = contrastive_pairs(&chosen.labels, each, seed);
    let text = |row: usize| Text::single(texts[row].first.as_str());
    let groups = pairs.iter().map(|pair| vec![text(pair.row), text(pair.partner)]).collect();
    Ok(GroupExamples {
        path: examples.path.clone(),
        groups: Kept::Held(groups),
        labels: pairs.iter().map(|pair| f64::from(u8::from(pair.same_class))).collect(),
    })
}

/// What is the stage's own is said; what is not (the optimiser, the schedule, the device, checkpoints) is as in the
/// run's plan.
fn stage_plan(plan: &Plan, folder: &Path) -> Plan {
    let few_shot = &plan.few_shot;
    let [text, partner, cosine] = COLUMNS.map(str::to_owned);
    let mut stage = plan.clone();
    stage.task = TaskPlan {
        kind: TaskKind::Embeddings,
        loss: LossChoice::Cosine,
        pooling: PoolingChoice::Auto,
        head: HeadChoice::Architecture,
        ..stage.task
    };
    stage.data = DataPlan {
        train: folder.join("pairs.jsonl"),
        validation: Some(folder.join("validation-pairs.jsonl")),
        test: None,
        format: DataFormat::Auto,
        columns: None,
        filter: None,
        computed: None,
        text: vec![text, partner],
        label: Some(cosine),
        label_names: None,
        train_fraction: 1.0,
        train_per_class: None,
        ..stage.data
    };
    stage.few_shot = FewShotPlan { pairs: None, ..stage.few_shot };
    stage.train = TrainPlan {
        epochs: few_shot.epochs,
        max_steps: few_shot.max_steps,
        batch_size: few_shot.batch_size,
        learning_rate: few_shot.learning_rate,
        sampling: Sampling::Shuffled,
        trained: Trained::All,
        unfreeze_every: None,
        ..stage.train
    };
    // They may name the head, which is not there yet.
    (stage.optimizer.rates, stage.optimizer.decays) = (None, None);
    stage.regularization = RegularizationPlan { r_drop: 0.0, ..stage.regularization };
    stage.evaluation = EvaluationPlan {
        metric: SelectionMetric::Spearman,
        every: None,
        patience: None,
        tune_thresholds: false,
        calibrate: false,
        ..stage.evaluation
    };
    stage.run = RunPlan { output: folder.to_owned(), ..stage.run };
    stage
}
