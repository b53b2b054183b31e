//! The runner: brings libtorch, builds the workspace, and hands on every command that is not its own to `retune`.
//!
//! It is built before libtorch is there, so it depends on next to nothing.

mod assemble;
mod checks;
mod doctor;
mod forward;
mod libtorch;
mod parity;
mod progress;
mod run;
mod setup;
mod wheels;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::libtorch::Device;

const HELP: &str = "\
cargo xtask COMMAND

  inspect, finetune, predict, report, judge, …   set up, build, and run this command of retune
  --help                                         the same, for the list of retune's commands

  setup [--device cpu|cuda]   find or fetch libtorch, and make plain cargo commands and editors work
  doctor                      what was found, what is wrong, how it is mended
  test [-- ARGUMENTS]         set up, then run all tests (ARGUMENTS go to the test runner)
  bench [-- ARGUMENTS]        set up, then run the benchmarks of single operations
  bench peer [ARGUMENTS]      set up, then measure training and prediction beside Hugging Face's (--help lists ARGUMENTS;
                              --python PYTHON as below)
  bench growth [ARGUMENTS]    likewise, what training costs while rows, length, batch or threads grow
  parity [--python PYTHON]    set up, then compare with Hugging Face's implementation, which runs in PYTHON
                              or in an environment of its own (about 3 GB, made in the user's cache)

Needs rustup, a C++17 compiler, and Python 3 with pip where libtorch is not already on this machine.
";

/// Exit status for a mistake of the user's, or of the machine's, that has a message.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = match std::env::args_os().skip(1).map(|word| word.into_string()).collect() {
        Ok(arguments) => arguments,
        Err(word) => return mistake(&anyhow::anyhow!("argument {word:?} is not UTF-8")),
    };
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => mistake(&error),
    }
}

fn mistake(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(MISTAKE)
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    let repository = Repository::find()?;
    match command.as_str() {
        "setup" => setup::command(&repository, setup_device(rest)?),
        "doctor" if rest.is_empty() => doctor::command(&repository),
        "doctor" => bail!("`doctor` takes no arguments, but was given {}", rest.join(" ")),
        "test" => run::test(&repository, after_dashes(rest)),
        "bench" if rest.first().is_some_and(|word| word == "peer") => {
            parity::bench(&repository, "tests/peer/bench.py", &rest[1..])
        }
        "bench" if rest.first().is_some_and(|word| word == "growth") => {
            parity::bench(&repository, "tests/measure/growth.py", &rest[1..])
        }
        "bench" => run::bench(&repository, after_dashes(rest)),
        "parity" => parity::command(&repository, after_dashes(rest)),
        _ => run::retune(&repository, arguments, wanted_device(arguments)),
    }
}

/// The device that `setup` is to prepare for.
fn setup_device(arguments: &[String]) -> Result<Device> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let device = match words.as_slice() {
        [] => return Ok(Device::Cpu),
        ["--device", device] => device,
        [word] if word.starts_with("--device=") => word.trim_start_matches("--device="),
        _ => bail!("`setup` takes --device cpu or --device cuda and nothing else, but was given {}", words.join(" ")),
    };
    match device {
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda),
        other => bail!("unknown device {other:?}: `setup` prepares for cpu or cuda"),
    }
}

/// The device whose libraries a command for `retune` needs: `--device cuda` and `--device cuda:1` need CUDA's.
fn wanted_device(arguments: &[String]) -> Device {
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--device") {
            Some("") => words.next().map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        if value.is_some_and(|value| value == "cuda" || value.starts_with("cuda:")) {
            return Device::Cuda;
        }
    }
    Device::Cpu
}

fn after_dashes(arguments: &[String]) -> &[String] {
    match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    }
}

/// Where the workspace lies.
#[derive(Debug, Clone)]
struct Repository {
    root: PathBuf,
}

impl Repository {
    fn find() -> Result<Repository> {
        // Cargo says where the package lies today; what was compiled in serves a binary that is started directly.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = package.parent().context("the runner's package lies in no workspace")?.to_owned();
        match root.join("xtask/Cargo.toml").is_file() {
            true => Ok(Repository { root }),
            false => bail!("{} is not the workspace; start the runner as `cargo xtask` inside it", root.display()),
        }
    }

    /// The folder that every build is given as `LIBTORCH`.
    fn libtorch(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn setup_prepares_for_a_device_that_exists() {
        assert_eq!(setup_device(&words("")).unwrap(), Device::Cpu);
        assert_eq!(setup_device(&words("--device cuda")).unwrap(), Device::Cuda);
        assert_eq!(setup_device(&words("--device=cuda")).unwrap(), Device::Cuda);
        assert_eq!(setup_device(&words("--device=cpu")).unwrap(), Device::Cpu);
        for wrong in ["--device", "--device tpu", "cuda", "--device cuda now"] {
            assert!(setup_device(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cuda_is_brought_where_a_command_asks_for_it() {
        for cuda in ["finetune --device cuda", "finetune --device=cuda:1 --quiet", "predict a --device cuda:0"] {
            assert_eq!(wanted_device(&words(cuda)), Device::Cuda, "{cuda}");
        }
        for cpu in ["finetune", "finetune --device cpu", "finetune --device auto", "predict -- --device cuda", "x cuda"]
        {
            assert_eq!(wanted_device(&words(cpu)), Device::Cpu, "{cpu}");
        }
    }

    #[test]
    fn one_pair_of_dashes_is_the_runners() {
        assert_eq!(after_dashes(&words("-- -p a")), words("-p a"));
        assert_eq!(after_dashes(&words("name -- --nocapture")), words("name -- --nocapture"));
        assert!(after_dashes(&[]).is_empty());
    }
}
