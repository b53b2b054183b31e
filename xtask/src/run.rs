//! Calls of cargo, and of what it built.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::forward::{Stderr, forward};
use crate::libtorch::Device;
use crate::setup::provision;
use crate::{Repository, checks};

/// The result of a build.
enum Built {
    Program(PathBuf),
    Failed(ExitCode),
}

/// Builds `retune` and becomes it, so that signals and the exit status are its own.
pub fn retune(repository: &Repository, arguments: &[String], device: Device) -> Result<ExitCode> {
    provision(repository, device)?;
    build_and_become(repository, "retune", arguments)
}

/// Builds the comparison with Hugging Face's implementation and becomes it.
pub fn parity(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    provision(repository, Device::Cpu)?;
    build_and_become(repository, "parity", arguments)
}

/// Runs the tests: all of them, or as `arguments` tell the test runner.
pub fn test(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    provision(repository, Device::Cpu)?;
    // End-to-end tests start the built program, which no test target brings with it.
    if let Built::Failed(code) = build(repository, "retune")? {
        return Ok(code);
    }
    let everything = selects_packages(arguments).is_none().then_some("--workspace");
    let nextest = checks::on_path("cargo-nextest").is_some();
    let mut tests = cargo(repository);
    match nextest {
        true => tests.args(["nextest", "run"]),
        // This runs the documentation's tests too.
        false => tests.arg("test"),
    };
    let status = wait(tests.args(everything).args(arguments))?;
    if !status.success() || !nextest || !arguments.is_empty() {
        return Ok(exit_code(status));
    }
    Ok(exit_code(wait(cargo(repository).args(["test", "--workspace", "--doc"]))?))
}

/// Runs the benchmarks: all of them, or as `arguments` tell cargo.
pub fn bench(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    provision(repository, Device::Cpu)?;
    let everything: &[&str] = match selects_packages(arguments) {
        Some(_) => &[],
        // Unit tests are benchmarks too to cargo, unless benchmarks are asked for by name.
        None => &["--workspace", "--bench", "*"],
    };
    Ok(exit_code(wait(cargo(repository).arg("bench").args(everything).args(arguments))?))
}

/// Builds `retune` and becomes a script of Python's that is told where it is.
pub fn beside(repository: &Repository, python: &Path, script: &Path, arguments: &[String]) -> Result<ExitCode> {
    provision(repository, Device::Cpu)?;
    let program = match build(repository, "retune")? {
        Built::Program(program) => program,
        Built::Failed(code) => return Ok(code),
    };
    let mut command = Command::new(python);
    clean(&mut command);
    let error = command.arg(script).arg("--retune").arg(&program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", python.display()))
}

/// Becomes a script of Python's that says what it takes.
pub fn help_of(python: &Path, script: &Path) -> Result<ExitCode> {
    let error = Command::new(python).arg(script).arg("--help").exec();
    Err(error).with_context(|| format!("cannot start {}", python.display()))
}

fn selects_packages(arguments: &[String]) -> Option<&String> {
    let before_dashes = arguments.iter().take_while(|word| *word != "--");
    before_dashes.into_iter().find(|word| {
        let (name, _) = word.split_once('=').unwrap_or((word, ""));
        ["-p", "--package", "--workspace"].contains(&name)
    })
}

fn build_and_become(repository: &Repository, program: &str, arguments: &[String]) -> Result<ExitCode> {
    let path = match build(repository, program)? {
        Built::Program(path) => path,
        Built::Failed(code) => return Ok(code),
    };
    let mut command = Command::new(&path);
    clean(&mut command);
    let error = command.args(arguments).env("LIBTORCH", repository.libtorch()).exec();
    Err(error).with_context(|| format!("cannot start {}", path.display()))
}

/// Builds one program of the workspace; silent where there is nothing to do.
///
/// The whole workspace is selected, so that dependencies get the features that a plain `cargo build` gives them, and are
/// not built a second time.
fn build(repository: &Repository, program: &str) -> Result<Built> {
    let terminal = std::io::stderr().is_terminal();
    let mut command = cargo(repository);
    command.args(["build", "--workspace", "--bin", program, "--message-format=json-render-diagnostics"]);
    if terminal {
        // Cargo writes to us, not to the terminal, and must be told of it.
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let (Some(messages), Some(output)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("cargo's output is not connected");
    };
    let name = program.to_owned();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(messages).lines().map_while(Result::ok);
        lines.filter_map(|line| executable(&line, &name)).last()
    });
    let stderr = if terminal { Stderr::Terminal } else { Stderr::Log };
    forward(output, stderr);
    let path = reader.join().ok().flatten();
    let status = child.wait().context("cannot wait for cargo")?;
    match path {
        _ if !status.success() => Ok(Built::Failed(exit_code(status))),
        Some(path) => Ok(Built::Program(path)),
        None => bail!("cargo built {program}, but did not say where"),
    }
}

/// The path in a message of cargo's about a finished program of this name.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    if !message.contains("\"reason\":\"compiler-artifact\"") {
        return None;
    }
    let (_, value) = message.split_once("\"executable\":\"")?;
    let mut path = String::new();
    let mut characters = value.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => path.push(characters.next()?),
            other => path.push(other),
        }
    }
    let path = PathBuf::from(path);
    (path.file_stem() == Some(OsStr::new(name))).then_some(path)
}

/// Cargo in the workspace, told where libtorch is.
fn cargo(repository: &Repository) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clean(&mut command);
    command.current_dir(&repository.root).env("LIBTORCH", repository.libtorch());
    command
}

/// Takes away what `cargo run` set for the runner: some build scripts run again when these variables change, and the
/// libraries of the Rust compiler are not to be found by other programs.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_cargos) {
            command.env_remove(name);
        }
    }
    let folders = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    match without_cargos(&folders, program.parent().unwrap_or(Path::new(""))) {
        Some(folders) => command.env("LD_LIBRARY_PATH", folders),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
}

fn is_cargos(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || [
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "CARGO_CRATE_NAME",
            "CARGO_BIN_NAME",
            "CARGO_PRIMARY_PACKAGE",
            "OUT_DIR",
        ]
        .contains(&name)
}

/// The folders that the user put there; `target` is where the runner itself lies.
fn without_cargos(folders: &OsStr, target: &Path) -> Option<OsString> {
    let cargos = |folder: &PathBuf| {
        folder.as_os_str().is_empty()
            || folder.starts_with(target)
            || folder.components().any(|part| part.as_os_str() == "rustlib")
            || folder.components().any(|part| part.as_os_str() == "toolchains")
    };
    let kept: Vec<PathBuf> = std::env::split_paths(folders).filter(|folder| !cargos(folder)).collect();
    std::env::join_paths(kept).ok().filter(|kept| !kept.is_empty())
}

fn wait(command: &mut Command) -> Result<ExitStatus> {
    let program = command.get_program().to_owned();
    command.status().with_context(|| format!("cannot start {}", program.display()))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    // Ended by a signal: cargo's own status for a failure.
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(101), ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let artifact = |executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"retune"}},"executable":{executable},"fresh":true}}"#
            )
        };
        let path = |text: &str| executable(text, "retune");
        assert_eq!(path(&artifact("\"/a/target/debug/retune\"")), Some(PathBuf::from("/a/target/debug/retune")));
        assert_eq!(path(&artifact(r#""/a \"b\"\\c/retune""#)), Some(PathBuf::from(r#"/a "b"\c/retune"#)));
        assert_eq!(path(&artifact("\"/a/target/debug/xtask\"")), None);
        assert_eq!(path(&artifact("null")), None);
        assert_eq!(path(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(path(r#"{"reason":"compiler-artifact","executable":"/cut"#), None);
    }

    #[test]
    fn the_users_library_folders_stay() {
        let target = Path::new("/r/target/debug");
        let kept = |folders: &str| without_cargos(OsStr::new(folders), target);
        let cargos = "/r/target/debug/deps:/r/target/debug:/h/.rustup/toolchains/1.95/lib/rustlib/x86_64/lib";
        assert_eq!(kept(cargos), None);
        assert_eq!(kept(&format!("{cargos}:/opt/mine:/opt/other")), Some("/opt/mine:/opt/other".into()));
        assert_eq!(kept(""), None);
    }

    #[test]
    fn packages_are_selected_before_the_dashes_only() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for line in ["-p retune-data", "name --package=a", "--workspace"] {
            assert!(selects_packages(&words(line)).is_some(), "{line}");
        }
        for line in ["name", "name -- -p", "--profile x"] {
            assert!(selects_packages(&words(line)).is_none(), "{line}");
        }
    }
}
