//! `cargo xtask doctor`: what was found, what is wrong, how it is mended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::libtorch::{Device, Environment, VERSION};
use crate::progress::size;
use crate::{Repository, assemble, checks, libtorch, setup, wheels};

/// CUDA 13 needs a driver of this branch or a later one.
const OLDEST_DRIVER: &str = "580";
/// Below this a build and a run are likely to fill the disk.
const LITTLE_SPACE: u64 = 8_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Wrong,
    Note,
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    state: State,
    what: &'static str,
    found: String,
    mend: Option<String>,
}

impl Row {
    fn good(what: &'static str, found: impl Into<String>) -> Row {
        Row { state: State::Good, what, found: found.into(), mend: None }
    }

    fn note(what: &'static str, found: impl Into<String>) -> Row {
        Row { state: State::Note, what, found: found.into(), mend: None }
    }

    fn wrong(what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Row {
        Row { state: State::Wrong, what, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Prints the table; the exit status is 1 where something is wrong.
pub fn command(repository: &Repository) -> Result<ExitCode> {
    let mut rows = vec![rust(repository), compiler()];
    rows.extend(libtorch_rows(repository));
    rows.extend([gpu(repository), space(repository)]);
    rows.extend(caches(repository)?);
    print!("{}", table(&rows));
    let wrong = rows.iter().filter(|row| row.state == State::Wrong).count();
    match wrong {
        0 => println!("\nNothing is wrong."),
        1 => println!("\n1 thing is wrong."),
        more => println!("\n{more} things are wrong."),
    }
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { state, what, found, mend } in rows {
        let state = match state {
            State::Good => "ok   ",
            State::Wrong => "WRONG",
            State::Note => "     ",
        };
        let indent = format!("\n{:pad$}", "", pad = width + 9);
        text += &format!("{state}  {what:width$}  {}\n", found.replace('\n', &indent));
        if let Some(mend) = mend {
            text += &format!("{:pad$}mend: {}\n", "", mend.replace('\n', &indent), pad = width + 9);
        }
    }
    text
}

fn rust(repository: &Repository) -> Row {
    let (found, wanted) = match (checks::rustc_version(), checks::pinned_toolchain(repository)) {
        (Ok(found), Ok(wanted)) => (found, wanted),
        (Err(error), _) | (_, Err(error)) => {
            return Row::wrong("Rust", format!("{error:#}"), "install rustup, then `rustup toolchain install`");
        }
    };
    match checks::at_least(&found, &wanted) {
        true => Row::good("Rust", format!("{found} (rust-toolchain.toml asks for {wanted})")),
        false => {
            Row::wrong("Rust", format!("{found}, older than {wanted}"), format!("rustup toolchain install {wanted}"))
        }
    }
}

fn compiler() -> Row {
    match checks::compiler() {
        Ok(compiler) => Row::good("C++ compiler", format!("{} compiles C++17", compiler.path.display())),
        Err(error) => Row::wrong("C++ compiler", "none that compiles C++17", format!("{error:#}")),
    }
}

fn libtorch_rows(repository: &Repository) -> Vec<Row> {
    let environment = Environment::read(repository);
    let mut rows = Vec::new();
    if let Some(folder) = &environment.libtorch {
        let found = format!(
            "is set to {}. Plain cargo commands build against it directly, `cargo xtask` against .libtorch, which is made\n\
             of it: after `cargo xtask setup` it can be unset, and nothing is built twice",
            folder.display()
        );
        rows.push(Row::note("LIBTORCH", found));
    }
    if let Some(source) = assemble::current(repository) {
        rows.push(Row::good("libtorch", format!("{VERSION} from {}", setup::describe(&source))));
        rows.push(match assemble::unresolved(repository) {
            Ok(missing) if missing.is_empty() => Row::good("libraries", "all that libtorch needs are found"),
            Ok(missing) => Row::wrong("libraries", format!("missing: {}", missing.join(", ")), "cargo xtask setup"),
            Err(error) => Row::wrong("libraries", format!("{error:#}"), "cargo xtask setup"),
        });
        rows.push(pip(State::Note));
        return rows;
    }
    let mut trail = Vec::new();
    match libtorch::find(&environment, Device::Cpu, &mut trail) {
        Ok(Some(source)) => {
            let found = format!("not set up yet, but found: {}", setup::describe(&source));
            rows.push(Row::wrong("libtorch", found, "cargo xtask setup"));
            rows.push(pip(State::Note));
        }
        Ok(None) => {
            let found = format!("{VERSION} is not on this machine\n{}", trail.join("\n"));
            let cost = wheels::announcement(Device::Cpu).unwrap_or_default();
            rows.push(Row::wrong("libtorch", found, format!("cargo xtask setup, which {cost}")));
            rows.push(pip(State::Wrong));
        }
        Err(error) => rows.push(Row::wrong("libtorch", format!("{error:#}"), "unset or correct LIBTORCH")),
    }
    rows
}

/// pip, whose absence is only as bad as `absence`: it is needed where something must be fetched.
fn pip(absence: State) -> Row {
    match retune_pypi::find_pip() {
        Ok(pip) => Row::good("Python, pip", pip.version),
        Err(error) => Row { state: absence, what: "Python, pip", found: error.to_string(), mend: None },
    }
}

fn gpu(repository: &Repository) -> Row {
    let Some(gpu) = checks::gpu() else {
        return Row::note("GPU", "no NVIDIA driver; training runs on the processor");
    };
    if let Some(driver) = gpu.driver.as_ref().filter(|driver| !checks::at_least(driver, OLDEST_DRIVER)) {
        let found = format!("{}: too old for CUDA 13", gpu.description);
        return Row::wrong("GPU", found, format!("install driver {OLDEST_DRIVER} or later (this one is {driver})"));
    }
    match assemble::current(repository).is_some_and(|source| source.has_cuda()) {
        true => Row::good("GPU", format!("{}; CUDA libraries are there", gpu.description)),
        false => Row::note("GPU", format!("{}\nto use it: cargo xtask setup --device cuda", gpu.description)),
    }
}

fn space(repository: &Repository) -> Row {
    match retune_pypi::free_space(&repository.root) {
        Ok(free) if free < LITTLE_SPACE => {
            let mend =
                format!("free up to {}, or set CARGO_TARGET_DIR to a folder on another disk", size(LITTLE_SPACE));
            Row::wrong("disk", format!("{} free", size(free)), mend)
        }
        Ok(free) => Row::good("disk", format!("{} free", size(free))),
        Err(error) => Row::note("disk", format!("cannot tell the free space: {error}")),
    }
}

fn caches(repository: &Repository) -> Result<Vec<Row>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = wheels::cache()?;
    let target = set("CARGO_TARGET_DIR").unwrap_or_else(|| repository.path("target"));
    let mut folders = vec![("cache", cache), ("build", target)];
    let hugging_face = set("HF_HOME").or_else(|| Some(set("HOME")?.join(".cache/huggingface")));
    folders.extend(hugging_face.map(|home| ("models", home.join("hub"))));
    let row = |(what, folder): (&'static str, PathBuf)| {
        Row::note(what, format!("{} in {}", size(size_of(&folder)), folder.display()))
    };
    Ok(folders.into_iter().map(row).collect())
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_aligns_and_mends_follow_what_is_wrong() {
        let rows = [
            Row::good("Rust", "1.95.0"),
            Row::wrong("libtorch", "missing\nlooked in: a", "cargo xtask setup"),
            Row::note("GPU", "none"),
        ];
        let expected = "\
ok     Rust      1.95.0
WRONG  libtorch  missing
                 looked in: a
                 mend: cargo xtask setup
       GPU       none
";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn folders_are_measured_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::write(folder.path().join("inner/b"), [0; 5]).unwrap();
        assert_eq!(size_of(folder.path()), 15);
        assert_eq!(size_of(&folder.path().join("absent")), 0);
    }
}
