//! A training whose learning rates a finder asks for.

use retune_recipe::NonFinite;

use crate::TrainError;
use crate::checkpoint::TrainingState;
use crate::event::Event;
use crate::lr_finder::RateFinder;
use crate::step::{StepRows, StepSettings, train_step};
use crate::task::Task;
use crate::trainer::Trainer;

impl<T: Task> Trainer<T> {
    /// Trains at the rates that a finder asks for, and gives it with what it saw. The model is spoilt, and goes.
    ///
    /// # Errors
    /// libtorch refuses, or a batch does not fit into memory.
    pub fn find_rate(
        mut self,
        mut finder: RateFinder,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<RateFinder, TrainError> {
        self.compute_features(watch)?;
        let mut state = TrainingState::default();
        while let Some(learning_rate) = finder.next_rate() {
            let epoch = self.order.state().epoch;
            let rows = self.order.next_batch();
            let parts = self.parts(&rows, &state);
            let rows = StepRows { encoded: &self.train, features: self.features[0].as_ref(), epoch, parts };
            let settings = StepSettings { learning_rate, non_finite: NonFinite::Skip, ..self.settings(&state) };
            let numbers = train_step(&self.network, &self.moved, &self.task, &mut self.optimizer, &rows, &settings)?;
            if settings.loss_scale.is_some() {
                state.loss_scale.update(numbers.moved);
            }
            finder.observe(numbers.loss);
        }
        Ok(finder)
    }
}
