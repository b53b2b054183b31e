//! What became of a run, or of several beside each other, as one HTML file.
//!
//! [`Run::read`] reads the files of a run's folder; whoever can read Parquet adds the table of predictions, baselines
//! and groupings as plain records; [`render`] makes the page. The page needs nothing else: no script, no font, no
//! picture and no network, and its content security policy says so. Whatever comes from data is text, escaped when the
//! page is compiled (maud), and plots are SVG within it (plotters), in colours that follow a light or a dark screen,
//! and print.
//!
//! A run that still goes on has its curves; a finished one also scores with intervals, baselines, what is taken for
//! what, curves of precision, recall and reliability, parts of the data, rows to read, explanations and an audit where
//! the folder holds them, and what the run was made of. Numbers are those of `retune-metrics`.
//!
//! ```no_run
//! use retune_report::{Run, render};
//!
//! let run = Run::read("runs/quickstart".as_ref())?;
//! std::fs::write("report.html", render(&[run])?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analysis;
mod answers;
mod audit;
mod baseline;
mod decisions;
mod error;
mod examples;
mod explanations;
mod log;
mod measures;
mod page;
mod plots;
mod run;
mod slices;
mod table;
mod words;

pub use answers::{Answers, Classes, Numbers, Sets, Tags, Texts};
pub use audit::{Audit, Finding};
pub use baseline::{Baseline, BaselineAnswers};
pub use error::ReportError;
pub use explanations::{AttentionMap, AttributedToken, Explanation, Explanations};
pub use log::{EvaluationPoint, FinalRecord, Log, TrainPoint};
pub use measures::{Difference, Measure, Scorer};
pub use page::render;
pub use run::{DataSizes, FinalEvaluation, Run};
pub use slices::{Grouping, GroupingValues};
pub use table::{Column, Table};
