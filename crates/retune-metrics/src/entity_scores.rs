//! Precision, recall and F of entities.
//!
//! An entity that is predicted is right where the labels have one of the same type with the same start and end.
//! Precision, recall and F are as at [`ConfusionMatrix::class_scores`](crate::ConfusionMatrix::class_scores), with types
//! for classes and entities for examples; from E. F. Tjong Kim Sang and F. De Meulder, "Introduction to the CoNLL-2003
//! shared task" (2003). Values equal those of seqeval 1.2.2.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::averages::{Average, ClassScores};
use crate::checks::same_count;
use crate::counts::{Counts, averaged, check_beta};
use crate::error::MetricError;
use crate::tags::{Decoding, Entity, entities};

/// Counts of entities by type: of the order of the number of types, however many sequences are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntityScores {
    types: BTreeMap<String, Counts>,
    sequences: u64,
    tags: u64,
    right_tags: u64,
}

impl EntityScores {
    /// Counts of nothing yet.
    pub fn new() -> Self {
        EntityScores::default()
    }

    /// Counts the tags of one sequence.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`]; [`MetricError::InvalidTag`]; nothing is counted then.
    pub fn update<L: AsRef<str>, P: AsRef<str>>(
        &mut self,
        labels: &[L],
        predicted: &[P],
        decoding: Decoding,
    ) -> Result<(), MetricError> {
        same_count("predicted tags, one for each label", labels.len(), predicted.len())?;
        self.update_entities(&entities(labels, decoding)?, &entities(predicted, decoding)?);
        self.tags += labels.len() as u64;
        let right = labels.iter().zip(predicted).filter(|(label, predicted)| label.as_ref() == predicted.as_ref());
        self.right_tags += right.count() as u64;
        Ok(())
    }

    /// Counts the entities of one sequence, however they were found. An entity given twice counts once.
    pub fn update_entities(&mut self, labels: &[Entity], predicted: &[Entity]) {
        let (labels, predicted): (BTreeSet<_>, BTreeSet<_>) = (labels.iter().collect(), predicted.iter().collect());
        for entity in labels.union(&predicted) {
            let counts = self.types.entry(entity.kind.clone()).or_default();
            counts.update(labels.contains(entity), predicted.contains(entity));
        }
        self.sequences += 1;
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &EntityScores) {
        for (kind, counts) in &other.types {
            self.types.entry(kind.clone()).or_default().merge(counts);
        }
        self.sequences += other.sequences;
        self.tags += other.tags;
        self.right_tags += other.right_tags;
    }

    /// The number of sequences counted.
    pub fn sequences(&self) -> u64 {
        self.sequences
    }

    /// The types that some entity has, in alphabetical order, with their scores.
    pub fn type_scores(&self) -> Vec<(&str, ClassScores)> {
        self.types.iter().map(|(kind, counts)| (kind.as_str(), counts.scores())).collect()
    }

    /// Precision, averaged over the types. 0 where no entity is predicted.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] of no sequences.
    pub fn precision(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("precision of entities", average, Counts::precision)
    }

    /// Recall, averaged over the types. 0 where there is no entity.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] of no sequences.
    pub fn recall(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("recall of entities", average, Counts::recall)
    }

    /// F1, averaged over the types.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] of no sequences.
    pub fn f1(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("F1 of entities", average, |counts| counts.f_beta(1.0))
    }

    /// F_β, averaged over the types.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] of no sequences; [`MetricError::OutOfRange`] where β is negative or above 1e100.
    pub fn f_beta(&self, beta: f64, average: Average) -> Result<f64, MetricError> {
        check_beta(beta)?;
        self.averaged("F-beta of entities", average, |counts| counts.f_beta(beta))
    }

    /// The share of tags that are right, O among them.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] of no tags.
    pub fn tag_accuracy(&self) -> Result<f64, MetricError> {
        match self.tags {
            0 => Err(MetricError::Empty { measure: "accuracy of tags" }),
            tags => Ok(self.right_tags as f64 / tags as f64),
        }
    }

    fn averaged(
        &self,
        measure: &'static str,
        average: Average,
        score: impl Fn(Counts) -> f64,
    ) -> Result<f64, MetricError> {
        match self.sequences {
            0 => Err(MetricError::Empty { measure }),
            _ => Ok(averaged(self.types.values().copied(), average, score)),
        }
    }
}
