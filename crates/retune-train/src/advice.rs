//! What the literature found to help where there are few training examples, as far as a plan does not do it already.

use retune_recipe::{AdapterKind, Plan, TaskKind, Trained};

/// Training examples below which advice is given: about the size of RTE and MRPC, on which the papers below measured.
const FEW: usize = 5000;
/// Optimiser steps below which a fine-tuning on few examples is often not at its end (Mosbach et al. 2021).
const FEW_STEPS: u64 = 300;

/// Training examples below which a head on features that stay, or that pairs have taught, is worth a try.
const FEW_SHOTS: usize = 200;

/// The epochs of that paper; nobody measured more.
const MANY_EPOCHS: f64 = 20.0;

/// Lines of advice for a plan with so many training examples and steps; none where there are many.
pub(crate) fn advice(plan: &Plan, examples: usize, total_steps: u64) -> Vec<String> {
    if examples >= FEW {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let trains_all = plan.train.trained == Trained::All && plan.adapter.kind == AdapterKind::None;
    if total_steps < FEW_STEPS && plan.train.epochs < MANY_EPOCHS && trains_all {
        lines.push(format!(
            "{total_steps} steps are few: more epochs with warm-up made small data sets stable (Mosbach et al. 2021); \
             try train.epochs = {}",
            (plan.train.epochs * FEW_STEPS as f64 / total_steps.max(1) as f64).ceil().min(MANY_EPOCHS)
        ));
    }
    if plan.schedule.warmup_steps.map_or(plan.schedule.warmup_fraction == 0.0, |steps| steps == 0) {
        lines.push("no warm-up: a tenth of the steps made small data sets stable (Mosbach et al. 2021)".to_owned());
    }
    let can_contrast = plan.task.kind == TaskKind::Classification && plan.data.text.len() == 1;
    let is_plain = plan.adapter.kind == AdapterKind::None && plan.adapter.path.is_none();
    if examples < FEW_SHOTS && can_contrast && is_plain && plan.few_shot.pairs.is_none() {
        lines.push(
            "with so few examples, pairs of them teach the encoder more than their classes do (SetFit, Tunstall et al. 2022): \
             try --few-shot 20"
                .to_owned(),
        );
    }
    if examples < FEW_SHOTS && plan.train.trained != Trained::Head {
        lines.push(
            "with so few examples, a head on the pretrained features is a baseline of seconds: train.trained = \"head\""
                .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use retune_recipe::Recipe;

    use super::*;

    fn plan(assignments: &[&str]) -> Plan {
        let mut recipe = Recipe::new();
        let least = ["model.path=m", "data.train=t.csv", "data.text=a", "data.label=b"];
        for assignment in least.iter().chain(assignments) {
            recipe.set_assignment(assignment);
        }
        recipe.resolve().unwrap()
    }

    #[test]
    fn few_examples_are_advised_and_many_are_not() {
        assert_eq!(advice(&plan(&[]), 5000, 10), Vec::<String>::new());
        let lines = advice(&plan(&["train.epochs=3", "schedule.warmup_fraction=0"]), 1000, 100);
        assert!(lines[0].contains("train.epochs = 9") && lines[1].contains("no warm-up"), "{lines:?}");
        let lines = advice(&plan(&[]), 150, 400);
        assert!(lines.len() == 2 && lines[0].contains("--few-shot 20"), "{lines:?}");
        assert!(lines[1].contains("train.trained"), "{lines:?}");
    }

    #[test]
    fn what_a_plan_does_is_not_advised() {
        assert!(advice(&plan(&["few_shot.pairs=20"]), 150, 100).is_empty());
        let lines = advice(&plan(&["train.trained=head"]), 150, 100);
        assert!(lines.len() == 1 && lines[0].contains("--few-shot"), "{lines:?}");
        assert!(advice(&plan(&["train.trained=head", "adapter.path=a"]), 150, 100).is_empty());
        assert!(advice(&plan(&["adapter.kind=lora"]), 1000, 100).is_empty());
        assert!(advice(&plan(&["train.epochs=20"]), 1000, 100).is_empty());
    }
}
