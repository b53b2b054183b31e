//! Attention on a packed batch as it lies in memory, on the processor: one pass for each sequence and head, whose scores
//! never leave the cache, and no rectangle. The backward pass computes the weights anew instead of keeping them, as
//! FlashAttention does (Dao et al. 2022, arXiv 2205.14135).
//!
//! It is made for training with dropout, which libtorch's fused kernels lack on the processor. Sequences are shared
//! among libtorch's threads; each is computed by one thread, in one order, so the result does not depend on their
//! number.
//!
//! Dropout draws one number from libtorch's generator for each call, and from it every weight's fate by a hash of its
//! place, so that the backward pass drops the same weights without a mask in memory.

mod kernel;
mod tile;

use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block};
use retune_torch::slices::{filled, read};
use tch::{Device, Kind, Tensor};

use super::{Attention, Pairing, Visibility};
use crate::dropout::Draw;
use crate::real::{NO_REFUSAL, Real};
use crate::{Dropout, Mode, SequenceLayout, runs_of_pairs};
use kernel::{Head, Scratch, backward, forward};

/// Whether this backend computes this attention.
pub fn supports(q: &Tensor, pairing: &Pairing<'_>) -> bool {
    q.device() == Device::Cpu
        && matches!(q.kind(), Kind::Float | Kind::Double | Kind::BFloat16)
        && pairing.bias.is_none()
}

/// Whether it is the one to take: libtorch's kernels have no dropout on the processor, and with it compute every step
/// apart, for each group of equal lengths. In training without it they are the faster ones, for their backward pass,
/// unless they have many small groups to compute. In evaluation this one is as fast or faster (docs/performance.md),
/// and what a sequence gets does not depend on the batch that it is in; of half the precision libtorch's are faster yet.
pub fn is_preferred(q: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> bool {
    let evaluates = !mode.is_train() && q.kind() != Kind::BFloat16;
    supports(q, pairing) && (attention.dropout_in(mode) > 0.0 || evaluates || is_scattered(q, pairing))
}

/// Whether sequences are short and few of a length: a handful of each, of at most 64 tokens on average. Of half the
/// precision libtorch's kernels are faster yet.
fn is_scattered(q: &Tensor, pairing: &Pairing<'_>) -> bool {
    const A_HANDFUL: usize = 4;
    const SHORT: i64 = 64;
    let sequences = pairing.queries.sequences();
    q.kind() != Kind::BFloat16
        && pairing.queries.tokens() <= SHORT * sequences as i64
        && sequences < A_HANDFUL * runs_of_pairs(pairing.queries, pairing.keys).len()
}

/// As [`attend`](super::attend).
///
/// # Panics
/// There is a bias, or a tensor is not of floating-point numbers on the processor.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> Tensor {
    assert!(pairing.bias.is_none(), "packed attention has no bias");
    assert_eq!(pairing.queries.sequences(), pairing.keys.sequences(), "sequences of queries and of keys");
    let operation = Packed {
        queries: offsets(pairing.queries),
        keys: offsets(pairing.keys),
        heads: q.size()[1] as usize,
        key_heads: k.size()[1] as usize,
        size: q.size()[2] as usize,
        scale: attention.scale_for(q.size()[2]),
        visibility: attention.visibility,
        dropout: Dropout { probability: attention.dropout }.draw(mode),
    };
    // Under autocast the sums are float32 all the same.
    let wide = if q.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let inputs = [q, k, v].map(|tensor| tensor.to_kind(wide).contiguous());
    match apply(operation, &inputs) {
        Ok(mixed) => mixed.to_kind(q.kind()), // [t_q, h, k]
        #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
        Err(error) => panic!("packed attention: {error}"),
    }
}

fn offsets(layout: &SequenceLayout) -> Vec<usize> {
    layout.offsets().iter().map(|offset| *offset as usize).collect()
}

/// The operation, between its two passes.
struct Packed {
    /// Where the sequences of queries begin, in tokens: `[b + 1]`.
    queries: Vec<usize>,
    /// Where the sequences of keys begin, in tokens: `[b + 1]`.
    keys: Vec<usize>,
    heads: usize,
    key_heads: usize,
    size: usize,
    scale: f64,
    visibility: Visibility,
    dropout: Option<Draw>,
}

impl Operation for Packed {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        match inputs[0].kind() {
            Kind::Double => self.forward_in::<f64>(inputs),
            _ => self.forward_in::<f32>(inputs),
        }
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
        let gradient = gradient.contiguous();
        match inputs[0].kind() {
            Kind::Double => self.backward_in::<f64>(inputs, &gradient),
            _ => self.backward_in::<f32>(inputs, &gradient),
        }
    }
}

impl Packed {
    fn forward_in<T: Real>(&self, inputs: &[Tensor]) -> Tensor {
        let [q, k, v] = [0, 1, 2].map(|input| numbers::<T>(&inputs[input]));
        let (rows, columns) = (self.heads * self.size, self.key_heads * self.size);
        let blocks = scaled(&self.queries, rows);
        filled(&inputs[0].size(), |out: &mut [T]| {
            let work = |sequence: usize, [out]: [&mut [T]; 1]| {
                let (own, seen) = (self.own(sequence, rows), self.seen(sequence, columns));
                let (q, k, v) = (&q[own], &k[seen.clone()], &v[seen]);
                pulp::Arch::new().dispatch(Forward { packed: self, sequence, q, k, v, out });
            };
            for_each_block([Blocks { slice: out, offsets: &blocks }], &work).expect(NO_REFUSAL);
        })
    }

    fn backward_in<T: Real>(&self, inputs: &[Tensor], gradient: &Tensor) -> Vec<Tensor> {
        let [q, k, v] = [0, 1, 2].map(|input| numbers::<T>(&inputs[input]));
        let gradient = numbers::<T>(gradient);
        let (rows, columns) = (self.heads * self.size, self.key_heads * self.size);
        let (queries, keys) = (scaled(&self.queries, rows), scaled(&self.keys, columns));
        let (mut dk, mut dv) = (Tensor::new(), Tensor::new());
        let dq = filled(&inputs[0].size(), |dq: &mut [T]| {
            dk = filled(&inputs[1].size(), |dk: &mut [T]| {
                dv = filled(&inputs[2].size(), |dv: &mut [T]| {
                    let work = |sequence: usize, [dq, dk, dv]: [&mut [T]; 3]| {
                        let (own, seen) = (self.own(sequence, rows), self.seen(sequence, columns));
                        let (q, k, v) = (&q[own.clone()], &k[seen.clone()], &v[seen]);
                        let gradient = &gradient[own];
                        let inputs = [q, k, v, gradient];
                        pulp::Arch::new().dispatch(Backward {
                            packed: self,
                            sequence,
                            inputs,
                            gradients: [dq, dk, dv],
                        });
                    };
                    let blocks = [
                        Blocks { slice: dq, offsets: &queries },
                        Blocks { slice: dk, offsets: &keys },
                        Blocks { slice: dv, offsets: &keys },
                    ];
                    for_each_block(blocks, &work).expect(NO_REFUSAL);
                });
            });
        });
        vec![dq, dk, dv]
    }

    /// The numbers of one sequence's queries.
    fn own(&self, sequence: usize, width: usize) -> std::ops::Range<usize> {
        self.queries[sequence] * width..self.queries[sequence + 1] * width
    }

    /// The numbers of one sequence's keys.
    fn seen(&self, sequence: usize, width: usize) -> std::ops::Range<usize> {
        self.keys[sequence] * width..self.keys[sequence + 1] * width
    }

    /// One head of one sequence.
    #[inline(always)]
    fn head(&self, sequence: usize, head: usize) -> Head {
        let dropped = self.dropout.map(|draw| draw.part((sequence * self.heads + head) as u64));
        Head {
            queries: self.queries[sequence + 1] - self.queries[sequence],
            keys: self.keys[sequence + 1] - self.keys[sequence],
            size: self.size,
            query_width: self.heads * self.size,
            key_width: self.key_heads * self.size,
            query_start: head * self.size,
            key_start: head / (self.heads / self.key_heads) * self.size,
            scale: self.scale,
            visibility: self.visibility,
            dropped,
        }
    }
}

/// The forward pass of one sequence. A type and not a closure, so that all of it is compiled for the vectors that the
/// processor has: a closure's call would stay a call.
struct Forward<'a, T> {
    packed: &'a Packed,
    sequence: usize,
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> pulp::WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let mut scratch = Scratch::default();
        for head in 0..self.packed.heads {
            forward(&self.packed.head(self.sequence, head), &mut scratch, [self.q, self.k, self.v], self.out);
        }
    }
}

/// The backward pass of one sequence: `q`, `k`, `v` and the output's gradient; the gradients of the first three.
struct Backward<'a, T> {
    packed: &'a Packed,
    sequence: usize,
    inputs: [&'a [T]; 4],
    gradients: [&'a mut [T]; 3],
}

impl<T: Real> pulp::WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let [dq, dk, dv] = self.gradients;
        let mut scratch = Scratch::default();
        for head in 0..self.packed.heads {
            let gradients = [&mut *dq, &mut *dk, &mut *dv];
            backward(&self.packed.head(self.sequence, head), &mut scratch, self.inputs, gradients);
        }
    }
}

/// The numbers of a tensor that was made contiguous.
fn numbers<T: Real>(tensor: &Tensor) -> &[T] {
    match read(tensor) {
        Some(numbers) => numbers,
        #[expect(clippy::panic, reason = "the backend is asked only for tensors that it supports")]
        None => panic!("packed attention of {:?} on {:?}", tensor.kind(), tensor.device()),
    }
}

fn scaled(offsets: &[usize], width: usize) -> Vec<usize> {
    offsets.iter().map(|offset| offset * width).collect()
}
