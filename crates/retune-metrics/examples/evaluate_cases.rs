//! Reads a case as JSON from each line of standard input and writes its measures to standard output, a line for each.
//!
//! `tests/compare.py` drives it.

#![allow(clippy::unwrap_used, reason = "the cases come from the script that starts this")]

use std::io::{BufRead, Write};

#[path = "../tests/golden/evaluate.rs"]
mod evaluate;

fn main() -> std::io::Result<()> {
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let measures = evaluate::evaluate(&serde_json::from_str(&line?).unwrap());
        writeln!(output, "{}", serde_json::to_string(&measures)?)?;
    }
    output.flush()
}
