use expect_test::expect;
use proptest::prelude::*;

use super::*;

const MASK: u32 = 4;
const VOCABULARY: u32 = 30_000;

fn masking(probability: f64, whole_word: bool) -> Masking {
    Masking { probability, whole_word, mask_id: MASK, vocabulary: VOCABULARY, seed: 42 }
}

/// Words of these lengths between two special tokens; the ids count from 100.
fn sentence(lengths: &[usize]) -> (Vec<u32>, Vec<Piece>) {
    let mut pieces = vec![Piece::Special];
    for &length in lengths {
        pieces.extend((0..length).map(|piece| if piece == 0 { Piece::First } else { Piece::Further }));
    }
    pieces.push(Piece::Special);
    ((100..).take(pieces.len()).collect(), pieces)
}

fn chosen(masked: &Masked) -> Vec<usize> {
    (0..masked.labels.len()).filter(|&position| masked.labels[position] != IGNORED_LABEL).collect()
}

/// Whether a count is within five standard deviations of what a binomial distribution has it.
fn is_binomial(count: usize, trials: usize, probability: f64) -> bool {
    let mean = trials as f64 * probability;
    (count as f64 - mean).abs() < 5.0 * (mean * (1.0 - probability)).sqrt()
}

#[test]
fn the_draws_are_fixed_for_good() {
    let (ids, pieces) = sentence(&[1, 2, 1, 3, 1, 1]);
    let of = |whole_word, epoch, row| masking(0.3, whole_word).apply(&ids, &pieces, epoch, row);
    expect!["[100, 4, 102, 103, 104, 4, 106, 4, 108, 109, 110]"].assert_eq(&format!("{:?}", of(false, 0, 0).ids));
    expect!["[100, 4, 102, 103, 104, 105, 106, 107, 108, 28722, 110]"].assert_eq(&format!("{:?}", of(false, 1, 0).ids));
    expect!["[100, 4, 102, 4, 104, 105, 106, 107, 108, 109, 110]"].assert_eq(&format!("{:?}", of(false, 0, 1).ids));
    expect!["[100, 101, 102, 103, 4164, 105, 106, 107, 108, 4, 110]"].assert_eq(&format!("{:?}", of(true, 0, 0).ids));
}

#[test]
fn the_rates_are_those_of_the_paper() {
    for whole_word in [false, true] {
        let (ids, pieces) = sentence(&[1; 200]);
        let (mut tokens, mut all, mut masks, mut kept) = (0, 0, 0, 0);
        let mut of_position = vec![0; ids.len()];
        let mut random = Vec::new();
        for row in 0..1000 {
            let masked = masking(0.15, whole_word).apply(&ids, &pieces, 3, row);
            tokens += 200;
            for position in chosen(&masked) {
                assert_eq!(masked.labels[position], i64::from(ids[position]));
                of_position[position] += 1;
                all += 1;
                match masked.ids[position] {
                    MASK => masks += 1,
                    id if id == ids[position] => kept += 1,
                    id => random.push(id),
                }
            }
        }
        match whole_word {
            false => assert!(is_binomial(all, tokens, 0.15), "{all}"),
            // Exactly round(200 · 0.15) of each.
            true => assert_eq!(all, 30 * 1000),
        }
        assert!(is_binomial(masks, all, 0.8), "{masks} of {all}");
        assert!(is_binomial(kept, all, 0.1), "{kept} of {all}");
        assert!(is_binomial(random.len(), all, 0.1), "{} of {all}", random.len());
        assert!(of_position[1..=200].iter().all(|&count| is_binomial(count, 1000, 0.15)), "{of_position:?}");
        assert_eq!((of_position[0], of_position[201]), (0, 0));
        // Random tokens are spread evenly: as many in each tenth of the vocabulary.
        assert!(random.iter().all(|&id| id < VOCABULARY));
        for tenth in 0..10 {
            let range = VOCABULARY / 10 * tenth..VOCABULARY / 10 * (tenth + 1);
            let count = random.iter().filter(|id| range.contains(id)).count();
            assert!(is_binomial(count, random.len(), 0.1), "{count} of {}", random.len());
        }
    }
}

#[test]
fn a_word_too_long_is_chosen_where_there_is_no_other() {
    let (ids, pieces) = sentence(&[5]);
    assert_eq!(chosen(&masking(0.15, true).apply(&ids, &pieces, 0, 0)), [1, 2, 3, 4, 5]);
    let (ids, pieces) = sentence(&[]);
    assert_eq!(chosen(&masking(1.0, true).apply(&ids, &pieces, 0, 0)), [0; 0]);
    // A block that begins within a word.
    let pieces = [Piece::Further, Piece::Further, Piece::First, Piece::Special, Piece::Further];
    assert_eq!(format!("{:?}", words(&pieces)), "[0..2, 2..3, 4..5]");
}

#[test]
fn without_a_vocabulary_there_are_no_random_tokens() {
    let (ids, pieces) = sentence(&[1; 100]);
    let masked = Masking { vocabulary: 0, ..masking(1.0, false) }.apply(&ids, &pieces, 0, 0);
    assert!(masked.ids.iter().zip(&ids).all(|(new, old)| *new == MASK || new == old));
}

proptest! {
    #[test]
    fn words_are_whole_and_as_many_tokens_as_asked_for(
        lengths in prop::collection::vec(1..5_usize, 0..40),
        probability in 0.0..1.0_f64,
        seed in any::<u64>(),
        (epoch, row) in (0..3_u64, 0..100_usize),
    ) {
        let (ids, pieces) = sentence(&lengths);
        let masking = Masking { seed, ..masking(probability, true) };
        let masked = masking.apply(&ids, &pieces, epoch, row);
        prop_assert_eq!(&masked, &masking.apply(&ids, &pieces, epoch, row));
        let chosen = chosen(&masked);
        for word in words(&pieces) {
            let inside = chosen.iter().filter(|position| word.contains(position)).count();
            prop_assert!(inside == 0 || inside == word.len());
        }
        let tokens: usize = lengths.iter().sum();
        let wanted = ((tokens as f64 * probability).round_ties_even() as usize).max(1);
        // What is missing is less than the longest word, and one word is chosen at least.
        prop_assert!(chosen.len() <= wanted.max(4) && chosen.len() + 4 > wanted.min(tokens));
        prop_assert_eq!(chosen.is_empty(), lengths.is_empty());
        for position in 0..ids.len() {
            let is_chosen = masked.labels[position] != IGNORED_LABEL;
            prop_assert!(is_chosen || masked.ids[position] == ids[position]);
            prop_assert!(!is_chosen || pieces[position] != Piece::Special);
        }
    }

    #[test]
    fn rows_and_epochs_are_masked_each_in_its_own_way(seed in any::<u64>(), whole_word in any::<bool>()) {
        let (ids, pieces) = sentence(&[1; 300]);
        let masking = Masking { seed, ..masking(0.5, whole_word) };
        let draws: Vec<Masked> =
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(epoch, row)| masking.apply(&ids, &pieces, epoch, row)).into();
        for (i, draw) in draws.iter().enumerate() {
            prop_assert!(!draws[..i].contains(draw));
        }
    }
}
