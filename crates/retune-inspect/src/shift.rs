//! Whether two data sets are alike: a classifier is asked to tell them apart (D. Lopez-Paz and M. Oquab, "Revisiting
//! classifier two-sample tests", 2017). An area under its curve of 1/2 means that it cannot.

use crate::auc::{Area, area_under_curve};
use crate::error::InspectError;
use crate::features::Features;
use crate::finding::{Finding, FoundRow, Kind, Severity, Split};
use crate::folds::{out_of_fold, stratified_folds};
use crate::linear::LogisticRegression;
use crate::tfidf::{Terms, Tfidf};

const FOLDS: usize = 5;
/// Fewer rows say nothing.
pub const FEWEST_ROWS: usize = 20;
/// Areas from which on data are said to differ, and to differ much. Where a share s of the rows comes from another
/// source, and these are told every time and the others never, the area is (1 + s)/2: one row in ten, and every second
/// one.
const DIFFERS: f64 = 0.55;
const DIFFERS_MUCH: f64 = 0.75;
/// Words that are named.
const WORDS: usize = 8;

/// How well two data sets can be told apart.
#[derive(Clone, Debug)]
pub struct Shift {
    /// By their words, in cross-validation.
    pub by_words: Area,
    /// By the model's features, where they were given.
    pub by_features: Option<Area>,
    /// Words that speak for the other data set, and how much they do on average.
    pub words_of_other: Vec<(String, f64)>,
    /// Words that speak for the training data.
    pub words_of_train: Vec<(String, f64)>,
    /// Of each row of the other data set the probability, out of fold, that it is one of it.
    pub scores: Vec<f64>,
}

/// Tells the texts of training rows from those of other rows: five folds, by seed. `features`, where there are any, are
/// those of the training rows and then of the others.
///
/// # Errors
/// Fewer than five rows on either side; features are not as many as texts.
pub fn shift<S: AsRef<str> + Sync>(
    train: &[S],
    others: &[S],
    features: Option<&Features>,
    seed: u64,
) -> Result<Shift, InspectError> {
    let texts: Vec<&str> = train.iter().chain(others).map(AsRef::as_ref).collect();
    let labels: Vec<usize> = (0..texts.len()).map(|row| usize::from(row >= train.len())).collect();
    let folds = stratified_folds(&labels, 2, FOLDS, seed)?;
    // A word of one row can tell nothing of another.
    let tfidf = Tfidf::fit(&texts, Terms::Words, 2);
    let rows = Features::Sparse(tfidf.transform(&texts));
    let regression = LogisticRegression::default();
    let scores_of = |features: &Features| -> Result<Vec<f64>, InspectError> {
        let found = out_of_fold(features, &labels, 2, &folds, &regression)?;
        Ok((0..texts.len()).map(|row| found.row(row)[1]).collect())
    };
    let area_of = |scores: &[f64]| {
        area_under_curve(&scores[train.len()..], &scores[..train.len()]).ok_or(InspectError::OneClass { classes: 2 })
    };
    let scores = scores_of(&rows)?;
    let by_words = area_of(&scores)?;
    let by_features = match features {
        Some(features) => Some(area_of(&scores_of(features)?)?),
        None => None,
    };
    let (words_of_other, words_of_train) = telling_words(&regression, &rows, &labels, tfidf.vocabulary())?;
    let scores = scores[train.len()..].to_vec();
    Ok(Shift { by_words, by_features, words_of_other, words_of_train, scores })
}

type Words = Vec<(String, f64)>;

/// Words by what they add to the logit of an average row of the one side more than of the other: coefficient ·
/// difference of means.
fn telling_words(
    regression: &LogisticRegression,
    rows: &Features,
    labels: &[usize],
    vocabulary: &[String],
) -> Result<(Words, Words), InspectError> {
    let weights = regression.fit(rows, labels, 2)?.weights(1).unwrap_or_default();
    let mut sums = [vec![0.0; vocabulary.len()], vec![0.0; vocabulary.len()]];
    let mut counts = [0.0_f64; 2];
    if let Features::Sparse(sparse) = rows {
        for (row, label) in labels.iter().enumerate() {
            counts[*label] += 1.0;
            sparse.row(row).for_each(|(column, value)| sums[*label][column as usize] += value);
        }
    }
    let mut told: Vec<(usize, f64)> = weights
        .iter()
        .enumerate()
        .map(|(word, weight)| (word, weight, sums[1][word] / counts[1] - sums[0][word] / counts[0]))
        .map(|(word, weight, difference)| (word, weight * difference.abs()))
        .collect();
    told.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let named = |(word, told): &(usize, f64)| (vocabulary[*word].clone(), *told);
    let of_other = told.iter().take(WORDS).filter(|(_, told)| *told > 0.0).map(named).collect();
    let of_train = told
        .iter()
        .rev()
        .take(WORDS)
        .filter(|(_, told)| *told < 0.0)
        .map(|(word, told)| named(&(*word, -told)))
        .collect();
    Ok((of_other, of_train))
}

impl Shift {
    /// The clearer of the two.
    pub fn area(&self) -> Area {
        match self.by_features {
            Some(features) if features.low > self.by_words.low => features,
            _ => self.by_words,
        }
    }

    /// What is to be said; `rows` are the places of the other data set's rows, beside [`Shift::scores`].
    pub fn finding(&self, split: Split, rows: &[usize]) -> Finding {
        let area = self.area();
        let severity = match area.low {
            low if low >= DIFFERS_MUCH => Severity::Serious,
            low if low >= DIFFERS => Severity::Warning,
            _ => Severity::Note,
        };
        let shown = |area: &Area| format!("{:.3} [{:.3}, {:.3}]", area.area, area.low, area.high);
        let by_features = self.by_features.as_ref().map(|area| format!(", by the model's features {}", shown(area)));
        let is_told = area.low > 0.5;
        let what = match (severity, is_told) {
            (Severity::Note, false) => "cannot be told from",
            (Severity::Note, true) => "differs little from",
            (Severity::Warning, _) => "differs from",
            (Severity::Serious, _) => "differs much from",
        };
        let title = format!(
            "{split} {what} train: a classifier tells them apart with an AUC of {} by words{} (0.5: not at all; 95 % intervals)",
            shown(&self.by_words),
            by_features.unwrap_or_default()
        );
        let list = |words: &Words| words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(", ");
        let advice = match severity {
            Severity::Note => "nothing to do".to_owned(),
            _ => format!(
                "scores on {split} say little of data like train, and the other way round: take both from one source, or train on rows like \
                 those of use. Telling of {split}: {}; of train: {}",
                list(&self.words_of_other),
                list(&self.words_of_train)
            ),
        };
        let mut found: Vec<(usize, f64)> = rows.iter().copied().zip(self.scores.iter().copied()).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let row = |(row, score): &(usize, f64)| {
            let mut found = FoundRow::new(split, *row, format!("of {split} with probability {score:.2}"));
            found.score = Some(*score);
            found
        };
        let shown_rows = if severity == Severity::Note { Vec::new() } else { found.iter().map(row).collect() };
        let mut finding = Finding::new(Kind::Shift, severity, split, title, advice)
            .with("auc by words", self.by_words.area)
            .with("low", self.by_words.low)
            .with("high", self.by_words.high);
        if let Some(area) = self.by_features {
            finding = finding
                .with("auc by features", area.area)
                .with("low by features", area.low)
                .with("high by features", area.high);
        }
        for (word, weight) in &self.words_of_other {
            finding = finding.with(format!("word of {split}: {word}"), *weight);
        }
        for (word, weight) in &self.words_of_train {
            finding = finding.with(format!("word of train: {word}"), *weight);
        }
        finding.with_rows(shown_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retune_random::{Purpose, Random};

    fn texts(count: usize, words: &[&str], stream: u64) -> Vec<String> {
        let mut random = Random::new(Purpose::Sample, 11, stream);
        (0..count).map(|_| (0..8).map(|_| words[random.below(words.len())]).collect::<Vec<_>>().join(" ")).collect()
    }

    const WORDS: [&str; 12] =
        ["order", "late", "box", "card", "pay", "login", "help", "open", "new", "old", "item", "store"];

    #[test]
    fn equal_sources_cannot_be_told_apart() {
        let found = shift(&texts(300, &WORDS, 0), &texts(200, &WORDS, 1), None, 7).unwrap();
        assert!(found.by_words.low < 0.5 && found.by_words.high > 0.5, "{:?}", found.by_words);
        let finding = found.finding(Split::Test, &(0..200).collect::<Vec<_>>());
        assert!(finding.severity == Severity::Note && finding.rows.is_empty());
        assert!(finding.title.starts_with("test cannot be told from train"), "{}", finding.title);
    }

    #[test]
    fn three_rows_in_ten_of_another_source_are_a_difference() {
        let mut mixed = texts(700, &WORDS, 1);
        mixed.extend(texts(300, &["zebra", "lion", "ape", "crane"], 2));
        let finding = shift(&texts(2000, &WORDS, 0), &mixed, None, 7)
            .unwrap()
            .finding(Split::Test, &(0..1000).collect::<Vec<_>>());
        assert_eq!(finding.severity, Severity::Warning, "{}", finding.title);
        assert!(finding.rows[..300].iter().all(|row| row.row.row >= 700));
    }

    #[test]
    fn a_shifted_source_is_told_by_its_words() {
        let shifted: Vec<String> = texts(200, &WORDS, 1).iter().map(|text| format!("{text} zebra")).collect();
        let found = shift(&texts(300, &WORDS, 0), &shifted, None, 7).unwrap();
        assert!(found.by_words.low > 0.99);
        assert_eq!(found.words_of_other[0].0, "zebra");
        let finding = found.finding(Split::Test, &(0..200).collect::<Vec<_>>());
        assert_eq!((finding.severity, finding.rows.len()), (Severity::Serious, 200));
    }
}
