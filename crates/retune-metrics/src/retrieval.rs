//! How well scores rank documents for queries.
//!
//! Notation: of one query, the documents are ranked by score from the best down; `rel` of a document is its relevance, 0
//! or more, and it is relevant where that is above 0; R documents are relevant; only the first `k` ranks are looked at.
//! Then
//!
//! precision@k = relevant documents up to k / k,
//! recall@k = relevant documents up to k / R,
//! reciprocal rank = 1 / rank of the first relevant document, 0 where it is beyond k,
//! average precision@k = Σ over relevant documents up to k (precision at their rank) / R,
//! DCG@k = Σ over ranks r up to k gain(rel) / log₂(r + 1),   nDCG@k = DCG@k / (DCG@k of the best ranking),
//!
//! each averaged over queries: MRR, MAP and so on. nDCG is from K. Järvelin and J. Kekäläinen, "Cumulated gain-based
//! evaluation of IR techniques", ACM Transactions on Information Systems 20 (2002); the others are those of
//! `trec_eval`, which divides precision by k even where there are fewer documents. A query without relevant documents
//! has 0 of each but is counted.
//!
//! Documents with equal scores: for nDCG each counts as the mean over their orders (F. McSherry and M. Najork,
//! "Computing information retrieval performance measures efficiently in the presence of tied scores", 2008), as in
//! scikit-learn; for the others they are ranked as they were given.

use serde::{Deserialize, Serialize};

use crate::checks::{all_finite, finite, mergeable, same_count};
use crate::confusion::ratio;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// What a relevance is worth in nDCG.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gain {
    /// rel, as in scikit-learn.
    #[default]
    Linear,
    /// 2^rel − 1, from C. Burges et al., "Learning to rank using gradient descent" (2005).
    Exponential,
}

/// Sums over queries: of constant size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    k: usize,
    gain: Gain,
    queries: u64,
    sums: [CompensatedSum; 5],
}

/// The means over queries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetrievalMeasures {
    /// Precision@k.
    pub precision: f64,
    /// Recall@k.
    pub recall: f64,
    /// MRR@k, the mean reciprocal rank.
    pub reciprocal_rank: f64,
    /// MAP@k, the mean of average precision.
    pub average_precision: f64,
    /// nDCG@k.
    pub ndcg: f64,
}

impl Retrieval {
    /// Measures of the first `k` ranks; `usize::MAX` looks at all, and makes precision next to nothing.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where k is 0.
    pub fn new(k: usize, gain: Gain) -> Result<Self, MetricError> {
        match k {
            0 => Err(MetricError::OutOfRange { quantity: "k", value: 0.0, expected: "at least 1" }),
            k => Ok(Retrieval { k, gain, queries: 0, sums: Default::default() }),
        }
    }

    /// Adds one query: of each document its relevance and its score. Documents that are not among them count for
    /// nothing, so give all that are relevant.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`]; [`MetricError::NotFinite`] of a score or a gain; [`MetricError::OutOfRange`] of a
    /// relevance that is negative or NaN; nothing is added then.
    pub fn update(&mut self, relevances: &[f64], scores: &[f64]) -> Result<(), MetricError> {
        same_count("scores, one for each relevance", relevances.len(), scores.len())?;
        all_finite("a score", scores)?;
        let mut ranked = Vec::with_capacity(scores.len()); // [documents]
        for (&relevance, &score) in relevances.iter().zip(scores) {
            if relevance.is_nan() || relevance < 0.0 {
                return Err(MetricError::OutOfRange {
                    quantity: "a relevance",
                    value: relevance,
                    expected: "0 or more",
                });
            }
            ranked.push((score + 0.0, finite("the gain of a relevance", self.gain.of(relevance))?));
        }
        let mut best: Vec<f64> = ranked.iter().map(|(_, gain)| *gain).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        // Stable, so documents with equal scores stay as they were given.
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let ndcg = ratio(self.dcg(&ranked), self.dcg_in_order(&best));
        let measures = self.binary_measures(&ranked);
        for (sum, value) in self.sums.iter_mut().zip(measures.into_iter().chain([finite("nDCG", ndcg)?])) {
            sum.add(value);
        }
        self.queries += 1;
        Ok(())
    }

    /// Adds what another has seen.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other looks at another number of ranks, or has another gain.
    pub fn merge(&mut self, other: &Retrieval) -> Result<(), MetricError> {
        mergeable("k", self.k, other.k)?;
        mergeable("the gain, as a number,", self.gain as usize, other.gain as usize)?;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| sum.merge(more));
        self.queries += other.queries;
        Ok(())
    }

    /// The number of queries seen.
    pub fn queries(&self) -> u64 {
        self.queries
    }

    /// The measures.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn measures(&self) -> Result<RetrievalMeasures, MetricError> {
        match self.queries {
            0 => Err(MetricError::Empty { measure: "retrieval" }),
            queries => {
                let [precision, recall, reciprocal_rank, average_precision, ndcg] =
                    self.sums.map(|sum| sum.value() / queries as f64);
                Ok(RetrievalMeasures { precision, recall, reciprocal_rank, average_precision, ndcg })
            }
        }
    }

    /// Precision, recall, reciprocal rank and average precision.
    fn binary_measures(&self, ranked: &[(f64, f64)]) -> [f64; 4] {
        let relevant = ranked.iter().filter(|(_, gain)| *gain > 0.0).count() as f64;
        let (mut found, mut first, mut precisions) = (0.0, 0.0, 0.0);
        for (place, _) in ranked.iter().enumerate().take(self.k).filter(|(_, (_, gain))| *gain > 0.0) {
            let rank = (place + 1) as f64;
            found += 1.0;
            precisions += found / rank;
            if first == 0.0 {
                first = 1.0 / rank;
            }
        }
        [found / self.k as f64, ratio(found, relevant), first, ratio(precisions, relevant)]
    }

    fn dcg_in_order(&self, gains: &[f64]) -> f64 {
        gains.iter().enumerate().map(|(place, gain)| gain * self.discount(place)).sum()
    }

    fn dcg(&self, ranked: &[(f64, f64)]) -> f64 {
        let (mut sum, mut place) = (0.0, 0);
        for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
            let mean = equal.iter().map(|(_, gain)| gain).sum::<f64>() / equal.len() as f64;
            sum += mean * (place..place + equal.len()).map(|place| self.discount(place)).sum::<f64>();
            place += equal.len();
        }
        sum
    }

    /// Of the place, from 0.
    fn discount(&self, place: usize) -> f64 {
        if place < self.k { 1.0 / ((place + 2) as f64).log2() } else { 0.0 }
    }
}

impl Gain {
    fn of(self, relevance: f64) -> f64 {
        match self {
            Gain::Linear => relevance,
            Gain::Exponential => (relevance * std::f64::consts::LN_2).exp_m1(),
        }
    }
}
