//! From a plan's words to the parts that training calls: the optimiser, and the pace of its learning rate.

use retune_recipe::{DecayShape, OptimizerKind, Plan, ScheduleKind, SelectionMetric};
use tch::Tensor;

use crate::TrainError;
use crate::averaging::{Average, Period, WeightAverage};
use crate::checkpoint::NamedTensors;
use crate::optimizers::{
    Adafactor, AdamW, GroupSettings, Lion, Optimizer, PatternSettings, ScheduleFreeAdamW, Sgd, UpdateRule, WeightDecay,
    groups,
};
use crate::schedules::{DecayForm, Plateau, PlateauSettings, PlateauState, Schedule, Shape, Span, Threshold};

/// The optimiser of a plan, for these parameters.
///
/// # Errors
/// A pattern of the plan names no parameter.
pub(crate) fn optimizer<'a>(
    plan: &Plan,
    parameters: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    total_steps: u64,
) -> Result<Optimizer, TrainError> {
    let settings = &plan.optimizer;
    let (beta1, beta2, epsilon) = (settings.beta1, settings.beta2, settings.epsilon);
    let rule: Box<dyn UpdateRule> = match settings.kind {
        OptimizerKind::AdamW => Box::new(AdamW { beta1, beta2, epsilon }),
        OptimizerKind::Sgd => Box::new(Sgd {
            momentum: settings.momentum,
            nesterov: settings.nesterov,
            weight_decay: WeightDecay::Decoupled,
            ..Sgd::default()
        }),
        OptimizerKind::Adafactor => {
            Box::new(Adafactor { beta1: (beta1 > 0.0).then_some(beta1), ..Adafactor::default() })
        }
        OptimizerKind::Lion => Box::new(Lion { beta1, beta2 }),
        OptimizerKind::ScheduleFree => Box::new(ScheduleFreeAdamW {
            beta1,
            beta2,
            epsilon,
            warmup_steps: warmup(plan).steps(total_steps),
            ..ScheduleFreeAdamW::default()
        }),
    };
    let rates = settings.rates.iter().flat_map(|factors| &factors.0);
    let rates = rates.map(|(pattern, rate)| (pattern, Some(*rate), None));
    let decays = settings.decays.iter().flat_map(|factors| &factors.0);
    let decays = decays.map(|(pattern, decay)| (pattern, None, Some(*decay)));
    // The first pattern that fits counts, and of groups the last.
    let patterns = rates.chain(decays).map(|(pattern, rate, weight_decay)| PatternSettings {
        pattern: pattern.clone(),
        rate,
        weight_decay,
    });
    let mut patterns: Vec<PatternSettings> = patterns.collect();
    patterns.reverse();
    let settings = GroupSettings {
        weight_decay: plan.train.weight_decay,
        layer_decay: (settings.layer_decay < 1.0).then_some(settings.layer_decay),
        lora_plus_ratio: (plan.adapter.rate_ratio != 1.0).then_some(plan.adapter.rate_ratio),
        patterns,
    };
    Ok(Optimizer::new(rule, groups(parameters, &settings)?))
}

/// The mean of the parameters that a plan keeps, with the steps that count.
///
/// # Errors
/// libtorch refuses.
pub(crate) fn average(
    plan: &Plan,
    moved: &NamedTensors,
    total_steps: u64,
) -> Result<Option<(WeightAverage, Period)>, TrainError> {
    let settings = &plan.regularization;
    let (average, first) = if settings.ema_decay > 0.0 {
        (Average::Exponential { decay: settings.ema_decay, warmup: true }, 1)
    } else if settings.average_from < 1.0 {
        (Average::Mean, (settings.average_from * total_steps as f64) as u64 + 1)
    } else {
        return Ok(None);
    };
    let weights = moved.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Ok(Some((WeightAverage::new(average, weights)?, Period { first, every: 1 })))
}

fn warmup(plan: &Plan) -> Span {
    plan.schedule.warmup_steps.map_or(Span::Fraction(plan.schedule.warmup_fraction), |steps| Span::Steps(steps as u64))
}

/// How the learning rate goes: by the step, and for a plateau by the evaluations.
#[derive(Debug)]
pub(crate) struct Pace {
    highest: f64,
    schedule: Schedule,
    plateau: Option<PlateauSettings>,
}

impl Pace {
    /// As a plan has it.
    pub(crate) fn new(plan: &Plan, total_steps: u64) -> Self {
        let settings = &plan.schedule;
        let cycles = settings.cycles as f64;
        let shape = match (settings.kind, plan.optimizer.kind) {
            (_, OptimizerKind::ScheduleFree) => Shape::Constant,
            (ScheduleKind::Linear, _) => Shape::Linear,
            (ScheduleKind::Cosine, _) => Shape::Cosine { cycles: 0.5, floor: settings.min_factor },
            (ScheduleKind::CosineRestarts, _) => Shape::CosineWithRestarts { cycles },
            (ScheduleKind::Polynomial, _) => Shape::Polynomial { power: settings.power, end: settings.min_factor },
            (ScheduleKind::Constant | ScheduleKind::Plateau, _) => Shape::Constant,
            (ScheduleKind::InverseSqrt, _) => Shape::InverseSquareRoot { timescale: None },
            (ScheduleKind::WarmupStableDecay, _) => Shape::WarmupStableDecay {
                decay: Span::Fraction(settings.decay_fraction),
                form: match settings.decay_shape {
                    DecayShape::Linear => DecayForm::Linear,
                    DecayShape::Cosine => DecayForm::Cosine,
                    DecayShape::Sqrt => DecayForm::OneMinusSquareRoot,
                },
                floor: settings.min_factor,
            },
        };
        // Schedule-free warms up by itself, since it weighs its mean by the rates.
        let warmup = if plan.optimizer.kind == OptimizerKind::ScheduleFree { Span::Steps(0) } else { warmup(plan) };
        let plateau = (settings.kind == ScheduleKind::Plateau).then(|| PlateauSettings {
            factor: settings.plateau_factor,
            patience: settings.plateau_patience as u64,
            floor: settings.min_factor,
            threshold: Threshold::Absolute(0.0),
            ..PlateauSettings::default()
        });
        Self { highest: plan.train.learning_rate, schedule: Schedule::new(shape, warmup, total_steps), plateau }
    }

    /// The learning rate of a step, counted from 0.
    pub(crate) fn rate(&self, step: u64, seen: &PlateauState) -> f64 {
        self.highest * self.schedule.factor(step) * seen.factor
    }

    /// Takes an evaluation into account.
    pub(crate) fn evaluated(&self, metric: SelectionMetric, value: f64, seen: &mut PlateauState) {
        if let Some(settings) = self.plateau {
            let settings = PlateauSettings { larger_is_better: !metric.is_loss(), ..settings };
            let mut plateau = Plateau::new(settings, *seen);
            plateau.observe(value);
            *seen = plateau.state();
        }
    }
}
