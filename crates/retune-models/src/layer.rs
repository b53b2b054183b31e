//! An encoder's layers, one after another, and what is kept of each for the backward pass.

use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retune_attention::SequenceLayout;
use retune_torch::recompute::checkpoint;
use tch::Tensor;

use crate::parameters::Scope;
use crate::{EncoderOutput, Trace};

/// A layer with the parameters that it reads, which whoever computes it again in the backward pass must name. It is
/// shared with that pass, which on a GPU has a thread of its own.
#[derive(Debug)]
pub(crate) struct Layer<L> {
    layer: Arc<Mutex<L>>,
    /// In order of construction.
    parameters: Vec<Tensor>,
}

/// How a layer computes: its own parts, what it reads (the hidden state first), and what else it is told.
pub(crate) type Compute<L, C> = fn(&L, &[Tensor], &C) -> Tensor;

impl Scope<'_> {
    /// A layer, with every parameter that is taken while it is built.
    pub(crate) fn layer<L>(&self, build: impl FnOnce(&Self) -> L) -> Layer<L> {
        let (layer, parameters) = self.with_own_parameters(build);
        Layer { layer: Arc::new(Mutex::new(layer)), parameters }
    }

    /// What is built, and every parameter that is taken meanwhile, an adapter's too.
    pub(crate) fn with_own_parameters<L>(&self, build: impl FnOnce(&Self) -> L) -> (L, Vec<Tensor>) {
        let before = self.progress().parameters.len();
        let built = build(self);
        let progress = self.progress();
        let own = progress.parameters.iter().skip(before).map(|(_, tensor)| tensor.shallow_clone());
        (built, own.collect())
    }
}

impl<L: Send + 'static> Layer<L> {
    /// The same layer, which reads more parameters than those that it was built with.
    pub fn with_parameters(mut self, more: Vec<Tensor>) -> Self {
        self.parameters.extend(more);
        self
    }

    fn computed<C>(&self, inputs: &[Tensor], context: &C, compute: Compute<L, C>) -> Tensor {
        compute(&lock(&self.layer), inputs, context)
    }

    /// The same, but nothing is kept for the backward pass except the inputs.
    fn recomputed<C>(&self, inputs: &[Tensor], context: &C, compute: Compute<L, C>) -> Tensor
    where
        C: Clone + Send + 'static,
    {
        let (layer, context) = (Arc::clone(&self.layer), context.clone());
        let function = move |inputs: &[Tensor]| compute(&lock(&layer), inputs, &context);
        let [inputs, parameters] = [inputs, &self.parameters].map(|tensors| tensors.iter().collect::<Vec<_>>());
        match checkpoint(function, &inputs, &parameters) {
            Ok(output) => output,
            #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
            Err(error) => panic!("a layer: {error}"),
        }
    }
}

/// Nobody changes a layer, so that one whose computation panicked is as it was.
fn lock<L>(layer: &Mutex<L>) -> MutexGuard<'_, L> {
    layer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries a hidden state `[t, d]` through layers, and keeps what the trace asks for: the input of every layer and the
/// last one's output. `shared` are other tensors that every layer reads, with gradients, and `context` is all that has
/// none.
pub(crate) fn through<'l, L, C>(
    x: Tensor,
    shared: &[Tensor],
    layers: impl IntoIterator<Item = &'l Layer<L>>,
    context: &C,
    trace: Trace,
    compute: Compute<L, C>,
) -> EncoderOutput
where
    L: Send + 'static,
    C: Clone + Send + 'static,
{
    let mut last = x;
    let mut hidden_states = Vec::new();
    let mut keep = |x: &Tensor| {
        if trace == Trace::HiddenStates {
            hidden_states.push(x.shallow_clone());
        }
    };
    for layer in layers {
        keep(&last);
        // Handles of the layer's own: its gradients of each are summed before others are added to them, whether it is
        // computed once or again, so that both ways agree to the bit.
        let inputs: Vec<Tensor> = iter::once(&last).chain(shared).map(Tensor::alias).collect();
        last = match trace {
            Trace::Recompute => layer.recomputed(&inputs, context, compute),
            Trace::Off | Trace::HiddenStates => layer.computed(&inputs, context, compute),
        };
    }
    keep(&last);
    EncoderOutput { last, hidden_states }
}

/// Carries a hidden state through layers as [`through`] does, but of the last one by the second way of `each`, which
/// gives each sequence's first token alone: `[b, d]`.
pub(crate) fn first_tokens_through<'l, L, C>(
    x: Tensor,
    shared: &[Tensor],
    layers: impl IntoIterator<Item = &'l Layer<L>>,
    (context, layout): (&C, &SequenceLayout),
    trace: Trace,
    (each, last): (Compute<L, C>, Compute<L, C>),
) -> Tensor
where
    L: Send + 'static,
    C: Clone + Send + 'static,
{
    let layers: Vec<_> = layers.into_iter().collect();
    let Some((last_layer, before)) = layers.split_last() else {
        return x.index_select(0, &layout.first_tokens(x.device())); // [b, d]
    };
    let x = through(x, shared, before.iter().copied(), context, trace, each).last; // [t, d]
    through(x, shared, [*last_layer], context, trace, last).last // [b, d]
}
