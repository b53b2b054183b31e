//! Cargo's output while it builds, passed on as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// After this long without a word from cargo, a log gets a line.
const SILENCE: Duration = Duration::from_secs(10);

/// What standard error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// A terminal, where cargo's bar is redrawn.
    Terminal,
    /// A file or a pipe, where lines stay.
    Log,
}

/// Passes cargo's output on as it comes, but for the line that says that nothing was to be done.
pub fn forward(output: impl Read + Send + 'static, stderr: Stderr) {
    let (sender, pieces) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Some(piece) = next_piece(&mut output) {
            if sender.send(piece).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut error = std::io::stderr();
    loop {
        // A standard error that is gone is no reason to stop building.
        let _ = match pieces.recv_timeout(SILENCE) {
            // The last bar stands where this line would have been.
            Ok(piece) if is_finished(&piece) && stderr == Stderr::Terminal => error.write_all(b"\r\x1b[K"),
            Ok(piece) if is_finished(&piece) => Ok(()),
            Ok(piece) => error.write_all(&piece).and_then(|()| error.flush()),
            Err(RecvTimeoutError::Timeout) if stderr == Stderr::Terminal => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                writeln!(error, "   … still compiling, {} s so far", started.elapsed().as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
    }
}

/// The next bytes up to a line feed or, as in progress bars, a carriage return.
fn next_piece(output: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut piece = Vec::new();
    loop {
        let bytes = output.fill_buf().ok()?;
        if bytes.is_empty() {
            return (!piece.is_empty()).then_some(piece);
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|position| position + 1);
        let taken = end.unwrap_or(bytes.len());
        piece.extend_from_slice(&bytes[..taken]);
        output.consume(taken);
        if end.is_some() {
            return Some(piece);
        }
    }
}

/// Whether this is cargo's closing line, colours or not.
fn is_finished(piece: &[u8]) -> bool {
    let text = String::from_utf8_lossy(piece);
    let mut words = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // An escape sequence ends with a letter.
            '\x1b' => drop(characters.by_ref().find(char::is_ascii_alphabetic)),
            other => words.push(other),
        }
    }
    words.trim_start().starts_with("Finished ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_lines_and_at_redrawn_bars() {
        let mut output = BufReader::with_capacity(4, "one\n Building 1/2\r\n\nrest".as_bytes());
        let pieces: Vec<String> =
            std::iter::from_fn(|| next_piece(&mut output)).map(|piece| String::from_utf8(piece).unwrap()).collect();
        assert_eq!(pieces, ["one\n", " Building 1/2\r", "\n", "\n", "rest"]);
    }

    #[test]
    fn only_the_closing_line_is_kept_back() {
        for line in ["    Finished `dev` profile", "\x1b[1m\x1b[32m    Finished\x1b[0m `dev`", "\x1b[K    Finished x"] {
            assert!(is_finished(line.as_bytes()), "{line:?}");
        }
        for line in ["   Compiling a v1", "warning: not Finished ", "", "\x1b"] {
            assert!(!is_finished(line.as_bytes()), "{line:?}");
        }
    }
}
