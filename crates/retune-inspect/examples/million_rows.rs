//! Time and memory of looking for duplicates and leakage among a million short rows (or as many as the first argument
//! says):
//!
//! `cargo run -p retune-inspect --example million_rows`
//!
//! Rows are drawn sentences of 6 to 14 words; one in fifty is a copy of an earlier one with a word changed, one in
//! fifty to the letter.

use std::time::Instant;

use retune_inspect::Split;
use retune_inspect::duplicates::{Likeness, Matches};
use retune_inspect::fingerprints::Fingerprints;
use retune_inspect::near::{NEAR, near_candidates, near_rows};

fn main() {
    let rows: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let start = Instant::now();
    let mut prints = Fingerprints::new();
    let (mut bytes, mut first) = (0, 0);
    for split in [Split::Train, Split::Test] {
        prints.begin(split);
        let end = if split == Split::Train { rows / 10 * 9 } else { rows };
        while first < end {
            let next = end.min(first + 65_536);
            let texts: Vec<String> = (first..next).map(text).collect();
            bytes += texts.iter().map(String::len).sum::<usize>();
            prints.add(&texts);
            first = next;
        }
    }
    println!("{rows} rows, {:.0} MB of text: hashed after {:.1} s", bytes as f64 / 1e6, start.elapsed().as_secs_f64());
    let candidates = near_candidates(&prints);
    println!("{} candidates after {:.1} s", candidates.len(), start.elapsed().as_secs_f64());
    let texts: Vec<String> = candidates.iter().map(|row| text(*row)).collect();
    let near = near_rows(&prints, &candidates, &texts, NEAR);
    let matches = Matches::of(&prints, &near);
    let count = |is: fn(&Likeness) -> bool| {
        let all = matches.within.iter().chain(&matches.in_train);
        all.filter(|found| is(&found.likeness)).count()
    };
    println!(
        "{} to the letter, {} normalised, {} nearly, after {:.1} s",
        count(|likeness| matches!(likeness, Likeness::Exact)),
        count(|likeness| matches!(likeness, Likeness::Normalized)),
        count(|likeness| matches!(likeness, Likeness::Near(_))),
        start.elapsed().as_secs_f64()
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: not known here");
    println!("most memory at once: {}", peak.trim_start_matches("VmHWM:").trim());
}

/// The text of a row: always the same.
fn text(row: usize) -> String {
    let mut random = Draw(row as u64 + 1);
    if row > 100 && row.is_multiple_of(50) {
        return text(row - 51);
    }
    if row > 100 && row % 50 == 1 {
        let mut words: Vec<String> = text(row - 53).split(' ').map(str::to_owned).collect();
        let place = random.below(words.len());
        words[place] = word(&mut random);
        return words.join(" ");
    }
    let count = 6 + random.below(9);
    (0..count).map(|_| word(&mut random)).collect::<Vec<_>>().join(" ")
}

/// One of 20,000 words, the first of them much more often than the last, as in a language.
fn word(random: &mut Draw) -> String {
    let share = random.below(1 << 20) as f64 / f64::from(1 << 20);
    let mut number = Draw((20_000_f64.powf(share)) as u64 + 77);
    let syllables = 1 + number.below(3);
    (0..=syllables)
        .map(|_| {
            let (consonant, vowel) = (b"bcdfghklmnprstvw"[number.below(16)], b"aeiou"[number.below(5)]);
            format!("{}{}", char::from(consonant), char::from(vowel))
        })
        .collect()
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * end as u128) >> 64) as usize
    }
}
