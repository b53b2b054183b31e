//! Everything that was found, for other programs.

use std::fs;
use std::path::Path;

use anyhow::Context;
use retune_data::{OutputColumn, OutputValues, write_table};
use retune_inspect::{Finding, FoundRow, RowId};
use retune_recipe::Plan;
use serde_json::{Map, Value, json};

use super::Inspection;
use super::rows::{Data, Places};

/// Writes the findings with their rows as one JSON document.
pub fn json(path: &Path, plan: &Plan, data: &Data, inspection: &Inspection, places: &Places) -> anyhow::Result<()> {
    let splits: Map<String, Value> =
        data.splits.iter().map(|(split, path)| (split.name().to_owned(), json!(path.display().to_string()))).collect();
    let named = |pairs: &[(&'static str, String)]| -> Vec<Value> {
        pairs.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect()
    };
    let document = json!({
        "task": plan.task.kind.to_string(),
        "model": plan.model.path,
        "seed": plan.run.seed,
        "max_length": plan.data.max_length,
        "data": splits,
        "findings": inspection.findings.iter().map(|finding| of_finding(finding, places)).collect::<Vec<_>>(),
        "not_checked": named(&inspection.not_checked),
        "how": inspection.how.iter().map(|(what, how)| json!({ "what": what, "how": how })).collect::<Vec<_>>(),
    });
    let partial = path.with_extension("json.partial");
    let written = fs::write(&partial, format!("{document:#}\n")).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn of_finding(finding: &Finding, places: &Places) -> Value {
    let numbers: Map<String, Value> =
        finding.numbers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let row = |row: &FoundRow| {
        let mut value = of_row(row.row, places);
        value["note"] = json!(row.note);
        value["score"] = json!(row.score);
        value["other"] = row.other.map_or(Value::Null, |other| of_row(other, places));
        value
    };
    json!({
        "kind": finding.kind.name(),
        "severity": finding.severity.name(),
        "split": finding.split.map(|split| split.name()),
        "title": finding.title,
        "advice": finding.advice,
        "numbers": numbers,
        "rows": finding.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn of_row(id: RowId, places: &Places) -> Value {
    let place = places.get(&id);
    json!({
        "split": id.split.name(),
        "row": id.row,
        "place": place.map(|place| &place.place),
        "text": place.map(|place| &place.text),
        "label": place.map(|place| &place.label),
    })
}

/// Writes a line for each row and finding.
pub fn table(path: &Path, findings: &[Finding], places: &Places) -> anyhow::Result<()> {
    let all: Vec<(&Finding, &FoundRow)> =
        findings.iter().flat_map(|finding| finding.rows.iter().map(move |row| (finding, row))).collect();
    let texts = |name: &str, value: &dyn Fn(&Finding, &FoundRow) -> String| OutputColumn {
        name: name.to_owned(),
        values: OutputValues::Text(all.iter().map(|(finding, row)| value(finding, row)).collect()),
    };
    let place = |id: Option<RowId>| id.and_then(|id| places.get(&id));
    let columns = vec![
        texts("kind", &|finding, _| finding.kind.name().to_owned()),
        texts("severity", &|finding, _| finding.severity.name().to_owned()),
        texts("split", &|_, row| row.row.split.name().to_owned()),
        OutputColumn {
            name: "row".to_owned(),
            values: OutputValues::Integer(all.iter().map(|(_, row)| row.row.row as i64).collect()),
        },
        texts("place", &|_, row| place(Some(row.row)).map(|place| place.place.clone()).unwrap_or_default()),
        texts("text", &|_, row| place(Some(row.row)).map(|place| place.text.clone()).unwrap_or_default()),
        texts("label", &|_, row| place(Some(row.row)).map(|place| place.label.clone()).unwrap_or_default()),
        texts("note", &|_, row| row.note.clone()),
        OutputColumn {
            name: "score".to_owned(),
            values: OutputValues::Float(all.iter().map(|(_, row)| row.score.unwrap_or(f64::NAN)).collect()),
        },
        texts("other_split", &|_, row| row.other.map(|other| other.split.name().to_owned()).unwrap_or_default()),
        OutputColumn {
            name: "other_row".to_owned(),
            values: OutputValues::MaybeInteger(
                all.iter().map(|(_, row)| row.other.map(|other| other.row as i64)).collect(),
            ),
        },
        texts("other_place", &|_, row| place(row.other).map(|place| place.place.clone()).unwrap_or_default()),
        texts("other_text", &|_, row| place(row.other).map(|place| place.text.clone()).unwrap_or_default()),
    ];
    Ok(write_table(path, columns)?)
}
