//! Choices that belong to training: what moves, by which rule, at which rate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::choices::{ChoiceError, choices, through_text};
use crate::task::pairs;

choices! {
    /// How rows are drawn in an epoch.
    Sampling {
        /// All rows in a new order.
        Shuffled = "shuffled",
        /// All rows, in batches of like lengths that come in a new order.
        LengthGrouped = "length-grouped",
        /// As many rows as there are, as many of each class as of the others.
        ClassBalanced = "class-balanced",
    }
}

choices! {
    /// Which parameters move.
    Trained {
        /// All; with an adapter, its own and the head.
        All = "all",
        /// Biases and the head (BitFit, Ben Zaken et al. 2022).
        Biases = "biases",
        /// The head alone.
        Head = "head",
    }
}

choices! {
    /// What happens at a loss or a gradient that is infinite or not a number.
    NonFinite {
        /// The run stops.
        Stop = "stop",
        /// The batch is left out, and counted.
        Skip = "skip",
    }
}

choices! {
    /// The optimiser.
    OptimizerKind {
        /// AdamW (Loshchilov and Hutter 2019).
        AdamW = "adamw",
        /// Stochastic gradient descent, with momentum.
        Sgd = "sgd",
        /// Adafactor (Shazeer and Stern 2018), at the given learning rate.
        Adafactor = "adafactor",
        /// Lion (Chen et al. 2023).
        Lion = "lion",
        /// Schedule-free AdamW (Defazio et al. 2024).
        ScheduleFree = "schedule-free",
    }
}

choices! {
    /// The form of the learning rate after warm-up.
    ScheduleKind {
        /// Falls to 0 in a line.
        Linear = "linear",
        /// Falls along half a cosine.
        Cosine = "cosine",
        /// Several half cosines, each from the top.
        CosineRestarts = "cosine-restarts",
        /// Falls along a polynomial.
        Polynomial = "polynomial",
        /// Stays.
        Constant = "constant",
        /// Falls with the root of the step.
        InverseSqrt = "inverse-sqrt",
        /// Stays, then falls at the end.
        WarmupStableDecay = "warmup-stable-decay",
        /// Falls by a factor where evaluations get no better.
        Plateau = "plateau",
    }
}

choices! {
    /// How the rate falls at the end of warm-up, stable, decay.
    DecayShape {
        /// In a line.
        Linear = "linear",
        /// Along half a cosine.
        Cosine = "cosine",
        /// As 1 − √x.
        Sqrt = "1-sqrt",
    }
}

choices! {
    /// The adapter.
    AdapterKind {
        /// None.
        None = "none",
        /// Updates of low rank (LoRA, Hu et al. 2021).
        Lora = "lora",
        /// LoRA's direction with a magnitude of its own (DoRA, Liu et al. 2024).
        Dora = "dora",
        /// Factors of keys, values and feed-forward activations (IA³, Liu et al. 2022).
        Ia3 = "ia3",
    }
}

/// Numbers by pattern of name: `classifier.*=10, *.embeddings.*=0.1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Factors(pub Vec<(String, f64)>);

impl FromStr for Factors {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        pairs(text, |number| number >= 0.0).map(Self).ok_or_else(|| ChoiceError {
            expected: "numbers of 0 or more by name, as \"classifier.*=10, *.embeddings.*=0.1\"".to_owned(),
            ..ChoiceError::new(&[], text)
        })
    }
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(name, number)| format!("{name}={number}")).collect();
        f.pad(&pairs.join(", "))
    }
}

through_text!(Factors);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_read_and_write() {
        for text in ["a=2", "*.query.*=0.5, b=0"] {
            assert_eq!(text.parse::<Factors>().map(|factors| factors.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a", "a=-1", "a=x", "=1", "a=1,,", "a=inf"] {
            assert!(text.parse::<Factors>().is_err(), "{text}");
        }
    }
}
