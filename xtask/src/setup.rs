//! Bringing a machine to where cargo can build the workspace.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::libtorch::{Device, Environment, Kind, Source, VERSION};
use crate::{Repository, assemble, checks, libtorch, wheels};

/// How much there was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing.
    None,
    /// The folder was assembled anew.
    Assembled,
}

/// `cargo xtask setup`.
pub fn command(repository: &Repository, device: Device) -> Result<ExitCode> {
    let (source, work) = provision(repository, device)?;
    if work == Work::None {
        println!("Set up already, with libtorch {VERSION} from {}.", describe(&source));
    } else {
        println!(
            "Set up. `cargo build`, `cargo test` and editors work now; `cargo xtask finetune` runs the default job."
        );
    }
    if device == Device::Cpu && !source.has_cuda() && checks::gpu().is_some() {
        println!("This machine has a GPU: `cargo xtask setup --device cuda` brings the libraries to use it.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that libtorch for `device` is assembled and that a C++ compiler is there. Takes milliseconds where both
/// are.
pub fn provision(repository: &Repository, device: Device) -> Result<(Source, Work)> {
    let environment = Environment::read(repository);
    if let Some(source) = assemble::current(repository)
        && source.serves(device)
        && environment.libtorch.as_ref().is_none_or(|folder| *folder == source.folder)
        && checks::compiler_is_known(repository)
    {
        return Ok((source, Work::None));
    }
    // First what fails in a second, then what takes minutes.
    let compiler = checks::compiler()?;
    let source = match libtorch::find(&environment, device, &mut Vec::new())? {
        Some(source) => source,
        None => {
            eprintln!("libtorch {VERSION} is not on this machine: {}.", wheels::announcement(device)?);
            let started = Instant::now();
            let source = wheels::fetch(device).context("cannot fetch libtorch")?;
            eprintln!("libtorch {VERSION} is there ({} s).", started.elapsed().as_secs());
            source
        }
    };
    assemble::assemble(repository, &source)?;
    checks::remember_compiler(repository, &compiler)?;
    eprintln!("libtorch {VERSION} from {} is linked in {}.", describe(&source), repository.libtorch().display());
    Ok((source, Work::Assembled))
}

/// A source in words.
pub fn describe(source: &Source) -> String {
    let kind = match source.kind {
        Kind::Variable => "the environment variable LIBTORCH",
        Kind::Python => "Python's torch",
        Kind::Cache => "the cache",
    };
    format!("{kind} ({})", source.folder.display())
}
