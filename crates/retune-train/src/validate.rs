//! Between steps: what the validation data say, and which model is kept.

use retune_recipe::SelectionMetric;

use crate::checkpoint::{Best, Job, TrainingState, Writer};
use crate::evaluate::{Outputs, evaluate};
use crate::evaluation::is_better;
use crate::event::Event;
use crate::features::Features;
use crate::record::evaluation_record;
use crate::task::{Encoded, Task};
use crate::trainer::Trainer;
use crate::{RunDirectory, TrainError};

impl<T: Task> Trainer<T> {
    /// Evaluates the parameters that the strategies keep, which may be others than those that train.
    pub(crate) fn evaluate_and_keep(
        &mut self,
        state: &mut TrainingState,
        directory: &mut RunDirectory,
        writer: &mut Writer,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), TrainError> {
        self.optimizer.to_evaluation()?;
        self.swap_average()?;
        let kept = self.evaluate_and_keep_best(state, directory, writer, watch);
        self.swap_average()?;
        self.optimizer.to_training();
        kept
    }

    /// Puts the mean of the parameters in their place, or them back.
    fn swap_average(&mut self) -> Result<(), TrainError> {
        match &mut self.average {
            Some((average, _)) => Ok(average.swap()?),
            None => Ok(()),
        }
    }

    /// Evaluates on the validation data and keeps the model if it is the best so far.
    fn evaluate_and_keep_best(
        &self,
        state: &mut TrainingState,
        directory: &mut RunDirectory,
        writer: &mut Writer,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), TrainError> {
        let outputs = self.outputs(&self.validation, self.features[1].as_ref(), watch)?;
        let evaluation = self.task.score(&self.data.validation, &self.validation, &outputs, None)?;
        let epoch = self.rhythm.epoch(state.step);
        let metric = self.plan.evaluation.metric;
        let value = evaluation.deciding(metric);
        if metric != SelectionMetric::Auto && evaluation.get(metric.as_str()).is_none() && state.best.is_none() {
            let first = evaluation.scores.first().map_or("none", |score| score.name);
            watch(Event::Notice(&format!("evaluation.metric {metric} is not measured on these data; {first} decides")));
        }
        let best = is_better(metric, value, state.best.as_ref().map(|best| best.value));
        self.pace.evaluated(metric, value, &mut state.plateau);
        state.without_better = if best { 0 } else { state.without_better + 1 };
        if best {
            state.best = Some(Best { epoch: epoch.ceil() as u64, step: state.step, value });
            writer.submit(Job::Best { step: state.step, parameters: self.moved_now() })?;
        }
        directory.log(&evaluation_record("validation", state.step, epoch, &evaluation))?;
        watch(Event::Evaluated { split: "validation", epoch, evaluation: &evaluation, best });
        Ok(())
    }

    /// The network's outputs for a data set.
    pub(crate) fn outputs(
        &self,
        encoded: &Encoded<T::Targets>,
        features: Option<&Features>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outputs, TrainError> {
        let total = encoded.tokenized.len();
        let mut progress = |done| watch(Event::Evaluating { done, total });
        evaluate(&self.network, &self.task, encoded, features, &self.computation, &mut progress)
    }

    /// Lets the task choose its thresholds on the validation data, where the plan asks for any.
    pub(crate) fn tune(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Vec<String>, TrainError> {
        let plan = &self.plan.evaluation;
        if !plan.tune_thresholds && !plan.calibrate {
            return Ok(Vec::new());
        }
        let outputs = self.outputs(&self.validation, self.features[1].as_ref(), watch)?;
        self.task.tune(&self.data.validation, &self.validation, &outputs, &self.plan.evaluation)
    }
}
