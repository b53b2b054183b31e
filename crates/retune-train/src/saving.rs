//! What a run keeps to go on from, and how it goes on.

use retune_models::Snapshot;

use crate::checkpoint::{self, Job, Kept, TrainingState, Writer};
use crate::event::Event;
use crate::task::Task;
use crate::trainer::Trainer;
use crate::{RunDirectory, TrainError};

impl<T: Task> Trainer<T> {
    /// Copies of the parameters that move.
    pub(crate) fn moved_now(&self) -> Snapshot {
        Snapshot::of(self.moved.iter().map(|(name, tensor)| (name.as_str(), tensor)))
    }

    /// Everything that a checkpoint holds as tensors. What does not move is where it came from.
    fn kept(&self) -> Result<Kept, TrainError> {
        let parameters = self.moved.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        let mut kept = vec![("parameters", parameters), ("optimizer", self.optimizer.state())];
        if let Some((average, _)) = &self.average {
            kept.push(("average", average.state()?));
        }
        Ok(Kept(kept))
    }

    pub(crate) fn save(
        &self,
        state: &TrainingState,
        directory: &RunDirectory,
        writer: &mut Writer,
    ) -> Result<(), TrainError> {
        let files = self.kept()?.snapshots(self.computation.device)?;
        writer.submit(Job::Checkpoint { state: Box::new(state.clone()), files, log: directory.log_file()? })
    }

    /// Puts everything back to where the newest whole checkpoint stood, if there is one.
    pub(crate) fn resume(
        &mut self,
        directory: &mut RunDirectory,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<TrainingState, TrainError> {
        let found = checkpoint::newest(&directory.checkpoints())?;
        for damage in &found.damaged {
            watch(Event::Notice(&format!("{damage}; the one before it is taken")));
        }
        let state = match found.newest {
            Some(newest) => checkpoint::load(&newest, &self.kept()?, self.computation.device)?,
            None => TrainingState::default(),
        };
        self.order.go_to(state.order);
        directory.rewind(state.step)?;
        Ok(state)
    }
}
