//! What holds for any data, of the measures of tags and of answers, and of the tests of significance.

use proptest::collection::vec;
use proptest::prelude::*;
use retune_metrics::*;

const SCHEMES: [(Scheme, &str); 6] = [
    (Scheme::Iob1, "IOB"),
    (Scheme::Iob2, "IOB"),
    (Scheme::Ioe1, "IOE"),
    (Scheme::Ioe2, "IOE"),
    (Scheme::Iobes, "IOBES"),
    (Scheme::Bilou, "BILOU"),
];

/// The labels of a sequence, and what is predicted.
type Sequence = (Vec<String>, Vec<String>);

fn any_tags() -> impl Strategy<Value = (Decoding, Vec<Sequence>)> {
    (0..SCHEMES.len(), any::<bool>()).prop_flat_map(|(place, lenient)| {
        let (scheme, prefixes) = SCHEMES[place];
        let tag = move || {
            (0..prefixes.len(), 0..3usize).prop_map(move |(prefix, kind)| match &prefixes[prefix..=prefix] {
                "O" => "O".to_owned(),
                prefix => format!("{prefix}-{}", ["PER", "LOC", "X"][kind]),
            })
        };
        let pair = vec((tag(), tag(), any::<bool>()), 1..8).prop_map(|tags| {
            tags.into_iter().map(|(label, other, right)| (label.clone(), if right { label } else { other })).unzip()
        });
        (Just(if lenient { Decoding::Lenient } else { Decoding::Strict(scheme) }), vec(pair, 1..8))
    })
}

fn scores_of(decoding: Decoding, sequences: &[Sequence]) -> EntityScores {
    let mut scores = EntityScores::new();
    sequences.iter().for_each(|(labels, predicted)| scores.update(labels, predicted, decoding).unwrap());
    scores
}

proptest! {
    #[test]
    fn entities_merge_in_any_order((decoding, sequences) in any_tags(), cut in 0..8usize) {
        let (left, right) = sequences.split_at(cut % sequences.len());
        let mut merged = scores_of(decoding, right);
        merged.merge(&scores_of(decoding, left));
        prop_assert_eq!(&merged, &scores_of(decoding, &sequences));
        let json = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(&serde_json::from_str::<EntityScores>(&json).unwrap(), &merged);
    }

    #[test]
    fn precision_of_swapped_sides_is_recall((decoding, sequences) in any_tags()) {
        let swapped: Vec<_> = sequences.iter().cloned().map(|(labels, predicted)| (predicted, labels)).collect();
        let (scores, swapped) = (scores_of(decoding, &sequences), scores_of(decoding, &swapped));
        for average in [Average::Micro, Average::Macro] {
            prop_assert_eq!(scores.precision(average), swapped.recall(average));
            prop_assert!((scores.f1(average).unwrap() - swapped.f1(average).unwrap()).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&scores.f1(average).unwrap()));
            prop_assert!((scores.f_beta(1.0, average).unwrap() - scores.f1(average).unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn spans_lie_in_the_sequence_and_do_not_meet((decoding, sequences) in any_tags()) {
        for (_, tags) in sequences {
            let found = entities(&tags, decoding).unwrap();
            prop_assert!(found.iter().all(|entity| entity.start < entity.end && entity.end <= tags.len()));
            // The lenient reading of BILOU is of prefixes that it does not know.
            if !tags.iter().any(|tag| tag.starts_with(['U', 'L'])) {
                prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}: {:?}", tags, found);
            }
        }
    }

    #[test]
    fn every_scheme_reads_what_was_written_in_it(kinds in vec((0..3usize, 1..4usize, any::<bool>()), 0..5)) {
        for (scheme, _) in SCHEMES {
            let (mut tags, mut written) = (Vec::new(), Vec::new());
            for (kind, length, gap) in &kinds {
                let kind = ["PER", "LOC", "X"][*kind];
                // IOB1 and IOE1 mark a border between entities of one type only; a gap there keeps this test plain.
                if *gap || matches!(scheme, Scheme::Iob1 | Scheme::Ioe1) {
                    tags.push("O".to_owned());
                }
                let start = tags.len();
                for place in 0..*length {
                    let (first, last) = (place == 0, place + 1 == *length);
                    let prefix = match scheme {
                        Scheme::Iob2 if first => "B",
                        Scheme::Ioe2 if last => "E",
                        Scheme::Iobes => if first && last { "S" } else if first { "B" } else if last { "E" } else { "I" },
                        Scheme::Bilou => if first && last { "U" } else if first { "B" } else if last { "L" } else { "I" },
                        _ => "I",
                    };
                    tags.push(format!("{prefix}-{kind}"));
                }
                written.push(Entity { kind: kind.to_owned(), start, end: tags.len() });
            }
            prop_assert_eq!(&entities(&tags, Decoding::Strict(scheme)).unwrap(), &written);
            if scheme != Scheme::Bilou {
                prop_assert_eq!(&entities(&tags, Decoding::Lenient).unwrap(), &written);
            }
        }
    }

    #[test]
    fn normal_answers_stay_as_they_are(text in "\\PC{0,30}") {
        let once = normalize_answer(&text);
        prop_assert!(!once.starts_with(' ') && !once.ends_with(' ') && !once.contains("  "));
        let mut scores = AnswerScores::new();
        scores.update(&[&text, "something else"], &text).unwrap();
        prop_assert_eq!(scores.exact_match(), Ok(1.0));
        prop_assert_eq!(scores.f1(), Ok(if once.is_empty() { 0.0 } else { 1.0 }));
    }

    #[test]
    fn an_exact_match_is_never_above_f1_where_questions_may_have_no_answer(questions in vec(("[b-d ]{0,5}", "[b-d]{0,2}", any::<bool>(), 0.0..1.0f64), 1..12), cut in 0..12usize) {
        let of = |questions: &[(String, String, bool, f64)]| {
            let mut scores = UnanswerableScores::new();
            for (answer, prediction, answerable, no_answer) in questions {
                scores.update(if *answerable { std::slice::from_ref(answer) } else { &[] }, prediction, *no_answer).unwrap();
            }
            scores
        };
        let whole = of(&questions);
        let (left, right) = questions.split_at(cut % questions.len());
        let mut merged = of(left);
        merged.merge(&of(right));
        prop_assert_eq!(&merged, &whole);
        let all = whole.measures(Questions::All, 1.0).unwrap();
        prop_assert!(all.exact_match <= all.f1 && all.f1 <= 1.0 && all.questions == questions.len());
        let (exact, f1) = (whole.best_exact_match().unwrap(), whole.best_f1().unwrap());
        prop_assert!(exact.value <= f1.value + 1e-12 && f1.value <= 1.0 + 1e-12);
        // Every probability differs, so no step of the search lies between equals, and none is better than the best.
        for (_, _, _, threshold) in &questions {
            prop_assert!(whole.measures(Questions::All, *threshold).unwrap().f1 <= f1.value + 1e-12);
        }
    }

    #[test]
    fn mcnemar_is_symmetric_and_a_probability(pairs in vec((any::<bool>(), any::<bool>()), 0..60)) {
        let (mut test, mut swapped) = (McNemar::new(), McNemar::new());
        for (first, second) in pairs {
            test.update(first, second);
            swapped.update(second, first);
        }
        prop_assert_eq!(test.exact_p(), swapped.exact_p());
        prop_assert!(test.exact_p() > 0.0 && test.exact_p() <= 1.0);
        prop_assert_eq!(test.chi_square(), swapped.chi_square());
    }

    #[test]
    fn a_randomization_test_is_near_the_enumeration_of_all_signs(differences in vec((-4..5i32).prop_map(f64::from), 1..9), seed in any::<u64>()) {
        let observed = differences.iter().sum::<f64>().abs();
        let every = 1u32 << differences.len();
        let extreme = (0..every).filter(|signs| {
            let signed = differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d });
            signed.sum::<f64>().abs() >= observed
        });
        let exact = extreme.count() as f64 / f64::from(every);
        let found = randomization_test(&differences, 4000, seed).unwrap();
        // Five standard errors of the draws.
        prop_assert!((found - exact).abs() < 5.0 * (exact * (1.0 - exact) / 4000.0).sqrt() + 1e-3, "{} and {}", found, exact);
    }

    #[test]
    fn the_bootstrap_of_records_is_that_of_the_matrix(right in vec(any::<bool>(), 1..40), seed in any::<u64>()) {
        // Of two kinds of examples in the order of the matrix's entries, both draw the same.
        let mut sorted = right.clone();
        sorted.sort_unstable();
        let matrix = ConfusionMatrix::from_pairs(2, sorted.iter().map(|right| (1, usize::from(*right)))).unwrap();
        let bootstrap = Bootstrap::new(50, seed).unwrap();
        let share = |drawn: &[usize]| Ok(drawn.iter().filter(|example| sorted[**example]).count() as f64 / drawn.len() as f64);
        prop_assert_eq!(bootstrap.interval_of(sorted.len(), share), bootstrap.interval(&matrix, ConfusionMatrix::accuracy));
    }

    #[test]
    fn two_equal_models_do_not_differ(n in 1..40usize, seed in any::<u64>()) {
        let tested = Bootstrap::new(50, seed).unwrap().paired(n, |_| Ok(0.0)).unwrap();
        prop_assert_eq!((tested.p_value, tested.difference.low, tested.difference.high), (1.0, 0.0, 0.0));
    }
}

/// What seqeval's documentation and tests say of broken sequences.
#[test]
fn broken_sequences_are_read_as_seqeval_reads_them() {
    let read = |tags: &[&str], decoding| -> Vec<(String, usize, usize)> {
        let found = entities(tags, decoding).unwrap();
        found.into_iter().map(|entity| (entity.kind, entity.start, entity.end)).collect()
    };
    let broken = ["I-PER", "I-LOC", "O", "B-PER", "I-LOC"];
    let lenient = [("PER", 0, 1), ("LOC", 1, 2), ("PER", 3, 4), ("LOC", 4, 5)];
    assert_eq!(read(&broken, Decoding::Lenient), lenient.map(|(kind, start, end)| (kind.to_owned(), start, end)));
    assert_eq!(read(&broken, Decoding::Strict(Scheme::Iob2)), [("PER".to_owned(), 3, 4)]);
    assert_eq!(read(&["B", "I"], Decoding::Lenient), [("_".to_owned(), 0, 2)]);
    assert!(read(&[], Decoding::Lenient).is_empty() && read(&[], Decoding::Strict(Scheme::Bilou)).is_empty());
}

/// Between two entities of one type IOB1 and IOE1 mark the border, and nowhere else. Values are those of seqeval 1.2.2.
#[test]
fn borders_are_read_as_seqeval_reads_them() {
    type Case<'a> = (Scheme, &'a [&'a str], &'a [(&'a str, usize, usize)]);
    let cases: &[Case] = &[
        (Scheme::Iob1, &["I-PER", "B-PER", "I-PER"], &[("PER", 0, 1), ("PER", 1, 3)]),
        (
            Scheme::Iob1,
            &["I-PER", "B-PER", "B-PER", "I-LOC"],
            &[("PER", 0, 1), ("PER", 1, 2), ("PER", 2, 3), ("LOC", 3, 4)],
        ),
        (Scheme::Iob1, &["I-PER", "I-PER", "B-PER", "O", "B-PER"], &[("PER", 0, 2), ("PER", 2, 3)]),
        (Scheme::Iob1, &["I-PER", "B-LOC", "O"], &[("PER", 0, 1)]),
        (Scheme::Iob1, &["B-PER", "I-PER"], &[("PER", 1, 2)]),
        (Scheme::Iob1, &["B-PER", "B-PER"], &[("PER", 1, 2)]),
        (Scheme::Ioe1, &["I-PER", "E-PER", "I-PER"], &[("PER", 0, 2), ("PER", 2, 3)]),
        (Scheme::Ioe1, &["I-PER", "E-PER", "E-PER", "I-LOC"], &[("PER", 0, 2), ("LOC", 3, 4)]),
        (Scheme::Ioe1, &["E-PER", "E-PER"], &[]),
        (Scheme::Ioe1, &["E-PER", "I-PER", "O"], &[("PER", 1, 2)]),
        (Scheme::Ioe1, &["I-PER", "E-PER", "I-LOC"], &[("LOC", 2, 3)]),
    ];
    for (scheme, tags, expected) in cases {
        let found = entities(tags, Decoding::Strict(*scheme)).unwrap();
        let found: Vec<_> = found.iter().map(|entity| (entity.kind.as_str(), entity.start, entity.end)).collect();
        assert_eq!(&found, expected, "{scheme:?} {tags:?}");
    }
}

/// Two models of which one is clearly better, and the same the other way round.
#[test]
fn a_clear_difference_is_significant() {
    let differences: Vec<f64> = (0..100).map(|i| if i % 10 == 0 { -1.0 } else { 1.0 }).collect();
    let mean =
        |drawn: &[usize]| Ok(drawn.iter().map(|example| differences[*example]).sum::<f64>() / drawn.len() as f64);
    let tested = Bootstrap::new(999, 1).unwrap().paired(100, mean).unwrap();
    assert_eq!(tested.p_value, 0.001);
    assert!(tested.difference.low > 0.5 && tested.difference.high < 1.0);
    assert_eq!(randomization_test(&differences, 999, 1), Ok(0.001));
}

/// Resamples as far from what was observed as that is from nothing are as extreme: in tenths the sums are rounded, some
/// up and some down, and in whole numbers they are not.
#[test]
fn resamples_as_extreme_as_what_was_observed_count() {
    let tenths = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut sums = Vec::new(); // what was observed, and each resample
    let statistic = |drawn: &[usize]| {
        sums.push(drawn.iter().map(|example| tenths[*example]).sum::<i32>());
        Ok(drawn.iter().map(|example| f64::from(tenths[*example]) * 0.1).sum())
    };
    let tested = Bootstrap::new(999, 5).unwrap().paired(tenths.len(), statistic).unwrap();
    let (observed, resampled) = (sums[0], &sums[1..]);
    let distance = |sum: &&i32| (**sum - observed).abs();
    let ties = resampled.iter().filter(|sum| distance(sum) == observed).count();
    let extreme = resampled.iter().filter(|sum| distance(sum) >= observed).count();
    assert!(ties > 10 && extreme > ties, "{ties} of {extreme}");
    assert_eq!(tested.p_value, (extreme + 1) as f64 / 1000.0);
}
