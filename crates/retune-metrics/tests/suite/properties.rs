//! What holds for any data.

use proptest::prelude::*;
use retune_metrics::{Average, Bootstrap, ConfusionMatrix, MeanLoss, MetricError, log_loss};

type Pairs = Vec<(usize, usize)>;
type Measure = (&'static str, fn(&ConfusionMatrix) -> Result<f64, MetricError>);

const AVERAGES: [Average; 3] = [Average::Micro, Average::Macro, Average::Weighted];

const MEASURES: &[Measure] = &[
    ("accuracy", ConfusionMatrix::accuracy),
    ("balanced accuracy", ConfusionMatrix::balanced_accuracy),
    ("MCC", ConfusionMatrix::mcc),
    ("kappa", ConfusionMatrix::cohen_kappa),
    ("macro precision", |matrix| matrix.precision(Average::Macro)),
    ("weighted precision", |matrix| matrix.precision(Average::Weighted)),
    ("macro recall", |matrix| matrix.recall(Average::Macro)),
    ("micro F1", |matrix| matrix.f1(Average::Micro)),
    ("macro F1", |matrix| matrix.f1(Average::Macro)),
    ("weighted F2", |matrix| matrix.f_beta(2.0, Average::Weighted)),
];

/// The number of classes, and examples of them.
fn any_data() -> impl Strategy<Value = (usize, Pairs)> {
    (1..7usize).prop_flat_map(|classes| (Just(classes), proptest::collection::vec((0..classes, 0..classes), 1..60)))
}

fn matrix(classes: usize, pairs: &[(usize, usize)]) -> ConfusionMatrix {
    ConfusionMatrix::from_pairs(classes, pairs.iter().copied()).unwrap()
}

proptest! {
    #[test]
    fn merging_any_split_equals_one_stream((classes, pairs) in any_data(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(pairs.len() + 1)).chain([pairs.len()]).collect();
        ends.sort_unstable();
        let mut merged = ConfusionMatrix::new(classes).unwrap();
        let mut start = 0;
        for end in ends {
            merged.merge(&matrix(classes, &pairs[start..end])).unwrap();
            start = end;
        }
        prop_assert_eq!(merged, matrix(classes, &pairs));
    }

    #[test]
    fn the_order_of_examples_does_not_matter((classes, pairs) in any_data(), seed in any::<u64>()) {
        let mut shuffled = pairs.clone();
        shuffled.sort_by_key(|(label, predicted)| (seed ^ (*label as u64 * 31 + *predicted as u64)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        prop_assert_eq!(matrix(classes, &shuffled), matrix(classes, &pairs));
    }

    #[test]
    fn the_names_of_classes_do_not_matter((classes, pairs) in any_data(), turn in 0..6usize) {
        let turned: Pairs = pairs.iter().map(|(label, predicted)| ((label + turn) % classes, (predicted + turn) % classes)).collect();
        for (name, measure) in MEASURES {
            let (before, after) = (measure(&matrix(classes, &pairs)).unwrap(), measure(&matrix(classes, &turned)).unwrap());
            prop_assert!((before - after).abs() < 1e-12, "{}: {} and {}", name, before, after);
        }
    }

    #[test]
    fn a_class_that_the_data_lacks_changes_nothing((classes, pairs) in any_data()) {
        for (name, measure) in MEASURES {
            let (before, after) = (measure(&matrix(classes, &pairs)), measure(&matrix(classes + 3, &pairs)));
            prop_assert_eq!(before, after, "{}", name);
        }
    }

    #[test]
    fn repeating_the_data_changes_no_measure((classes, pairs) in any_data()) {
        let once = matrix(classes, &pairs);
        let mut thrice = once.clone();
        for _ in 0..2 {
            thrice.merge(&once).unwrap();
        }
        for (name, measure) in MEASURES {
            let (before, after) = (measure(&once).unwrap(), measure(&thrice).unwrap());
            prop_assert!((before - after).abs() < 1e-12, "{}: {} and {}", name, before, after);
        }
    }

    #[test]
    fn every_measure_is_in_its_range((classes, pairs) in any_data()) {
        for (name, measure) in MEASURES {
            let value = measure(&matrix(classes, &pairs)).unwrap();
            let least = if matches!(*name, "MCC" | "kappa") { -1.0 } else { 0.0 };
            prop_assert!(value >= least - 1e-12 && value <= 1.0 + 1e-12, "{}: {}", name, value);
        }
    }

    #[test]
    fn a_perfect_prediction_gives_one((classes, pairs) in any_data()) {
        let perfect: Pairs = pairs.iter().map(|(label, _)| (*label, *label)).collect();
        let perfect = matrix(classes, &perfect);
        // Of one class there is nothing to tell apart: the measures that correct for chance are 0/0, and so 0.
        let several = perfect.supports().iter().filter(|support| **support > 0).count() > 1;
        for (name, measure) in MEASURES {
            let corrected = matches!(*name, "MCC" | "kappa");
            let expected = if corrected && !several { 0.0 } else { 1.0 };
            prop_assert!((measure(&perfect).unwrap() - expected).abs() < 1e-12, "{}", name);
        }
        prop_assert_eq!(perfect.most_confused(10), []);
    }

    #[test]
    fn micro_averages_are_accuracy_and_weighted_recall_is_too((classes, pairs) in any_data()) {
        let matrix = matrix(classes, &pairs);
        let accuracy = matrix.accuracy().unwrap();
        let same = [matrix.precision(Average::Micro), matrix.recall(Average::Micro), matrix.f1(Average::Micro), matrix.recall(Average::Weighted)];
        for value in same {
            prop_assert!((value.unwrap() - accuracy).abs() < 1e-12);
        }
    }

    #[test]
    fn beta_goes_from_precision_to_recall((classes, pairs) in any_data()) {
        let matrix = matrix(classes, &pairs);
        for average in AVERAGES {
            prop_assert!((matrix.f_beta(0.0, average).unwrap() - matrix.precision(average).unwrap()).abs() < 1e-12);
            prop_assert!((matrix.f_beta(1e9, average).unwrap() - matrix.recall(average).unwrap()).abs() < 1e-6);
            prop_assert_eq!(matrix.f_beta(1.0, average).unwrap(), matrix.f1(average).unwrap());
        }
    }

    #[test]
    fn confusions_are_the_mistakes_with_the_commonest_first((classes, pairs) in any_data()) {
        let matrix = matrix(classes, &pairs);
        let all = matrix.most_confused(usize::MAX);
        prop_assert!(all.is_sorted_by_key(|confusion| std::cmp::Reverse(confusion.count)));
        let wrong = pairs.iter().filter(|(label, predicted)| label != predicted).count() as u64;
        prop_assert_eq!(all.iter().map(|confusion| confusion.count).sum::<u64>(), wrong);
        for confusion in &all {
            prop_assert_eq!(confusion.count, matrix.count(confusion.label, confusion.predicted));
            prop_assert_eq!(confusion.support, matrix.supports()[confusion.label]);
        }
        prop_assert_eq!(matrix.most_confused(2), &all[..all.len().min(2)]);
    }

    #[test]
    fn a_matrix_counts_each_pair_and_knows_no_other_class((classes, pairs) in any_data()) {
        let matrix = matrix(classes, &pairs);
        prop_assert_eq!(matrix.classes(), classes);
        for (label, predicted) in (0..classes + 3).flat_map(|label| (0..classes + 3).map(move |predicted| (label, predicted))) {
            let expected = pairs.iter().filter(|pair| **pair == (label, predicted)).count() as u64;
            prop_assert_eq!(matrix.count(label, predicted), expected, "label {}, prediction {}", label, predicted);
        }
    }

    #[test]
    fn a_matrix_is_the_same_after_json((classes, pairs) in any_data()) {
        let matrix = matrix(classes, &pairs);
        let json = serde_json::to_string(&matrix).unwrap();
        prop_assert_eq!(serde_json::from_str::<ConfusionMatrix>(&json).unwrap(), matrix);
    }

    #[test]
    fn an_interval_is_ordered_within_range_and_wider_at_a_higher_level((classes, pairs) in any_data(), seed in any::<u64>()) {
        let matrix = matrix(classes, &pairs);
        let bootstrap = Bootstrap::new(200, seed).unwrap();
        let wide = bootstrap.interval(&matrix, ConfusionMatrix::accuracy).unwrap();
        let narrow = bootstrap.with_level(0.5).unwrap().interval(&matrix, ConfusionMatrix::accuracy).unwrap();
        prop_assert!(0.0 <= wide.low && wide.low <= narrow.low && narrow.low <= narrow.high);
        prop_assert!(narrow.high <= wide.high && wide.high <= 1.0);
        prop_assert_eq!(wide.estimate, matrix.accuracy().unwrap());
        prop_assert_eq!(wide, bootstrap.interval(&matrix, ConfusionMatrix::accuracy).unwrap());
        let [first, second] = bootstrap.intervals(&matrix, [&ConfusionMatrix::mcc, &ConfusionMatrix::accuracy]).unwrap();
        prop_assert_eq!(second, wide);
        prop_assert_eq!(first.estimate, matrix.mcc().unwrap());
    }

    #[test]
    fn merged_means_equal_one_stream(batches in proptest::collection::vec((-1e3..1e3f64, 1..100u64), 1..40), cut in any::<prop::sample::Index>()) {
        let mean_of = |batches: &[(f64, u64)]| {
            let mut mean = MeanLoss::new();
            batches.iter().try_for_each(|(loss, items)| mean.update(*loss, *items)).map(|()| mean)
        };
        let whole = mean_of(&batches).unwrap();
        let (left, right) = batches.split_at(cut.index(batches.len()));
        let mut merged = mean_of(left).unwrap();
        merged.merge(&mean_of(right).unwrap());
        prop_assert_eq!(merged.items(), whole.items());
        prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn log_loss_is_the_mean_of_each_example(rows in proptest::collection::vec((0.001..0.999f64, 0..2usize), 1..30)) {
        let labels: Vec<usize> = rows.iter().map(|(_, label)| *label).collect();
        let probabilities: Vec<f64> = rows.iter().flat_map(|(p, _)| [1.0 - p, *p]).collect();
        let each: f64 = rows.iter().map(|(p, label)| -(if *label == 1 { *p } else { 1.0 - p }).ln()).sum();
        prop_assert!((log_loss(&labels, &probabilities, 2).unwrap() - each / rows.len() as f64).abs() < 1e-12);
    }
}

/// As in scikit-learn, certainty counts as the number next below 1 by the machine epsilon, and impossibility as the
/// epsilon.
#[test]
fn log_loss_of_certain_predictions_is_finite_and_not_zero() {
    let right = log_loss(&[0], &[1.0, 0.0], 2).unwrap();
    assert_eq!(right, -(1.0 - f64::EPSILON).ln());
    assert!(right > 0.0);
    assert_eq!(log_loss(&[1], &[1.0, 0.0], 2).unwrap(), -f64::EPSILON.ln());
}

/// A plain sum of these loses the 1, then the answer.
#[test]
fn a_mean_keeps_small_losses_beside_large_ones() {
    let mut mean = MeanLoss::new();
    for loss in [1.0, 1e100, 1.0, -1e100] {
        mean.update(loss, 1).unwrap();
    }
    assert_eq!(mean.mean(), Ok(0.5));
    let mut merged = MeanLoss::new();
    merged.merge(&mean);
    assert_eq!(merged.mean(), Ok(0.5));
}

/// In nine of ten repetitions or more, an interval of 95 % holds the true accuracy. (Exactly 95 % is more than the
/// percentile interval promises for 200 examples.)
#[test]
fn an_interval_holds_the_truth_about_as_often_as_it_says() {
    const TRUTH: f64 = 0.8;
    let mut random = retune_random::Random::seeded(1993);
    let mut held = 0;
    for repetition in 0..500 {
        let right = (0..200).map(|_| random.unit() < TRUTH);
        let drawn = ConfusionMatrix::from_pairs(2, right.map(|right| (0, usize::from(!right)))).unwrap();
        let interval = Bootstrap::new(300, repetition).unwrap().interval(&drawn, ConfusionMatrix::accuracy).unwrap();
        held += usize::from(interval.low <= TRUTH && TRUTH <= interval.high);
    }
    assert!((455..=490).contains(&held), "{held} of 500");
}
