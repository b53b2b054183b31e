use std::fs::FileTimes;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file");
        path
    }

    /// Of the whole folder, in words without its path.
    fn changes(&self, before: &Contents) -> Vec<String> {
        let changes = before.changes(self.0.path(), DataFormat::Csv).expect("files to compare");
        let folder = format!("{}/", self.0.path().display());
        changes.iter().map(|change| change.to_string().replace(&folder, "")).collect()
    }
}

fn of(folder: &Folder) -> Contents {
    Contents::of(folder.0.path(), DataFormat::Csv).expect("contents")
}

#[test]
fn every_kind_of_change_is_named() {
    let folder = Folder::new();
    folder.write("a.csv", "one");
    folder.write("b.csv", "two");
    let before = of(&folder);
    assert_eq!(folder.changes(&before), [""; 0]);
    folder.write("b.csv", "TWO");
    // The digests are those of sha256sum.
    assert_eq!(
        folder.changes(&before),
        ["b.csv holds 3 bytes with the SHA-256 a1a8a8cbbed4…, where it held 3 bytes with the SHA-256 3fc4ccfe7458…"]
    );
    folder.write("b.csv", "two");
    assert_eq!(folder.changes(&before), [""; 0], "the same bytes again are no change");
    folder.write("c.csv", "three");
    assert_eq!(folder.changes(&before), ["c.csv is new"]);
    fs::remove_file(folder.path("a.csv")).expect("removed");
    assert_eq!(folder.changes(&before), ["a.csv is not there any more", "c.csv is new"]);
    for name in ["b.csv", "c.csv"] {
        fs::remove_file(folder.path(name)).expect("removed");
    }
    assert_eq!(folder.changes(&before), ["a.csv is not there any more", "b.csv is not there any more"]);
}

#[test]
fn a_file_may_have_another_name_but_not_another_place() {
    let folder = Folder::new();
    folder.write("a.csv", "one");
    folder.write("b.csv", "two");
    let before = of(&folder);
    fs::rename(folder.path("b.csv"), folder.path("c.csv")).expect("renamed");
    assert_eq!(folder.changes(&before), [""; 0]);
    // Rows come in the order of the files' names.
    fs::rename(folder.path("c.csv"), folder.path("0.csv")).expect("renamed");
    assert_eq!(folder.changes(&before), ["b.csv is not there any more", "0.csv is new"]);
}

/// A stamp that says that nothing was written is believed, which is how it shows that the file was not read.
#[test]
fn what_nobody_can_have_written_to_is_not_read_again() {
    let folder = Folder::new();
    let path = folder.write("a.csv", "one");
    let fresh = of(&folder);
    assert_eq!(
        fresh.files[0].stamp, None,
        "a file that was written to just now may be written to again within its time"
    );
    let mut before = fresh.clone();
    before.files[0].stamp = Some(Stamp::of(&fs::metadata(&path).expect("metadata")));
    before.files[0].sha256 = Some("of what was never there".to_owned());
    assert_eq!(folder.changes(&before), [""; 0]);
    // A write shows in the times even where the one that can be set is set back.
    let times = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    std::thread::sleep(Duration::from_millis(20));
    folder.write("a.csv", "ONE");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_times(FileTimes::new().set_modified(times)))
        .expect("set");
    assert_eq!(folder.changes(&before).len(), 1);
    assert_eq!(folder.changes(&fresh).len(), 1);
}

#[test]
fn a_pipe_is_not_read() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let before = Contents::of(&pipe, DataFormat::Csv).expect("contents");
    assert_eq!((before.files.len(), before.files[0].sha256.as_deref()), (1, None));
    assert_eq!(before.changes(&pipe, DataFormat::Csv).expect("changes"), []);
}

#[test]
fn what_was_written_reads_back() {
    let folder = Folder::new();
    folder.write("a.csv", "one");
    let contents = of(&folder);
    let text = serde_json::to_string(&contents).expect("JSON");
    assert_eq!(serde_json::from_str::<Contents>(&text).expect("contents"), contents);
}
