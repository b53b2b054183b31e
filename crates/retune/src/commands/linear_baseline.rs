//! The baseline that a report sets a classifier beside: logistic regression on TF-IDF, trained on the same rows.

use std::collections::BTreeSet;

use retune_data::{Wanted, sources};
use retune_inspect::features::Features;
use retune_inspect::linear::LogisticRegression;
use retune_inspect::tfidf::{Terms, Tfidf};
use retune_random::{Purpose, Random};
use retune_recipe::TaskKind;
use retune_report::{Baseline, BaselineAnswers, Run};
use retune_train::tasks::form_of;

/// Training rows that it learns from at most: a report shall not take long.
const MOST_ROWS: usize = 10_000;
/// Classes beyond which it would.
const MOST_CLASSES: usize = 200;

/// What a linear model says of a finished run's evaluated rows. `None` where the run is no classification, its training
/// file is not there any more, or holds the evaluated rows.
pub fn linear_baseline(run: &Run) -> Option<Baseline> {
    let data = &run.plan.data;
    let held_out = run.split() == "test" || data.validation.is_some();
    if run.plan.task.kind != TaskKind::Classification || !held_out || !data.train.is_file() {
        return None;
    }
    let table = run.predictions.as_ref()?;
    let known: BTreeSet<&str> = table.numbers_after("probability_").map(|(name, _)| name).collect();
    let names: Vec<&str> = known.into_iter().collect();
    let (mut texts, mut labels) = training_rows(run, &names)?;
    let rows = texts.len();
    if names.len() > MOST_CLASSES {
        return None;
    }
    if rows > MOST_ROWS {
        let chosen = Random::new(Purpose::Sample, run.plan.run.seed, 0).sample(rows, MOST_ROWS);
        texts = chosen.iter().map(|row| texts[*row].clone()).collect();
        labels = chosen.iter().map(|row| labels[*row]).collect();
    }
    let evaluated = match table.texts("text_pair") {
        Some(seconds) => table.texts("text")?.iter().zip(seconds).map(|(a, b)| format!("{a} {b}")).collect(),
        None => table.texts("text")?.to_vec(),
    };
    let vectorizer = Tfidf::fit(&texts, Terms::WordsAndPairs, 1);
    let features = |texts: &[String]| Features::Sparse(vectorizer.transform(texts));
    let fitted = LogisticRegression { inverse_penalty: 10.0, ..LogisticRegression::default() };
    let fitted = fitted.fit(&features(&texts), &labels, names.len()).ok()?;
    let probabilities = fitted.probabilities(&features(&evaluated)).ok()?;
    let said = (0..probabilities.rows()).map(|row| names[probabilities.likeliest(row)].to_owned()).collect();
    let share = if rows > MOST_ROWS { format!("{MOST_ROWS} of the {rows}") } else { format!("the {rows}") };
    Some(Baseline {
        name: "TF-IDF and logistic regression".to_owned(),
        description: format!(
            "reads words and pairs of words by a linear model (C = 10) that was trained on {share} training rows"
        ),
        answers: BaselineAnswers::Classes(said),
    })
}

/// The texts and the classes of the training file; `None` where a class is none of the run's.
fn training_rows(run: &Run, names: &[&str]) -> Option<(Vec<String>, Vec<usize>)> {
    let data = &run.plan.data;
    let label = data.label.as_deref()?;
    let wanted: Vec<Wanted<'_>> = data.text.iter().map(String::as_str).chain([label]).map(Wanted::Text).collect();
    let form = form_of(data).ok()?;
    let table = sources::read_columns(&data.train, &form, &wanted).ok()?;
    let columns = data.text.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>().ok()?;
    let mut texts = vec![String::new(); table.len()];
    for column in columns {
        for (text, part) in texts.iter_mut().zip(column.iter()) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part?);
        }
    }
    let place = |name: Option<&str>| names.iter().position(|known| Some(*known) == name);
    let labels = table.column(label).ok()?.iter().map(place).collect::<Option<Vec<_>>>()?;
    Some((texts, labels))
}
