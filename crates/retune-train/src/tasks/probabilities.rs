//! From logits to probabilities, in float64.

use retune_metrics::BinaryScores;

/// The natural logarithm of the softmax of logits divided by a temperature: `[c]`.
pub fn log_softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / temperature).collect();
    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = largest + scaled.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
    scaled.iter().map(|logit| logit - log_sum).collect()
}

/// The softmax of logits divided by a temperature: `[c]`.
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    log_softmax(logits, temperature).into_iter().map(f64::exp).collect()
}

/// A threshold that decides as the best one does but lies half way to the next lower score, so that the last digit of a
/// computation on another machine changes no decision.
pub(super) fn between(scores: &BinaryScores, best: f64) -> f64 {
    let lower = scores.cuts().into_iter().map(|cut| cut.threshold).find(|score| *score < best);
    lower.map_or(best, |lower| (best + lower) / 2.0)
}

/// The logistic function.
pub(super) fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

/// The place of the largest; the first of equals.
pub fn arg_max(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}
