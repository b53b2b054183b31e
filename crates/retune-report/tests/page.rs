//! The page: what it shows for each task, that data stay text, and that it needs nothing else.

mod common;

use std::fs;

use common::{EVIL, classes, folder, named, noise, numbers, run, sets, tags, texts};
use retune_report::{Baseline, BaselineAnswers, Column, Grouping, GroupingValues, Run, Table, render};
use serde_json::json;
use tempfile::tempdir;

/// What every page must be: nothing of it is loaded, nothing runs, no text of the data is markup.
#[track_caller]
fn is_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"), "a strict policy");
    let lower = page.to_lowercase();
    for tag in [
        "<script", "<img", "<link", "<iframe", "<object", "<embed", "<base", "<form", "<video", "<audio", "<use",
        "<image",
    ] {
        assert!(!lower.contains(tag), "{tag}");
    }
    for attribute in
        [" src=", " srcset=", " onerror=\"", " onload=", " style=", " xlink:href=", "url(", "@import", "javascript:"]
    {
        // In texts of the data a quotation mark is `&quot;`; an attribute of ours has a bare one.
        let ours = format!("{attribute}\"");
        assert!(!lower.contains(&ours) && !lower.contains("url("), "{attribute}");
    }
    for (place, _) in lower.match_indices(" href=\"") {
        assert!(lower[place + 7..].starts_with('#'), "a link leads out of the page: {}", &lower[place..place + 60]);
    }
    assert!(!page.contains("NaN") && !page.contains(">inf<"), "a number that is none");
    assert_eq!(lower.matches("<section").count(), lower.matches("</section>").count());
}

#[test]
fn a_finished_classification() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let mut run = run(at.path(), named(&classes(40, 4)));
    run.watts = Some(100.0);
    run.groupings.push(Grouping {
        name: "source".to_owned(),
        values: GroupingValues::Names((0..40).map(|row| if row < 9 { "mail" } else { "phone" }.to_owned()).collect()),
    });
    let page = render(&[run]).expect("a page");
    is_self_contained(&page);
    for shown in [
        "the model puts",
        "right one of 4 classes",
        "Always",
        "What is taken for what",
        "Class by class",
        "Reliability",
        "Precision over recall",
        "ROC",
        "By length in words",
        "By source",
        "The mistakes that it was surest of",
        "least sure of",
        "cargo xtask finetune --set 'run.seed=1 2'",
        "3.47 Wh",
        "160 training, 40 validation, 40 test",
        "0.8000 to 0.9750",
        "A &lt;b&gt;chip&lt;/b&gt;",
    ] {
        assert!(page.to_lowercase().contains(&shown.to_lowercase()), "no “{shown}”");
    }
    let escaped = "&lt;script&gt;document.title='taken'&lt;/script&gt;&lt;img src=http://leak.invalid/a.png onerror=document.title=1&gt; &amp; &quot;quoted&quot; 'text'";
    assert!(page.contains(escaped), "the evil text is shown as a text");
}

#[test]
fn every_task_has_its_own() {
    let at = tempdir().expect("a folder");
    /// A task, its predictions, and what its report says.
    type Shown<'a> = (&'a str, Vec<(&'a str, Column)>, &'a [&'a str]);
    let shown: [Shown<'_>; 3] = [
        (
            "multi-label",
            sets(64),
            &[
                "Label by label",
                "micro F1",
                "the best fixed set",
                "By right labels of a row",
                "wrongly given",
                "50.0 %",
            ],
        ),
        (
            "regression",
            numbers(60),
            &["Predicted over right", "Errors", "the mean", "off by", "second 2", "By right number"],
        ),
        (
            "token-classification",
            tags(24),
            &["Kind by kind", "PER", "With most wrong words", "class=\"e1\"", "All right", "Zoë Smith"],
        ),
    ];
    for (task, table, words) in shown {
        let path = at.path().join(task);
        folder(&path, task, true);
        let page = render(&[run(&path, table)]).expect("a page");
        is_self_contained(&page);
        for word in words {
            assert!(page.contains(word), "{task}: no “{word}”");
        }
        assert!(page.contains("&lt;script&gt;") && !page.contains(EVIL), "{task}");
    }
}

#[test]
fn labels_that_are_never_given_are_spoken_of() {
    let at = tempdir().expect("a folder");
    let says = |name: &str, table| {
        let path = at.path().join(name);
        folder(&path, "multi-label", true);
        render(&[run(&path, table)])
            .expect("a page")
            .contains("of the rows are given no label, since none reaches its threshold")
    };
    assert!(!says("some", sets(64)));
    let mut none = sets(64);
    none[2].1 = texts((0..64).map(|_| "[]".to_owned()));
    assert!(says("none", none));
}

#[test]
fn a_run_that_goes_on_has_its_curves() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", false);
    let page = render(&[Run::read(at.path()).expect("a run")]).expect("a page");
    is_self_contained(&page);
    assert!(
        page.contains("step 200")
            && page.contains("Learning rate")
            && page.contains("<path") | page.contains("<polyline")
    );
    assert!(!page.contains("Scores</h2>"), "there are none yet");
    // Begun just now: not a line yet.
    fs::write(at.path().join("metrics.jsonl"), "").expect("a file");
    is_self_contained(&render(&[Run::read(at.path()).expect("a run")]).expect("a page"));
}

#[test]
fn tasks_without_rows_have_their_scores() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "masked-lm", true);
    let page = render(&[Run::read(at.path()).expect("a run")]).expect("a page");
    is_self_contained(&page);
    assert!(page.contains("Of 40 test rows, the model has accuracy 0.9000"), "{page}");
}

#[test]
fn many_classes_stay_readable_and_small() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let page = render(&[run(at.path(), named(&classes(4500, 150)))]).expect("a page");
    is_self_contained(&page);
    assert!(
        page.contains("All 150 classes")
            && page.contains("Most often confused")
            && page.contains("with the smallest F1")
    );
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn long_and_many_texts_stay_small() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let mut columns = classes(2000, 2);
    columns[0].1 = Column::Texts(vec!["<b>long</b> ".repeat(20_000); 2000]);
    let page = render(&[run(at.path(), named(&columns))]).expect("a page");
    is_self_contained(&page);
}

#[test]
fn runs_beside_each_other() {
    let at = tempdir().expect("a folder");
    let (first, second) = (at.path().join("first"), at.path().join("second"));
    folder(&first, "classification", true);
    folder(&second, "classification", true);
    let plan = fs::read_to_string(second.join("plan.toml")).expect("a plan") + "seed = 7\n";
    fs::write(second.join("plan.toml"), plan).expect("a file");
    let table = classes(60, 3);
    let mut worse = table.clone();
    if let (Column::Texts(said), Column::Texts(label)) = (&mut worse[2].1, &table[1].1) {
        (0..30).for_each(|row| said[row].clone_from(&label[(row + 1) % 60]));
    }
    let runs = [run(&first, named(&table)), run(&second, named(&worse))];
    let page = render(&runs).expect("a page");
    is_self_contained(&page);
    for shown in ["Against each other", "it less first", "McNemar", "p &lt; 0.001", "run.seed", "Run 2: second"] {
        assert!(page.contains(shown), "no “{shown}”");
    }
    // Other rows are not compared row by row.
    let mut other = worse.clone();
    other[0].1 = texts((0..60).map(|row| format!("another {row}")));
    let page = render(&[run(&first, named(&table)), run(&second, named(&other))]).expect("a page");
    assert!(page.contains("were not measured on the same rows"));
}

#[test]
fn a_baseline_stands_beside_the_run() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let table = classes(200, 3);
    let Column::Texts(labels) = &table[1].1 else { panic!("texts") };
    let mut run = run(at.path(), named(&table));
    let linear = |answers| Baseline { name: "TF-IDF & <linear>".into(), description: "words alone".into(), answers };
    run.baselines = vec![linear(BaselineAnswers::Classes(labels.clone()))];
    let page = render(&[run.clone()]).expect("a page");
    is_self_contained(&page);
    assert!(
        page.contains("TF-IDF &amp; &lt;linear&gt;") && page.contains(": worse, by more than chance"),
        "all right beats nine of ten"
    );
    run.baselines = vec![linear(BaselineAnswers::Scores(vec![("accuracy".into(), 0.8125)]))];
    assert!(render(&[run.clone()]).expect("a page").contains("0.8125"));
    run.baselines = vec![linear(BaselineAnswers::Classes(labels[1..].to_vec()))];
    let error = render(&[run.clone()]).expect_err("another number of rows").to_string();
    assert!(error.contains("answers 199 rows, and the run 200"), "{error}");
    run.baselines = vec![linear(BaselineAnswers::Classes(vec!["nothing".into(); 200]))];
    let error = render(&[run]).expect_err("no class").to_string();
    assert!(error.contains("'nothing', which is no class"), "{error}");
}

#[test]
fn explanations_and_an_audit_are_shown_where_they_are() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let tokens = json!([
        {"text": "[CLS]", "start": 0, "end": 0, "attribution": 0.01},
        {"text": "a", "start": 0, "end": 1, "attribution": -0.2},
        {"text": "<i>", "start": 2, "end": 5, "attribution": 0.9},
    ]);
    let attention = json!({"layer": 5, "head_mean": [[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]});
    let explanations = json!({"method": "integrated gradients", "baseline": "nothing <at all>", "examples": [
        {"row": 3, "text": "a <i> z", "label": "[\"no\"]", "predicted": ["yes"], "text_pair": null, "output": "yes", "probability": 0.75, "tokens": tokens,
            "completeness_error": 0.004, "attention": attention},
    ]});
    fs::write(at.path().join("explanations.json"), explanations.to_string()).expect("a file");
    let audit = json!({"findings": [{"kind": "leakage", "severity": "error", "message": "2 rows <b>leak</b>", "rows": [{"line": 4}]}]});
    fs::write(at.path().join("inspect.json"), audit.to_string()).expect("a file");
    let page = render(&[run(at.path(), named(&classes(40, 2)))]).expect("a page");
    is_self_contained(&page);
    for shown in [
        "By integrated gradients: how much",
        "against nothing &lt;at all&gt;",
        "<mark class=\"p5\" title=\"+0.9000\">&lt;i&gt;</mark>",
        "<mark class=\"n1\"",
        "+0.90000",
        "miss the whole change by 0.4 %",
        "layer 5",
        "right: no",
        "said: yes",
        "2 rows &lt;b&gt;leak&lt;/b&gt;",
        "line 4",
    ] {
        assert!(page.contains(shown), "no “{shown}”");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let at = tempdir().expect("a folder");
    let error = Run::read(at.path()).expect_err("no run").to_string();
    assert!(error.contains("is not a run: it holds no plan.toml"), "{error}");
    folder(at.path(), "classification", true);
    fs::write(at.path().join("explanations.json"), "{\"method\": 1}").expect("a file");
    let error = Run::read(at.path()).expect_err("not explanations").to_string();
    assert!(error.contains("explanations.json is not as `explain` writes it"), "{error}");
    fs::remove_file(at.path().join("explanations.json")).expect("a file");
    let error = render(&[run(at.path(), vec![("text", texts(["a"]))])]).expect_err("no labels").to_string();
    assert!(error.contains("have no column 'label' of texts"), "{error}");
    assert!(Table::new(vec![("a".into(), texts(["x"])), ("b".into(), Column::Numbers(vec![]))]).is_err());
    assert!(render(&[]).is_err());
}

#[test]
fn the_same_run_gives_the_same_page() {
    let at = tempdir().expect("a folder");
    folder(at.path(), "classification", true);
    let of = || render(&[run(at.path(), named(&classes(40, 3)))]).expect("a page");
    assert_eq!(of(), of());
    assert!((0.0..1.0).contains(&noise(0)));
}
