//! Event files that [TensorBoard](https://www.tensorflow.org/tensorboard) reads: scalars, histograms, texts.
//!
//! ```
//! use retune_tensorboard::EventWriter;
//!
//! # let folder = tempfile::tempdir()?;
//! let mut writer = EventWriter::create(folder.path())?;
//! writer.scalar("train/loss", 1, 0.69)?;
//! writer.histogram("gradients/layer 0", 1, &[0.1, 0.2, 0.15])?;
//! writer.text("plan", 0, "| key | value |\n|---|---|\n| seed | 42 |")?;
//! writer.flush()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A file is a row of records as in TFRecord (`tensorflow/core/lib/io/record_writer.h`), each a message `Event`
//! (`tensorflow/core/util/event.proto`) in protocol buffers' wire format. What is written is what
//! `torch.utils.tensorboard.SummaryWriter` writes for the same calls, except that a histogram's empty buckets side by
//! side are one.

mod histogram;
mod message;
mod record;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use histogram::Histogram;
use message::Message;

/// A folder or file of events cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}", path = path.display())]
pub struct WriteError {
    /// Which.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Writes one event file. What was written is on its way to the disk after [`EventWriter::flush`], or once the writer is
/// dropped; a file that was cut off is read as far as it goes.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventWriter {
    /// Begins a file of its own in a folder, which is made if it is not there. Files of several writers in one folder
    /// are one run to TensorBoard, in the order of their names: those of later writers come after.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn create(folder: &Path) -> Result<Self, WriteError> {
        fs::create_dir_all(folder).map_err(|source| WriteError { path: folder.to_owned(), source })?;
        let now = now();
        // TensorBoard knows an event file by the word `tfevents` in its name, and sorts by what follows: seconds, here
        // in ten digits until the year 2286, then their fraction, so that a run that is begun again at once comes after
        // itself.
        let micros = (now.fract() * 1e6) as u32;
        let name = format!("events.out.tfevents.{:010}.{micros:06}.{}.retune", now as u64, std::process::id());
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(|source| WriteError { path: path.clone(), source })?;
        let mut writer = Self { path, file: BufWriter::new(file) };
        writer.write(&event(0).text(field::FILE_VERSION, "brain.Event:2"))?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that a process begins whose first step is `step`: what earlier files of the folder hold of it and of later
    /// steps does not count, for the run does these steps again. TensorBoard heeds it from the second time on, so a
    /// run's first file says it too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn start(&mut self, step: u64) -> Result<(), WriteError> {
        const START: u64 = 1;
        self.write(&event(step).message(field::SESSION_LOG, &Message::new().integer(1, START)))
    }

    /// A number at a step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<(), WriteError> {
        self.summary(step, Message::new().text(value::TAG, tag).float(value::SIMPLE, value as f32))
    }

    /// How numbers are distributed at a step; nothing where there is none. Numbers that are not finite are left out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f64]) -> Result<(), WriteError> {
        let Some(histogram) = Histogram::of(values) else { return Ok(()) };
        self.summary(step, Message::new().text(value::TAG, tag).message(value::HISTOGRAM, &histogram.message()))
    }

    /// A text at a step, in Markdown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn text(&mut self, tag: &str, step: u64, markdown: &str) -> Result<(), WriteError> {
        const STRING: u64 = 7;
        let plugin = Message::new().message(1, &Message::new().text(1, "text"));
        let shape = Message::new().message(2, &Message::new().integer(1, 1)); // [1]
        let tensor = Message::new().integer(1, STRING).message(2, &shape).text(8, markdown);
        let value = Message::new()
            .text(value::TAG, &format!("{tag}/text_summary"))
            .message(value::METADATA, &plugin)
            .message(value::TENSOR, &tensor);
        self.summary(step, value)
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(|source| WriteError { path: self.path.clone(), source })
    }

    fn summary(&mut self, step: u64, value: Message) -> Result<(), WriteError> {
        self.write(&event(step).message(field::SUMMARY, &Message::new().message(1, &value)))
    }

    fn write(&mut self, event: &Message) -> Result<(), WriteError> {
        let written = record::write(&mut self.file, event.bytes());
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// Fields of the message `Event`.
mod field {
    pub const WALL_TIME: u32 = 1;
    pub const STEP: u32 = 2;
    pub const FILE_VERSION: u32 = 3;
    pub const SUMMARY: u32 = 5;
    pub const SESSION_LOG: u32 = 7;
}

/// Fields of the message `Summary.Value`.
mod value {
    pub const TAG: u32 = 1;
    pub const SIMPLE: u32 = 2;
    pub const HISTOGRAM: u32 = 5;
    pub const TENSOR: u32 = 8;
    pub const METADATA: u32 = 9;
}

/// The beginning of an event.
fn event(step: u64) -> Message {
    Message::new().double(field::WALL_TIME, now()).integer(field::STEP, step)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
