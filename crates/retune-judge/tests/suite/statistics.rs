//! Draws and estimates, by repeating them many times.

use proptest::prelude::*;
use retune_judge::{Drawn, Estimate, Frame, Observation, Population, draw, estimate};

const ROWS: usize = 300;

/// A made-up model: what is expected of each row, whether it is right, and its class.
struct World {
    expected: Vec<f64>,
    right: Vec<f64>,
    class: Vec<usize>,
}

impl World {
    /// Right of about six rows in seven; `trust` 1 where its confidence is about how often it is right, 0 where it is
    /// always sure.
    fn new(trust: f64) -> Self {
        // Thousandths that look drawn, and are the same on every machine.
        let noise = |row: usize, salt: usize| ((row * 7919 + salt * 104_729) % 1009) as f64 / 1009.0;
        let truth: Vec<f64> = (0..ROWS).map(|row| 1.0 - 0.5 * noise(row, 1).powi(3) - 0.02).collect();
        Self {
            right: (0..ROWS).map(|row| f64::from(noise(row, 2) < truth[row])).collect(),
            expected: truth.iter().map(|p| trust * p + (1.0 - trust) * 0.995).collect(),
            class: (0..ROWS).map(|row| usize::from(noise(row, 3) < 0.6) + usize::from(noise(row, 3) < 0.1)).collect(),
        }
    }

    fn accuracy(&self) -> f64 {
        self.right.iter().sum::<f64>() / ROWS as f64
    }

    fn population(&self, frame: &Frame<'_>, drawn: usize) -> Population {
        let mut strata = vec![0; 3];
        self.class.iter().for_each(|class| strata[*class] += 1);
        Population {
            strata: if matches!(frame, Frame::Strata(_)) { strata } else { vec![ROWS as u64] },
            drawn: drawn as u64,
            by_size: matches!(frame, Frame::BySize(_)),
            expected: self.expected.iter().sum(),
        }
    }

    fn estimate(&self, frame: &Frame<'_>, drawn: &[Drawn], judged: usize) -> Estimate {
        let observe = |row: &Drawn| Observation {
            value: self.right[row.place],
            expected: self.expected[row.place],
            probability: row.probability,
            stratum: row.stratum,
        };
        let observations: Vec<Observation> = drawn[..judged].iter().map(observe).collect();
        estimate(&self.population(frame, drawn.len()), &observations).unwrap()
    }
}

/// Means over many draws, of which `judged` of `rows` are judged: how far the mean estimate is from the truth in its
/// standard errors, how often the interval holds the truth, and how wide it is.
fn repeat(world: &World, frame: Frame<'_>, rows: usize, judged: usize) -> (f64, f64, f64) {
    const TIMES: usize = 3000;
    let truth = world.accuracy();
    let (mut sum, mut squares, mut held, mut width) = (0.0, 0.0, 0, 0.0);
    for seed in 0..TIMES {
        let found = world.estimate(&frame, &draw(frame, rows, seed as u64).unwrap(), judged);
        sum += found.share;
        squares += found.share * found.share;
        width += (found.high - found.low) / TIMES as f64;
        held += usize::from(found.low <= truth && truth <= found.high);
    }
    let mean = sum / TIMES as f64;
    let error = ((squares / TIMES as f64 - mean * mean) / TIMES as f64).sqrt();
    ((mean - truth) / error, held as f64 / TIMES as f64, width)
}

fn sizes(world: &World) -> Vec<f64> {
    world.expected.iter().map(|c| (c * (1.0 - c)).sqrt()).collect()
}

#[test]
fn estimates_are_unbiased_and_intervals_hold_what_they_promise() {
    for trust in [1.0, 0.5, 0.0] {
        let world = World::new(trust);
        let sizes = sizes(&world);
        for frame in [Frame::Alike(ROWS), Frame::BySize(&sizes), Frame::Strata(&world.class)] {
            // A judge who stops half-way has judged a sample too.
            for judged in [60, 30] {
                let (apart, held, width) = repeat(&world, frame, 60, judged);
                let how = match frame {
                    Frame::Alike(_) => "chance",
                    Frame::BySize(_) => "uncertainty",
                    Frame::Strata(_) => "stratified",
                };
                let of = format!(
                    "trust {trust:<3}  {judged} of 60  {how:<11}  {apart:>5.2} standard errors  held {held:.3}  width {width:.3}"
                );
                println!("{of}");
                assert!(apart.abs() < 4.0, "{of}");
                assert!((0.92..=1.0).contains(&held), "{of}");
            }
        }
    }
}

/// The test above finds an estimate without weights out.
#[test]
fn without_weights_a_draw_by_uncertainty_misleads() {
    let world = World::new(1.0);
    let sizes = sizes(&world);
    let mut mean = 0.0;
    for seed in 0..500 {
        let drawn = draw(Frame::BySize(&sizes), 60, seed).unwrap();
        mean += drawn.iter().map(|row| world.right[row.place]).sum::<f64>() / (60.0 * 500.0);
    }
    assert!(mean < world.accuracy() - 0.03, "{mean} of {}", world.accuracy());
}

#[test]
fn rows_are_drawn_as_often_as_their_probability_says() {
    let world = World::new(0.7);
    let mut sizes = sizes(&world);
    sizes[17] = 1000.0;
    for frame in [Frame::Alike(ROWS), Frame::BySize(&sizes), Frame::Strata(&world.class)] {
        const TIMES: usize = 4000;
        let (mut counts, mut probabilities) = (vec![0.0; ROWS], vec![0.0; ROWS]);
        for seed in 0..TIMES as u64 {
            for row in draw(frame, 45, seed).unwrap() {
                counts[row.place] += 1.0;
                probabilities[row.place] = row.probability;
            }
        }
        for place in 0..ROWS {
            let (p, found) = (probabilities[place], counts[place] / TIMES as f64);
            let deviation = (p * (1.0 - p) / TIMES as f64).sqrt();
            assert!(p > 0.0 && (found - p).abs() <= 5.0 * deviation, "{frame:.20?}, row {place}: {found} of {p}");
        }
    }
}

#[test]
fn all_rows_leave_nothing_to_guess() {
    let world = World::new(1.0);
    let sizes = sizes(&world);
    for frame in [Frame::Alike(ROWS), Frame::BySize(&sizes), Frame::Strata(&world.class)] {
        let found = world.estimate(&frame, &draw(frame, ROWS, 1).unwrap(), ROWS);
        for number in [found.share, found.low, found.high] {
            assert!((number - world.accuracy()).abs() < 1e-9, "{frame:.20?}: {found:?}");
        }
    }
}

/// Of endlessly many rows the interval is Wilson's; the numbers are statsmodels' `proportion_confint(36, 40,
/// method="wilson")`.
#[test]
fn by_chance_the_interval_is_wilsons() {
    let population = Population { strata: vec![u64::MAX], drawn: 40, by_size: false, expected: 0.0 };
    let observe = |row| Observation { value: f64::from(row < 36), expected: 0.0, probability: 1e-9, stratum: 0 };
    let found = estimate(&population, &(0..40).map(observe).collect::<Vec<_>>()).unwrap();
    assert!((found.share - 0.9).abs() < 1e-12);
    assert!(
        (found.low - 0.769482247724777).abs() < 1e-9 && (found.high - 0.9604204713173937).abs() < 1e-9,
        "{found:?}"
    );
    assert!((found.effective_rows.unwrap() - 40.0).abs() < 1e-9);
}

/// No surprise among few rows is not proof that there is none: the interval reaches as far as one more would.
#[test]
fn a_model_that_is_sure_is_not_believed_on_its_word() {
    let population = Population { strata: vec![10_000], drawn: 40, by_size: true, expected: 9_990.0 };
    let observation = Observation { value: 1.0, expected: 0.999, probability: 0.004, stratum: 0 };
    let found = estimate(&population, &[observation; 40]).unwrap();
    assert!(found.low < 0.95 && found.share > 0.99, "{found:?}");
    assert!(estimate(&population, &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn draws_have_as_many_rows_as_asked_and_none_twice(
        sizes in prop::collection::vec(prop_oneof![Just(0.0), 1e-6..1.0_f64, 1.0..1e6_f64], 1..60),
        share in 0.0..1.0_f64,
        seed in any::<u64>(),
    ) {
        let rows = 1 + (share * (sizes.len() - 1) as f64) as usize;
        let strata: Vec<usize> = sizes.iter().map(|size| usize::from(*size > 0.5)).collect();
        for frame in [Frame::Alike(sizes.len()), Frame::BySize(&sizes), Frame::Strata(&strata)] {
            let Ok(drawn) = draw(frame, rows, seed) else {
                prop_assert!(matches!(frame, Frame::Strata(_)) && rows < 4);
                continue;
            };
            let mut places: Vec<usize> = drawn.iter().map(|row| row.place).collect();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), rows);
            prop_assert!(drawn.iter().all(|row| row.probability >= 0.0 && row.probability <= 1.0));
            prop_assert_eq!(&draw(frame, rows, seed).unwrap(), &drawn);
        }
    }
}
