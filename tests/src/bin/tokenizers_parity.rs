//! The slow forms of tokenizers against Hugging Face Transformers, alone: a minute instead of the whole comparison.
//!
//! `cargo run -p tests --bin tokenizers_parity -- --python PYTHON [--texts FILE …]`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::{Result, tokenizer_forms};

/// Compares tokenizers with Hugging Face Transformers.
#[derive(Parser)]
struct Arguments {
    /// Python of an environment made from tests/parity/requirements.txt
    #[arg(long, value_name = "PYTHON")]
    python: PathBuf,
    /// Files (plain or .gz) whose first 4000 lines are compared too
    #[arg(long, value_name = "FILE", num_args = 1..)]
    texts: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let rows = tokenizer_forms::compare(&arguments.python, folder.path(), &arguments.texts)?;
    print!("{}", tokenizer_forms::render(&rows));
    let differs = rows.iter().any(|row| row.first.is_some());
    Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
