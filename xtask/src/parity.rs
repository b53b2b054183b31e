//! The Python environment of the comparison with Hugging Face Transformers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use retune_pypi::{FolderLock, find_pip};

use crate::wheels::cache;
use crate::{Repository, run};

/// What is installed, relative to the repository.
const REQUIREMENTS: &str = "tests/parity/requirements.txt";
/// A copy of the requirements, written when all of them are installed.
const INSTALLED: &str = "installed-requirements.txt";

/// `cargo xtask parity`: finds or makes the environment, then builds and becomes the comparison.
pub fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    if needs_no_environment(arguments) {
        return run::parity(repository, arguments);
    }
    let python = environment(repository)?;
    let python = python.to_str().with_context(|| format!("{} is not UTF-8", python.display()))?;
    let mut all = vec!["--python".to_owned(), python.to_owned()];
    all.extend_from_slice(arguments);
    run::parity(repository, &all)
}

/// `cargo xtask bench peer` and `growth`: finds or makes the environment, builds `retune`, and becomes the script that
/// measures.
pub fn bench(repository: &Repository, script: &str, arguments: &[String]) -> Result<ExitCode> {
    if asks_for_help(arguments) {
        // Its words need neither packages nor a program.
        let python = find_pip().context("no Python that could say what the script takes")?.python;
        return run::help_of(&python, &repository.path(script));
    }
    let mut given = Vec::new();
    let mut python = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--python") {
            Some("") => python = Some(words.next().context("--python needs the path of a Python")?.into()),
            Some(named) if named.starts_with('=') => python = Some(named[1..].into()),
            _ => given.push(word.clone()),
        }
    }
    let python: PathBuf = match python {
        Some(python) => python,
        None => environment(repository)?,
    };
    run::beside(repository, &python, &repository.path(script), &given)
}

/// Whether the user named a Python, or only asks for help.
fn needs_no_environment(arguments: &[String]) -> bool {
    let names_python = |word: &String| word == "--python" || word.starts_with("--python=");
    asks_for_help(arguments) || arguments.iter().any(names_python)
}

fn asks_for_help(arguments: &[String]) -> bool {
    arguments.iter().any(|word| word == "--help" || word == "-h")
}

/// The Python of an environment in the user's cache with all that the requirements name. It is made where there is none,
/// and completed where the requirements have changed or an installation was cut short.
fn environment(repository: &Repository) -> Result<PathBuf> {
    let requirements = repository.path(REQUIREMENTS);
    let wanted =
        fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let folder = cache()?.join("parity-venv");
    if is_complete(&folder, &wanted) {
        return Ok(python_of(&folder));
    }
    let base = find_pip().context("no Python to make the reference environment from; or name one: --python PYTHON")?;
    let mut told = false;
    let _lock = FolderLock::acquire(&folder, &mut || {
        if !std::mem::replace(&mut told, true) {
            eprintln!("Another process makes {}; waiting …", folder.display());
        }
    })?;
    if is_complete(&folder, &wanted) {
        return Ok(python_of(&folder));
    }
    eprintln!("Making the reference environment in {}:", folder.display());
    eprintln!("pip downloads about 3 GB (torch, transformers). A Python that has them can be named: --python PYTHON");
    step(
        Command::new(&base.python).args(["-m", "venv"]).arg(&folder),
        "make the environment (Debian and Ubuntu have what it needs in python3-venv)",
    )?;
    let mut install = Command::new(python_of(&folder));
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--requirement"]);
    step(install.arg(&requirements), "install the reference's packages")?;
    let mark = folder.join(INSTALLED);
    fs::write(&mark, &wanted).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(python_of(&folder))
}

fn is_complete(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|installed| installed == wanted)
}

fn python_of(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// Runs a command whose words the user sees, on standard error: standard output is the comparison's.
fn step(command: &mut Command, what: &str) -> Result<()> {
    let program = command.get_program().to_owned();
    let started = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = started.with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("cannot {what}: {} ended with {status}; what it said stands above", program.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_made_unless_a_python_is_named() {
        let asks = |line: &str| !needs_no_environment(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in ["", "--model a/b", "--model=--python"] {
            assert!(asks(line), "{line}");
        }
        for line in ["--python python3", "--model a --python=x", "--help", "-h"] {
            assert!(!asks(line), "{line}");
        }
    }

    #[test]
    fn an_environment_is_complete_with_the_requirements_of_today() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_complete(folder.path(), "torch==1\n"), "never made, or cut short");
        fs::write(folder.path().join(INSTALLED), "torch==1\n").unwrap();
        assert!(is_complete(folder.path(), "torch==1\n"));
        assert!(!is_complete(folder.path(), "torch==2\n"));
    }
}
