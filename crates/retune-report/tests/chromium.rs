//! The page in a real browser: data stay text, nothing is asked of a network, the console is silent.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{EVIL, classes, folder, named, run, sets, tags};
use retune_report::render;
use tempfile::tempdir;

/// The browser, if there is one.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.is_file())
}

fn dump(browser: &Path, profile: &Path, page: &Path) -> Output {
    let mut command = Command::new(browser);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]);
    command.args(["--virtual-time-budget=3000", "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND"]);
    command
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--log-net-log={}", profile.join("net.json").display()));
    command.arg(format!("file://{}", page.display())).output().expect("the browser starts")
}

/// Whether the browser's record of its requests holds the address that stands in the data. (It holds others: those of
/// the browser's own services.)
fn asks_of_the_data(profile: &Path) -> bool {
    fs::read_to_string(profile.join("net.json")).expect("the browser's record").contains("\"http://leak.invalid/")
}

#[test]
fn a_browser_shows_data_as_text_and_asks_nothing() {
    let Some(browser) = chromium() else {
        println!("skipped: no chromium");
        return;
    };
    let at = tempdir().expect("a folder");
    // As markup the data would ask: the record sees it, and so does this test.
    let (careless, profile) = (at.path().join("careless.html"), at.path().join("careless-profile"));
    fs::create_dir_all(&profile).expect("a folder");
    fs::write(&careless, format!("<!DOCTYPE html><title>one</title><p>{EVIL}</p>")).expect("a file");
    let output = dump(&browser, &profile, &careless);
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(dom.contains("<title>") && !dom.contains("<title>one</title>"), "a script that is not escaped runs");
    assert!(asks_of_the_data(&profile), "a picture that is not escaped is asked for");

    let of_classes = classes(40, 3);
    let tables =
        [("classification", named(&of_classes)), ("multi-label", sets(40)), ("token-classification", tags(12))];
    for (task, table) in tables {
        let (path, profile) = (at.path().join(task), at.path().join(format!("{task}-profile")));
        folder(&path, task, true);
        fs::create_dir_all(&profile).expect("a folder");
        let file = path.join("report.html");
        fs::write(&file, render(&[run(&path, table)]).expect("a page")).expect("a file");
        let output = dump(&browser, &profile, &file);
        let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && dom.contains("</html>"), "{task}: {log}");
        // What a script of the data would have done.
        assert!(dom.contains("<title>retune: ") && !dom.contains("<script") && !dom.contains("<img"), "{task}");
        assert!(
            dom.contains(&EVIL.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
            "{task}: shown as a text"
        );
        let console: Vec<&str> =
            log.lines().filter(|line| line.contains("CONSOLE") || line.contains("Refused to")).collect();
        assert!(console.is_empty(), "{task}: {console:?}");
        assert!(!asks_of_the_data(&profile), "{task}: an address in the data was asked for");
    }
}
