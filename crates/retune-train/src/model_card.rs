//! The model card: `README.md` of a model directory, with the metadata that the Hub reads.

use std::fmt::Write;

use retune_recipe::{HeadChoice, Plan, TaskKind};

use crate::evaluation::Evaluation;

/// What a card says of a task: the Hub's name of it, a heading, and the lines of Python that use the model.
fn words(kind: TaskKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        TaskKind::Classification | TaskKind::MultiLabel => ("text-classification", "Text classifier", PIPELINE),
        TaskKind::Regression => ("text-classification", "Numbers for texts", PIPELINE),
        TaskKind::TokenClassification => ("token-classification", "Token classifier", PIPELINE),
        TaskKind::QuestionAnswering => ("question-answering", "Extractive question answering", PIPELINE),
        TaskKind::MaskedLm => ("fill-mask", "Masked language model", PIPELINE),
        TaskKind::MultipleChoice => (
            "multiple-choice",
            "Multiple choice",
            "from transformers import AutoModelForMultipleChoice\n\nmodel = AutoModelForMultipleChoice.from_pretrained(\"PATH\")",
        ),
        TaskKind::Embeddings => (
            "sentence-similarity",
            "Sentence embeddings",
            "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"PATH\")",
        ),
    }
}

const PIPELINE: &str = "from transformers import pipeline\n\nmodel = pipeline(\"TASK\", model=\"PATH\")";

/// Of a classifier of sentence embeddings, whose last module gives logits.
const LOGITS: &str = "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"PATH\")\n\
    logits = model.encode([\"a text\"])  # one for each class of id2label in config.json";

/// The card of a finished model; `about` says what it is, in a few words.
pub(crate) fn card(plan: &Plan, base_model: &str, about: &str, split: &str, evaluation: &Evaluation) -> String {
    let (tag, heading, python) = words(plan.task.kind);
    let is_pooled = plan.task.kind == TaskKind::Embeddings || plan.task.head == HeadChoice::SentenceEmbedding;
    let python = if plan.task.head == HeadChoice::SentenceEmbedding { LOGITS } else { python };
    let mut card = String::from("---\n");
    // A folder's path means nothing on the Hub.
    if !base_model.starts_with(['/', '.', '~']) {
        let _ = writeln!(card, "base_model: {base_model}");
    }
    let library = if is_pooled { "sentence-transformers" } else { "transformers" };
    let _ = writeln!(card, "library_name: {library}\npipeline_tag: {tag}\ntags:\n- {tag}\n- retune\n---\n");
    let _ = writeln!(card, "# {heading}: {about}\n");
    let _ = writeln!(card, "`{base_model}`, fine-tuned by retune {}.\n", env!("CARGO_PKG_VERSION"));
    if !evaluation.classes.is_empty() {
        let names: Vec<String> = evaluation.classes.iter().map(|(name, _)| format!("`{name}`")).collect();
        let _ = writeln!(card, "Classes: {}\n", names.join(", "));
    }
    let _ = writeln!(card, "## Scores on the {split} data ({} examples)\n", evaluation.examples);
    card.push_str("| metric | value | 95 % interval |\n|---|---|---|\n");
    for score in &evaluation.scores {
        if let Some(title) = score.title {
            let interval = score.interval.map(|i| format!("{:.4} to {:.4}", i.low, i.high)).unwrap_or_default();
            let _ = writeln!(card, "| {title} | {:.4} | {interval} |", score.value);
        }
    }
    let train = &plan.train;
    let _ = writeln!(card, "\n## Training\n");
    if let Some(pairs) = plan.few_shot.pairs {
        let _ = writeln!(
            card,
            "First the encoder, on {pairs} contrastive pairs within a class and {pairs} between two for each example (SetFit), {} \
             epochs, batches of {}, learning rate {:e}; then what follows.\n",
            plan.few_shot.epochs, plan.few_shot.batch_size, plan.few_shot.learning_rate
        );
    }
    let _ = writeln!(
        card,
        "Optimiser {}, {} epochs, batches of {}, learning rate {:e} (schedule {}, warm-up {}), weight decay {}, gradient norm \
         clipped to {}, at most {} tokens, seed {}, {}.\n",
        plan.optimizer.kind,
        train.epochs,
        train.batch_size,
        train.learning_rate,
        plan.schedule.kind,
        match plan.schedule.warmup_steps {
            Some(steps) => format!("{steps} steps"),
            None => format!("{} of the steps", plan.schedule.warmup_fraction),
        },
        train.weight_decay,
        train.max_grad_norm,
        plan.data.max_length,
        plan.run.seed,
        plan.run.precision
    );
    let _ = writeln!(card, "```python\n{}\n```", python.replace("TASK", tag));
    card
}
