//! The nearest right word to a wrong one, for "did you mean".

use strsim::osa_distance;

/// The end of a message: `; did you mean 'x'?`, or nothing.
pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|word| format!("; did you mean '{word}'?")).unwrap_or_default()
}

/// The candidate that `word` most likely stands for, if one is near enough to be worth naming.
pub(crate) fn word<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| Some((slips(&word, candidate)?, candidate)))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The key that the dotted `path` most likely stands for.
///
/// The last part decides, so that a key in the wrong section (`train.seed`), without any (`epochs`), or with a longer
/// name that other tools give it (`train.num_train_epochs`) is found; the whole path settles what is left open.
pub(crate) fn key<'a>(path: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let path = path.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let slips = slips(last_part(&path), last_part(candidate))?;
            Some(((slips, osa_distance(&path, candidate)), candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The slips of the keyboard from one word to the other; `None` where they are too far apart for it to be a slip.
fn slips(word: &str, candidate: &str) -> Option<usize> {
    // One name within the other says more than the number of letters between them.
    const CONTAINED: usize = 2;
    const SHORTEST_CONTAINED: usize = 4;

    let contains = |long: &str, short: &str| short.len() >= SHORTEST_CONTAINED && long.contains(short);
    if word != candidate && (contains(word, candidate) || contains(candidate, word)) {
        return Some(CONTAINED.min(osa_distance(word, candidate)));
    }
    let allowed = candidate.chars().count() / 3;
    Some(osa_distance(word, candidate)).filter(|slips| *slips <= allowed)
}
