//! The model card: `README.md` of a model directory, with the metadata that the Hub reads.

use std::fmt::Write;

use retune_recipe::Plan;

use crate::tasks::sequence_classification::{Intervals, Scores};

/// The card of a text classifier.
pub(crate) fn text_classifier(
    plan: &Plan,
    base_model: &str,
    labels: &[String],
    split: &str,
    scores: &Scores,
    intervals: Option<&Intervals>,
) -> String {
    let mut card = String::from("---\n");
    // A folder's path means nothing on the Hub.
    if !base_model.starts_with(['/', '.', '~']) {
        let _ = writeln!(card, "base_model: {base_model}");
    }
    card.push_str(
        "library_name: transformers\npipeline_tag: text-classification\ntags:\n- text-classification\n- retune\n",
    );
    card.push_str("metrics:\n- accuracy\n- f1\n- matthews_correlation\n---\n\n");
    let _ = writeln!(card, "# Text classifier of {} classes\n", labels.len());
    let _ = writeln!(card, "`{base_model}`, fine-tuned by retune {}.\n", env!("CARGO_PKG_VERSION"));
    let _ =
        writeln!(card, "Classes: {}\n", labels.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    let _ = writeln!(card, "## Scores on the {split} data ({} examples)\n", scores.examples);
    card.push_str("| metric | value | 95 % interval |\n|---|---|---|\n");
    let rows = [
        ("accuracy", scores.accuracy, intervals.map(|all| all.accuracy)),
        ("macro F1", scores.f1_macro, intervals.map(|all| all.f1_macro)),
        ("Matthews' correlation", scores.mcc, intervals.map(|all| all.mcc)),
        ("loss", scores.loss, None),
    ];
    for (name, value, interval) in rows {
        let interval = interval.map(|i| format!("{:.4} to {:.4}", i.low, i.high)).unwrap_or_default();
        let _ = writeln!(card, "| {name} | {value:.4} | {interval} |");
    }
    let train = &plan.train;
    let _ = writeln!(card, "\n## Training\n");
    let _ = writeln!(
        card,
        "AdamW, {} epochs, batches of {}, learning rate {:e} (linear, warm-up {} of the steps), weight decay {}, gradient \
         norm clipped to {}, at most {} tokens, seed {}, {}.\n",
        train.epochs,
        train.batch_size,
        train.learning_rate,
        train.warmup_fraction,
        train.weight_decay,
        train.max_grad_norm,
        plan.data.max_length,
        plan.run.seed,
        plan.run.precision
    );
    card.push_str("```python\nfrom transformers import pipeline\n\nclassifier = pipeline(\"text-classification\", model=\"PATH\")\n```\n");
    card
}
