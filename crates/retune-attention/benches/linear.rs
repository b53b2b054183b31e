//! Linear layers by the kernels of this crate and by libtorch's, each in turn with the other, so that a processor whose
//! clock changes changes both: rates, and the median of the ratios.
//!
//! `cargo bench -p retune-attention --profile dev --bench linear [-- ROUNDS]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use retune_attention::{Linear, Mode};
use retune_torch::autocast::{AutocastGuard, Narrow};
use tch::{Device, Kind, Tensor};

/// Tokens, and the sides of the weight.
const SIZES: [(i64, i64, i64); 6] =
    [(32, 384, 1536), (425, 384, 384), (425, 384, 1536), (425, 1536, 384), (1608, 384, 1536), (4096, 1536, 384)];

fn main() {
    // Criterion's own argument, which cargo adds.
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100);
    retune_torch::memory::keep_freed();
    println!("| precision | pass | tokens × in × out | GFLOP/s | libtorch's | ratio |\n|---|---|---|---|---|---|");
    for narrow in [None, Some(Narrow::Bfloat16)] {
        let precision = if narrow.is_some() { "bf16" } else { "fp32" };
        for size in SIZES {
            let (tokens, inner, outer) = size;
            for (pass, [mut ours, mut theirs]) in passes(size, narrow) {
                let (mut times, mut ratios) = (Vec::new(), Vec::new());
                // The first round is the kernels' that compile.
                for _ in 0..=rounds {
                    let [ours, theirs] = [&mut ours, &mut theirs].map(|work| timed(&mut **work));
                    times.push([ours, theirs].map(|time| time.as_secs_f64()));
                    ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
                }
                let flops = 2.0 * (tokens * inner * outer) as f64;
                let rates = [0, 1].map(|who| {
                    let times = times[1..].iter().map(|pair| pair[who]).collect();
                    flops / median(times) / 1e9
                });
                let ratio = median(ratios.split_off(1));
                println!(
                    "| {precision} | {pass} | {tokens} × {inner} × {outer} | {:.0} | {:.0} | {ratio:.2} |",
                    rates[0], rates[1]
                );
            }
        }
    }
}

type Work = Box<dyn FnMut() -> Tensor>;

/// Each pass by our kernels and by libtorch's.
fn passes((tokens, inner, outer): (i64, i64, i64), narrow: Option<Narrow>) -> Vec<(&'static str, [Work; 2])> {
    let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let autocast = move || narrow.map(|narrow| AutocastGuard::to(narrow, Device::Cpu).expect("a processor has it"));
    let forwards: [fn(&Linear, &Tensor) -> Tensor; 2] =
        [|layer, x| layer.forward(x, Mode::Train), |layer, x| x.linear(&layer.weight, layer.bias.as_ref())];
    let inputs = || (draw(&[tokens, inner]), Linear::new(draw(&[outer, inner]), Some(draw(&[outer]))));
    let forward = forwards.map(|forward| {
        let (x, layer) = inputs();
        let work: Work = Box::new(move || {
            let _autocast = autocast();
            forward(&layer, &x)
        });
        work
    });
    let gradient = |of_weight: bool| {
        forwards.map(|forward| {
            let (x, layer) = inputs();
            let leaf = if of_weight { &layer.weight } else { &x }.set_requires_grad(true);
            let output = {
                let _autocast = autocast();
                forward(&layer, &x)
            };
            let loss = (output * draw(&[tokens, outer])).sum(Kind::Float);
            let leaf = leaf.shallow_clone();
            let work: Work = Box::new(move || Tensor::run_backward(&[&loss], &[&leaf], true, false).swap_remove(0));
            work
        })
    };
    vec![("forward", forward), ("gradient of the input", gradient(false)), ("gradient of the weight", gradient(true))]
}

fn timed(work: &mut dyn FnMut() -> Tensor) -> Duration {
    let start = Instant::now();
    let _ = black_box(work());
    start.elapsed()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
