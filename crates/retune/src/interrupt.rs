//! Ctrl-C and a polite kill: of training the step at hand is finished and saved, and a second Ctrl-C ends the process at once;
//! of what is written in one go nothing is left.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{fs, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// A flag that becomes true when the process is asked to stop.
pub fn on_request() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it sees the flag as the signal before left it.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Has a file removed when the process is asked to stop, which it then does at once.
pub fn remove(file: PathBuf) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // It may not be there yet, or no more.
            let _ = fs::remove_file(&file);
            // No destructor runs: other threads may be in the middle of a product.
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
