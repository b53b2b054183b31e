//! Equal texts with different labels: no model can be right about all of them.

use std::collections::BTreeMap;

use crate::duplicates::groups;
use crate::finding::{Finding, FoundRow, Kind, Severity, percent, rows};
use crate::fingerprints::Fingerprints;

/// Which labels of equal (normalised) texts differ, over all data sets together. `labels` stand beside the rows of
/// `prints`, `None` where there is none, and `name` gives each a name.
pub fn conflicting_labels(
    prints: &Fingerprints,
    labels: &[Option<u32>],
    name: impl Fn(u32) -> String,
) -> Option<Finding> {
    let mut found: Vec<(usize, FoundRow)> = Vec::new();
    let mut texts = 0;
    for group in groups(prints) {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        let labelled: Vec<(usize, u32)> = group.iter().filter_map(|row| Some((*row, (*labels.get(*row)?)?))).collect();
        labelled.iter().for_each(|(_, label)| *counts.entry(*label).or_insert(0) += 1);
        if counts.len() < 2 {
            continue;
        }
        texts += 1;
        let parts: Vec<String> = counts.iter().map(|(label, count)| format!("{count} × {}", name(*label))).collect();
        for (row, label) in &labelled {
            let id = prints.row(*row);
            let note = format!("labelled {}; of this text there are {}", name(*label), parts.join(", "));
            let mut row_found = FoundRow::new(id.split, id.row, note);
            // The share of the text's rows that say otherwise.
            row_found.score = Some(1.0 - counts[label] as f64 / labelled.len() as f64);
            row_found.other = labelled.iter().find(|(_, other)| other != label).map(|(other, _)| prints.row(*other));
            found.push((*row, row_found));
        }
    }
    if found.is_empty() {
        return None;
    }
    found.sort_by(|(a_row, a), (b_row, b)| {
        b.score.partial_cmp(&a.score).unwrap_or(std::cmp::Ordering::Equal).then(a_row.cmp(b_row))
    });
    let (count, total) = (found.len(), prints.len());
    let share = count as f64 / total.max(1) as f64;
    let severity = if share >= 0.01 { Severity::Serious } else { Severity::Warning };
    let title = format!(
        "{} ({}) bear labels that contradict each other: {texts} text{} with more than one label",
        rows(count),
        percent(count, total),
        if texts == 1 { "" } else { "s" }
    );
    let advice = "decide on one label for each text, or say what tells them apart in the text; a model can only guess";
    Some(
        Finding::new(Kind::ConflictingLabels, severity, None, title, advice)
            .with("rows", count as f64)
            .with("texts", f64::from(texts))
            .with("share", share)
            .with_rows(found.into_iter().map(|(_, row)| row).collect()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Split;

    #[test]
    fn the_label_of_fewer_stands_first() {
        let mut prints = Fingerprints::new();
        prints.begin(Split::Train);
        prints.add(&["a", "b", "A", "c"]);
        prints.begin(Split::Test);
        prints.add(&["a!", "b"]);
        let labels = [Some(0), Some(1), Some(0), None, Some(1), Some(1)];
        let found = conflicting_labels(&prints, &labels, |label| ["no", "yes"][label as usize].to_owned()).unwrap();
        let rows: Vec<_> = found.rows.iter().map(|row| (row.row.split, row.row.row)).collect();
        assert_eq!(rows, [(Split::Test, 0), (Split::Train, 0), (Split::Train, 2)]);
        assert_eq!(found.rows[0].note, "labelled yes; of this text there are 2 × no, 1 × yes");
        assert!(conflicting_labels(&prints, &[Some(0); 6], |_| String::new()).is_none());
    }
}
