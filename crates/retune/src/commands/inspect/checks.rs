//! The checks in their order: one pass over all rows, and then what needs a sample of them.

mod familiar;
mod head;

use anyhow::ensure;
use retune_data::Text;
use retune_inspect::conflicts::conflicting_labels;
use retune_inspect::duplicates::Matches;
use retune_inspect::features::Features;
use retune_inspect::fingerprints::Fingerprints;
use retune_inspect::near::{NEAR, near_candidates, near_rows};
use retune_inspect::oddities::Oddities;
use retune_inspect::shift::{FEWEST_ROWS, shift};
use retune_inspect::tokens::TokenSurvey;
use retune_inspect::{Finding, FoundRow, Kind, Severity, Split};
use retune_random::{Purpose, Random};
use retune_recipe::{Plan, TaskKind};

use super::labels::Labels;
use super::model::Pretrained;
use super::rows::{Data, Label};
use super::{Inspection, Settings};
use crate::terminal::{Terminal, thousands};

/// Looks at everything that applies.
pub fn inspect(plan: &Plan, data: &Data, settings: &Settings, terminal: &mut Terminal) -> anyhow::Result<Inspection> {
    let model = if settings.with_model { Some(Pretrained::of(plan, terminal)?) } else { None };
    let mut found = Inspection { findings: Vec::new(), not_checked: Vec::new(), how: Vec::new() };
    let seen = Seen::of(plan, data, model.as_ref(), terminal, &mut found)?;
    alike(data, &seen, terminal, &mut found)?;
    let samples = Sample::all(plan, data, &seen, settings, model.as_ref(), terminal)?;
    for sample in &samples {
        let total = seen.prints.rows_of(sample.split) as u64;
        found.how.push((
            sample.split.name(),
            format!(
                "{} of {} rows{} for label errors and shift",
                thousands(sample.rows.len() as u64),
                thousands(total),
                if sample.rows.len() as u64 == total { "" } else { ", drawn by run.seed," }
            ),
        ));
    }
    shifts(plan, &samples, &mut found)?;
    head::label_errors(plan, &seen.labels, &samples, &mut found)?;
    familiar::familiarity(plan, model.as_ref(), &samples, terminal, &mut found)?;
    if model.is_none() {
        let reason = "--no-model: tokens are counted by the model's tokenizer".to_owned();
        found.not_checked.push(("lengths, truncation, unknown tokens", reason));
    }
    Ok(found)
}

/// What one pass over all rows leaves.
struct Seen {
    prints: Fingerprints,
    labels: Labels,
}

impl Seen {
    fn of(
        plan: &Plan,
        data: &Data,
        model: Option<&Pretrained>,
        terminal: &Terminal,
        found: &mut Inspection,
    ) -> anyhow::Result<Self> {
        let (mut prints, mut labels) = (Fingerprints::new(), Labels::new(plan.task.kind));
        for (split, path) in &data.splits {
            prints.begin(*split);
            labels.begin(*split);
            let (mut oddities, mut tokens) = (Oddities::default(), TokenSurvey::new(plan.data.max_length));
            let mut empty = Vec::new();
            let mut count = 0;
            data.each(*split, |_, rows| {
                let texts: Vec<String> = rows.iter().map(super::rows::Row::text).collect();
                prints.add(&texts);
                for (row, text) in rows.iter().zip(&texts) {
                    oddities.add(text);
                    labels.add(&row.label);
                    if row.is_empty() {
                        empty.push(count);
                    }
                    count += 1;
                }
                if let Some(model) = model {
                    let texts: Vec<Text> = rows.into_iter().map(|row| row.text).collect();
                    let counts = model.count(&texts)?;
                    for (text, counts) in texts.iter().zip(counts) {
                        let both = text.second.as_ref().map(|second| format!("{} {second}", text.first));
                        tokens.add(both.as_deref().unwrap_or(&text.first), counts);
                    }
                }
                Ok(())
            })?;
            ensure!(u32::try_from(prints.len()).is_ok(), "inspect looks at no more than 4,294,967,295 rows");
            terminal.note(&format!("read {split}: {} rows of {}", thousands(count as u64), path.display()));
            found.findings.extend(empty_texts(plan, *split, &empty));
            found.findings.extend(oddities.findings(*split));
            found.findings.extend(tokens.findings(*split));
        }
        found.findings.extend(labels.findings(data.holds_out()));
        Ok(Self { prints, labels })
    }
}

fn empty_texts(plan: &Plan, split: Split, empty: &[usize]) -> Option<Finding> {
    if empty.is_empty() {
        return None;
    }
    let (severity, advice) = match plan.task.kind {
        TaskKind::MaskedLm => (Severity::Note, "they are left out"),
        _ => (Severity::Serious, "finetune refuses them: fill the text in, or remove the row"),
    };
    let rows = if empty.len() == 1 { "1 row".to_owned() } else { format!("{} rows", empty.len()) };
    let found = empty.iter().map(|row| FoundRow::new(split, *row, "no text")).collect();
    Some(
        Finding::new(Kind::EmptyText, severity, split, format!("{rows} of {split} have no text"), advice)
            .with("rows", empty.len() as f64)
            .with_rows(found),
    )
}

/// Duplicates, leakage, conflicting labels.
fn alike(data: &Data, seen: &Seen, terminal: &Terminal, found: &mut Inspection) -> anyhow::Result<()> {
    let candidates = near_candidates(&seen.prints);
    let mut texts = Vec::with_capacity(candidates.len());
    for (split, _) in &data.splits {
        let range = seen.prints.range(*split);
        let wanted: Vec<usize> =
            candidates.iter().filter(|row| range.contains(row)).map(|row| row - range.start).collect();
        texts.extend(data.select(*split, &wanted)?.into_iter().map(|(row, _)| row.text()));
    }
    terminal.note(&format!("comparing {} rows that may be nearly alike", thousands(candidates.len() as u64)));
    let near = near_rows(&seen.prints, &candidates, &texts, NEAR);
    let matches = Matches::of(&seen.prints, &near);
    found.findings.extend(matches.duplicate_findings(&seen.prints, data.holds_out()));
    found.findings.extend(matches.leakage_findings(&seen.prints));
    match seen.labels.keys() {
        Some(keys) => {
            found.findings.extend(conflicting_labels(&seen.prints, &keys, |key| seen.labels.key_name(key)));
        }
        None => found.not_checked.push(("conflicting labels", "the task has no classes".to_owned())),
    }
    found.how.push((
        "nearly alike",
        format!("{NEAR} or more of the four-character shingles of normalised texts are shared"),
    ));
    Ok(())
}

/// Rows of one data set, drawn by seed.
struct Sample {
    split: Split,
    rows: Vec<usize>,
    texts: Vec<String>,
    labels: Vec<Label>,
    /// The model's vectors: `[n, d]`.
    vectors: Option<Features>,
}

impl Sample {
    fn all(
        plan: &Plan,
        data: &Data,
        seen: &Seen,
        settings: &Settings,
        model: Option<&Pretrained>,
        terminal: &mut Terminal,
    ) -> anyhow::Result<Vec<Self>> {
        let mut samples = Vec::new();
        for (split, _) in &data.splits {
            let rows = Random::new(Purpose::Sample, plan.run.seed, *split as u64)
                .sample(seen.prints.rows_of(*split), settings.max_rows);
            let (mut kept, mut texts, mut labels, mut inputs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for (row, (selected, _)) in rows.iter().zip(data.select(*split, &rows)?) {
                // The model cannot read what is not there.
                if !selected.is_empty() {
                    kept.push(*row);
                    texts.push(selected.text());
                    inputs.push(selected.text);
                    labels.push(selected.label);
                }
            }
            let vectors = match model {
                Some(model) if !inputs.is_empty() => {
                    terminal.note(&format!("the model reads {} rows of {split}", thousands(inputs.len() as u64)));
                    Some(Features::Dense(model.vectors(&inputs, terminal)?))
                }
                _ => None,
            };
            samples.push(Self { split: *split, rows: kept, texts, labels, vectors });
        }
        Ok(samples)
    }
}

/// Training data against validation and test.
fn shifts(plan: &Plan, samples: &[Sample], found: &mut Inspection) -> anyhow::Result<()> {
    let Some((train, others)) = samples.split_first() else { return Ok(()) };
    if others.is_empty() {
        found.not_checked.push(("shift", "there is no validation or test file to compare train with".to_owned()));
    }
    for other in others {
        if train.texts.len() < FEWEST_ROWS || other.texts.len() < FEWEST_ROWS {
            let reason = format!("train or {} has fewer than {FEWEST_ROWS} rows", other.split);
            found.not_checked.push(("shift", reason));
            continue;
        }
        let vectors = match (&train.vectors, &other.vectors) {
            (Some(Features::Dense(train)), Some(Features::Dense(other))) => {
                Some(Features::Dense(train.clone().joined(other)?.standardized()))
            }
            _ => None,
        };
        let told = shift(&train.texts, &other.texts, vectors.as_ref(), plan.run.seed)?;
        found.findings.push(told.finding(other.split, &other.rows));
    }
    Ok(())
}
