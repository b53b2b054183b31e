//! Event files as TensorBoard's own server shows them.

use std::collections::BTreeMap;
use std::path::Path;

use retune_tensorboard::EventWriter;
use serde::Deserialize;
use tch::Tensor;
use tests::{Comparison, Result};

use crate::python::Python;

/// By tag, values with their steps.
type ByTag<T> = BTreeMap<String, Vec<(u64, T)>>;

/// What the server shows.
#[derive(Deserialize)]
struct Shown {
    scalars: ByTag<f64>,
    /// Buckets: left end, right end, count.
    histograms: ByTag<Vec<[f64; 3]>>,
    texts: ByTag<String>,
}

/// Values as they spread over orders of magnitude.
fn norms() -> Vec<f64> {
    (0..40).map(|i| 1e-3 * 1.5f64.powi(i % 20)).collect()
}

/// Writes two files, as a run does that was stopped and went on from before its last steps, and compares what is shown.
pub fn compare(python: &Python<'_>, folder: &Path) -> Result<Vec<Comparison>> {
    let loss = |step: u64| 1.0 / step as f64;
    let mut first = EventWriter::create(folder)?;
    first.start(1)?;
    for step in 1..=6 {
        first.scalar("train/loss", step, if step > 4 { 99.0 } else { loss(step) })?;
    }
    first.text("plan", 0, "    seed = 42\n")?;
    first.flush()?;
    let mut second = EventWriter::create(folder)?;
    second.start(5)?;
    for step in 5..=8 {
        second.scalar("train/loss", step, loss(step))?;
    }
    second.histogram("gradient_norm/layer 0", 8, &norms())?;
    second.text("predictions/test", 8, "| example |\n|---|\n| <script>alert(1)</script> wörter |")?;
    second.flush()?;

    let shown: Shown = serde_json::from_str(&python.board(folder)?)?;
    let scalars = &shown.scalars["train/loss"];
    let expected: Vec<(u64, f64)> = (1..=8).map(|step| (step, loss(step))).collect();
    let flat = |pairs: &[(u64, f64)]| {
        Tensor::from_slice2(&pairs.iter().map(|(step, value)| [*step as f64, *value]).collect::<Vec<_>>())
    };
    let (_, buckets) = shown.histograms["gradient_norm/layer 0"].first().ok_or("no histogram is shown")?;
    // The server spreads our buckets over thirty of its own, of one width: what they sum up to stays.
    let count: f64 = buckets.iter().map(|bucket| bucket[2]).sum();
    let ends = [buckets[0][0], buckets[buckets.len() - 1][1], count];
    let largest = norms().into_iter().fold(0.0, f64::max);
    let mut comparisons = vec![
        Comparison::absolute("TensorBoard", "scalars after a restart", &flat(scalars), &flat(&expected), 1e-6)?,
        Comparison::absolute(
            "TensorBoard",
            "histogram: ends and count",
            &Tensor::from_slice(&ends),
            &Tensor::from_slice(&[1e-3, largest, norms().len() as f64]),
            1e-5,
        )?,
    ];
    let texts = |tag: &str, parts: &[&str]| {
        let text = shown.texts.get(tag).and_then(|shown| shown.last()).map_or("", |(_, text)| text);
        let found = parts.iter().filter(|part| text.contains(**part)).count() as f64;
        Comparison::absolute("TensorBoard", tag, &Tensor::from(found), &Tensor::from(parts.len() as f64), 0.0)
    };
    comparisons.push(texts("plan/text_summary", &["<pre>", "seed = 42"])?);
    comparisons.push(texts("predictions/test/text_summary", &["<td>", "wörter", "&lt;script&gt;"])?);
    Ok(comparisons)
}
