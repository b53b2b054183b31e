//! `evaluation.json`: the last evaluation of a run, whole.

use serde_json::{Map, Value, json};

use crate::evaluation::Evaluation;
use crate::task::{Examples, Task};
use crate::trainer::Trainer;

/// What `evaluation.json` holds: the last evaluation whole, and what a reader of it asks next: of how many rows, beside
/// which classes in training, decided by which measure.
pub(crate) fn evaluation_file<T: Task>(
    trainer: &Trainer<T>,
    split: &'static str,
    evaluation: &Evaluation,
    tuned: &[String],
) -> Value {
    let data = &trainer.data;
    let deciding = trainer.plan.evaluation.metric.as_str();
    let first = evaluation.scores.first().map_or("", |score| score.name);
    let titles = evaluation.scores.iter().filter_map(|score| Some((score.name.to_owned(), json!(score.title?))));
    let mut counts = vec![0u64; evaluation.classes.len()];
    let classes = (0..data.train.len()).filter_map(|row| trainer.task.class_of(&data.train, row));
    classes.for_each(|class| counts.iter_mut().skip(class).take(1).for_each(|count| *count += 1));
    let has_classes = trainer.task.class_of(&data.train, 0).is_some();
    let names = evaluation.classes.iter().map(|(name, _)| name.clone());
    let counts: Map<_, _> = names.zip(counts.into_iter().map(|count| json!(count))).collect();
    let mut file = evaluation.to_json();
    file["split"] = json!(split);
    file["examples"] = json!({
        "train": trainer.rows_per_epoch(),
        "validation": data.validation.len(),
        "test": data.test.as_ref().map(Examples::len),
    });
    file["training_classes"] = if has_classes { json!(counts) } else { Value::Null };
    file["deciding"] = json!(if evaluation.get(deciding).is_some() { deciding } else { first });
    file["titles"] = titles.collect::<Map<_, _>>().into();
    file["tuned"] = json!(tuned);
    file
}
