//! A case in, its measures out: what the golden file is checked with, and what `examples/evaluate_cases.rs` answers
//! with.
//!
//! Every case is measured in two parts that are merged, so that what is compared with the reference is the merged state.

use retune_metrics::*;
use serde_json::{Map, Value, json};

type Measured = Result<f64, MetricError>;
type Outcome = Result<Map<String, Value>, MetricError>;

const AVERAGES: [(&str, Average); 3] =
    [("micro", Average::Micro), ("macro", Average::Macro), ("weighted", Average::Weighted)];

/// The measures of a case by their names; of one that is not defined, the name of the error.
pub fn evaluate(case: &Value) -> Map<String, Value> {
    let measured = match case["metric"].as_str().unwrap() {
        "regression" => regression(case),
        "classes" => classes(case),
        "multilabel" => multilabel(case),
        "label ranking" => label_ranking(case),
        "binary scores" => binary_scores(case),
        "class probabilities" => class_probabilities(case),
        "entities" => entity_scores(case),
        "answers" => answers(case),
        "unanswerable" => unanswerable(case),
        "temperature" => temperature(case),
        "retrieval" => retrieval(case),
        "language modelling" => language_modelling(case),
        "mcnemar" => mcnemar(case),
        "bootstrap" => bootstrap(case),
        "judges" => judges(case),
        "preferences" => preferences(case),
        "shares" => shares(case),
        other => unreachable!("no metric {other}"),
    };
    measured.unwrap_or_else(|error| Map::from_iter([("error".to_owned(), Value::from(name_of(&error)))]))
}

fn name_of(error: &MetricError) -> String {
    format!("{error:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

fn number(measured: Measured) -> Value {
    measured.map_or_else(|error| Value::from(name_of(&error)), Value::from)
}

fn numbers<const N: usize>(measures: [(&str, Measured); N]) -> Map<String, Value> {
    measures.into_iter().map(|(name, measured)| (name.to_owned(), number(measured))).collect()
}

fn averages(to: &mut Map<String, Value>, name: &str, measure: impl Fn(Average) -> Measured) {
    for (average, kind) in AVERAGES {
        to.insert(format!("{average} {name}"), number(measure(kind)));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    list(value).iter().map(|number| number.as_f64().unwrap()).collect()
}

fn integers(value: &Value) -> Vec<usize> {
    list(value).iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn bits(value: &Value) -> Vec<bool> {
    integers(value).into_iter().map(|bit| bit == 1).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(|text| text.as_str().unwrap()).collect()
}

/// What examples 0 to n − 1 give in two parts that are merged.
fn in_parts<T>(
    n: usize,
    new: impl Fn() -> Result<T, MetricError>,
    update: impl Fn(&mut T, usize) -> Result<(), MetricError>,
    merge: impl Fn(&mut T, &T) -> Result<(), MetricError>,
) -> Result<T, MetricError> {
    let part = |examples: std::ops::Range<usize>| {
        let mut part = new()?;
        examples.into_iter().try_for_each(|example| update(&mut part, example))?;
        Ok(part)
    };
    let mut whole = part(0..n / 3)?;
    merge(&mut whole, &part(n / 3..n)?)?;
    Ok(whole)
}

macro_rules! merge_always {
    () => {
        |whole, part| {
            whole.merge(part);
            Ok(())
        }
    };
}

fn regression(case: &Value) -> Outcome {
    let (labels, predictions) = (floats(&case["labels"]), floats(&case["predictions"]));
    let n = labels.len();
    let sums =
        in_parts(n, || Ok(Regression::new()), |sums, i| sums.update(labels[i], predictions[i]), merge_always!())?;
    let ranks = in_parts(
        n,
        || Ok(RankCorrelation::new()),
        |ranks, i| ranks.update(labels[i], predictions[i]),
        merge_always!(),
    )?;
    Ok(numbers([
        ("MAE", sums.mean_absolute_error()),
        ("MSE", sums.mean_squared_error()),
        ("RMSE", sums.root_mean_squared_error()),
        ("max error", sums.max_error()),
        ("R2", sums.r_squared()),
        ("Pearson", sums.pearson()),
        ("Spearman", ranks.spearman()),
        ("Kendall tau-b", ranks.kendall_tau_b()),
    ]))
}

fn classes(case: &Value) -> Outcome {
    let (labels, predicted) = (integers(&case["labels"]), integers(&case["predicted"]));
    let (classes, beta) = (case["classes"].as_u64().unwrap() as usize, case["beta"].as_f64().unwrap());
    let matrix = in_parts(
        labels.len(),
        || ConfusionMatrix::new(classes),
        |matrix, i| matrix.update(labels[i], predicted[i]),
        ConfusionMatrix::merge,
    )?;
    let mut all = Map::from_iter([("F-beta of classes".to_owned(), json!(matrix.class_f_beta(beta)?))]);
    averages(&mut all, "F-beta", |average| matrix.f_beta(beta, average));
    averages(&mut all, "precision", |average| matrix.precision(average));
    averages(&mut all, "recall", |average| matrix.recall(average));
    Ok(all)
}

fn multilabel(case: &Value) -> Outcome {
    let rows = |name: &str| -> Vec<Vec<bool>> { list(&case[name]).iter().map(bits).collect() };
    let (labels, predicted, beta) = (rows("labels"), rows("predicted"), case["beta"].as_f64().unwrap());
    let counts = in_parts(
        labels.len(),
        || Multilabel::new(labels[0].len()),
        |counts, i| counts.update(&labels[i], &predicted[i]),
        Multilabel::merge,
    )?;
    let mut all = numbers([
        ("subset accuracy", counts.subset_accuracy()),
        ("Hamming loss", counts.hamming_loss()),
        ("samples precision", counts.samples_precision()),
        ("samples recall", counts.samples_recall()),
        ("samples F1", counts.samples_f1()),
    ]);
    averages(&mut all, "precision", |average| counts.precision(average));
    averages(&mut all, "recall", |average| counts.recall(average));
    averages(&mut all, "F1", |average| counts.f1(average));
    averages(&mut all, "F-beta", |average| counts.f_beta(beta, average));
    all.insert("F1 of labels".to_owned(), counts.label_scores().iter().map(|scores| scores.f1).collect());
    Ok(all)
}

fn label_ranking(case: &Value) -> Outcome {
    let labels: Vec<Vec<bool>> = list(&case["labels"]).iter().map(bits).collect();
    let scores: Vec<Vec<f64>> = list(&case["scores"]).iter().map(floats).collect();
    let ranking = in_parts(
        labels.len(),
        || Ok(LabelRanking::new()),
        |ranking, i| ranking.update(&labels[i], &scores[i]),
        merge_always!(),
    )?;
    let columns = in_parts(
        labels.len(),
        || MultilabelScores::new(labels[0].len()),
        |columns, i| columns.update(&labels[i], &scores[i]),
        MultilabelScores::merge,
    )?;
    let mut all = numbers([
        ("label-ranking average precision", ranking.average_precision()),
        ("coverage error", ranking.coverage_error()),
        ("ranking loss", ranking.ranking_loss()),
        ("best common F1", columns.best_common_threshold(BinaryCounts::f1).map(|best| best.value)),
    ]);
    averages(&mut all, "ROC AUC", |average| columns.roc_auc(average));
    averages(&mut all, "average precision", |average| columns.average_precision(average));
    let best = columns.best_thresholds(BinaryCounts::f1)?;
    all.insert("best F1 of labels".to_owned(), best.iter().map(|best| best.value).collect());
    Ok(all)
}

fn binary_scores(case: &Value) -> Outcome {
    let (labels, scores) = (bits(&case["labels"]), floats(&case["scores"]));
    let all =
        in_parts(labels.len(), || Ok(BinaryScores::new()), |all, i| all.update(labels[i], scores[i]), merge_always!())?;
    let f1 = all.best_threshold(BinaryCounts::f1)?;
    let at_threshold = {
        let mut counts = BinaryCounts::default();
        for (label, score) in labels.iter().zip(&scores) {
            match (label, *score >= f1.threshold) {
                (true, true) => counts.true_positives += 1,
                (false, true) => counts.false_positives += 1,
                (true, false) => counts.false_negatives += 1,
                (false, false) => counts.true_negatives += 1,
            }
        }
        counts.f1()
    };
    Ok(numbers([
        ("ROC AUC", all.roc_auc()),
        ("average precision", all.average_precision()),
        ("best F1", Ok(f1.value)),
        ("F1 at the best threshold", Ok(at_threshold)),
        ("best accuracy", all.best_threshold(BinaryCounts::accuracy).map(|best| best.value)),
        ("best Youden's J", all.best_threshold(BinaryCounts::youden_j).map(|best| best.value)),
    ]))
}

fn class_probabilities(case: &Value) -> Outcome {
    let labels = integers(&case["labels"]);
    let rows: Vec<Vec<f64>> = list(&case["thousandths"])
        .iter()
        .map(|row| floats(row).into_iter().map(|thousandths| thousandths / 1000.0).collect())
        .collect();
    let (n, classes) = (labels.len(), rows[0].len());
    let scores =
        in_parts(n, || MulticlassScores::new(classes), |s, i| s.update(labels[i], &rows[i]), MulticlassScores::merge)?;
    let brier = in_parts(n, || BrierScore::new(classes), |b, i| b.update(labels[i], &rows[i]), BrierScore::merge)?;
    let bins = case["bins"].as_u64().unwrap() as usize;
    let calibration = in_parts(n, || Calibration::new(bins), |c, i| c.update(labels[i], &rows[i]), Calibration::merge)?;
    let top = in_parts(n, || TopKAccuracy::new(classes), |t, i| t.update(labels[i], &rows[i]), TopKAccuracy::merge)?;
    let mut all = numbers([
        ("Brier score", brier.score()),
        ("expected calibration error", calibration.expected_error()),
        ("maximum calibration error", calibration.maximum_error()),
        ("one-vs-one ROC AUC", scores.roc_auc_one_vs_one()),
        ("log loss", log_loss(&labels, &rows.concat(), classes)),
    ]);
    averages(&mut all, "one-vs-rest ROC AUC", |average| scores.roc_auc_one_vs_rest(average));
    averages(&mut all, "average precision", |average| scores.average_precision(average));
    all.insert("examples of bins".to_owned(), calibration.reliability().iter().map(|bin| bin.examples).collect());
    all.insert("top-k accuracy".to_owned(), (1..=classes).map(|k| top.accuracy(k).unwrap()).collect());
    Ok(all)
}

fn entity_scores(case: &Value) -> Outcome {
    let (labels, predicted) = (list(&case["labels"]), list(&case["predicted"]));
    let decoding: Decoding = serde_json::from_value(case["decoding"].clone()).unwrap();
    let scores = in_parts(
        labels.len(),
        || Ok(EntityScores::new()),
        |scores, i| scores.update(&texts(&labels[i]), &texts(&predicted[i]), decoding),
        merge_always!(),
    )?;
    let mut all = numbers([("accuracy of tags", scores.tag_accuracy())]);
    averages(&mut all, "precision", |average| scores.precision(average));
    averages(&mut all, "recall", |average| scores.recall(average));
    averages(&mut all, "F1", |average| scores.f1(average));
    let types = scores.type_scores().into_iter().map(|(kind, scores)| {
        let numbers = json!([scores.precision, scores.recall, scores.f1, scores.support]);
        (kind.to_owned(), numbers)
    });
    all.insert("scores of types".to_owned(), Value::Object(types.collect()));
    let spans = |tags: &Value| -> Result<Value, MetricError> {
        let found = entities(&texts(tags), decoding)?;
        Ok(found.iter().map(|entity| json!([entity.kind, entity.start, entity.end])).collect())
    };
    all.insert("entities".to_owned(), predicted.iter().map(spans).collect::<Result<Value, _>>()?);
    Ok(all)
}

fn answers(case: &Value) -> Outcome {
    let questions = list(&case["questions"]);
    let scores = in_parts(
        questions.len(),
        || Ok(AnswerScores::new()),
        |scores, i| scores.update(&texts(&questions[i]["answers"]), questions[i]["prediction"].as_str().unwrap()),
        merge_always!(),
    )?;
    let mut all = numbers([("exact match", scores.exact_match()), ("F1", scores.f1())]);
    let normalized = questions.iter().map(|question| normalize_answer(question["prediction"].as_str().unwrap()));
    all.insert("normalized".to_owned(), normalized.collect());
    Ok(all)
}

fn unanswerable(case: &Value) -> Outcome {
    let questions = list(&case["questions"]);
    let scores = in_parts(
        questions.len(),
        || Ok(UnanswerableScores::new()),
        |scores, i| {
            let question = &questions[i];
            let prediction = question["prediction"].as_str().unwrap();
            scores.update(&texts(&question["answers"]), prediction, question["no_answer"].as_f64().unwrap())
        },
        merge_always!(),
    )?;
    let threshold = case["threshold"].as_f64().unwrap();
    let measures = |which| scores.measures(which, threshold);
    let (exact, f1) = (scores.best_exact_match()?, scores.best_f1()?);
    Ok(numbers([
        ("exact match", measures(Questions::All).map(|all| all.exact_match)),
        ("F1", measures(Questions::All).map(|all| all.f1)),
        ("exact match of answerable", measures(Questions::Answerable).map(|all| all.exact_match)),
        ("F1 of answerable", measures(Questions::Answerable).map(|all| all.f1)),
        ("exact match of unanswerable", measures(Questions::Unanswerable).map(|all| all.exact_match)),
        ("F1 of unanswerable", measures(Questions::Unanswerable).map(|all| all.f1)),
        ("best exact match", Ok(exact.value)),
        ("threshold of the best exact match", Ok(exact.threshold)),
        ("best F1", Ok(f1.value)),
        ("threshold of the best F1", Ok(f1.threshold)),
    ]))
}

fn temperature(case: &Value) -> Outcome {
    let rows: Vec<Vec<f64>> = list(&case["logits"]).iter().map(floats).collect();
    let fitted = Temperature::fit(&integers(&case["labels"]), &rows.concat(), rows[0].len())?;
    Ok(numbers([
        ("temperature", Ok(fitted.temperature)),
        ("loss before", Ok(fitted.loss_before)),
        ("loss after", Ok(fitted.loss_after)),
    ]))
}

fn retrieval(case: &Value) -> Outcome {
    let (relevances, scores) = (list(&case["relevances"]), list(&case["scores"]));
    let gain: Gain = serde_json::from_value(case["gain"].clone()).unwrap();
    let sums = in_parts(
        scores.len(),
        || Retrieval::new(case["k"].as_u64().unwrap() as usize, gain),
        |sums, i| sums.update(&floats(&relevances[i]), &floats(&scores[i])),
        Retrieval::merge,
    )?;
    let measures = sums.measures()?;
    Ok(numbers([
        ("precision@k", Ok(measures.precision)),
        ("recall@k", Ok(measures.recall)),
        ("MRR@k", Ok(measures.reciprocal_rank)),
        ("MAP@k", Ok(measures.average_precision)),
        ("nDCG@k", Ok(measures.ndcg)),
    ]))
}

fn language_modelling(case: &Value) -> Outcome {
    let (losses, tokens) = (floats(&case["losses"]), integers(&case["tokens"]));
    let sums = in_parts(
        losses.len(),
        || Ok(Perplexity::new()),
        |sums, i| sums.update(losses[i], tokens[i] as u64),
        merge_always!(),
    )?;
    Ok(numbers([
        ("perplexity", sums.perplexity()),
        ("bits per token", sums.bits_per_token()),
        ("bits per byte", sums.bits_per(case["bytes"].as_u64().unwrap())),
    ]))
}

fn mcnemar(case: &Value) -> Outcome {
    let [only_first, only_second] = ["only_first", "only_second"].map(|name| case[name].as_u64().unwrap());
    let mut test = McNemar { only_first, ..McNemar::new() };
    test.merge(&McNemar { only_second, ..McNemar::new() });
    let (statistic, p) = match test.chi_square() {
        Ok((statistic, p)) => (Ok(statistic), Ok(p)),
        Err(error) => (Err(error.clone()), Err(error)),
    };
    Ok(numbers([("exact p", Ok(test.exact_p())), ("chi-square", statistic), ("chi-square p", p)]))
}

/// Gives the resamples out too, so that the reference can take its statistic of the same.
fn bootstrap(case: &Value) -> Outcome {
    let differences = floats(&case["differences"]);
    let (samples, seed) = (case["samples"].as_u64().unwrap() as usize, case["seed"].as_u64().unwrap());
    let bootstrap = Bootstrap::new(samples, seed)?.with_level(case["level"].as_f64().unwrap())?;
    let mut resamples = Vec::new();
    let tested = bootstrap.paired(differences.len(), |drawn| {
        resamples.push(drawn.to_vec());
        Ok(drawn.iter().map(|example| differences[*example]).sum::<f64>() / drawn.len() as f64)
    })?;
    let mut all = numbers([
        ("estimate", Ok(tested.difference.estimate)),
        ("low", Ok(tested.difference.low)),
        ("high", Ok(tested.difference.high)),
        ("p", Ok(tested.p_value)),
    ]);
    all.insert("resamples".to_owned(), json!(resamples[1..]));
    Ok(all)
}

/// Each row holds one item's judgements, a place of `values` or null for each judge.
fn judges(case: &Value) -> Outcome {
    let (rows, values) = (list(&case["judgements"]), floats(&case["values"]));
    let row = |i: usize| -> Vec<Option<usize>> {
        list(&rows[i]).iter().map(|place| place.as_u64().map(|place| place as usize)).collect()
    };
    let agreement = in_parts(
        rows.len(),
        || KrippendorffAlpha::of_values(&values),
        |agreement, i| agreement.update(&row(i)),
        KrippendorffAlpha::merge,
    )?;
    let fleiss = in_parts(
        rows.len(),
        || FleissKappa::new(values.len()),
        |fleiss, i| {
            let mut counts = vec![0; values.len()];
            row(i).into_iter().flatten().for_each(|place| counts[place] += 1);
            fleiss.update(&counts)
        },
        FleissKappa::merge,
    );
    let cohen = || {
        let both = (0..rows.len()).filter_map(|i| Some((row(i)[0]?, (*row(i).get(1)?)?)));
        ConfusionMatrix::from_pairs(values.len(), both)?.cohen_kappa()
    };
    Ok(numbers([
        ("items", Ok(agreement.items() as f64)),
        ("Fleiss' kappa", fleiss.and_then(|fleiss| fleiss.kappa())),
        ("Krippendorff's alpha, nominal", agreement.alpha(MeasurementLevel::Nominal)),
        ("Krippendorff's alpha, ordinal", agreement.alpha(MeasurementLevel::Ordinal)),
        ("Krippendorff's alpha, interval", agreement.alpha(MeasurementLevel::Interval)),
        ("Cohen's kappa of the first two", cohen()),
    ]))
}

fn preferences(case: &Value) -> Outcome {
    let items = floats(&case["differences"]);
    let test = in_parts(
        items.len(),
        || Ok(SignTest::new()),
        |test, i| {
            test.update(items[i].total_cmp(&0.0));
            Ok(())
        },
        merge_always!(),
    )?;
    Ok(numbers([("wins", Ok(test.wins as f64)), ("sign test p", Ok(test.exact_p()))]))
}

fn shares(case: &Value) -> Outcome {
    let [share, n, level] = ["share", "n", "level"].map(|name| case[name].as_f64().unwrap());
    let interval = wilson_interval(share, n, level)?;
    Ok(numbers([("Wilson low", Ok(interval.low)), ("Wilson high", Ok(interval.high))]))
}
