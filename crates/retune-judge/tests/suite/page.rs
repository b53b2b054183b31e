//! The page in a headless Chromium, by the keyboard alone.
//!
//! `RETUNE_PICTURES=FOLDER` writes what the page looks like.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use retune_judge::{Item, Judgement, Mode, Sampling, Study, StudySettings};

use crate::browser::Browser;
use crate::made::{classes, settings};
use crate::requests::Running;

/// Rows as people write them, among them what a page must not run.
const TEXTS: [&str; 8] = [
    "I was charged twice for the same order last Tuesday, and nobody has answered my two letters. Could you please look into it?",
    "two boxes were ordered, one came, and it rattles",
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> & \"quotes\" <b>bold</b>",
    "متى يصل الطرد؟ لقد انتظرت أسبوعين",
    "Wo bleibt mein Geld?\n\nDie Rücksendung ist am 3. angekommen.\nSeitdem: nichts.",
    "averyveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryverylongwordwithoutanyspaceinit",
    "",
    "👍 thanks",
];

fn items(classes: &[String]) -> Vec<Item> {
    let row = |(row, text): (usize, &str)| Item {
        row: row as u64,
        texts: vec![text.to_owned()],
        label: Some(classes[row % classes.len()].clone()),
        prediction: classes[(row + row / 4) % classes.len()].clone(),
        confidences: vec![1.0 / classes.len() as f64; classes.len()],
        against: Some(format!("{} instead", classes[(row + 1) % classes.len()])),
    };
    TEXTS.into_iter().enumerate().map(row).collect()
}

/// A served study of all the rows, and the page of it.
struct Opened {
    browser: Browser,
    server: Running,
    _folder: tempfile::TempDir,
}

fn opened(change: impl FnOnce(&mut StudySettings)) -> Option<Opened> {
    let browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(Mode::Label, Sampling::Chance, TEXTS.len());
    change(&mut settings);
    let study = Study::begin(&folder.path().join("study.sqlite"), &settings, &items(&settings.classes)).unwrap();
    let server = Running::new(study, Ipv4Addr::LOCALHOST);
    let mut opened = Opened { browser, server, _folder: folder };
    opened.browser.look(1280, 800, false);
    opened.browser.open(&opened.server.url);
    opened.browser.wait("document.activeElement.id === 'name'");
    Some(opened)
}

impl Opened {
    fn enter(&mut self, name: &str) {
        self.browser.type_text(name);
        self.browser.press("Enter");
        self.browser.wait("!document.getElementById('row').hidden");
    }

    /// Waits until so many are answered, and nothing is under way.
    #[track_caller]
    fn answered(&mut self, done: usize) {
        let rows = TEXTS.len();
        self.browser
            .wait(&format!("document.getElementById('count').textContent === '{done} of {rows}' && !state.busy"));
    }

    fn pictures(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("RETUNE_PICTURES").map(PathBuf::from) else { return };
        for (look, width, height, dark) in [
            ("desktop-light", 1280, 800, false),
            ("desktop-dark", 1280, 800, true),
            ("phone-light", 390, 844, false),
            ("phone-dark", 390, 844, true),
        ] {
            self.browser.look(width, height, dark);
            self.browser.picture(&folder.join(format!("{name}-{look}.png")));
        }
        self.browser.look(1280, 800, false);
    }

    /// Stops; there was no error, no request to elsewhere, and nothing of a row was run.
    fn close(mut self) -> Study {
        assert_eq!(self.browser.errors(), Vec::<String>::new());
        let url = self.server.url.clone();
        let elsewhere =
            |asked: &String| !asked.starts_with(&url) && !asked.starts_with("data:") && asked != "about:blank";
        let asked = self.browser.requests();
        assert!(asked.len() > 3 && !asked.iter().any(elsewhere), "{asked:?}");
        assert_ne!(self.browser.evaluate("document.title"), "run");
        self.server.stop()
    }
}

#[test]
fn labels_are_given_by_digits_and_taken_back() {
    let Some(mut page) = opened(|_| {}) else { return };
    page.pictures("enter");
    page.enter("Ada");
    page.answered(0);
    page.pictures("label");
    for done in 1..=3 {
        page.browser.press("2");
        page.answered(done);
    }
    page.browser.press("u");
    page.answered(2);
    page.browser.press("s");
    page.answered(3);
    page.browser.press("?");
    page.browser.wait("document.getElementById('help').open");
    page.pictures("help");
    page.browser.press("Escape");
    page.browser.wait("!document.getElementById('help').open");
    for done in 4..=8 {
        page.browser.press("1");
        page.answered(done);
        if done < 8 {
            let shown =
                page.browser.evaluate("document.querySelector('.card p').textContent").as_str().unwrap().to_owned();
            assert!(TEXTS.contains(&shown.as_str()) || shown == "(empty)", "{shown}");
        }
    }
    page.browser.wait("!document.getElementById('done').hidden");
    page.pictures("done");
    // Only the texts of rows, and no elements made of them.
    assert_eq!(page.browser.evaluate("document.querySelectorAll('script, main img, main b').length"), 1);
    let study = page.close();
    let judged: Vec<Judgement> = study.answers().unwrap().into_iter().map(|answer| answer.judgement).collect();
    let label = |class| Judgement::Label { class };
    assert_eq!(judged[..4], [label(1), label(1), Judgement::Unsure, label(0)]);
    assert_eq!(judged.len(), 8);
}

#[test]
fn a_wrong_prediction_is_put_right() {
    let Some(mut page) = opened(|settings| settings.mode = Mode::Agree) else { return };
    page.enter("Ada");
    page.answered(0);
    page.pictures("agree");
    page.browser.press("y");
    page.answered(1);
    page.browser.press("n");
    page.browser.wait("document.getElementById('question').textContent === 'Which label is right?'");
    page.pictures("wrong");
    page.browser.press("Escape");
    page.browser.wait("document.getElementById('question').textContent.startsWith('The model says')");
    page.browser.press("n");
    page.browser.press("0");
    page.answered(2);
    page.browser.press("n");
    let says = page.browser.evaluate("state.card.says").as_str().unwrap().to_owned();
    let other = classes().iter().position(|class| *class != says).unwrap();
    page.browser.press(&(other + 1).to_string());
    page.answered(3);
    let judged: Vec<Judgement> = page.close().answers().unwrap().into_iter().map(|answer| answer.judgement).collect();
    assert_eq!(
        judged,
        [Judgement::Agree, Judgement::Disagree { class: None }, Judgement::Disagree { class: Some(other) }]
    );
}

#[test]
fn two_runs_are_compared_by_arrows() {
    let Some(mut page) = opened(|settings| settings.mode = Mode::Compare) else { return };
    page.enter("Ada");
    page.answered(0);
    page.pictures("compare");
    let mut expected = Vec::new();
    for (done, key) in
        ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowRight"].into_iter().enumerate()
    {
        let second_left = page.browser.evaluate("state.card.left.endsWith('instead')") == true;
        expected.push(match key {
            "ArrowDown" => Judgement::Tie,
            _ if (key == "ArrowLeft") == second_left => Judgement::Second,
            _ => Judgement::First,
        });
        page.browser.press(key);
        page.answered(done + 1);
    }
    let judged: Vec<Judgement> = page.close().answers().unwrap().into_iter().map(|answer| answer.judgement).collect();
    assert_eq!(judged, expected);
}

#[test]
fn many_labels_are_found_by_their_letters() {
    let names: Vec<String> =
        (0..60).map(|class| format!("intent_{class:02}_{}", ["card", "loan", "travel"][class % 3])).collect();
    let all = names.clone();
    let Some(mut page) = opened(|settings| settings.classes = names) else { return };
    page.enter("Ada");
    page.answered(0);
    page.browser.wait("document.activeElement.id === 'find'");
    page.pictures("many");
    page.browser.type_text("17 lo");
    assert_eq!(page.browser.evaluate("state.shown.length"), 0);
    page.browser.press("Escape");
    page.browser.type_text("loan");
    page.browser.wait("state.shown.length === 20");
    page.browser.press("ArrowDown");
    page.pictures("found");
    page.browser.press("Enter");
    page.answered(1);
    page.browser.type_text("intent_42");
    page.browser.press("Enter");
    page.answered(2);
    page.browser.press_with("s", 1);
    page.answered(3);
    page.browser.press_with("u", 1);
    page.answered(2);
    let judged: Vec<Judgement> = page.close().answers().unwrap().into_iter().map(|answer| answer.judgement).collect();
    assert_eq!(all[4], "intent_04_loan");
    assert_eq!(judged, [Judgement::Label { class: 4 }, Judgement::Label { class: 42 }]);
}
