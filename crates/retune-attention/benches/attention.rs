//! Attention's backends against each other, forward and backward, on packed batches as training has them.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use retune_attention::{Attention, Mode, SequenceLayout, attend, attention::reference};
use tch::{Device, Kind, Tensor};

fn step(
    backend: fn(&Tensor, &Tensor, &Tensor, &SequenceLayout, &Attention, Mode) -> Tensor,
    inputs: &[Tensor; 3],
    layout: &SequenceLayout,
) -> Tensor {
    let attention = Attention { dropout: 0.1, ..Attention::default() };
    let [q, k, v] = inputs.each_ref().map(|tensor| tensor.detach().set_requires_grad(true));
    backend(&q, &k, &v, layout, &attention, Mode::Train).sum(Kind::Float).backward();
    q.grad()
}

fn attention(criterion: &mut Criterion) {
    let mixed: Vec<usize> = (0..32).map(|i| 4 + (i * 7) % 40).collect();
    let mut sorted = mixed.clone();
    sorted.sort_unstable();
    for (name, lengths) in [("mixed", mixed), ("sorted", sorted), ("equal128", vec![128; 32])] {
        let layout = SequenceLayout::from_lengths(&lengths);
        let inputs = [(); 3].map(|()| Tensor::randn([layout.tokens(), 12, 32], (Kind::Float, Device::Cpu)));
        let mut group = criterion.benchmark_group(format!("attention forward and backward, 32 sequences, {name}"));
        group.throughput(Throughput::Elements(layout.tokens() as u64));
        group.sample_size(20);
        group.bench_function(BenchmarkId::from_parameter("reference"), |b| {
            b.iter(|| step(reference::attend, &inputs, &layout))
        });
        group.bench_function(BenchmarkId::from_parameter("runs"), |b| b.iter(|| step(attend, &inputs, &layout)));
        group.finish();
    }
}

criterion_group!(benches, attention);
criterion_main!(benches);
