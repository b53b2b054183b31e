//! What holds for any data, of the measures of numbers, scores and rankings.

use proptest::collection::vec;
use proptest::prelude::*;
use retune_metrics::*;

/// Few values, so that there are ties.
fn coarse() -> impl Strategy<Value = f64> {
    (-6..7i32).prop_map(|number| f64::from(number) / 2.0)
}

fn fine() -> impl Strategy<Value = f64> {
    prop_oneof![coarse(), -1e3..1e3f64]
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Both are refused alike, or both are given and near.
fn alike(a: Result<f64, MetricError>, b: Result<f64, MetricError>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => near(a, b),
        (a, b) => a == b,
    }
}

fn regression(pairs: &[(f64, f64)]) -> Regression {
    let mut sums = Regression::new();
    pairs.iter().for_each(|(label, prediction)| sums.update(*label, *prediction).unwrap());
    sums
}

fn ranks(pairs: &[(f64, f64)]) -> RankCorrelation {
    let mut ranks = RankCorrelation::new();
    pairs.iter().for_each(|(label, prediction)| ranks.update(*label, *prediction).unwrap());
    ranks
}

fn all_of(pairs: &[(f64, f64)]) -> [Result<f64, MetricError>; 8] {
    let (sums, ranks) = (regression(pairs), ranks(pairs));
    [
        sums.mean_absolute_error(),
        sums.mean_squared_error(),
        sums.root_mean_squared_error(),
        sums.max_error(),
        sums.r_squared(),
        sums.pearson(),
        ranks.spearman(),
        ranks.kendall_tau_b(),
    ]
}

fn binary(examples: &[(bool, f64)]) -> BinaryScores {
    let mut scores = BinaryScores::new();
    examples.iter().for_each(|(label, score)| scores.update(*label, *score).unwrap());
    scores
}

fn any_rows() -> impl Strategy<Value = Vec<(Vec<bool>, Vec<f64>)>> {
    (1..6usize).prop_flat_map(|labels| vec((vec(any::<bool>(), labels), vec(coarse(), labels)), 1..20))
}

fn any_probabilities() -> impl Strategy<Value = (usize, Vec<(usize, Vec<f64>)>)> {
    (1..5usize).prop_flat_map(|classes| {
        let row = vec(0.01..1.0f64, classes).prop_map(|row| {
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|p| p / sum).collect::<Vec<f64>>()
        });
        (Just(classes), vec((0..classes, row), 1..30))
    })
}

proptest! {
    #[test]
    fn measures_of_numbers_do_not_depend_on_order(pairs in vec((fine(), fine()), 1..30).prop_shuffle(), turn in 0..30usize) {
        let mut turned = pairs.clone();
        turned.rotate_left(turn % pairs.len());
        for (before, after) in all_of(&pairs).into_iter().zip(all_of(&turned)) {
            prop_assert!(alike(before.clone(), after.clone()), "{:?} and {:?}", before, after);
        }
    }

    #[test]
    fn merged_measures_of_numbers_equal_one_stream(pairs in vec((fine(), fine()), 1..30), cut in any::<prop::sample::Index>()) {
        let (left, right) = pairs.split_at(cut.index(pairs.len() + 1));
        let (mut sums, mut merged) = (regression(left), ranks(left));
        sums.merge(&regression(right));
        merged.merge(&ranks(right));
        let whole = regression(&pairs);
        prop_assert_eq!(sums.examples(), whole.examples());
        prop_assert!(alike(sums.pearson(), whole.pearson()));
        prop_assert!(alike(sums.r_squared(), whole.r_squared()));
        prop_assert!(alike(sums.mean_squared_error(), whole.mean_squared_error()));
        prop_assert_eq!(sums.max_error(), whole.max_error());
        prop_assert_eq!(merged, ranks(&pairs));
    }

    #[test]
    fn correlations_are_symmetric_bounded_and_follow_a_line(pairs in vec((fine(), fine()), 2..30)) {
        let swapped: Vec<_> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        let moved: Vec<_> = pairs.iter().map(|(a, b)| (*a, 2.0 * b - 7.0)).collect();
        let turned: Vec<_> = pairs.iter().map(|(a, b)| (*a, -b)).collect();
        for place in 5..8 {
            let of = |pairs: &[(f64, f64)]| all_of(pairs)[place].clone();
            let Ok(value) = of(&pairs) else { continue };
            prop_assert!((-1.0..=1.0).contains(&value));
            prop_assert!(alike(of(&swapped), Ok(value)) && alike(of(&moved), Ok(value)) && alike(of(&turned), Ok(-value)));
        }
        let own: Vec<_> = pairs.iter().map(|(a, _)| (*a, *a)).collect();
        for place in 4..8 {
            prop_assert!(all_of(&own)[place].clone().is_ok_and(|value| near(value, 1.0)) || place > 4);
        }
    }

    #[test]
    fn correlations_far_from_zero_are_those_near_it(pairs in vec((fine(), fine()), 2..30)) {
        let far: Vec<_> = pairs.iter().map(|(a, b)| ((a * 8.0).round() + 1e9, (b * 8.0).round() - 1e9)).collect();
        let close: Vec<_> = pairs.iter().map(|(a, b)| ((a * 8.0).round(), (b * 8.0).round())).collect();
        prop_assert!(alike(regression(&far).pearson(), regression(&close).pearson()));
    }

    #[test]
    fn kendall_equals_a_count_of_all_pairs(pairs in vec((coarse(), coarse()), 2..25)) {
        let (mut difference, mut labels, mut predictions) = (0, 0, 0);
        for (i, a) in pairs.iter().enumerate() {
            for b in &pairs[..i] {
                let sign = |a: f64, b: f64| a.partial_cmp(&b).unwrap() as i32;
                difference += sign(a.0, b.0) * sign(a.1, b.1);
                labels += i32::from(a.0 != b.0);
                predictions += i32::from(a.1 != b.1);
            }
        }
        if let Ok(tau) = ranks(&pairs).kendall_tau_b() {
            prop_assert!(near(tau, f64::from(difference) / (f64::from(labels) * f64::from(predictions)).sqrt()));
        } else {
            prop_assert!(labels == 0 || predictions == 0);
        }
    }

    #[test]
    fn an_area_is_the_share_of_pairs_in_order(examples in vec((any::<bool>(), coarse()), 1..30)) {
        let (mut won, mut pairs) = (0.0, 0.0);
        for (_, positive) in examples.iter().filter(|(label, _)| *label) {
            for (_, negative) in examples.iter().filter(|(label, _)| !label) {
                pairs += 1.0;
                won += if positive > negative { 1.0 } else if positive == negative { 0.5 } else { 0.0 };
            }
        }
        match binary(&examples).roc_auc() {
            Ok(area) => prop_assert!(near(area, won / pairs)),
            Err(error) => prop_assert!(pairs == 0.0, "{}", error),
        }
    }

    #[test]
    fn areas_depend_on_the_order_of_scores_alone(examples in vec((any::<bool>(), coarse()), 1..30), turn in 0..30usize, cut in 0..30usize) {
        let scores = binary(&examples);
        let mut turned: Vec<_> = examples.iter().map(|(label, score)| (*label, score.exp())).collect();
        turned.rotate_left(turn % examples.len());
        let (left, right) = turned.split_at(cut % turned.len());
        let mut merged = binary(left);
        merged.merge(&binary(right));
        prop_assert!(alike(scores.roc_auc(), merged.roc_auc()) && alike(scores.average_precision(), merged.average_precision()));
        let reversed: Vec<_> = examples.iter().map(|(label, score)| (*label, -score)).collect();
        prop_assert!(alike(scores.roc_auc().map(|area| 1.0 - area), binary(&reversed).roc_auc()));
        let precision = scores.average_precision().unwrap();
        prop_assert!((0.0..=1.0 + 1e-12).contains(&precision));
        prop_assert_eq!(scores.cuts().last().map(|cut| cut.counts.true_positives), Some(scores.positives() as u64));
    }

    #[test]
    fn no_threshold_is_better_than_the_best(examples in vec((any::<bool>(), coarse()), 1..30), other in coarse()) {
        let scores = binary(&examples);
        let f1_at = |threshold: f64| {
            let matrix = ConfusionMatrix::from_pairs(2, examples.iter().map(|(label, score)| (usize::from(*label), usize::from(*score >= threshold)))).unwrap();
            matrix.class_scores()[1].f1
        };
        let best = scores.best_threshold(BinaryCounts::f1).unwrap();
        prop_assert!(near(f1_at(best.threshold), best.value));
        prop_assert!(f1_at(other) <= best.value + 1e-12);
        let accuracy = scores.best_threshold(BinaryCounts::accuracy).unwrap();
        let commonest = scores.positives().max(examples.len() - scores.positives());
        prop_assert!(accuracy.value >= commonest as f64 / examples.len() as f64 - 1e-12);
    }

    #[test]
    fn labels_merge_and_stay_in_range(rows in any_rows(), cut in 0..20usize) {
        let labels = rows[0].0.len();
        let counts = |rows: &[(Vec<bool>, Vec<f64>)]| {
            let (mut counts, mut ranking) = (Multilabel::new(labels).unwrap(), LabelRanking::new());
            let mut columns = MultilabelScores::new(labels).unwrap();
            for (label, scores) in rows {
                let predicted: Vec<bool> = scores.iter().map(|score| *score > 0.0).collect();
                counts.update(label, &predicted).unwrap();
                ranking.update(label, scores).unwrap();
                columns.update(label, scores).unwrap();
            }
            (counts, ranking, columns)
        };
        let whole = counts(&rows);
        let (left, right) = rows.split_at(cut % rows.len());
        let (mut merged, right) = (counts(left), counts(right));
        merged.0.merge(&right.0).unwrap();
        merged.1.merge(&right.1);
        merged.2.merge(&right.2).unwrap();
        prop_assert!(alike(merged.0.samples_f1(), whole.0.samples_f1()));
        prop_assert_eq!(merged.0.label_scores(), whole.0.label_scores());
        prop_assert_eq!((merged.0.hamming_loss(), merged.0.subset_accuracy()), (whole.0.hamming_loss(), whole.0.subset_accuracy()));
        prop_assert!(alike(merged.1.average_precision(), whole.1.average_precision()));
        prop_assert_eq!(merged.1.coverage_error(), whole.1.coverage_error());
        prop_assert_eq!(&merged.2, &whole.2);
        for measured in [whole.0.hamming_loss(), whole.0.subset_accuracy(), whole.0.samples_f1(), whole.0.f1(Average::Macro),
            whole.1.average_precision(), whole.1.ranking_loss(), whole.2.average_precision(Average::Weighted)] {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&measured.unwrap()));
        }
    }

    #[test]
    fn calibration_merges_and_its_bins_hold_everything((classes, rows) in any_probabilities(), bins in 1..20usize, cut in 0..30usize) {
        let all = |rows: &[(usize, Vec<f64>)]| {
            let (mut brier, mut calibration) = (BrierScore::new(classes).unwrap(), Calibration::new(bins).unwrap());
            let (mut scores, mut top) = (MulticlassScores::new(classes).unwrap(), TopKAccuracy::new(classes).unwrap());
            for (label, row) in rows {
                brier.update(*label, row).unwrap();
                calibration.update(*label, row).unwrap();
                scores.update(*label, row).unwrap();
                top.update(*label, row).unwrap();
            }
            (brier, calibration, scores, top)
        };
        let whole = all(&rows);
        let (left, right) = rows.split_at(cut % rows.len());
        let (mut merged, right) = (all(left), all(right));
        merged.0.merge(&right.0).unwrap();
        merged.1.merge(&right.1).unwrap();
        merged.2.merge(&right.2).unwrap();
        merged.3.merge(&right.3).unwrap();
        prop_assert!(alike(merged.0.score(), whole.0.score()) && alike(merged.1.expected_error(), whole.1.expected_error()));
        prop_assert_eq!((&merged.2, &merged.3), (&whole.2, &whole.3));
        let reliability = whole.1.reliability();
        prop_assert_eq!(reliability.iter().map(|bin| bin.examples).sum::<usize>(), rows.len());
        for bin in reliability.iter().filter(|bin| bin.examples > 0) {
            prop_assert!(bin.above - 1e-12 <= bin.confidence && bin.confidence <= bin.up_to + 1e-12);
        }
        prop_assert!(whole.1.expected_error().unwrap() <= whole.1.maximum_error().unwrap() + 1e-12);
        let ks: Vec<f64> = (1..=classes + 1).map(|k| whole.3.accuracy(k).unwrap()).collect();
        prop_assert!(ks.is_sorted() && ks[classes - 1] == 1.0);
    }

    #[test]
    fn a_fitted_temperature_is_a_minimum((classes, rows) in any_probabilities(), scale in 0.1..8.0f64) {
        let labels: Vec<usize> = rows.iter().map(|(label, _)| *label).collect();
        let logits: Vec<f64> = rows.iter().flat_map(|(_, row)| row.iter().map(|p| p.ln() * scale)).collect();
        let fitted = Temperature::fit(&labels, &logits, classes).unwrap();
        prop_assert!(fitted.loss_after <= fitted.loss_before + 1e-12);
        for other in [0.9, 0.999, 1.001, 1.1].map(|factor| (factor * fitted.temperature).clamp(Temperature::LEAST, Temperature::GREATEST)) {
            let cooled: Vec<f64> = logits.iter().map(|logit| logit / other).collect();
            prop_assert!(fitted.loss_after <= Temperature::fit(&labels, &cooled, classes).unwrap().loss_before + 1e-12);
        }
    }

    #[test]
    fn retrieval_merges_and_is_one_for_the_best_ranking(queries in vec(vec((0..4u32, coarse()), 1..10), 1..8), k in 1..8usize, cut in 0..8usize) {
        let of = |queries: &[Vec<(u32, f64)>], by_relevance: &dyn Fn(u32, f64) -> f64| {
            let mut sums = Retrieval::new(k, Gain::Exponential).unwrap();
            for query in queries {
                let relevances: Vec<f64> = query.iter().map(|(relevance, _)| f64::from(*relevance)).collect();
                let scores: Vec<f64> = query.iter().map(|(relevance, score)| by_relevance(*relevance, *score)).collect();
                sums.update(&relevances, &scores).unwrap();
            }
            sums
        };
        let as_scored = |_, score| score;
        let (left, right) = queries.split_at(cut % queries.len());
        let mut merged = of(left, &as_scored);
        merged.merge(&of(right, &as_scored)).unwrap();
        let (merged, whole) = (merged.measures().unwrap(), of(&queries, &as_scored).measures().unwrap());
        prop_assert!(near(merged.ndcg, whole.ndcg) && near(merged.average_precision, whole.average_precision));
        let best = of(&queries, &|relevance, _| f64::from(relevance)).measures().unwrap();
        let answerable = queries.iter().filter(|query| query.iter().any(|(relevance, _)| *relevance > 0)).count();
        let share = answerable as f64 / queries.len() as f64;
        prop_assert!(near(best.ndcg, share) && near(best.reciprocal_rank, share));
        prop_assert!(whole.ndcg <= best.ndcg + 1e-12 && whole.recall <= best.recall + 1e-12);
        prop_assert!(whole.average_precision <= best.average_precision + 1e-12 && whole.precision <= best.precision + 1e-12);
    }

    #[test]
    fn perplexity_merges_and_is_the_vocabulary_of_a_model_that_says_nothing(batches in vec(1..500u64, 1..10), vocabulary in 1..50_000u32) {
        let (mut whole, mut merged) = (Perplexity::new(), Perplexity::new());
        for tokens in batches {
            let loss = tokens as f64 * f64::from(vocabulary).ln();
            whole.update(loss, tokens).unwrap();
            let mut one = Perplexity::new();
            one.update(loss, tokens).unwrap();
            merged.merge(&one);
        }
        prop_assert!(near(whole.perplexity().unwrap(), f64::from(vocabulary)));
        prop_assert!(near(whole.bits_per_token().unwrap(), f64::from(vocabulary).log2()));
        prop_assert!(near(merged.perplexity().unwrap(), whole.perplexity().unwrap()) && merged.tokens() == whole.tokens());
    }
}

/// Here the slope is exactly zero at one of Newton's steps: the search ends there. The value is scipy's, by `brentq`.
#[test]
fn a_search_that_meets_the_minimum_stops() {
    let labels = [1, 3, 1, 0, 3, 3, 3];
    let logits = [
        [1.308, -0.42, 3.358, 0.391],
        [-0.343, -1.516, 0.262, 1.778],
        [-0.207, 0.338, -1.486, -0.776],
        [-1.803, -0.592, 0.395, 0.315],
        [0.445, 0.238, -1.223, 1.182],
        [-0.878, -0.652, -0.593, 3.018],
        [-0.607, 2.563, 0.746, -2.141],
    ];
    let fitted = Temperature::fit(&labels, logits.as_flattened(), 4).unwrap();
    assert!(near(fitted.temperature, 9.598874705814922), "{}", fitted.temperature);
}
