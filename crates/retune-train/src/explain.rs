//! Which tokens an output hangs on: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) of the word
//! embeddings, and where the last layer's attention looks.
//!
//! ```text
//! a_i = (x_i − x'_i) · ∫₀¹ ∂F/∂x_i (x' + α (x − x')) dα        Σ_i a_i = F(x) − F(x')   (completeness)
//! ```
//!
//! `x` are the word embeddings of a sequence, `F` is one of its outputs, and `x'` the same sequence in which every
//! token that says something has become the padding token; the special tokens stay, and have no share. The integral is
//! Gauss and Legendre's, whose nodes are doubled until completeness holds.

use retune_attention::{Mode, SequenceLayout, recording_weights};
use retune_models::PackedInput;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::network::Network;

/// A sequence whose output is explained.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Ids of its tokens.
    pub input_ids: Vec<i64>,
    /// Segments of its tokens.
    pub token_type_ids: Vec<i64>,
    /// The same ids where nothing is said: of each token its own, if it is special, else the padding token's.
    pub baseline_ids: Vec<i64>,
}

/// What each token adds to an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Of each token: `[l]`.
    pub tokens: Vec<f64>,
    /// The output for the sequence.
    pub output: f64,
    /// The output for the baseline.
    pub baseline: f64,
    /// Nodes of the integral.
    pub nodes: usize,
    /// Nodes in all, with those of the attempts before.
    pub computed: usize,
}

impl Attribution {
    /// How far the tokens' sum is from what it should be, as a share of that.
    pub fn completeness_error(&self) -> f64 {
        let difference = self.output - self.baseline;
        (self.tokens.iter().sum::<f64>() - difference).abs() / difference.abs().max(f64::MIN_POSITIVE)
    }
}

/// Completeness is asked for to a hundredth.
const TOLERANCE: f64 = 0.01;
/// The first number of nodes.
pub const FEWEST_NODES: usize = 16;
/// Nodes that nearly always do, with those of the attempts before.
pub const ENOUGH_NODES: usize = FEWEST_NODES * (1 + 2 + 4);
/// Tokens of nodes that are computed at once.
const TOKENS_AT_ONCE: usize = 2048;

/// Attributes output `class` of a network that gives a row of outputs for each sequence, in fp32 and without dropout,
/// with at most `most_nodes` nodes in all, but never fewer than [`FEWEST_NODES`].
///
/// # Errors
/// libtorch refuses.
pub fn integrated_gradients(
    network: &Network,
    sequence: &Sequence,
    class: usize,
    most_nodes: usize,
    device: Device,
) -> Result<Attribution, TrainError> {
    let words = network.word_embeddings().detach();
    let rows = |ids: &[i64]| words.index_select(0, &Tensor::from_slice(ids).to_device(device)); // [l, e]
    let (end, start) = (rows(&sequence.input_ids), rows(&sequence.baseline_ids));
    let way = &end - &start; // [l, e]
    let at = |points: &[Tensor]| outputs(network, sequence, points, class, device);
    let [output, baseline] = <[f64; 2]>::try_from(Vec::<f64>::try_from(
        tch::no_grad(|| at(&[end.shallow_clone(), start.shallow_clone()]))?.1.to_kind(Kind::Double),
    )?)
    .unwrap_or([f64::NAN; 2]);

    let (mut nodes, mut computed) = (FEWEST_NODES, 0);
    loop {
        let mut gradient = way.zeros_like(); // [l, e]
        for part in gauss_legendre(nodes).chunks((TOKENS_AT_ONCE / sequence.input_ids.len().max(1)).max(1)) {
            let points: Vec<Tensor> = part.iter().map(|(place, _)| &start + &way * *place).collect();
            let (points, outputs) = at(&points)?;
            let weights: Vec<f32> = part.iter().map(|(_, weight)| *weight as f32).collect();
            // Each point's own gradient: no output hangs on another's.
            let found = Tensor::f_run_backward(&[&outputs.sum(Kind::Float)], &[&points], false, false)?.remove(0);
            let found = found.view([weights.len() as i64, way.size()[0], way.size()[1]]); // [m, l, e]
            let weights = Tensor::from_slice(&weights).to_device(device).view([-1, 1, 1]);
            gradient += (found * weights).sum_dim_intlist(0, false, Kind::Float); // [l, e]
        }
        computed += nodes;
        let tokens = (&gradient * &way).sum_dim_intlist(1, false, Kind::Double); // [l]
        let found = Attribution { tokens: Vec::try_from(tokens)?, output, baseline, nodes, computed };
        if found.completeness_error() <= TOLERANCE || computed + nodes * 2 > most_nodes {
            return Ok(found);
        }
        nodes *= 2;
    }
}

/// Points of word embeddings, `[m · l, e]`, from which the graph begins, and one output of each, `[m]`.
fn outputs(
    network: &Network,
    sequence: &Sequence,
    points: &[Tensor],
    class: usize,
    device: Device,
) -> Result<(Tensor, Tensor), TrainError> {
    let points_of_all = Tensor::cat(points, 0).detach().set_requires_grad(true); // [m · l, e]
    let input =
        PackedInput { inputs_embeds: Some(points_of_all.shallow_clone()), ..input(sequence, points.len(), device) };
    let outputs = network.forward(&input, None, Mode::Evaluate).select(1, class as i64); // [m]
    Ok((points_of_all, outputs))
}

/// The same sequence so many times.
fn input(sequence: &Sequence, times: usize, device: Device) -> PackedInput {
    let repeated = |ids: &[i64]| Tensor::from_slice(&ids.repeat(times)).to_device(device);
    PackedInput {
        input_ids: repeated(&sequence.input_ids),
        token_type_ids: repeated(&sequence.token_type_ids),
        layout: SequenceLayout::from_lengths(&vec![sequence.input_ids.len(); times]),
        embedding_noise: None,
        sparse_embeddings: false,
        inputs_embeds: None,
    }
}

/// The weights of each layer's attention: `[h, l, l]` each, in the layers' order.
pub fn attention(network: &Network, sequence: &Sequence, device: Device) -> Vec<Tensor> {
    // Of hidden states every row is computed, and of the last layer's attention too.
    let compute = || network.hidden_states(&input(sequence, 1, device));
    let (_, calls) = tch::no_grad(|| recording_weights(compute));
    calls.into_iter().filter_map(|sequences| sequences.into_iter().next()).collect()
}

/// The nodes in [0, 1] and weights of the Gauss-Legendre quadrature, which is exact for polynomials up to degree 2n − 1:
/// the roots of Legendre's polynomial by Newton's method, as numpy.polynomial.legendre.leggauss gives them for [−1, 1].
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let node = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p, mut before) = (1.0, 0.0);
            for degree in 0..n {
                let degree = degree as f64;
                (p, before) = (((2.0 * degree + 1.0) * x * p - degree * before) / (degree + 1.0), p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        ((1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::gauss_legendre;

    #[test]
    fn the_quadrature_is_exact_for_polynomials() {
        for n in [1, 2, 5, 16, 64, 512] {
            let nodes = gauss_legendre(n);
            for degree in [0, 1, (2 * n - 1) as i32] {
                let integral: f64 = nodes.iter().map(|(x, weight)| weight * x.powi(degree)).sum();
                let expected = 1.0 / f64::from(degree + 1);
                assert!((integral - expected).abs() < 1e-13, "{n} nodes, degree {degree}: {integral}, not {expected}");
            }
        }
    }
}
