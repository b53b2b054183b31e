//! Made-up rows and settings.

use std::path::PathBuf;

use retune_judge::{Item, Mode, Sampling, Study, StudySettings};

/// Rows of three classes; the model is right of two rows in three, and sure of some.
pub fn items(rows: usize) -> Vec<Item> {
    let classes = classes();
    (0..rows)
        .map(|row| {
            let (label, predicted) = (row % 3, if row % 9 < 6 { row % 3 } else { (row + 1) % 3 });
            let confidence = 0.4 + 0.58 * ((row * 7) % 11) as f64 / 10.0;
            let mut confidences = vec![(1.0 - confidence) / 2.0; 3];
            confidences[predicted] = confidence;
            Item {
                row: row as u64,
                texts: vec![format!("text of row {row}")],
                label: Some(classes[label].clone()),
                prediction: classes[predicted].clone(),
                confidences,
                against: Some(classes[label].clone()),
            }
        })
        .collect()
}

pub fn classes() -> Vec<String> {
    ["bill", "parcel", "refund"].map(str::to_owned).to_vec()
}

pub fn settings(mode: Mode, sampling: Sampling, rows: usize) -> StudySettings {
    StudySettings {
        mode,
        sampling,
        rows,
        seed: 7,
        classes: classes(),
        columns: vec!["text".to_owned()],
        label_column: "label".to_owned(),
        run: "runs/a".to_owned(),
        against: Some("runs/b".to_owned()),
        data: "test.csv".to_owned(),
    }
}

/// A study in a folder that goes when it is dropped.
pub struct Made {
    pub study: Study,
    pub path: PathBuf,
    pub folder: tempfile::TempDir,
}

pub fn study(mode: Mode, sampling: Sampling, rows: usize) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.sqlite");
    let study = Study::begin(&path, &settings(mode, sampling, rows), &items(90)).unwrap();
    Made { study, path, folder }
}
