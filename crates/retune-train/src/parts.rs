//! In how many parts a batch is computed.

use crate::checkpoint::TrainingState;
use crate::task::Task;
use crate::trainer::Trainer;

impl<T: Task> Trainer<T> {
    /// The parts in which a batch is computed: as many rows, or tokens, at a time as the plan allows, and as memory
    /// does.
    pub(crate) fn parts(&self, rows: &[usize], state: &TrainingState) -> Vec<Vec<usize>> {
        let most_rows = self.plan.train.micro_batch_size.unwrap_or(usize::MAX);
        let limits = [self.plan.train.micro_batch_tokens, state.part_tokens];
        let most_tokens = limits.into_iter().flatten().min().unwrap_or(usize::MAX);
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut tokens = 0;
        for &row in rows {
            let sequences = self.train.sequences(&[row]);
            let own: usize = sequences.into_iter().map(|sequence| self.train.tokenized.length(sequence)).sum();
            match parts.last_mut() {
                Some(part) if part.len() < most_rows && tokens + own <= most_tokens => {
                    part.push(row);
                    tokens += own;
                }
                _ => {
                    parts.push(vec![row]);
                    tokens = own;
                }
            }
        }
        parts
    }
}
