//! Averages of the weights that training passes through, which often generalise better than its last.
//!
//! - An exponential moving average (Polyak and Juditsky 1992, in the form that is usual since Tarvainen and Valpola
//!   2017, arXiv 1703.01780): `w' = d w' + (1 - d) w`, as `torch.optim.swa_utils.AveragedModel` with
//!   `get_ema_multi_avg_fn`.
//! - The mean over the last part of training (SWA, Izmailov et al. 2018, arXiv 1803.05407; of the last checkpoints,
//!   LAWA, Kaddour 2022, arXiv 2209.14981): `w' = w' + (w - w') / (n + 1)`, as `AveragedModel` by default.
//!
//! In both the first update takes the weights as they are. Whoever trains says when to update ([`Period`]), after the
//! optimiser's step. `docs/optimizers.md` says when which is used.

use retune_torch::TorchError;
use retune_torch::optim::lerp;
use tch::{Device, Kind, Tensor};

/// What is averaged, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Average {
    /// An exponential moving average.
    Exponential {
        /// How much of the average an update keeps; in `[0, 1)`.
        decay: f64,
        /// Whether the decay of the update that follows n others is at most `(1 + n) / (10 + n)`, so that a short
        /// training forgets its beginning (as `tf.train.ExponentialMovingAverage` with `num_updates`, and `EMAModel` of
        /// diffusers).
        warmup: bool,
    },
    /// The mean of all updates.
    Mean,
}

impl Average {
    /// How far the average moves towards the weights at the update that follows `done` others: 1 at the first.
    pub fn weight(self, done: u64) -> f64 {
        let n = done as f64;
        match self {
            _ if done == 0 => 1.0,
            Self::Exponential { decay, warmup: false } => 1.0 - decay,
            Self::Exponential { decay, warmup: true } => 1.0 - decay.min((1.0 + n) / (10.0 + n)),
            Self::Mean => 1.0 / (n + 1.0),
        }
    }
}

/// The steps after which an average is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first, from 1.
    pub first: u64,
    /// From one to the next; 0 is as 1.
    pub every: u64,
}

impl Period {
    /// Whether the average is updated after this step, from 1.
    pub fn includes(self, step: u64) -> bool {
        step >= self.first && (step - self.first).is_multiple_of(self.every.max(1))
    }
}

/// What stops an average.
#[derive(Debug, thiserror::Error)]
pub enum AverageError {
    /// The decay is outside its range.
    #[error("the decay of the weights' average is {value}, but must be 0 or more and below 1")]
    OutOfRange {
        /// Its value.
        value: f64,
    },
    /// The model holds the average, which must not be averaged again.
    #[error("the model holds the average of its weights; swap those that train back before going on")]
    Swapped,
    /// libtorch refuses.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// An operation of libtorch failed.
    #[error("libtorch: {0}")]
    Tch(#[from] tch::TchError),
}

/// A running average of a model's weights, which can be put in their place.
#[derive(Debug)]
pub struct WeightAverage {
    average: Average,
    names: Vec<String>,
    /// Handles of the model's own tensors.
    weights: Vec<Tensor>,
    /// The average; while it is swapped, the weights that train.
    averaged: Vec<Tensor>,
    /// How many updates there were: an integer of no dimensions, on the host.
    updates: Tensor,
    swapped: bool,
}

impl WeightAverage {
    /// Before the first update. The weights are handles: they are read where the model has them.
    ///
    /// # Errors
    /// The decay is outside its range.
    pub fn new<'a>(
        average: Average,
        weights: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self, AverageError> {
        if let Average::Exponential { decay, .. } = average
            && !(0.0..1.0).contains(&decay)
        {
            return Err(AverageError::OutOfRange { value: decay });
        }
        let (names, weights): (Vec<String>, Vec<Tensor>) =
            weights.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).unzip();
        let averaged = weights.iter().map(|weight| weight.detach().copy()).collect();
        let updates = Tensor::zeros([], (Kind::Int64, Device::Cpu));
        Ok(Self { average, names, weights, averaged, updates, swapped: false })
    }

    /// Takes the model's weights into the average.
    ///
    /// # Errors
    /// The average is in the model's place, or libtorch refuses.
    pub fn update(&mut self) -> Result<(), AverageError> {
        if self.swapped {
            return Err(AverageError::Swapped);
        }
        let _no_grad = tch::no_grad_guard();
        let done = self.updates();
        if done == 0 {
            for (averaged, weight) in self.averaged.iter_mut().zip(&self.weights) {
                averaged.f_copy_(weight)?;
            }
        } else {
            lerp(&self.averaged, &self.weights, self.average.weight(done))?;
        }
        let _ = self.updates.f_add_scalar_(1)?;
        Ok(())
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates.int64_value(&[]) as u64
    }

    /// Exchanges the average and the model's weights, to the bit: done twice, it leaves no trace. Before the first
    /// update nothing moves: the average of nothing would be the weights that training began with.
    ///
    /// Values are copied by way of one more copy of the largest weight, and all tensors stay where they are, so that
    /// views of them and recorded graphs see the exchange.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn swap(&mut self) -> Result<(), AverageError> {
        let _no_grad = tch::no_grad_guard();
        if self.updates() > 0 {
            for (weight, averaged) in self.weights.iter_mut().zip(&mut self.averaged) {
                let mut passing = weight.f_empty_like()?;
                passing.f_copy_(weight)?;
                weight.f_copy_(averaged)?;
                averaged.f_copy_(&passing)?;
            }
        }
        self.swapped = !self.swapped;
        Ok(())
    }

    /// Whether the model holds the average.
    pub fn is_swapped(&self) -> bool {
        self.swapped
    }

    /// All that a checkpoint keeps beside the weights: `<weight>.average` for each, and `n_averaged`, the number of
    /// updates. The tensors are handles: what is copied into them is the average from then on.
    ///
    /// # Errors
    /// The average is in the model's place: then the model has it, and the weights that train would be lost.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, AverageError> {
        if self.swapped {
            return Err(AverageError::Swapped);
        }
        let averages = self.names.iter().zip(&self.averaged);
        let mut named: Vec<_> =
            averages.map(|(name, tensor)| (format!("{name}.average"), tensor.shallow_clone())).collect();
        named.push(("n_averaged".to_owned(), self.updates.shallow_clone()));
        Ok(named)
    }
}
