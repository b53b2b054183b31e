//! What the model's tokenizer makes of the texts: their lengths, what is cut, what it does not know, and what it breaks
//! up, by script.

use crate::finding::{Finding, FoundRow, Kind, Severity, Split, percent, rows};
use crate::script::{Script, words};

/// Pieces per word from which on a row is broken up; English has about 1.2 with a vocabulary of its own.
const BROKEN: f64 = 4.0;

/// What is known of the tokens of a data set, row by row.
#[derive(Clone, Debug)]
pub struct TokenSurvey {
    max_length: usize,
    /// Of each row the tokens, with the special ones.
    lengths: Vec<u32>,
    scripts: [ScriptCounts; Script::COUNT],
    unknown: Vec<(usize, usize)>,
    broken: Vec<(usize, f64)>,
}

/// The tokens of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Tokens before anything is cut, with the special ones.
    pub tokens: usize,
    /// Tokens of the text itself.
    pub pieces: usize,
    /// Those of them that stand for what the vocabulary lacks.
    pub unknown: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct ScriptCounts {
    rows: usize,
    pieces: usize,
    words: usize,
    unknown: usize,
}

impl TokenSurvey {
    /// For texts that the plan cuts to `max_length` tokens.
    pub fn new(max_length: usize) -> Self {
        Self {
            max_length,
            lengths: Vec::new(),
            scripts: [ScriptCounts::default(); Script::COUNT],
            unknown: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Adds the next row.
    pub fn add(&mut self, text: &str, counts: TokenCounts) {
        let row = self.lengths.len();
        self.lengths.push(u32::try_from(counts.tokens).unwrap_or(u32::MAX));
        let script = Script::of_text(text);
        let words = words(text);
        let of_script = &mut self.scripts[script as usize];
        of_script.rows += 1;
        of_script.pieces += counts.pieces;
        of_script.words += words;
        of_script.unknown += counts.unknown;
        if counts.unknown > 0 {
            self.unknown.push((row, counts.unknown));
        }
        let rate = counts.pieces as f64 / words.max(1) as f64;
        if words > 0 && rate >= BROKEN && counts.pieces >= 8 {
            self.broken.push((row, rate));
        }
    }

    /// Of the rows, `share` have no more tokens; 0 where there is no row.
    pub fn quantile(&self, share: f64) -> u32 {
        let mut sorted = self.lengths.clone();
        sorted.sort_unstable();
        let place = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0)
    }

    /// What is to be said.
    pub fn findings(&self, split: Split) -> Vec<Finding> {
        if self.lengths.is_empty() {
            return Vec::new();
        }
        let mut findings = vec![self.lengths_finding(split)];
        findings.extend(self.unknown_finding(split));
        findings.extend(self.broken_finding(split));
        findings
    }

    fn lengths_finding(&self, split: Split) -> Finding {
        let limit = self.max_length;
        let mut cut: Vec<(usize, u32)> =
            self.lengths.iter().copied().enumerate().filter(|(_, length)| *length as usize > limit).collect();
        cut.sort_by_key(|(row, length)| (std::cmp::Reverse(*length), *row));
        let total: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let lost: u64 = cut.iter().map(|(_, length)| u64::from(*length) - limit as u64).sum();
        let quantiles = [0.5, 0.9, 0.99, 1.0].map(|share| self.quantile(share));
        let [half, ninety, ninety_nine, longest] = quantiles;
        let lengths = format!(
            "tokens of a row of {split}: half {half}, 90 % {ninety}, 99 % {ninety_nine}, all {longest} or fewer"
        );
        let share = cut.len() as f64 / self.lengths.len() as f64;
        let (title, severity, advice) = match cut.len() {
            0 => (
                format!("{lengths}; none is cut (data.max_length {limit})"),
                Severity::Note,
                "nothing to do: no row is longer, and short rows cost nothing for the limit".to_owned(),
            ),
            count => (
                format!(
                    "{} ({}) are cut to data.max_length {limit}, and {} of all tokens lost; {lengths}",
                    rows(count),
                    percent(count, self.lengths.len()),
                    percent(lost as usize, total as usize)
                ),
                if share >= 0.05 { Severity::Warning } else { Severity::Note },
                format!(
                    "what decides may stand in the part that is cut: --set data.max_length={} keeps 99 of 100 rows whole, as far as the \
                     model has positions; or put what matters first",
                    ninety_nine
                ),
            ),
        };
        let note = |length: u32| format!("{length} tokens, of which {} are cut", length as usize - limit);
        let mut finding = Finding::new(Kind::Truncation, severity, split, title, advice);
        for (name, value) in ["half", "90 %", "99 %", "longest"].iter().zip(quantiles) {
            finding = finding.with(*name, f64::from(value));
        }
        finding
            .with("tokens", total as f64)
            .with("rows cut", cut.len() as f64)
            .with("tokens cut", lost as f64)
            .with_rows(cut.into_iter().map(|(row, length)| FoundRow::new(split, row, note(length))).collect())
    }

    fn unknown_finding(&self, split: Split) -> Option<Finding> {
        if self.unknown.is_empty() {
            return None;
        }
        let (unknown, pieces) = self.scripts.iter().fold((0, 0), |(u, p), s| (u + s.unknown, p + s.pieces));
        let share = unknown as f64 / pieces.max(1) as f64;
        let severity = match share {
            share if share >= 0.1 => Severity::Serious,
            share if share >= 0.01 => Severity::Warning,
            _ => Severity::Note,
        };
        let scripts = self.by_script(|counts| counts.unknown > 0, |counts| percent(counts.unknown, counts.pieces));
        let title = format!(
            "{} of the tokens of {split} stand for what the vocabulary lacks, in {}: {scripts}",
            percent(unknown, pieces),
            rows(self.unknown.len())
        );
        let advice = "the model reads nothing there: take one whose vocabulary has these characters (a multilingual or byte-level one)";
        let mut found = self.unknown.clone();
        found.sort_by_key(|(row, count)| (std::cmp::Reverse(*count), *row));
        let row = |(row, count): &(usize, usize)| FoundRow::new(split, *row, format!("{count} unknown"));
        let mut finding = Finding::new(Kind::UnknownTokens, severity, split, title, advice).with("share", share);
        for (script, counts) in self.scripts() {
            finding = finding
                .with(format!("share in {}", script.name()), counts.unknown as f64 / counts.pieces.max(1) as f64);
        }
        Some(finding.with_rows(found.iter().map(row).collect()))
    }

    fn broken_finding(&self, split: Split) -> Option<Finding> {
        let rate = |counts: &ScriptCounts| counts.pieces as f64 / counts.words.max(1) as f64;
        let is_broken = |script: Script, counts: &ScriptCounts| {
            // A sign of a script without spaces is a word of its own here, and should be a piece or two.
            counts.words > 0 && rate(counts) >= if script.has_spaces() { 2.5 } else { 1.8 }
        };
        let any = self.scripts().any(|(script, counts)| script != Script::None && is_broken(script, counts));
        if !any && self.broken.is_empty() {
            return None;
        }
        let share = self.broken.len() as f64 / self.lengths.len() as f64;
        let severity = if any || share >= 0.05 { Severity::Warning } else { Severity::Note };
        let scripts = self.by_script(|counts| counts.words > 0, |counts| format!("{:.2}", rate(counts)));
        let title = format!(
            "{} ({}) of {split} are broken into {BROKEN} pieces a word or more; pieces a word: {scripts}",
            rows(self.broken.len()),
            percent(self.broken.len(), self.lengths.len())
        );
        let advice = "the vocabulary was not made for these texts: a model of their language learns them from fewer rows and is faster; \
                      or look whether the rows are codes, addresses or damaged";
        let mut found = self.broken.clone();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let row = |(row, rate): &(usize, f64)| {
            let mut found = FoundRow::new(split, *row, format!("{rate:.1} pieces a word"));
            found.score = Some(*rate);
            found
        };
        let mut finding =
            Finding::new(Kind::BrokenWords, severity, split, title, advice).with("rows", self.broken.len() as f64);
        for (script, counts) in self.scripts() {
            finding = finding.with(format!("pieces a word in {}", script.name()), rate(counts));
        }
        Some(finding.with_rows(found.iter().map(row).collect()))
    }

    fn scripts(&self) -> impl Iterator<Item = (Script, &ScriptCounts)> {
        Script::ALL.into_iter().zip(&self.scripts).filter(|(_, counts)| counts.rows > 0)
    }

    fn by_script(&self, which: impl Fn(&ScriptCounts) -> bool, show: impl Fn(&ScriptCounts) -> String) -> String {
        let parts = self.scripts().filter(|(_, counts)| which(counts));
        let part = |(script, counts): (Script, &ScriptCounts)| {
            format!("{} {} ({})", script.name(), show(counts), rows(counts.rows))
        };
        parts.map(part).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pieces: usize, unknown: usize) -> TokenCounts {
        TokenCounts { tokens: pieces + 2, pieces, unknown }
    }

    #[test]
    fn cut_rows_unknown_tokens_and_broken_words() {
        let mut survey = TokenSurvey::new(10);
        survey.add("eight words are in this very short text", counts(8, 0));
        survey.add("订单在哪里", counts(5, 4));
        survey.add("привет", counts(18, 0));
        let findings = survey.findings(Split::Train);
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "1 row (33.3 %) are cut to data.max_length 10, and 27.0 % of all tokens lost; tokens of a row of train: half 10, 90 % 20, \
                 99 % 20, all 20 or fewer",
                "12.9 % of the tokens of train stand for what the vocabulary lacks, in 1 row: Han 80.0 % (1 row)",
                "1 row (33.3 %) of train are broken into 4 pieces a word or more; pieces a word: Latin 1.00 (1 row), Cyrillic 18.00 (1 row), \
                 Han 1.00 (1 row)",
            ]
        );
        assert_eq!(findings[1].severity, Severity::Serious);
        assert_eq!(findings[0].rows[0].note, "20 tokens, of which 10 are cut");
    }

    #[test]
    fn quantiles_are_those_of_the_rows() {
        let mut survey = TokenSurvey::new(1000);
        (1..=100).for_each(|tokens| survey.add("x", TokenCounts { tokens, pieces: tokens, unknown: 0 }));
        assert_eq!([0.0, 0.5, 0.9, 0.99, 1.0].map(|share| survey.quantile(share)), [1, 50, 90, 99, 100]);
        assert_eq!(TokenSurvey::new(3).quantile(0.5), 0);
    }
}
