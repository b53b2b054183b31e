//! The `retune` binary: arguments → plan → work.
//!
//! Exit codes: 0 done, 1 a serious finding under `inspect --strict`, 2 a mistake in what was given (one message on
//! standard error), 101 a bug of ours, 130 stopped by Ctrl-C with everything saved, 141 nobody reads standard output any
//! more.

mod cli;
mod commands;
mod datasets;
mod environment;
mod interrupt;
mod sparkline;
mod summary;
mod terminal;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

/// Where a panic's text waits until it is known whether anyone catches it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// How `println!` begins to say that it failed, which it does by a panic.
const PRINTING: &str = "failed printing to stdout: ";

fn main() -> ExitCode {
    retune_torch::memory::keep_freed();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    // Libraries that read damaged files may panic and be caught; only what reaches the top is a person's business.
    panic::set_hook(Box::new(|info| {
        if let Ok(mut last) = PANIC.lock() {
            *last = Some(info.to_string());
        }
    }));
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
        Err(_) => {
            let text = PANIC.lock().ok().and_then(|mut last| last.take()).unwrap_or_default();
            if let Some((_, reason)) = text.split_once(PRINTING) {
                return not_printed(reason);
            }
            eprintln!("internal error, which is a bug of retune and not of yours: {text}");
            ExitCode::from(101)
        }
    }
}

/// What a program ends with that the end of a pipe has killed.
const BROKEN_PIPE: u8 = 128 + 13;

/// That standard output takes no more: whoever read it has enough (`| head`), or its disk is full.
fn not_printed(reason: &str) -> ExitCode {
    if reason.contains("os error 32") {
        return ExitCode::from(BROKEN_PIPE);
    }
    eprintln!("error: cannot write to standard output: {reason}");
    ExitCode::from(2)
}

fn run() -> anyhow::Result<ExitCode> {
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            error.print()?;
            return Ok(ExitCode::from(error.exit_code() as u8));
        }
    };
    match matches.subcommand() {
        Some(("finetune", matches)) => commands::finetune::run(matches),
        Some(("predict", matches)) => commands::predict::run(matches),
        Some(("evaluate", matches)) => commands::evaluate::run(matches),
        Some(("judge", matches)) => commands::judge::run(matches),
        Some(("find-rate", matches)) => commands::find_rate::run(matches),
        Some(("sweep", matches)) => commands::sweep::run(matches),
        Some(("curve", matches)) => commands::curve::run(matches),
        Some(("report", matches)) => commands::report::run(matches),
        Some(("inspect", matches)) => commands::inspect::run(matches),
        Some(("recipe", matches)) => commands::recipe::run(matches),
        _ => unreachable!("clap asks for a subcommand"),
    }
}
