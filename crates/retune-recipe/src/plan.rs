//! What the program runs on.

use serde::{Deserialize, Serialize};

use crate::render::{self, Unsaid};
use crate::sections::{
    AdapterPlan, CheckpointPlan, DataPlan, Entries, EvaluationPlan, FewShotPlan, ModelPlan, OptimizerPlan,
    RegularizationPlan, RunPlan, SchedulePlan, TaskPlan, TrainPlan,
};

/// A recipe checked and resolved: every value that a run depends on. [`Recipe::resolve`](crate::Recipe::resolve) makes
/// it. What each key means is said in [`keys()`](crate::keys()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The pretrained model.
    pub model: ModelPlan,
    /// What it is fine-tuned for.
    pub task: TaskPlan,
    /// The examples.
    pub data: DataPlan,
    /// What is trained before it, for few examples.
    pub few_shot: FewShotPlan,
    /// How it is trained.
    pub train: TrainPlan,
    /// By which rule parameters move.
    pub optimizer: OptimizerPlan,
    /// How the learning rate changes.
    pub schedule: SchedulePlan,
    /// What keeps it from learning its training data by heart.
    pub regularization: RegularizationPlan,
    /// Small parameters that are trained in place of the pretrained ones.
    pub adapter: AdapterPlan,
    /// What it keeps to go on from.
    pub checkpoint: CheckpointPlan,
    /// How it is evaluated.
    pub evaluation: EvaluationPlan,
    /// Where and how the program runs.
    pub run: RunPlan,
}

impl Plan {
    /// The plan as TOML. It is a recipe that says every key, and resolves to an equal plan.
    pub fn to_toml(&self) -> String {
        let entries = self.entries();
        let value_of = |path| entries.iter().find(|(key, _)| *key == path).and_then(|(_, value)| value.clone());
        render::toml(Unsaid::Comment, value_of)
    }

    /// Every key and its value, in the order of the table of keys.
    fn entries(&self) -> Entries {
        let Plan {
            model,
            task,
            data,
            few_shot,
            train,
            optimizer,
            schedule,
            regularization,
            adapter,
            checkpoint,
            evaluation,
            run,
        } = self;
        [
            model.entries(),
            task.entries(),
            data.entries(),
            few_shot.entries(),
            train.entries(),
            optimizer.entries(),
            schedule.entries(),
            regularization.entries(),
            adapter.entries(),
            checkpoint.entries(),
            evaluation.entries(),
            run.entries(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Recipe, keys};

    #[test]
    fn a_plan_writes_every_key_of_the_table_in_its_order() {
        let mut recipe = Recipe::new();
        for (key, value) in [("model.path", "m"), ("data.train", "a.csv"), ("data.text", "t"), ("data.label", "l")] {
            recipe.set(key, value, "--set");
        }
        let written: Vec<_> = recipe.resolve().unwrap().entries().into_iter().map(|(path, _)| path).collect();
        let listed: Vec<_> = keys().iter().map(|key| key.path).collect();
        assert_eq!(written, listed);
    }
}
