//! NEFTune (Jain et al. 2023, arXiv 2310.05914): in training, uniform noise on the word embeddings,
//!
//! ```text
//! x' = x + α / √(l · e) · ε        ε ~ uniform(−1, 1), for every element; l tokens in the sequence, e the embeddings' size
//! ```
//!
//! so that the noise of a whole sequence has one expected norm, `α / √3`, however long it is. `l` is the sequence's own
//! length; implementations on padded batches, `transformers` among them, take the longest of the batch.

use retune_attention::{Embedding, Mode, SequenceLayout};
use retune_torch::transfer::to_device;
use tch::Tensor;

use crate::PackedInput;

/// A table of so many rows is large: a batch reads few of them.
const LARGE_TABLE: i64 = 4096;

impl PackedInput {
    /// The tokens' rows of a table of word embeddings, `[t, e]`, with [`PackedInput::embedding_noise`] in training.
    pub(crate) fn words(&self, table: &Embedding, mode: Mode) -> Tensor {
        let words = match &self.inputs_embeds {
            Some(given) => given.shallow_clone(), // [t, e]
            None if self.sparse_embeddings && table.weight.size()[0] >= LARGE_TABLE => {
                table.forward_sparse(&self.input_ids)
            }
            None => table.forward(&self.input_ids),
        };
        match self.embedding_noise.filter(|alpha| mode.is_train() && *alpha > 0.0) {
            Some(alpha) => &words + noise(&words, alpha, &self.layout),
            None => words,
        }
    }
}

/// Noise of the shape of `words`, `[t, e]`, from libtorch's default generator.
fn noise(words: &Tensor, alpha: f64, layout: &SequenceLayout) -> Tensor {
    let size = words.size()[1] as f64;
    let of_sequence = |range: std::ops::Range<i64>| {
        let length = range.end - range.start;
        (0..length).map(move |_| alpha / (length as f64 * size).sqrt())
    };
    let scales: Vec<f64> = layout.ranges().flat_map(of_sequence).collect();
    let scales = to_device(&Tensor::from_slice(&scales).to_kind(words.kind()), words.device()).unsqueeze(1); // [t, 1]
    words.detach().empty_like().uniform_(-1.0, 1.0) * scales // [t, e]
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;
    use tch::{Device, Kind};

    /// Sequences of 4 and of 400 tokens.
    fn input(alpha: Option<f64>) -> PackedInput {
        let layout = SequenceLayout::from_lengths(&[4, 400]);
        let input_ids = Tensor::arange(404, (Kind::Int64, Device::Cpu)).remainder(7);
        PackedInput {
            token_type_ids: input_ids.zeros_like(),
            input_ids,
            layout,
            embedding_noise: alpha,
            sparse_embeddings: false,
            inputs_embeds: None,
        }
    }

    fn table() -> Embedding {
        Embedding::new(Tensor::randn([7, 100], (Kind::Double, Device::Cpu)).set_requires_grad(true), None)
    }

    /// The default generator, which belongs to the process, for one test at a time.
    fn alone() -> MutexGuard<'static, ()> {
        static GENERATOR: Mutex<()> = Mutex::new(());
        GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn noise_is_uniform_within_the_bounds_of_each_sequence() {
        let _generator = alone();
        retune_torch::random::seed(3);
        let table = table();
        let plain = input(None).words(&table, Mode::Train);
        let noise = (input(Some(5.0)).words(&table, Mode::Train) - plain).detach();
        for (first, length) in [(0, 4), (4, 400)] {
            let bound = 5.0 / (length as f64 * 100.0).sqrt();
            let own = noise.narrow(0, first, length) / bound; // uniform in [-1, 1)
            let largest = own.abs().max().double_value(&[]);
            assert!((0.98..=1.0).contains(&largest), "{length} tokens: the largest is {largest} of its bound");
            let [mean, variance] = [own.mean(Kind::Double), own.var(false)].map(|value| value.double_value(&[]));
            // Of 400 numbers and more, a mean is within 0.12 and a variance within 0.06 (four deviations).
            assert!(mean.abs() < 0.12 && (variance - 1.0 / 3.0).abs() < 0.06, "{length} tokens: {mean}, {variance}");
        }
    }

    #[test]
    fn without_a_size_or_in_evaluation_nothing_is_added_and_nothing_drawn() {
        let _generator = alone();
        let table = table();
        let plain = table.plain(&input(None).input_ids);
        let before = retune_torch::random::state(Device::Cpu).unwrap();
        for (alpha, mode) in [(Some(5.0), Mode::Evaluate), (Some(0.0), Mode::Train), (None, Mode::Train)] {
            assert!(input(alpha).words(&table, mode).equal(&plain), "{alpha:?}, {mode:?}");
        }
        assert!(retune_torch::random::state(Device::Cpu).unwrap() == before);
    }

    #[test]
    fn the_gradient_is_that_of_the_embeddings_alone() {
        let _generator = alone();
        let table = table();
        let gradient = |alpha| {
            let words = input(alpha).words(&table, Mode::Train);
            Tensor::run_backward(&[words.sum(Kind::Double)], &[&table.weight], false, false).remove(0)
        };
        assert!(gradient(Some(5.0)).equal(&gradient(None)));
    }

    #[test]
    fn a_large_table_may_have_a_sparse_gradient() {
        for (rows, expected) in [(LARGE_TABLE, true), (LARGE_TABLE - 1, false)] {
            let weight = Tensor::randn([rows, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let table = Embedding::new(weight, Some(2));
            let gradient = |sparse_embeddings: bool| {
                let words = PackedInput { sparse_embeddings, ..input(None) }.words(&table, Mode::Train);
                let factor = Tensor::arange(words.numel() as i64, (Kind::Float, Device::Cpu)).view_as(&words);
                Tensor::run_backward(&[(words * factor).sum(Kind::Float)], &[&table.weight], false, false).remove(0)
            };
            let (sparse, dense) = (gradient(true), gradient(false));
            assert_eq!((sparse.is_sparse(), dense.is_sparse()), (expected, false), "{rows} rows");
            let sparse = if expected { sparse.coalesce().to_dense(None, false) } else { sparse };
            assert!(sparse.equal(&dense) && dense.get(2).count_nonzero(None).int64_value(&[]) == 0);
        }
    }
}
