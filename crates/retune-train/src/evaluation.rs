//! What an evaluation found: measures by name, and the tables that explain them.

use retune_metrics::{ClassScores, ConfusionMatrix, Interval};
use retune_recipe::SelectionMetric;
use serde_json::{Map, Value, json};

/// The measures of one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Examples.
    pub examples: u64,
    /// All measures, those that matter most first.
    pub scores: Vec<Score>,
    /// Classes, labels or kinds of entities, each with its own measures.
    pub classes: Vec<(String, ClassScores)>,
    /// How classes were taken for each other.
    pub confusion: Option<Confusions>,
}

/// One measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name in `metrics.jsonl` and in recipes.
    pub name: &'static str,
    /// What a person calls it, where it belongs in a summary.
    pub title: Option<&'static str>,
    /// Its value.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

impl Score {
    /// A measure for the summary.
    pub fn titled(name: &'static str, title: &'static str, value: f64) -> Self {
        Self { name, title: Some(title), value, interval: None }
    }

    /// A measure for the files alone.
    pub fn plain(name: &'static str, value: f64) -> Self {
        Self { name, title: None, value, interval: None }
    }

    /// The same with an interval.
    pub fn within(self, interval: Option<Interval>) -> Self {
        Self { interval, ..self }
    }
}

/// How classes were taken for each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusions {
    /// Labels and predictions.
    pub matrix: ConfusionMatrix,
    /// The names of the classes.
    pub names: Vec<String>,
}

impl Confusions {
    /// The pairs of classes most often taken for each other, by name: label, prediction, count, examples of the label.
    pub fn most(&self, pairs: usize) -> Vec<(String, String, u64, u64)> {
        let name = |class: usize| self.names[class].clone();
        let pairs = self.matrix.most_confused(pairs).into_iter();
        pairs.map(|pair| (name(pair.label), name(pair.predicted), pair.count, pair.support)).collect()
    }
}

impl Evaluation {
    /// The value of a measure, if this evaluation has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.scores.iter().find(|score| score.name == name).map(|score| score.value)
    }

    /// The measure that decides: the one asked for, or the first.
    pub fn deciding(&self, metric: SelectionMetric) -> f64 {
        let first = || self.scores.first().map_or(f64::NAN, |score| score.value);
        self.get(metric.as_str()).unwrap_or_else(first)
    }

    /// All values by name, with the number of examples first.
    pub fn values(&self) -> Value {
        let mut map = Map::from_iter([("examples".to_owned(), json!(self.examples))]);
        map.extend(self.scores.iter().map(|score| (score.name.to_owned(), json!(score.value))));
        Value::Object(map)
    }

    /// All intervals by name; null where there is none.
    pub fn intervals(&self) -> Value {
        let with = self.scores.iter().filter_map(|score| Some((score.name.to_owned(), json!(score.interval?))));
        let map: Map<_, _> = with.collect();
        if map.is_empty() { Value::Null } else { Value::Object(map) }
    }

    /// All there is, for `evaluate --json`.
    pub fn to_json(&self) -> Value {
        let classes: Map<_, _> = self.classes.iter().map(|(name, scores)| (name.clone(), json!(scores))).collect();
        json!({
            "scores": self.values(),
            "intervals": self.intervals(),
            "classes": classes,
            "confusion": self.confusion.as_ref().map(|confusion| &confusion.matrix),
        })
    }
}

/// Whether a value of the deciding metric beats the best so far; the earlier of equals is kept.
pub fn is_better(metric: SelectionMetric, value: f64, best: Option<f64>) -> bool {
    match best {
        None => true,
        Some(best) if !best.is_finite() => value.is_finite(),
        Some(best) if metric.is_loss() => value < best,
        Some(best) => value > best,
    }
}
