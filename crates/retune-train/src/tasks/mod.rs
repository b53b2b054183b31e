//! Tasks: each ties columns, head, loss and metrics together.

pub mod sequence_classification;
