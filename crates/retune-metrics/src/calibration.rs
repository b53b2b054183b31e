//! Whether probabilities can be believed.
//!
//! The Brier score of `n` examples and `c` classes is the mean squared distance of the probabilities p from the labels
//! as 0 and 1,
//!
//! Σ over examples Σ over classes (p − [the class is the label])² / n,
//!
//! from G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).
//! It is from 0 to 2; of two classes it is halved, and so from 0 to 1 and the mean of (p − y)² for the probability p of
//! class
//! 1. This is scikit-learn's convention (`scale_by_half="auto"`).
//!
//! The expected calibration error puts each example into one of M bins by its confidence, the greatest of its
//! probabilities: bin m holds confidences above (m − 1)/M and up to m/M, and the first one 0 too. Then
//!
//! ECE = Σ over bins |accuracy − mean confidence| · (examples in the bin) / n,
//!
//! and the maximum calibration error is the greatest difference of a bin that is not empty; from C. Guo, G. Pleiss, Y.
//! Sun and K. Q. Weinberger, "On calibration of modern neural networks" (2017).

use serde::{Deserialize, Serialize};

use crate::checks::{argmax, checked_distribution, mergeable, same_count};
use crate::confusion::ratio;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// The Brier score: of constant size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BrierScore {
    classes: usize,
    examples: usize,
    squares: CompensatedSum,
}

impl BrierScore {
    /// The score of nothing yet.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoClasses`].
    pub fn new(classes: usize) -> Result<Self, MetricError> {
        match classes {
            0 => Err(MetricError::NoClasses),
            classes => Ok(BrierScore { classes, examples: 0, squares: CompensatedSum::default() }),
        }
    }

    /// Adds one example: its label, and the probability of each class.
    ///
    /// # Errors
    ///
    /// Another number of probabilities, a label that is no class, a probability that is not a number from 0 to 1, or
    /// ones that do not add up to 1 within 1e-4; nothing is added then.
    pub fn update(&mut self, label: usize, probabilities: &[f64]) -> Result<(), MetricError> {
        same_count("probabilities, one for each class", self.classes, probabilities.len())?;
        checked_distribution(probabilities, label, self.examples)?;
        let distance = |(class, p): (usize, &f64)| (p - if class == label { 1.0 } else { 0.0 }).powi(2);
        self.squares.add(probabilities.iter().enumerate().map(distance).sum());
        self.examples += 1;
        Ok(())
    }

    /// Adds what another has seen.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of classes.
    pub fn merge(&mut self, other: &BrierScore) -> Result<(), MetricError> {
        mergeable("the number of classes", self.classes, other.classes)?;
        self.squares.merge(&other.squares);
        self.examples += other.examples;
        Ok(())
    }

    /// The score, halved where there are two classes; 0 is best.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn score(&self) -> Result<f64, MetricError> {
        let scale = if self.classes == 2 { 0.5 } else { 1.0 };
        match self.examples {
            0 => Err(MetricError::Empty { measure: "the Brier score" }),
            examples => Ok(scale * self.squares.value() / examples as f64),
        }
    }
}

/// Confidence against accuracy: of the order of the number of bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Bin {
    examples: usize,
    right: u64,
    confidences: CompensatedSum,
}

/// One bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Confidences above this are in the bin; in the first one, 0 too.
    pub above: f64,
    /// Confidences up to this are in the bin.
    pub up_to: f64,
    /// The examples in the bin.
    pub examples: usize,
    /// Their mean confidence; 0 where there are none.
    pub confidence: f64,
    /// The share of them that is right; 0 where there are none.
    pub accuracy: f64,
}

impl Calibration {
    /// So many bins of equal width, all empty. Guo et al. use 15.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there are no bins.
    pub fn new(bins: usize) -> Result<Self, MetricError> {
        match bins {
            0 => Err(MetricError::OutOfRange { quantity: "the number of bins", value: 0.0, expected: "at least 1" }),
            bins => Ok(Calibration { bins: vec![Bin::default(); bins] }),
        }
    }

    /// Adds one example: its label, and the probability of each class. Of classes that are equally probable the lowest
    /// is the prediction.
    ///
    /// # Errors
    ///
    /// A label that is no class, a probability that is not a number from 0 to 1, or ones that do not add up to 1 within
    /// 1e-4; nothing is added then.
    pub fn update(&mut self, label: usize, probabilities: &[f64]) -> Result<(), MetricError> {
        checked_distribution(probabilities, label, self.bins.iter().map(|bin| bin.examples).sum())?;
        let predicted = argmax(probabilities);
        self.update_confidence(predicted == label, probabilities[predicted])
    }

    /// Adds one example by how confident its prediction is, and whether it is right.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where the confidence is not a number from 0 to 1; nothing is added then.
    pub fn update_confidence(&mut self, right: bool, confidence: f64) -> Result<(), MetricError> {
        if !(0.0..=1.0).contains(&confidence) {
            return Err(MetricError::OutOfRange {
                quantity: "a confidence",
                value: confidence,
                expected: "from 0 to 1",
            });
        }
        let place = self.place(confidence);
        let bin = &mut self.bins[place];
        bin.examples += 1;
        bin.right += u64::from(right);
        bin.confidences.add(confidence);
        Ok(())
    }

    /// Adds what another has seen.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of bins.
    pub fn merge(&mut self, other: &Calibration) -> Result<(), MetricError> {
        mergeable("the number of bins", self.bins.len(), other.bins.len())?;
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.examples += more.examples;
            bin.right += more.right;
            bin.confidences.merge(&more.confidences);
        }
        Ok(())
    }

    /// All bins, from the least confident to the most: what a reliability diagram shows.
    pub fn reliability(&self) -> Vec<ReliabilityBin> {
        let bar = |(place, bin): (usize, &Bin)| ReliabilityBin {
            above: self.edge(place),
            up_to: self.edge(place + 1),
            examples: bin.examples,
            confidence: ratio(bin.confidences.value(), bin.examples as f64),
            accuracy: ratio(bin.right as f64, bin.examples as f64),
        };
        self.bins.iter().enumerate().map(bar).collect()
    }

    /// The expected calibration error, from 0 to 1; 0 is best.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn expected_error(&self) -> Result<f64, MetricError> {
        let bins = self.reliability();
        let total: usize = bins.iter().map(|bin| bin.examples).sum();
        match total {
            0 => Err(MetricError::Empty { measure: "the expected calibration error" }),
            _ => Ok(bins.iter().map(|bin| bin.gap() * bin.examples as f64).sum::<f64>() / total as f64),
        }
    }

    /// The maximum calibration error, from 0 to 1; 0 is best.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn maximum_error(&self) -> Result<f64, MetricError> {
        let gaps = self.reliability().into_iter().filter(|bin| bin.examples > 0).map(|bin| bin.gap());
        gaps.reduce(f64::max).ok_or(MetricError::Empty { measure: "the maximum calibration error" })
    }

    /// The upper edge of the bin before this place.
    fn edge(&self, place: usize) -> f64 {
        place as f64 / self.bins.len() as f64
    }

    fn place(&self, confidence: f64) -> usize {
        let bins = self.bins.len();
        // The product is rounded, so it may be off by one beside an edge.
        let guess = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        let candidates = guess.saturating_sub(1)..bins;
        candidates.into_iter().find(|place| confidence <= self.edge(place + 1)).unwrap_or(bins - 1)
    }
}

impl ReliabilityBin {
    /// How far accuracy is from mean confidence.
    pub fn gap(&self) -> f64 {
        (self.accuracy - self.confidence).abs()
    }
}
