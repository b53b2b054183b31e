//! The report for a person at a terminal.

use std::fmt::Write;

use super::{Disagreement, Measure, PairAgreement, Preference, Report};
use crate::estimate::Estimate;
use crate::settings::{Mode, Sampling};

/// How many disagreements are listed; all are in the JSON.
const LISTED: usize = 20;
/// How much of a text is shown.
const SHOWN: usize = 120;

impl Report {
    /// For a person, with a line break at its end.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let settings = &self.settings;
        let asked = match settings.mode {
            Mode::Label => format!("labels, blind, for {}", settings.run),
            Mode::Agree => format!("agree or disagree with {}", settings.run),
            Mode::Compare => format!("{} against {}", settings.run, settings.against.as_deref().unwrap_or_default()),
        };
        let drawn = match settings.sampling {
            Sampling::Chance => "by chance",
            Sampling::Uncertainty => "by uncertainty",
            Sampling::Predicted => "by predicted class",
            Sampling::Label => "by label",
        };
        let differ = if settings.mode == Mode::Compare { " on which the runs differ" } else { "" };
        writeln!(text, "{asked}")?;
        writeln!(text, "{}: {} of {} rows{differ}, drawn {drawn}", settings.data, self.drawn, self.population)?;
        if self.judges.is_empty() {
            return writeln!(text, "nobody has judged yet");
        }
        let judges = self.judges.iter().map(|judge| format!("{} {}", judge.judge, judge.done));
        writeln!(text, "{} judged: {}", rows(self.judged), judges.collect::<Vec<_>>().join(", "))?;
        if self.unsure > 0 {
            writeln!(text, "{} of {} answers: cannot tell; they count nowhere below", self.unsure, self.answers)?;
        }
        self.write_accuracy(text)?;
        if let Some(preference) = &self.preference {
            self.write_preference(text, preference)?;
        }
        self.write_agreement(text)?;
        self.write_disagreements(text)
    }

    fn write_accuracy(&self, text: &mut String) -> std::fmt::Result {
        let Some(accuracy) = &self.accuracy else { return Ok(()) };
        writeln!(text, "\naccuracy of the model, of all {} rows, with intervals of 95 %", self.population)?;
        writeln!(text, "  {:<28} {}", "by people", estimate(accuracy))?;
        for (judge, estimated) in self.accuracy_by_judge.iter().filter(|_| self.accuracy_by_judge.len() > 1) {
            writeln!(text, "    {:<26} {}", judge, estimate(estimated))?;
        }
        if let Some(estimated) = &self.accuracy_by_file {
            writeln!(text, "  {:<28} {}", "by the file's labels", estimate(estimated))?;
        }
        if accuracy.unseen > 0.0 {
            let part = 100.0 * accuracy.unseen;
            writeln!(
                text,
                "  {part:.1} % of the rows are of classes of which none is judged yet: taken to be as the others"
            )?;
        }
        Ok(())
    }

    fn write_preference(&self, text: &mut String, preference: &Preference) -> std::fmt::Result {
        let second = self.settings.against.as_deref().unwrap_or_default();
        writeln!(text, "\npreferred, of the {} rows on which the runs differ", self.population)?;
        writeln!(text, "  {:<28} {}", self.settings.run, estimate(&preference.first))?;
        writeln!(text, "  {:<28} {}", second, estimate(&preference.second))?;
        writeln!(text, "  {:<28} {}", "neither", estimate(&preference.neither))?;
        let rows = &preference.rows;
        writeln!(
            text,
            "  sign test of {} to {}, {} ties: p = {:.4}",
            rows.wins, rows.losses, rows.ties, preference.p_value
        )?;
        writeln!(text, "  what stood on the left was preferred {} times of {}", preference.left.0, preference.left.1)
    }

    fn write_agreement(&self, text: &mut String) -> std::fmt::Result {
        let agreement = &self.agreement;
        if self.judges.len() > 1 {
            writeln!(text, "\nagreement of the judges, on {} that two or more have answered", rows(agreement.rows))?;
            writeln!(text, "  {:<28} {}", "Krippendorff's alpha", measure(&agreement.krippendorff_alpha))?;
            let of = format!("Fleiss' kappa ({})", rows(agreement.rows_of_all));
            writeln!(text, "  {of:<28} {}", measure(&agreement.fleiss_kappa))?;
            agreement.pairs.iter().try_for_each(|pair| write_pair(text, pair))?;
        }
        if !self.with_labels.is_empty() {
            writeln!(text, "\nagreement with the file's labels")?;
            self.with_labels.iter().try_for_each(|pair| write_pair(text, pair))?;
        }
        Ok(())
    }

    fn write_disagreements(&self, text: &mut String) -> std::fmt::Result {
        let count = self.disagreements.len();
        if count == 0 {
            return Ok(());
        }
        let listed = if count > LISTED { format!(", the first {LISTED}") } else { String::new() };
        writeln!(text, "\n{} to look at{listed}", rows(count as u64))?;
        self.disagreements.iter().take(LISTED).try_for_each(|row| write_disagreement(text, row))
    }
}

fn write_pair(text: &mut String, pair: &PairAgreement) -> std::fmt::Result {
    let names = format!("{} and {}", pair.first, pair.second);
    let kappa = measure(&pair.cohen_kappa);
    writeln!(text, "  {names:<28} the same {} times of {}, Cohen's kappa {kappa}", pair.same, pair.rows)
}

fn write_disagreement(text: &mut String, row: &Disagreement) -> std::fmt::Result {
    let texts = row.texts.join(" | ").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = texts.chars().take(SHOWN).collect();
    if shown.len() < texts.len() {
        shown.push('…');
    }
    writeln!(text, "  row {}: {shown}", row.row)?;
    let against = row.against.iter().map(|against| format!("the other run: {against}"));
    let given = row.given.iter().map(|given| format!("the file: {given}"));
    let said = row.said.iter().map(|said| format!("{}: {}", said.judge, said.answer));
    let all: Vec<String> =
        [format!("the model: {}", row.predicted)].into_iter().chain(against).chain(given).chain(said).collect();
    writeln!(text, "      {}", all.join("; "))
}

/// `1 row`, `2 rows`.
fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    }
}

fn estimate(estimate: &Estimate) -> String {
    let [share, low, high] = [estimate.share.clamp(0.0, 1.0), estimate.low, estimate.high].map(|share| 100.0 * share);
    format!("{share:5.1} %  ({low:.1} to {high:.1}), of {}", rows(estimate.rows))
}

fn measure(measure: &Measure) -> String {
    match measure {
        Measure::Value(value) => format!("{value:.3}"),
        Measure::Undefined(why) => format!("not defined: {why}"),
    }
}
