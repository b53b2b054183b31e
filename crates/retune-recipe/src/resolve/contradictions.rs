//! Values that exclude each other.

use std::path::PathBuf;

use super::Resolver;
use crate::problem::{Problem, ProblemKind, Said};
use crate::{AdapterKind, HeadChoice, OptimizerKind, Trained};

/// What begins the name of a data set on the Hub.
pub(super) const HUB: &str = "hub:";

/// A path; of a data set on the Hub that names no split, with the one that is meant.
fn with_split(path: PathBuf, split: &str) -> PathBuf {
    match path.to_str() {
        Some(text) if text.starts_with(HUB) && !text.contains('#') => format!("{text}#{split}").into(),
        _ => path,
    }
}

impl Resolver<'_> {
    /// Notes every two values that were said and exclude each other.
    pub(super) fn contradictions(&mut self) {
        let train: Option<PathBuf> = self.optional("data.train");
        let train = train.map(|train| with_split(train, "train"));
        for (held_out, split) in [("data.validation", "validation"), ("data.test", "test")] {
            let other: Option<PathBuf> = self.optional(held_out);
            if train.is_some() && train == other.map(|other| with_split(other, split)) {
                let reason = "what is measured on the training examples says nothing of new ones; name another file";
                self.contradiction("data.train", held_out, reason);
            }
        }
        // By value, not by being said: a plan says every key.
        let has_mean = self.optional("regularization.ema_decay").is_some_and(|decay: f64| decay > 0.0);
        let has_late_mean = self.optional("regularization.average_from").is_some_and(|from: f64| from < 1.0);
        let is_free = self.optional("optimizer.kind") == Some(OptimizerKind::ScheduleFree);
        for (key, _) in [("regularization.ema_decay", has_mean), ("regularization.average_from", has_late_mean)]
            .into_iter()
            .filter(|(_, means)| is_free && *means)
        {
            let reason = "schedule-free AdamW evaluates a mean of the parameters already; leave one of them out";
            self.contradiction("optimizer.kind", key, reason);
        }
        if has_mean && has_late_mean {
            let reason = "only one mean of the parameters can be kept; leave one of them out";
            self.contradiction("regularization.ema_decay", "regularization.average_from", reason);
        }
        if self.optional("adapter.kind").is_some_and(|kind: AdapterKind| kind != AdapterKind::None) {
            if self.optional("train.trained").is_some_and(|trained: Trained| trained != Trained::All) {
                let reason = "an adapter is trained with the head, and nothing else; leave one of them out";
                self.contradiction("adapter.kind", "train.trained", reason);
            }
            let reason = "a stored adapter is of a kind already; leave adapter.kind out";
            self.contradiction("adapter.kind", "adapter.path", reason);
        }
        let text: Vec<String> = self.optional("data.text").unwrap_or_default();
        self.few_shot_contradictions(text.len());
        let label: Option<String> = self.optional("data.label");
        if label.is_some_and(|label| text.contains(&label)) {
            let reason = "a model that reads the label has nothing to learn; name another column";
            self.contradiction("data.text", "data.label", reason);
        }
    }

    /// What a contrastive stage, a head on sentence embeddings and a number of rows of each class cannot go with.
    fn few_shot_contradictions(&mut self, texts: usize) {
        if self.optional("data.train_fraction").is_some_and(|share: f64| share < 1.0) {
            let reason = "both say how many training rows are used; leave one of them out";
            self.contradiction("data.train_per_class", "data.train_fraction", reason);
        }
        let adapts = self.optional("adapter.kind").is_some_and(|kind: AdapterKind| kind != AdapterKind::None);
        let adapters = [("adapter.kind", adapts), ("adapter.path", true)].into_iter();
        let adapters = adapters.filter(|(key, set)| *set && self.recipe.settings.contains_key(key));
        let adapter = adapters.map(|(key, _)| key).next();
        let reads_embeddings = self.optional("task.head") == Some(HeadChoice::SentenceEmbedding);
        if let Some(adapter) = adapter.filter(|_| self.few_shot()) {
            let reason = "the contrastive stage moves the encoder itself, which an adapter leaves as it is; leave one of them out";
            self.contradiction("few_shot.pairs", adapter, reason);
        } else if let Some(adapter) = adapter.filter(|_| reads_embeddings) {
            let reason = "an adapter is written for the architecture's own head; leave one of them out";
            self.contradiction("task.head", adapter, reason);
        }
        if self.optional("task.head") == Some(HeadChoice::Architecture) {
            let reason =
                "the contrastive stage trains sentence embeddings, and its head must read them; leave task.head out";
            self.contradiction("few_shot.pairs", "task.head", reason);
        }
        if self.optional("regularization.reinitialized_layers").is_some_and(|layers: usize| layers > 0) {
            let reason = "layers drawn anew forget what the contrastive stage taught them; leave one of them out";
            self.contradiction("few_shot.pairs", "regularization.reinitialized_layers", reason);
        }
        if texts > 1 {
            let reason = "contrastive pairs are made of single texts; name one column, or leave few_shot.pairs out";
            self.contradiction("few_shot.pairs", "data.text", reason);
        }
    }

    fn contradiction(&mut self, first: &'static str, second: &'static str, reason: &'static str) {
        let said = |key| self.recipe.origin(key).map(|origin| Box::new(Said { key, origin: origin.clone() }));
        if let (Some(first), Some(second)) = (said(first), said(second)) {
            self.problems.push(Problem { origin: None, kind: ProblemKind::Contradiction { first, second, reason } });
        }
    }
}
