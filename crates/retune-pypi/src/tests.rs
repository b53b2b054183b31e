//! [`fetch_with`] against a script that stands in for Python, and against the ways it can be ended.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::{Progress, Step, Wheel, WheelError, fetch_with, free_space, pip};

/// An index of one package, a Python with pip, and an empty cache.
struct World {
    folder: TempDir,
    wheel: Wheel,
}

impl World {
    fn new(members: &[(&str, &str)]) -> World {
        let folder = TempDir::new().unwrap();
        let bytes = archive(members);
        fs::write(folder.path().join("package.whl"), &bytes).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fake-python3.sh");
        std::os::unix::fs::symlink(script, folder.path().join("python3")).unwrap();
        World { folder, wheel: Wheel { name: "package", version: "1.0", sha256: digest(&bytes) } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, mode: &str) -> &World {
        fs::write(self.path(mode), "").unwrap();
        self
    }

    fn destination(&self) -> PathBuf {
        self.path("cache/package-1.0")
    }

    fn fetch(&self) -> Result<(), WheelError> {
        self.fetch_placing(&strip_package)
    }

    fn fetch_placing(&self, place: &dyn Fn(&str) -> Option<PathBuf>) -> Result<(), WheelError> {
        fetch_with(&[self.path("python3")], &self.wheel, &self.destination(), place, &mut |_| ())
    }

    /// Names in the cache; the lock file is meant to stay.
    fn cached(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("cache")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".package-1.0.lock").collect()
    }

    fn times_asked(&self) -> usize {
        fs::read_to_string(self.path("asked")).map_or(0, |asked| asked.lines().count())
    }
}

const MEMBERS: &[(&str, &str)] = &[
    ("package/data/a.txt", "first"),
    ("package/b.txt", "second"),
    ("package-1.0.dist-info/METADATA", "Name: package"),
];

fn archive(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn digest(bytes: &[u8]) -> &'static str {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digest.leak()
}

fn strip_package(member: &str) -> Option<PathBuf> {
    member.strip_prefix("package/").map(PathBuf::from)
}

#[test]
fn wanted_members_are_unpacked_and_nothing_else_is_left() {
    let world = World::new(MEMBERS);
    world.fetch().unwrap();
    assert_eq!(fs::read_to_string(world.destination().join("data/a.txt")).unwrap(), "first");
    assert_eq!(fs::read_to_string(world.destination().join("b.txt")).unwrap(), "second");
    assert_eq!(fs::read_dir(world.destination()).unwrap().count(), 2);
    assert_eq!(world.cached(), ["package-1.0"]);
}

#[test]
fn pip_is_asked_once_for_the_exact_version_and_no_dependencies() {
    let world = World::new(MEMBERS);
    world.fetch().unwrap();
    world.fetch().unwrap();
    let asked = fs::read_to_string(world.path("asked")).unwrap();
    assert_eq!(asked.lines().count(), 1);
    assert!(asked.trim_end().ends_with(" package==1.0"), "{asked}");
    for option in ["--no-deps", "--only-binary=:all:", "--platform manylinux_2_28_x86_64", "--abi cp311"] {
        assert!(asked.contains(option), "{option} is not in {asked}");
    }
    assert!(!asked.contains("://"), "no host is named: {asked}");
}

#[test]
fn another_digest_is_refused_with_both_named() {
    let mut world = World::new(MEMBERS);
    let right = world.wheel.sha256;
    world.wheel.sha256 = digest(b"something else");
    let error = world.fetch().unwrap_err();
    let WheelError::Digest { file, expected, found } = &error else { panic!("{error:?}") };
    assert_eq!((file.as_str(), expected.as_str()), ("package-1.0-py3-none-any.whl", world.wheel.sha256));
    assert_eq!(found, right);
    assert!(world.cached().is_empty(), "{:?}", world.cached());
}

#[test]
fn a_cut_file_is_refused_then_the_whole_one_taken() {
    let world = World::new(MEMBERS);
    let whole = fs::read(world.path("package.whl")).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(world.path("package.whl"), &whole[..length]).unwrap();
        assert!(matches!(world.fetch(), Err(WheelError::Digest { .. })), "cut at {length}");
        assert!(world.cached().is_empty());
    }
    fs::write(world.path("package.whl"), &whole).unwrap();
    world.fetch().unwrap();
}

#[test]
fn damage_behind_a_right_digest_leaves_no_destination() {
    let mut world = World::new(MEMBERS);
    let mut bytes = fs::read(world.path("package.whl")).unwrap();
    // Inside the compressed data of the first member, whose header is 30 bytes and its name.
    bytes[30 + MEMBERS[0].0.len() + 1] ^= 0xff;
    fs::write(world.path("package.whl"), &bytes).unwrap();
    world.wheel.sha256 = digest(&bytes);
    let error = world.fetch().unwrap_err();
    assert!(matches!(error, WheelError::Zip { .. }), "{error:?}");
    assert!(world.cached().is_empty());
}

#[test]
fn a_killed_try_does_no_harm_to_the_next() {
    let world = World::new(MEMBERS);
    world.set("half");
    let error = world.fetch().unwrap_err();
    assert!(matches!(error, WheelError::PipFailed { .. }), "{error:?}");
    assert!(error.to_string().contains("signal: 9"), "{error}");
    assert!(!world.destination().exists());

    // What a process leaves that was itself killed while unpacking.
    let left = world.path("cache/.package-1.0.tmp-Xy12Zz/unpacked/data");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("a.txt"), "fir").unwrap();
    fs::remove_file(world.path("half")).unwrap();
    world.fetch().unwrap();
    assert_eq!(fs::read_to_string(world.destination().join("data/a.txt")).unwrap(), "first");
    assert_eq!(world.cached(), ["package-1.0"]);
}

#[test]
fn nothing_is_written_outside_the_destination() {
    for path in ["../outside", "/tmp/outside", "a/../../outside", "./", ""] {
        let world = World::new(MEMBERS);
        let error = world.fetch_placing(&|_| Some(PathBuf::from(path))).unwrap_err();
        assert!(matches!(&error, WheelError::Escape { path: told, .. } if told == Path::new(path)), "{error:?}");
        assert!(world.cached().is_empty());
    }
    let world = World::new(&[("package/../../outside", "x")]);
    assert!(matches!(world.fetch(), Err(WheelError::Escape { .. })));
}

#[test]
fn wanting_nothing_is_an_error() {
    let error = World::new(MEMBERS).fetch_placing(&|_| None).unwrap_err();
    assert!(matches!(error, WheelError::NothingPlaced { .. }), "{error:?}");
}

#[test]
fn pips_own_words_are_kept() {
    let error = World::new(MEMBERS).set("fail").fetch().unwrap_err();
    let WheelError::PipFailed { name, version, last_lines, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*name, *version), ("package", "1.0"));
    assert!(last_lines.iter().any(|line| line == "ERROR: No matching distribution found"));
    assert!(error.to_string().contains("    ERROR: No matching distribution found"), "{error}");
}

#[test]
fn a_full_disk_is_named_as_such() {
    let error = World::new(MEMBERS).set("full").fetch().unwrap_err();
    assert!(matches!(error, WheelError::NoSpace { free: Some(_), .. }), "{error:?}");
}

#[test]
fn success_without_a_file_is_an_error() {
    let error = World::new(MEMBERS).set("nothing").fetch().unwrap_err();
    assert!(matches!(error, WheelError::NoWheel { .. }), "{error:?}");
}

#[test]
fn missing_programs_are_told_apart() {
    let world = World::new(MEMBERS);
    let nowhere = world.path("nowhere");
    let missing = pip::find(&[&nowhere]).unwrap_err();
    assert!(matches!(missing, WheelError::PythonMissing), "{missing:?}");

    world.set("no-pip");
    let python = world.path("python3");
    let without = pip::find(&[&nowhere, &python]).unwrap_err();
    assert!(matches!(&without, WheelError::PipMissing { python: told } if *told == python), "{without:?}");
    assert!(without.to_string().contains("sudo apt install python3-pip"));

    // An environment without pip does not hide the system's.
    let second = World::new(MEMBERS);
    assert_eq!(pip::find(&[python, second.path("python3")]).unwrap().python, second.path("python3"));
}

#[test]
fn two_at_once_download_once() {
    let world = World::new(MEMBERS);
    world.set("slow");
    std::thread::scope(|scope| {
        let tries = [scope.spawn(|| world.fetch()), scope.spawn(|| world.fetch())];
        for one in tries {
            one.join().unwrap().unwrap();
        }
    });
    assert_eq!(world.times_asked(), 1);
    assert_eq!(fs::read_to_string(world.destination().join("b.txt")).unwrap(), "second");
}

#[test]
fn a_slow_download_is_seen_growing() {
    let world = World::new(MEMBERS);
    world.set("slow");
    let mut seen = Vec::new();
    let python = [world.path("python3")];
    fetch_with(&python, &world.wheel, &world.destination(), &strip_package, &mut |progress| seen.push(progress))
        .unwrap();
    let size = fs::metadata(world.path("package.whl")).unwrap().len();
    let expected = Progress { step: Step::Downloading, bytes: size, expected: Some(1500) };
    assert!(seen.iter().filter(|progress| **progress == expected).count() >= 2, "{seen:?}");
}

#[test]
fn sizes_in_pips_lines() {
    for (line, bytes) in [
        ("  Downloading torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl (530.6 MB)", Some(530_600_000)),
        ("Downloading a.whl (2 GB)", Some(2_000_000_000)),
        ("Downloading a.whl.metadata (23 kB)", Some(23_000)),
        ("Downloading a.whl (800 bytes)", Some(800)),
        ("Downloading a.whl", None),
        ("Downloading a.whl (many MB)", None),
        ("Downloading a.whl (-1 MB)", None),
        ("Looking in links: /wheels", None),
    ] {
        assert_eq!(pip::announced_size(line), bytes, "{line}");
    }
}

#[test]
fn free_space_is_told_for_folders_yet_to_be_made() {
    let folder = TempDir::new().unwrap();
    assert!(free_space(&folder.path().join("not/yet")).unwrap() > 0);
}
