//! What a study says, worked out by hand.

use expect_test::expect;
use retune_judge::{Answer, Decision, Item, Measure, Mode, Report, Sampling, Side, Study, corrected};

use crate::made::{Made, classes, items, settings, study};

/// Everyone answers all rows, by the row and the judge.
fn answer_all(study: &mut Study, judges: &[&str], answer: impl Fn(&Item, &str, bool) -> Answer) {
    for judge in judges {
        study.enter(judge).unwrap();
        while let Some(turn) = study.next(judge).unwrap() {
            let item = study.sample()[turn.position as usize].item.clone();
            study.answer(judge, turn.position, answer(&item, judge, turn.swapped)).unwrap();
        }
    }
}

fn value(measure: &Measure) -> f64 {
    match measure {
        Measure::Value(value) => *value,
        Measure::Undefined(why) => panic!("{why}"),
    }
}

fn class_of(label: &str) -> usize {
    classes().iter().position(|class| class == label).unwrap()
}

/// All 90 rows are judged, so that everything is exact: Ada says what the file says, of which the model has 60 right;
/// Bob says what the model says.
#[test]
fn labels_of_two_judges() {
    let mut made = study(Mode::Label, Sampling::Chance, 90);
    answer_all(&mut made.study, &["Ada", "Bob"], |item, judge, _| Answer::Label {
        class: class_of(if judge == "Ada" { item.label.as_ref().unwrap() } else { &item.prediction }),
    });
    let report = Report::of(&made.study).unwrap();
    let accuracy = report.accuracy.unwrap();
    assert!((accuracy.share - (60.0 + 90.0) / 180.0).abs() < 1e-12 && accuracy.low == accuracy.high);
    let by_judge: Vec<_> =
        report.accuracy_by_judge.iter().map(|(judge, found)| (judge.as_str(), found.share)).collect();
    assert!((by_judge[0].1 - 2.0 / 3.0).abs() < 1e-12 && by_judge[1].1 == 1.0, "{by_judge:?}");
    assert!((report.accuracy_by_file.unwrap().share - 2.0 / 3.0).abs() < 1e-12);
    // Agreement is 2/3, by chance 1/3: each judge names each class 30 times.
    assert!((value(&report.agreement.pairs[0].cohen_kappa) - 0.5).abs() < 1e-12);
    assert!((value(&report.agreement.fleiss_kappa) - 0.5).abs() < 1e-12);
    // α = 1 − (n − 1) D₀/Dₑ with n = 180, of which 60 disagree, and 180² − 3·60² pairs of different classes.
    let alpha = 1.0 - 179.0 * 60.0 / (180.0 * 180.0 - 3.0 * 60.0 * 60.0);
    assert!((value(&report.agreement.krippendorff_alpha) - alpha).abs() < 1e-12);
    assert_eq!((report.with_labels[0].same, report.with_labels[1].same, report.with_labels[1].rows), (90, 60, 90));
    assert_eq!(value(&report.with_labels[0].cohen_kappa), 1.0);
    assert_eq!((report.disagreements.len(), report.unsure, report.judged), (30, 0, 90));
    let labels = corrected(&made.study).unwrap();
    assert_eq!(labels.iter().filter(|row| row.decision == Decision::Tie).count(), 30);
    assert!(labels.iter().all(|row| row.label == row.given));
}

#[test]
fn the_report_of_a_few_rows_as_it_is_printed() {
    let mut made = study(Mode::Agree, Sampling::Uncertainty, 12);
    answer_all(&mut made.study, &["Ada", "Bob", "Cid"], |item, judge, _| match (judge, item.row % 9) {
        ("Cid", 0..3) => Answer::Unsure,
        ("Bob", 6) => Answer::Disagree { class: None },
        (_, 6..9) => Answer::Disagree { class: item.label.as_ref().map(|label| class_of(label)) },
        _ => Answer::Agree,
    });
    let report = Report::of(&made.study).unwrap();
    expect![[r#"
        agree or disagree with runs/a
        test.csv: 12 of 90 rows, drawn by uncertainty
        12 rows judged: Ada 12, Bob 12, Cid 12
        6 of 36 answers: cannot tell; they count nowhere below

        accuracy of the model, of all 90 rows, with intervals of 95 %
          by people                     63.4 %  (34.5 to 85.0), of 12 rows
            Ada                         63.4 %  (34.5 to 85.0), of 12 rows
            Bob                         63.4 %  (34.5 to 85.0), of 12 rows
            Cid                         30.4 %  (5.7 to 76.0), of 6 rows
          by the file's labels          63.4 %  (34.5 to 85.0), of 12 rows

        agreement of the judges, on 12 rows that two or more have answered
          Krippendorff's alpha         1.000
          Fleiss' kappa (6 rows)       1.000
          Ada and Bob                  the same 12 times of 12, Cohen's kappa 1.000
          Ada and Cid                  the same 6 times of 6, Cohen's kappa 1.000
          Bob and Cid                  the same 6 times of 6, Cohen's kappa 1.000

        agreement with the file's labels
          Ada and the file's labels    the same 12 times of 12, Cohen's kappa 1.000
          Bob and the file's labels    the same 11 times of 11, Cohen's kappa 1.000
          Cid and the file's labels    the same 6 times of 6, Cohen's kappa 1.000

        5 rows to look at
          row 16: text of row 16
              the model: refund; the file: parcel; Ada: wrong, parcel; Bob: wrong, parcel; Cid: wrong, parcel
          row 33: text of row 33
              the model: parcel; the file: bill; Ada: wrong, bill; Bob: wrong; Cid: wrong, bill
          row 34: text of row 34
              the model: refund; the file: parcel; Ada: wrong, parcel; Bob: wrong, parcel; Cid: wrong, parcel
          row 52: text of row 52
              the model: refund; the file: parcel; Ada: wrong, parcel; Bob: wrong, parcel; Cid: wrong, parcel
          row 89: text of row 89
              the model: bill; the file: refund; Ada: wrong, refund; Bob: wrong, refund; Cid: wrong, refund
    "#]]
    .assert_eq(&report.to_text());
    let json = report.to_json();
    assert_eq!(json["settings"]["mode"], "agree");
    assert_eq!(json["disagreements"].as_array().unwrap().len(), report.disagreements.len());
}

#[test]
fn preferences_of_three_judges() {
    let mut made = study(Mode::Compare, Sampling::Chance, 20);
    // Ada prefers the second run, which is always right; Bob what is on the left; Cid nothing.
    answer_all(&mut made.study, &["Ada", "Bob", "Cid"], |_, judge, swapped| match judge {
        "Ada" if swapped => Answer::Prefer { side: Side::Left },
        "Ada" => Answer::Prefer { side: Side::Right },
        "Bob" => Answer::Prefer { side: Side::Left },
        _ => Answer::Tie,
    });
    let swapped_of_bob = made
        .study
        .answers()
        .unwrap()
        .iter()
        .filter(|answer| answer.judge == 1 && answer.judgement == retune_judge::Judgement::Second)
        .count() as u64;
    let report = Report::of(&made.study).unwrap();
    let preference = report.preference.unwrap();
    // Where Bob has the second run on his left the votes are 2 to 0, else 1 to 1.
    assert_eq!(
        (preference.rows.wins, preference.rows.losses, preference.rows.ties),
        (0, swapped_of_bob, 20 - swapped_of_bob)
    );
    assert!((preference.p_value - 2.0 * 0.5_f64.powi(swapped_of_bob as i32)).abs() < 1e-12);
    assert_eq!(preference.left.1, 40);
    assert!(preference.first.share == 0.0 && preference.second.low > 0.1 && report.accuracy.is_none());
    let shares = preference.first.share + preference.second.share + preference.neither.share;
    assert!((shares - 1.0).abs() < 1e-12);
    assert!(report.to_text().contains("sign test of 0 to"), "{}", report.to_text());
    expect!["labels cannot be corrected: the study asks for no labels"]
        .assert_eq(&corrected(&made.study).unwrap_err().to_string());
}

#[test]
fn labels_are_corrected_by_more_than_half() {
    let Made { mut study, folder: _folder, .. } = study(Mode::Agree, Sampling::Chance, 6);
    expect!["labels cannot be corrected: nobody has answered yet"]
        .assert_eq(&corrected(&study).unwrap_err().to_string());
    let row = |study: &Study, position: usize| study.sample()[position].item.clone();
    let other = |item: &Item| (class_of(&item.prediction) + 1) % 3;
    for (judge, answers) in [
        ("Ada", [Answer::Agree, Answer::Agree, Answer::Unsure]),
        ("Bob", [Answer::Agree, Answer::Disagree { class: None }, Answer::Unsure]),
        ("Cid", [Answer::Disagree { class: Some(other(&row(&study, 0))) }, Answer::Unsure, Answer::Unsure]),
    ] {
        study.enter(judge).unwrap();
        for (position, answer) in answers.into_iter().enumerate() {
            study.answer(judge, position as u64, answer).unwrap();
        }
    }
    study.answer("Ada", 3, Answer::Disagree { class: Some(other(&row(&study, 3))) }).unwrap();
    let labels = corrected(&study).unwrap();
    assert_eq!(labels.len(), 90);
    let at = |position: usize| &labels[row(&study, position).row as usize];
    let predicted = |position: usize| row(&study, position).prediction;
    assert_eq!((at(0).decision, at(0).label.clone()), (Decision::Majority, Some(predicted(0))));
    assert_eq!(at(0).votes, format!("{} 2, {} 1", predicted(0), classes()[other(&row(&study, 0))]));
    assert_eq!((at(1).decision, at(1).label.clone()), (Decision::Tie, at(1).given.clone()));
    assert_eq!(at(1).votes, format!("{} 1, not {} 1", predicted(1), predicted(1)));
    assert_eq!((at(2).decision, at(2).label.clone()), (Decision::Unsure, at(2).given.clone()));
    assert_eq!(
        (at(3).decision, at(3).label.clone()),
        (Decision::Unanimous, Some(classes()[other(&row(&study, 3))].clone()))
    );
    assert_eq!((at(4).decision, at(4).votes.as_str()), (Decision::NotJudged, ""));
}

#[test]
fn a_study_of_nothing_says_so() {
    let made = study(Mode::Label, Sampling::Chance, 5);
    expect![[r#"
        labels, blind, for runs/a
        test.csv: 5 of 90 rows, drawn by chance
        nobody has judged yet
    "#]]
    .assert_eq(&Report::of(&made.study).unwrap().to_text());
}

/// A task without classes is judged as right or wrong, and two runs of it are compared.
#[test]
fn predictions_that_are_no_classes_are_judged_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(Mode::Agree, Sampling::Chance, 30);
    settings.classes.clear();
    let mut rows = items(30);
    rows.iter_mut().for_each(|item| (item.prediction, item.label) = (format!("{:.2}", item.row as f64 / 7.0), None));
    let mut study = Study::begin(&folder.path().join("s"), &settings, &rows).unwrap();
    answer_all(&mut study, &["Ada"], |item, _, _| match item.row % 3 {
        0 => Answer::Disagree { class: None },
        _ => Answer::Agree,
    });
    let report = Report::of(&study).unwrap();
    assert!((report.accuracy.unwrap().share - 2.0 / 3.0).abs() < 1e-12 && report.accuracy_by_file.is_none());
}
