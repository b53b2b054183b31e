use std::collections::HashMap;

use super::*;

const PURPOSES: [Purpose; 10] = [
    Purpose::Epoch,
    Purpose::Share,
    Purpose::PerClass,
    Purpose::Pairs,
    Purpose::Split,
    Purpose::Masking,
    Purpose::Trial,
    Purpose::LearningCurve,
    Purpose::Folds,
    Purpose::Sample,
];

/// The bits themselves, from an implementation of RFC 8439's rounds in Python (eight of them), and of `seed_from_u64` as
/// `rand_core` 0.9 describes it: whoever changes them changes every split and every order that people have.
#[test]
fn draws_are_what_they_were() {
    let mut epoch = Random::new(Purpose::Epoch, 42, 3);
    assert_eq!([epoch.bits(), epoch.bits()], [2760822482222446386, 2539500663480178517]);
    let mut row = Random::new(Purpose::Masking, 42, 3).substream(7);
    assert_eq!([row.bits(), row.bits()], [3872938212071232229, 7537363169095163529]);
    assert_eq!(Random::seeded(42).bits(), 12578764544318200737);
    // The lowest bits of its words of 32.
    let mut coins = Random::seeded(42);
    assert_eq!([(); 8].map(|()| coins.coin()), [true, true, false, false, false, false, false, true]);
}

#[test]
fn purposes_seeds_streams_and_substreams_differ_and_repeat() {
    let first = |purpose, seed, stream| Random::new(purpose, seed, stream).bits();
    let mut draws: Vec<u64> = PURPOSES.iter().map(|purpose| first(*purpose, 0, 0)).collect();
    draws.extend([first(Purpose::Epoch, 1, 0), first(Purpose::Epoch, 0, 1)]);
    draws.push(Random::new(Purpose::Epoch, 0, 0).substream(1).bits());
    for (i, draw) in draws.iter().enumerate() {
        assert!(!draws[..i].contains(draw), "{draws:?}");
    }
    assert_eq!(first(Purpose::Trial, 1, 2), first(Purpose::Trial, 1, 2));
}

#[test]
fn all_orders_are_equally_likely() {
    const DRAWS: u64 = 24_000;
    let mut counts = HashMap::new();
    for stream in 0..DRAWS {
        let mut items = [0, 1, 2, 3];
        Random::new(Purpose::Epoch, 7, stream).shuffle(&mut items);
        *counts.entry(items).or_insert(0_u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    // Pearson's statistic over 24 orders, 23 degrees of freedom: 49.7 is exceeded once in a thousand seeds.
    let expected = DRAWS as f64 / 24.0;
    let statistic: f64 = counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    assert!(statistic < 49.7, "{statistic}");
}

#[test]
fn samples_are_sets_of_their_size_each_as_likely() {
    let sample = |n, count, seed| Random::new(Purpose::Sample, seed, 0).sample(n, count);
    for count in [0, 1, 5, 99, 100, 200] {
        let drawn = sample(100, count, 3);
        assert_eq!(drawn.len(), count.min(100));
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn.iter().all(|row| *row < 100));
    }
    assert_ne!(sample(100, 20, 3), sample(100, 20, 4));
    let mut counts = [0; 10];
    (0..5000).for_each(|seed| sample(10, 3, seed).into_iter().for_each(|row| counts[row] += 1));
    // 1500 each; five standard errors are 162.
    assert!(counts.iter().all(|count| (1338..1662).contains(count)), "{counts:?}");
}

/// Where the bound is not a power of two and large, a biased draw would be seen: 3/4 of 2⁶⁴ has its lower third twice as
/// likely when the high half of the product is taken as it is.
#[test]
fn large_bounds_are_drawn_without_bias() {
    const DRAWS: usize = 6_000;
    let end = 3_usize << 62;
    let mut random = Random::seeded(1);
    let mut thirds = [0_usize; 3];
    (0..DRAWS).for_each(|_| thirds[random.below(end) % 3] += 1);
    // 2000 each; five standard errors are 183.
    assert!(thirds.iter().all(|count| count.abs_diff(2000) < 183), "{thirds:?}");
    assert_eq!(random.below(1), 0);
}

#[test]
fn numbers_have_their_distributions() {
    const DRAWS: usize = 20_000;
    let mut random = Random::new(Purpose::Trial, 7, 0);
    let normal: Vec<f64> = (0..DRAWS).map(|_| random.normal()).collect();
    let mean = normal.iter().sum::<f64>() / DRAWS as f64;
    let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64;
    // Five standard errors.
    assert!(mean.abs() < 0.036 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");

    let heads = (0..DRAWS).filter(|_| random.coin()).count();
    assert!(heads.abs_diff(DRAWS / 2) < 354, "{heads}");
    let between: Vec<f64> = (0..DRAWS).map(|_| random.between(-1.0, 3.0)).collect();
    assert!(between.iter().all(|x| (-1.0..=3.0).contains(x)));
    let variance = between.iter().map(|x| (x - 1.0).powi(2)).sum::<f64>() / DRAWS as f64;
    assert!((between.iter().sum::<f64>() / DRAWS as f64 - 1.0).abs() < 0.041 && (variance - 4.0 / 3.0).abs() < 0.05);

    let mut counts = [0_usize; 3];
    (0..DRAWS).for_each(|_| counts[random.weighted(&[1.0, 0.0, 3.0])] += 1);
    assert_eq!(counts[1], 0);
    assert!((counts[2] as f64 / DRAWS as f64 - 0.75).abs() < 0.0155, "{counts:?}");
}
