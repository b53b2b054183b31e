//! Runs made up for tests: folders with the files that a run writes, and tables of predictions.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::fs;
use std::path::Path;

use retune_report::{Column, Run, Table};
use serde_json::{Value, json};

/// A text from data that must never become markup.
pub const EVIL: &str = "<script>document.title='taken'</script><img src=http://leak.invalid/a.png onerror=document.title=1> & \"quoted\" 'text'";

/// Writes the folder of a run of this task, finished or not.
pub fn folder(path: &Path, task: &str, finished: bool) {
    fs::create_dir_all(path).expect("a folder");
    let label = if task == "masked-lm" { "" } else { "label = \"label\"\n" };
    let plan = format!(
        "[model]\npath = \"models/{task}\"\n\n[task]\nkind = \"{task}\"\n\n[data]\ntrain = \"train.csv\"\n\
         test = \"test.csv\"\ntext = \"text\"\n{label}\n[run]\noutput = \"runs/one\"\n"
    );
    fs::write(path.join("plan.toml"), plan).expect("a plan");
    let environment = json!({
        "retune": "0.1.0", "libtorch": "2.11.0", "git_revision": "8d2fa77", "device": "cpu", "processor": "A <b>chip</b>",
        "command": ["target/debug/retune", "finetune", "--set", "run.seed=1 2"], "started_unix_s": 1_796_000_000, "threads": 2,
    });
    fs::write(path.join("environment.json"), environment.to_string()).expect("a file");
    let mut lines = String::new();
    for step in 1..=40u32 {
        let loss = 1.6 * (-f64::from(step) / 15.0).exp() + 0.1;
        lines += &format!(
            "{}\n",
            json!({"event": "train", "step": step * 5, "epoch": f64::from(step) / 10.0, "loss": loss,
                "learning_rate": 1e-4 * (1.0 - f64::from(step) / 41.0), "gradient_norm": 2.0 + f64::from(step % 7) / 4.0,
                "tokens_per_second": 5000.0 + f64::from(step)})
        );
        if step % 10 == 0 {
            let scores = json!({"examples": 40, "accuracy": 0.5 + f64::from(step) / 100.0, "loss": loss + 0.1});
            lines += &format!(
                "{}\n",
                json!({"event": "evaluation", "split": "validation", "step": step * 5, "epoch": f64::from(step) / 10.0, "scores": scores})
            );
        }
    }
    if finished {
        let scores = json!({"examples": 40, "accuracy": 0.9, "f1_macro": 0.89, "loss": 0.3});
        let interval = json!({"accuracy": {"estimate": 0.9, "low": 0.8, "high": 0.975, "level": 0.95}});
        lines += &format!(
            "{}\n",
            json!({"event": "final", "split": "test", "step": 200, "epoch": 4.0, "scores": scores,
            "intervals": interval, "examples_per_second": 120.0, "tokens_per_second": 5100.0, "training_seconds": 125.0})
        );
        let evaluation =
            json!({"split": "test", "examples": {"train": 160, "validation": 40, "test": 40}, "deciding": "accuracy"});
        fs::write(path.join("evaluation.json"), evaluation.to_string()).expect("a file");
    }
    fs::write(path.join("metrics.jsonl"), lines).expect("a file");
}

/// A folder's run with this table.
pub fn run(path: &Path, table: Vec<(&str, Column)>) -> Run {
    let mut run = Run::read(path).expect("a run");
    let columns = table.into_iter().map(|(name, column)| (name.to_owned(), column)).collect();
    run.predictions = Some(Table::new(columns).expect("a table"));
    run
}

/// A column of texts.
pub fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Column {
    Column::Texts(values.into_iter().map(|value| value.to_string()).collect())
}

/// A number below one that looks drawn, the same on every machine.
pub fn noise(place: usize) -> f64 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}

/// Predictions of `c` classes for `n` rows, nine of ten right; the name of class 1 and the text of row 3 are evil.
pub fn classes(n: usize, c: usize) -> Vec<(String, Column)> {
    let name = |class: usize| if class == 1 { format!("b{EVIL}") } else { format!("class {class}") };
    let label = |row: usize| row % c;
    let said = |row: usize| if noise(row) < 0.1 { (row + 1 + row % 3) % c } else { label(row) };
    let probability = |row: usize, class: usize| {
        let sure = 0.55 + 0.4 * noise(row + 7);
        if class == said(row) { sure } else { (1.0 - sure) / (c - 1) as f64 }
    };
    let text =
        |row: usize| if row == 3 { EVIL.to_owned() } else { format!("row {row} says {}", "so ".repeat(row % 9)) };
    let mut columns = vec![
        ("text".to_owned(), texts((0..n).map(text))),
        ("label".to_owned(), texts((0..n).map(|row| name(label(row))))),
        ("predicted".to_owned(), texts((0..n).map(|row| name(said(row))))),
        ("confidence".to_owned(), Column::Numbers((0..n).map(|row| probability(row, said(row))).collect())),
    ];
    for class in 0..c {
        let of = (0..n).map(|row| probability(row, class)).collect();
        columns.push((format!("probability_{}", name(class)), Column::Numbers(of)));
    }
    columns
}

/// As columns with borrowed names.
pub fn named(columns: &[(String, Column)]) -> Vec<(&str, Column)> {
    columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect()
}

/// Predictions of sets of four labels.
pub fn sets(n: usize) -> Vec<(&'static str, Column)> {
    const NAMES: [&str; 4] = ["joy", "anger", "fear", "grief"];
    let right = |row: usize, label: usize| (row >> label) & 1 == 1;
    let probability = |row: usize, label: usize| {
        let sure = 0.5 + 0.5 * noise(row * 4 + label);
        if right(row, label) != (noise(row * 4 + label + 1000) < 0.15) { sure } else { 1.0 - sure }
    };
    let set = |row: usize, is_in: &dyn Fn(usize, usize) -> bool| {
        json!((0..4).filter(|label| is_in(row, *label)).map(|label| NAMES[label]).collect::<Vec<_>>())
    };
    let given = |row, label| probability(row, label) >= 0.5;
    vec![
        ("text", texts((0..n).map(|row| format!("text {row} {EVIL}")))),
        ("label", texts((0..n).map(|row| set(row, &right)))),
        ("predicted", texts((0..n).map(|row| set(row, &given)))),
        ("probability_joy", Column::Numbers((0..n).map(|row| probability(row, 0)).collect())),
        ("probability_anger", Column::Numbers((0..n).map(|row| probability(row, 1)).collect())),
        ("probability_fear", Column::Numbers((0..n).map(|row| probability(row, 2)).collect())),
        ("probability_grief", Column::Numbers((0..n).map(|row| probability(row, 3)).collect())),
    ]
}

/// Predictions of numbers for pairs of texts.
pub fn numbers(n: usize) -> Vec<(&'static str, Column)> {
    let label = |row: usize| (noise(row) * 50.0).round() / 10.0;
    vec![
        ("text", texts((0..n).map(|row| format!("first {row} {EVIL}")))),
        ("label", texts((0..n).map(label))),
        ("text_pair", texts((0..n).map(|row| format!("second {row}")))),
        ("predicted", Column::Numbers((0..n).map(|row| label(row) * 0.9 + 0.3 + noise(row + 99) - 0.5).collect())),
    ]
}

/// Predictions of tags, a row of four with a wrong entity.
pub fn tags(n: usize) -> Vec<(&'static str, Column)> {
    let words = |row: usize| json!([if row == 2 { EVIL } else { "Zoë" }, "Smith", "lives", "in", "Paris", "."]);
    let label = json!(["B-PER", "I-PER", "O", "O", "B-LOC", "O"]);
    let said = |row: usize| match row % 4 {
        2 => json!(["B-LOC", "O", "O", "O", "B-LOC", "O"]),
        _ => label.clone(),
    };
    let empty: Value = json!([]);
    vec![
        ("text", texts((0..n).map(|row| format!("sentence {row}")))),
        ("label", texts((0..n).map(|_| label.clone()))),
        ("entities", texts((0..n).map(|_| empty.clone()))),
        ("words", texts((0..n).map(words))),
        ("tags", texts((0..n).map(said))),
    ]
}
