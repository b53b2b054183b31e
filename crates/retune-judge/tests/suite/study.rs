//! What a study keeps, and what it refuses.

use std::fs;

use expect_test::{Expect, expect};
use retune_judge::{Answer, JudgeError, Judgement, Mode, Sampling, Side, Study};

use crate::made::{Made, items, settings, study};

fn check(error: JudgeError, made: &Made, expected: Expect) {
    expected.assert_eq(&error.to_string().replace(&format!("{}/", made.folder.path().display()), ""));
}

#[test]
fn answers_stay_when_the_study_is_opened_again() {
    let Made { mut study, path, folder: _folder } = study(Mode::Label, Sampling::Chance, 10);
    study.enter("Ada").unwrap();
    study.enter("  Grace   Hopper ").unwrap();
    for class in [0, 1, 2] {
        let turn = study.next("Ada").unwrap().unwrap();
        study.answer("Ada", turn.position, Answer::Label { class }).unwrap();
    }
    study.answer("Grace Hopper", 0, Answer::Unsure).unwrap();
    let (sample, answers) = (study.sample().to_vec(), study.answers().unwrap());
    // Neither closed nor told: as after a kill, the file alone is there.
    std::mem::forget(study);
    let mut again = Study::begin(&path, &settings(Mode::Label, Sampling::Chance, 10), &items(90)).unwrap();
    assert_eq!((again.sample(), again.answers().unwrap()), (&sample[..], answers));
    let judges: Vec<_> = again.judges().unwrap().into_iter().map(|judge| (judge.judge, judge.done)).collect();
    assert_eq!(judges, [("Ada".to_owned(), 3), ("Grace Hopper".to_owned(), 1)]);
    assert_eq!(again.next("Ada").unwrap().unwrap().position, 3);
    assert_eq!(again.enter("Ada").unwrap().done, 3);
    assert_eq!(Study::open(&path).unwrap().items().unwrap(), items(90));
}

#[test]
fn a_study_goes_on_only_as_it_began() {
    let made = study(Mode::Label, Sampling::Chance, 10);
    let mut other = settings(Mode::Agree, Sampling::Uncertainty, 10);
    other.seed = 8;
    check(
        Study::begin(&made.path, &other, &items(90)).unwrap_err(),
        &made,
        expect![
            "study.sqlite: the study was begun otherwise (mode is label in the study and agree now; sampling is chance in the study and uncertainty now; seed is 7 in the study and 8 now); go on as it began, or name a new file"
        ],
    );
    let mut changed = items(90);
    changed[3].prediction = "bill".to_owned();
    changed[3].texts[0].push('!');
    let same = settings(Mode::Label, Sampling::Chance, 10);
    check(
        Study::begin(&made.path, &same, &changed).unwrap_err(),
        &made,
        expect![
            "study.sqlite: the study was begun with other rows or other predictions; go on with the file and the run that it began with, or name a new file"
        ],
    );
    // A confidence that differs in its last digits is not another prediction.
    let mut computed_elsewhere = items(90);
    computed_elsewhere[3].confidences[0] += 1e-7;
    Study::begin(&made.path, &same, &computed_elsewhere).unwrap();
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let made = study(Mode::Label, Sampling::Chance, 10);
    let at = |name: &str| made.folder.path().join(name);
    let same = settings(Mode::Label, Sampling::Chance, 10);
    check(
        Study::open(&at("nowhere.sqlite")).unwrap_err(),
        &made,
        expect!["nowhere.sqlite: there is no such study; start one first"],
    );
    let text = "text,label\n".repeat(200);
    fs::write(at("test.csv"), &text).unwrap();
    check(
        Study::begin(&at("test.csv"), &same, &items(90)).unwrap_err(),
        &made,
        expect!["test.csv: is no study; name another file"],
    );
    assert_eq!(fs::read_to_string(at("test.csv")).unwrap(), text);
    let other = rusqlite::Connection::open(at("other.sqlite")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    check(
        Study::begin(&at("other.sqlite"), &same, &items(90)).unwrap_err(),
        &made,
        expect!["other.sqlite: is no study; name another file"],
    );
    let later = rusqlite::Connection::open(&made.path).unwrap();
    later.pragma_update(None, "user_version", 9).unwrap();
    check(
        Study::open(&made.path).unwrap_err(),
        &made,
        expect!["study.sqlite: the study has format 9, and this version reads 1; use the version that made it"],
    );
    // What a kill in the middle of the making leaves.
    fs::write(at("empty.sqlite"), "").unwrap();
    assert_eq!(Study::begin(&at("empty.sqlite"), &same, &items(90)).unwrap().sample().len(), 10);
}

#[test]
fn what_is_asked_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.sqlite");
    let refused = |change: &dyn Fn(&mut retune_judge::StudySettings, &mut Vec<retune_judge::Item>)| {
        let (mut settings, mut items) = (settings(Mode::Label, Sampling::Chance, 10), items(90));
        change(&mut settings, &mut items);
        format!("{}\n", Study::begin(&path, &settings, &items).unwrap_err())
    };
    let messages = [
        refused(&|settings, _| settings.rows = 0),
        refused(&|settings, _| settings.rows = 91),
        refused(&|_, items| items.clear()),
        refused(&|settings, _| settings.classes.clear()),
        refused(&|settings, items| (settings.sampling, items[4].confidences) = (Sampling::Uncertainty, Vec::new())),
        refused(&|settings, items| (settings.sampling, items[4].label) = (Sampling::Label, None)),
        refused(&|settings, _| (settings.sampling, settings.rows) = (Sampling::Label, 5)),
        refused(&|settings, items| (settings.mode, items[4].against) = (Mode::Compare, None)),
        refused(&|settings, items| {
            settings.mode = Mode::Compare;
            items.iter_mut().for_each(|item| item.against = Some(item.prediction.clone()));
        }),
    ];
    expect![[r#"
        0 rows cannot be drawn of 90; ask for 1 to 90
        91 rows cannot be drawn of 90; ask for 1 to 90
        there is no row to judge; give a file with at least one
        this model has no classes to label with; let people agree or disagree with it, or compare two runs
        row 4: the model gives no confidence to draw by; draw by chance
        row 4 has no label to draw by; draw by predicted class, or by chance
        5 rows are too few for 3 classes; ask for 6 or more, or draw by chance
        row 4: there is no second run's prediction to compare with; name a second run
        both runs say the same of all 90 rows, so there is nothing to compare
    "#]]
    .assert_eq(&messages.concat());
    assert!(!path.exists());
}

#[test]
fn answers_are_checked_and_given_once() {
    let made = study(Mode::Label, Sampling::Chance, 10);
    let mut study = made.study;
    study.enter("Ada").unwrap();
    let label = |class| Answer::Label { class };
    let long = "x".repeat(61);
    study.answer("Ada", 2, label(1)).unwrap();
    assert_eq!(study.answer("Ada", 2, label(1)).unwrap().done, 1);
    let errors = [
        study.answer("Ada", 2, label(0)).unwrap_err(),
        study.answer("Ada", 10, label(0)).unwrap_err(),
        study.answer("Ada", 3, label(3)).unwrap_err(),
        study.answer("Ada", 3, Answer::Agree).unwrap_err(),
        study.answer("Ada", 3, Answer::Prefer { side: Side::Left }).unwrap_err(),
        study.answer("Eve", 3, label(0)).unwrap_err(),
        study.next("Eve").unwrap_err(),
        study.enter(" \n ").unwrap_err(),
        study.enter("a\u{7}b").unwrap_err(),
        study.enter(&long).unwrap_err(),
    ];
    expect![[r#"
        Ada has already answered at place 2; undo it first
        there is no row at place 10 of 10
        class 3 is not one of the 3 classes, counted from 0
        {"kind":"agree"} is no answer where the study asks to label
        {"kind":"prefer","side":"left"} is no answer where the study asks to label
        there is no judge "Eve"; enter the name first
        there is no judge "Eve"; enter the name first
        a name has 1 to 60 characters on one line; "" has not
        a name has 1 to 60 characters on one line; "a\u{7}b" has not
        a name has 1 to 60 characters on one line; "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" has not
    "#]]
    .assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
    assert_eq!(study.answers().unwrap().len(), 1);
}

#[test]
fn the_last_answer_is_taken_back_and_the_row_comes_again() {
    let mut study = study(Mode::Agree, Sampling::Predicted, 8).study;
    study.enter("Ada").unwrap();
    study.enter("Bob").unwrap();
    for position in 0..8 {
        assert_eq!(study.next("Ada").unwrap().unwrap().position, position);
        study.answer("Ada", position, Answer::Disagree { class: Some(0) }).unwrap();
    }
    assert_eq!(study.next("Ada").unwrap(), None);
    study.answer("Bob", 0, Answer::Agree).unwrap();
    assert_eq!(study.undo("Ada").unwrap().done, 7);
    assert_eq!(study.undo("Ada").unwrap().done, 6);
    assert_eq!(study.next("Ada").unwrap().unwrap().position, 6);
    study.answer("Ada", 6, Answer::Agree).unwrap();
    let last: Vec<_> = study.answers().unwrap().into_iter().filter(|answer| answer.position >= 5).collect();
    assert_eq!(
        last.iter().map(|answer| answer.judgement).collect::<Vec<_>>(),
        [Judgement::Disagree { class: Some(0) }, Judgement::Agree]
    );
    assert_eq!(study.undo("Bob").unwrap().done, 0);
    expect!["Bob has no answer to take back"].assert_eq(&study.undo("Bob").unwrap_err().to_string());
}

#[test]
fn sides_are_drawn_for_each_judge_and_kept() {
    let made = study(Mode::Compare, Sampling::Chance, 30);
    let (mut study, path) = (made.study, made.path);
    // The two runs say the same of two rows in three, and those are not asked about.
    assert_eq!(study.population().strata, [30]);
    let mut sides = Vec::new();
    for judge in ["Ada", "Bob"] {
        study.enter(judge).unwrap();
        for position in 0..30 {
            let turn = study.next(judge).unwrap().unwrap();
            assert_eq!((turn, study.next(judge).unwrap().unwrap()), (turn, turn));
            sides.push(turn.swapped);
            study.answer(judge, position, Answer::Prefer { side: Side::Left }).unwrap();
        }
    }
    let swapped = sides.iter().filter(|swapped| **swapped).count();
    assert!((15..=45).contains(&swapped) && sides[..30] != sides[30..], "{sides:?}");
    let judged = Study::open(&path).unwrap().answers().unwrap();
    for answer in judged {
        let expected = if sides[answer.judge * 30 + answer.position] { Judgement::Second } else { Judgement::First };
        assert_eq!(answer.judgement, expected);
    }
    assert_eq!(study.sides().unwrap(), (60, 60));
}

#[test]
fn a_file_is_written_through() {
    let made = study(Mode::Label, Sampling::Chance, 10);
    let other = rusqlite::Connection::open(&made.path).unwrap();
    let mode: String = other.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(made.study.synchronous().unwrap(), 2);
}
