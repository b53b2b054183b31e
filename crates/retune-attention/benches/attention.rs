//! Attention's backends against each other, forward alone and with the backward pass, over sequence length, heads and
//! the shape of the batch:
//!
//! ```text
//! cargo bench -p retune-attention --profile dev                      # all of it
//! cargo bench -p retune-attention --profile dev -- --quick shape/    # one group, roughly
//! cargo bench -p retune-attention --profile dev -- dropout/          # the table of docs/performance.md
//! ```
//!
//! The arithmetic is libtorch's, whatever the profile; with `dev` its bindings are not compiled anew.
#![allow(missing_docs)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use retune_attention::attention::{packed, rectangles, reference};
use retune_attention::{Attention, Dropout, LayerNorm, Mode, Pairing, SequenceLayout, Visibility, add_norm, attend};
use tch::{Device, Kind, Tensor};

type Backend = fn(&Tensor, &Tensor, &Tensor, &Pairing<'_>, &Attention, Mode) -> Tensor;

/// `attend` is what callers get: on a processor `rectangles` or `packed`, on a GPU the variable-length kernels.
const BACKENDS: [(&str, Backend); 4] = [
    ("reference", reference::attend),
    ("rectangles", rectangles::attend),
    ("packed", packed::attend),
    ("attend", dispatched),
];

fn dispatched(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, how: &Attention, mode: Mode) -> Tensor {
    attend(q, k, v, *pairing, how, mode)
}

/// A packed batch, and what attention does on it.
struct Work {
    lengths: Vec<usize>,
    heads: i64,
    key_heads: i64,
    size: i64,
    visibility: Visibility,
    /// The probability with which a weight is dropped.
    dropout: f64,
}

impl Work {
    /// A batch of MiniLM's heads: 12 of size 32.
    fn of(lengths: Vec<usize>) -> Self {
        Self { lengths, heads: 12, key_heads: 12, size: 32, visibility: Visibility::Bidirectional, dropout: 0.0 }
    }
}

/// Every backend that can on one batch, forward alone and with the backward pass.
fn compare(group: &mut BenchmarkGroup<'_, WallTime>, parameter: &str, work: &Work) {
    let layout = SequenceLayout::from_lengths(&work.lengths);
    let options = (Kind::Float, device());
    let random = |heads| Tensor::randn([layout.tokens(), heads, work.size], options);
    let inputs = [random(work.heads), random(work.key_heads), random(work.key_heads)];
    let attention = Attention { visibility: work.visibility, dropout: work.dropout, ..Attention::default() };
    group.throughput(Throughput::Elements(layout.tokens() as u64));
    for (name, backend) in BACKENDS {
        // On a GPU there is none of our own.
        if name == "packed" && !packed::supports(&inputs[0], &Pairing::from(&layout)) {
            continue;
        }
        let run = |[q, k, v]: &[Tensor; 3]| backend(q, k, v, &Pairing::from(&layout), &attention, Mode::Train);
        group.bench_function(BenchmarkId::new(format!("{name}, forward"), parameter), |bencher| {
            bencher.iter(|| finished(tch::no_grad(|| run(&inputs))));
        });
        group.bench_function(BenchmarkId::new(format!("{name}, forward and backward"), parameter), |bencher| {
            bencher.iter(|| {
                let leaves = inputs.each_ref().map(|tensor| tensor.detach().set_requires_grad(true));
                run(&leaves).sum(Kind::Float).backward();
                finished(leaves[0].grad())
            });
        });
    }
}

/// The first GPU, if there is one.
fn device() -> Device {
    match retune_torch::cuda::load() {
        Ok(_) => Device::Cuda(0),
        Err(_) => Device::Cpu,
    }
}

/// A GPU works on after a call returns; a time is right only when it is done.
fn finished(tensor: Tensor) -> Tensor {
    if let Device::Cuda(index) = tensor.device() {
        tch::Cuda::synchronize(index as i64);
    }
    tensor
}

/// 4,096 tokens in sequences of one length.
fn length(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("length");
    group.sample_size(10);
    for length in [16, 64, 256, 1024] {
        compare(&mut group, &length.to_string(), &Work::of(vec![length; 4096 / length]));
    }
    group.finish();
}

/// A hidden size of 384 in so many heads; and twelve heads of queries that share three of keys.
fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heads");
    group.sample_size(10);
    for heads in [1, 4, 12] {
        let work = Work { heads, key_heads: heads, size: 384 / heads, ..Work::of(vec![128; 16]) };
        compare(&mut group, &heads.to_string(), &work);
    }
    compare(&mut group, "12 sharing 3", &Work { key_heads: 3, ..Work::of(vec![128; 16]) });
    group.finish();
}

/// 32 sequences whose lengths differ: as they come, ordered by length as training has them, and all as long as the
/// longest (which is what padding would compute).
fn shape(criterion: &mut Criterion) {
    let mixed: Vec<usize> = (0..32).map(|i| 4 + (i * 7) % 40).collect();
    let mut sorted = mixed.clone();
    sorted.sort_unstable();
    let padded = vec![mixed.iter().copied().max().unwrap_or(0); mixed.len()];
    let mut group = criterion.benchmark_group("shape");
    group.sample_size(10);
    for (name, lengths) in [("mixed", mixed), ("sorted", sorted), ("padded", padded)] {
        compare(&mut group, name, &Work::of(lengths));
    }
    group.finish();
}

/// 16 sequences of 128 tokens behind each mask.
fn visibility(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("visibility");
    group.sample_size(10);
    let window = Visibility::Window { before: 16, after: 16 };
    for (name, visibility) in
        [("bidirectional", Visibility::Bidirectional), ("causal", Visibility::Causal), ("window", window)]
    {
        compare(&mut group, name, &Work { visibility, ..Work::of(vec![128; 16]) });
    }
    group.finish();
}

/// The table of docs/performance.md: 32 sequences, with dropout and without. Lengths that differ are spread evenly, in
/// no order.
fn dropout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dropout");
    group.sample_size(15);
    for (name, lengths, dropouts) in dropout_shapes() {
        for dropout in dropouts {
            compare(
                &mut group,
                &format!("{name}, {dropout}"),
                &Work { dropout: *dropout, ..Work::of(lengths.clone()) },
            );
        }
    }
    group.finish();
}

/// The table's lengths by their names, and its dropouts.
fn dropout_shapes() -> [(&'static str, Vec<usize>, &'static [f64]); 9] {
    let spread = |first: usize, last: usize| (0..32).map(|i| first + i * 7 % (last - first + 1)).collect();
    [
        ("4 to 26", spread(4, 26), &[0.0, 0.1]),
        ("35 to 74", spread(35, 74), &[0.0, 0.1]),
        ("90 to 130", spread(90, 130), &[0.0, 0.1]),
        ("220 to 300", (0..8).map(|i| 220 + i * 10).collect(), &[0.0, 0.1]),
        ("32", vec![32; 32], &[0.0, 0.1]),
        ("64", vec![64; 32], &[0.1]),
        ("128", vec![128; 32], &[0.1]),
        ("256", vec![256; 8], &[0.1]),
        ("512", vec![512; 4], &[0.1]),
    ]
}

/// What stands around the products of a layer, on a hidden state of a short batch and of a long one: our kernels, and
/// libtorch's operations one after another, whose dropout keeps a mask.
fn elements(criterion: &mut Criterion) {
    // As a run does, which does not hand pages back to the system.
    retune_torch::memory::keep_freed();
    let mut group = criterion.benchmark_group("elements");
    let layer = Dropout { probability: 0.1 };
    for tokens in [425, 4096] {
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let [x, residual] = [(); 2].map(|()| draw(&[tokens, 384]));
        let norm = LayerNorm { weight: draw(&[384]), bias: Some(draw(&[384])), epsilon: 1e-12 };
        let leaves = [&x, &residual, &norm.weight];
        let upstream = Tensor::randn_like(&x);
        let both =
            |output: Tensor| Tensor::run_backward(&[(output * &upstream).sum(Kind::Float)], &leaves, false, false);
        let plain = || norm.forward(&(x.dropout(layer.probability, true) + &residual));
        let ours = || add_norm(&x, &residual, &layer, &norm, Mode::Train);
        group.bench_function(format!("dropout/{tokens}"), |bencher| bencher.iter(|| layer.forward(&x, Mode::Train)));
        group.bench_function(format!("libtorch's dropout/{tokens}"), |bencher| {
            bencher.iter(|| x.dropout(layer.probability, true));
        });
        group.bench_function(format!("add and norm/{tokens}"), |bencher| bencher.iter(ours));
        group.bench_function(format!("libtorch's add and norm/{tokens}"), |bencher| bencher.iter(plain));
        group.bench_function(format!("add and norm, and backward/{tokens}"), |bencher| bencher.iter(|| both(ours())));
        group.bench_function(format!("libtorch's add and norm, and backward/{tokens}"), |bencher| {
            bencher.iter(|| both(plain()));
        });
    }
    group.finish();
}

criterion_group!(benches, length, heads, shape, visibility, dropout, elements);
criterion_main!(benches);
