//! Files of more rows than are held at a time: their rows are told what rows of a small file are, and nothing is left of what fails.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Result;
use tests::job::said;

use crate::lessons::{self, Lesson, multiple_choice};
use crate::{Work, assert_alike, objects};

/// More than are held at a time.
const MANY: usize = 8300;

/// The rows of a lesson's file again and again.
fn many(lesson: &Lesson, rows: usize) -> Vec<Value> {
    lesson.dev.iter().cycle().take(rows).cloned().collect()
}

#[test]
fn every_task_says_of_many_rows_what_it_says_of_few() -> Result<()> {
    for lesson in lessons::all() {
        let work = Work::new(lesson)?;
        work.trains("out", &[])?;
        work.write("many.jsonl", &many(&work.lesson, MANY))?;
        let says = |file: &str| objects(&work.predict(&["--json", "--file", file], "")?.stdout);
        are_alike(work.lesson.kind, &says("many.jsonl")?, &says("dev.jsonl")?);
    }
    Ok(())
}

/// What is said of a row does not depend on the rows that are computed beside it, to the last digit.
#[test]
fn a_row_is_told_the_same_in_any_batch() -> Result<()> {
    if !has_kernels() {
        eprintln!("skipped: a processor without AVX2, where libtorch computes linear layers");
        return Ok(());
    }
    for lesson in lessons::all() {
        let work = Work::new(lesson)?;
        work.trains("out", &[])?;
        let says = |size: &str| work.predict(&["--json", "--file", "dev.jsonl", "--batch-size", size], "");
        let alone = says("1")?.stdout;
        assert!(!alone.is_empty());
        for size in ["3", "64"] {
            let together = says(size)?.stdout;
            assert!(together == alone, "{}, {size} rows in a batch", work.lesson.kind);
        }
    }
    Ok(())
}

/// Whether linear layers and attention are computed by kernels of our own.
fn has_kernels() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[test]
fn tables_of_many_rows_are_whole() -> Result<()> {
    let work = Work::new(lessons::classification())?;
    work.trains("out", &[])?;
    work.write("many.jsonl", &many(&work.lesson, MANY))?;
    are_alike("table", &work.says_of_file("many.jsonl", &[])?.rows, &work.says_of_file("dev.jsonl", &[])?.rows);
    Ok(())
}

/// Fails where the many are not the few again and again.
#[track_caller]
fn are_alike(what: &str, many: &[Value], few: &[Value]) {
    assert_eq!(many.len(), MANY, "{what}");
    for (place, (row, expected)) in many.iter().zip(few.iter().cycle()).enumerate() {
        assert_alike(row, expected, &format!("{what}, row {place}"), 1e-5);
    }
}

#[test]
fn what_is_to_be_known_of_all_rows_is_said_once() -> Result<()> {
    let work = Work::new(lessons::classification())?;
    work.trains("out", &[])?;
    let mut rows = many(&work.lesson, MANY);
    for long in [5, MANY - 1] {
        rows[long]["text"] = json!("very ".repeat(100));
    }
    work.write("many.jsonl", &rows)?;
    let output = work.predict(&["--file", "many.jsonl"], "")?;
    let note = format!("2 of {MANY} texts are longer than data.max_length and are cut");
    assert_eq!(said(&output).matches(&note).count(), 1, "{}", said(&output));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), MANY);
    Ok(())
}

#[test]
fn a_fault_in_a_late_row_is_found_before_anything_is_said() -> Result<()> {
    type Spoilt = (Lesson, fn(&mut Value), &'static str);
    let lessons: [Spoilt; 2] = [
        (lessons::classification(), |row| row["text"] = json!(" "), "text"),
        (multiple_choice(), |row| row["endings"] = json!(["one", "two"]), "as many choices as in the first row"),
    ];
    for (lesson, spoil, expected) in lessons {
        let work = Work::new(lesson)?;
        work.trains("out", &[])?;
        let mut rows = many(&work.lesson, MANY);
        spoil(&mut rows[MANY - 1]);
        work.write("many.jsonl", &rows)?;
        for to in [&["--json"][..], &["--out", "p.parquet"]] {
            let output = work.using(&[&["predict", "--file", "many.jsonl"], to].concat()).output()?;
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(output.stdout.is_empty());
            let words = said(&output);
            assert!(words.contains(&format!("many.jsonl:{MANY}")) && words.contains(expected), "{words}");
        }
        assert_eq!(left(&work)?, [""; 0]);
    }
    Ok(())
}

#[test]
fn of_a_table_that_is_stopped_nothing_is_left() -> Result<()> {
    let work = Work::new(lessons::classification())?;
    work.trains("out", &[])?;
    work.write("many.jsonl", &many(&work.lesson, 40 * MANY))?;
    for signal in ["-INT", "-TERM"] {
        let mut command = work.using(&["predict", "--file", "many.jsonl", "--out", "p.csv"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let patience = Instant::now();
        let begun = || -> Result<bool> {
            let path = left(&work)?.first().map(|name| work.path(name));
            Ok(path.and_then(|path| fs::metadata(path).ok()).is_some_and(|file| file.len() > 0))
        };
        while !begun()? {
            assert!(patience.elapsed() < Duration::from_secs(60), "nothing is written");
            sleep(Duration::from_millis(2));
        }
        Command::new("kill").args([signal, &child.id().to_string()]).status()?;
        assert!(child.wait()?.signal().is_some());
        assert_eq!(left(&work)?, [""; 0]);
    }
    Ok(())
}

#[test]
fn whoever_reads_no_further_is_told_nothing() -> Result<()> {
    let work = Work::new(lessons::classification())?;
    work.trains("out", &[])?;
    work.write("many.jsonl", &many(&work.lesson, 2 * MANY))?;
    for form in [&[][..], &["--json"]] {
        let mut command = work.using(&[&["predict", "--quiet", "--file", "many.jsonl"], form].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        drop(child.stdout.take());
        let output = child.wait_with_output()?;
        assert_eq!(output.status.code(), Some(141), "{}", said(&output));
        assert_eq!(said(&output), "");
    }
    let mut command = work.using(&["predict", "--quiet", "--file", "dev.jsonl"]);
    let output = command.stdout(fs::File::options().write(true).open("/dev/full")?).stderr(Stdio::piped()).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).starts_with("error: cannot write to standard output: "), "{}", said(&output));
    Ok(())
}

/// Tables of predictions, whole or begun.
fn left(work: &Work) -> Result<Vec<String>> {
    let entries = fs::read_dir(work.path("."))?.collect::<std::io::Result<Vec<_>>>()?;
    let names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.trim_start_matches('.').starts_with("p.")).collect())
}
