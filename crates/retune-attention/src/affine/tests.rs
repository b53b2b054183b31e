use retune_torch::autocast::AutocastGuard;
use retune_torch::slices::read;
use tch::{Kind, no_grad};

use super::kernel::{Shape, Single};
use super::packing::{By, Right};
use super::product::Product;
use super::*;

/// Rows, depth, columns: one of each, tiles and panels that are full and that are not, several blocks, and sums of several
/// stretches.
const SIZES: [(i64, i64, i64); 11] = [
    (1, 1, 1),
    (1, 384, 2),
    (5, 7, 33),
    (12, 32, 32),
    (13, 384, 31),
    (64, 385, 96),
    (97, 1000, 65),
    (250, 96, 384),
    (900, 40, 24),
    (1_100, 40, 50),
    (20, 2000, 3000),
];

fn random(size: &[i64]) -> Tensor {
    Tensor::randn(size, (Kind::Float, Device::Cpu))
}

fn leaf(size: &[i64]) -> Tensor {
    random(size).set_requires_grad(true)
}

/// The output and the gradients of all inputs, for this gradient of the output.
fn with_gradients(forward: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor], upstream: &Tensor) -> Vec<Tensor> {
    let y = forward(inputs);
    let gradients = Tensor::run_backward(&[(&y * upstream.to_kind(y.kind())).sum(y.kind())], inputs, false, false);
    std::iter::once(y.detach()).chain(gradients).collect()
}

fn linear(inputs: &[Tensor]) -> Tensor {
    inputs[0].linear(&inputs[1], inputs.get(2))
}

fn own(inputs: &[Tensor]) -> Tensor {
    assert!(matches!(choice(&inputs[0], &inputs[1], inputs.get(2)), Choice::Single(_)));
    affine(&inputs[0], &inputs[1], inputs.get(2))
}

/// The largest difference from what float64 gives, over the largest number.
fn error(found: &Tensor, exact: &Tensor) -> f64 {
    assert_eq!(found.size(), exact.size());
    let apart = (found.to_kind(Kind::Double) - exact).abs().max().double_value(&[]);
    apart / exact.abs().max().double_value(&[]).max(1e-30)
}

#[test]
fn values_and_gradients_are_libtorchs() {
    // The same numbers each time: a sum that happens to be next to nothing has no relative error to speak of.
    tch::manual_seed(1);
    for (rows, depth, columns) in SIZES {
        for has_bias in [true, false] {
            let mut inputs = vec![leaf(&[rows, depth]), leaf(&[columns, depth])];
            inputs.extend(has_bias.then(|| leaf(&[columns])));
            let upstream = random(&[rows, columns]);
            let wide: Vec<Tensor> =
                inputs.iter().map(|input| input.detach().to_kind(Kind::Double).set_requires_grad(true)).collect();
            let exact = with_gradients(linear, &wide, &upstream);
            let theirs = with_gradients(linear, &inputs, &upstream);
            let ours = with_gradients(own, &inputs, &upstream);
            assert_eq!(ours.len(), exact.len());
            for ((ours, theirs), exact) in ours.iter().zip(&theirs).zip(&exact) {
                let (ours, theirs) = (error(ours, exact), error(theirs, exact));
                let most = 2.0 * theirs + 1e-6;
                assert!(ours < most, "{rows} {depth} {columns}: {ours:e} beside {theirs:e}");
            }
        }
    }
}

#[test]
fn leading_dimensions_stay() {
    let inputs = [leaf(&[3, 4, 40]), leaf(&[48, 40]), leaf(&[48])];
    let upstream = random(&[3, 4, 48]);
    for (ours, theirs) in with_gradients(own, &inputs, &upstream).iter().zip(with_gradients(linear, &inputs, &upstream))
    {
        assert!(ours.size() == theirs.size() && ours.allclose(&theirs, 1e-5, 1e-5, false));
    }
    // One row alone has none.
    let [x, weight] = [random(&[40]), random(&[48, 40])];
    assert!(affine(&x, &weight, None).allclose(&x.linear(&weight, None::<&Tensor>), 1e-5, 1e-5, false));
    // What does not lie row by row is copied.
    let across = random(&[40, 9]).transpose(0, 1);
    assert!(affine(&across, &weight, None).allclose(&across.linear(&weight, None::<&Tensor>), 1e-5, 1e-5, false));
}

/// A row's result is the same to the bit, whatever other rows there are; and so is everything on any number of threads.
fn check_rows_and_threads(affine: &dyn Fn(&[Tensor]) -> Tensor) {
    let inputs = [leaf(&[101, 500]), leaf(&[70, 500]), leaf(&[70])];
    let whole = affine(&inputs);
    for row in [0, 11, 12, 50, 100] {
        let [weight, bias] = [1, 2].map(|input: usize| inputs[input].shallow_clone());
        let alone = affine(&[inputs[0].narrow(0, row, 1), weight, bias]);
        assert!(alone.equal(&whole.narrow(0, row, 1)), "{row}");
    }
    let upstream = random(&[101, 70]);
    let threads = tch::get_num_threads();
    let [one, three] = [1, 3].map(|threads| {
        tch::set_num_threads(threads);
        with_gradients(affine, &inputs, &upstream)
    });
    tch::set_num_threads(threads);
    // The bias's sum is libtorch's.
    assert!(one.iter().zip(&three).take(3).all(|(one, three)| one.equal(three)));
}

#[test]
fn nothing_depends_on_other_rows_or_threads() {
    check_rows_and_threads(&own);
}

/// Vectors of eight numbers give what vectors of sixteen do, to the bit.
#[cfg(target_arch = "x86_64")]
#[test]
fn nothing_depends_on_the_width_of_vectors() {
    let (rows, depth, columns) = (29, 900, 77);
    let [x, weight, bias] = [random(&[rows, depth]), random(&[columns, depth]), random(&[columns])];
    let narrow = pulp::Arch::V3(pulp::x86::V3::try_new().expect("a processor with AVX2, as all that run these tests"));
    let [one, other] = [narrow, pulp::Arch::new()].map(|arch| {
        let product = Product { arithmetic: Single(arch), shape: Shape::of(arch).unwrap(), longest: single::STRETCH };
        let [left, weight, bias] = [&x, &weight, &bias].map(|tensor| read(tensor).unwrap());
        let right = |by| Right { factors: weight, depth: depth as usize, columns: columns as usize, by };
        // The same numbers, whatever matrix they are taken for.
        let size = [rows, columns];
        [
            product.of_rows::<f32>(&size, left, &right(By::Columns), Some(bias)),
            product.of_rows::<f32>(&size, left, &right(By::Rows), None),
            product.of_columns::<f32>(&size, left, rows as usize, &right(By::Rows)),
        ]
    });
    assert_eq!(one, other);
}

#[test]
fn only_what_is_asked_for_has_a_gradient() {
    let inputs = [leaf(&[6, 40]), random(&[48, 40]), random(&[48])];
    own(&inputs).sum(Kind::Float).backward();
    assert!(inputs[0].grad().defined() && !inputs[1].grad().defined());
    let _no_grad = tch::no_grad_guard();
    assert!(!own(&inputs).requires_grad());
}

#[test]
fn the_rest_is_left_to_libtorch() {
    let left_out =
        |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>| matches!(choice(x, weight, bias), Choice::Libtorch);
    let [x, weight, bias] = [random(&[6, 40]), random(&[48, 40]), random(&[48])];
    assert!(!left_out(&x, &weight, Some(&bias)) && !left_out(&x, &weight, None));
    let wide = [&x, &weight].map(|tensor| tensor.to_kind(Kind::Double));
    let refused = [
        left_out(&wide[0], &wide[1], None),
        left_out(&x, &weight.transpose(0, 1).contiguous().transpose(0, 1), None),
        left_out(&x, &weight, Some(&random(&[40]))),
        left_out(&x.narrow(0, 0, 0), &weight, None),
        left_out(&x.narrow(1, 0, 39), &weight, None),
    ];
    assert_eq!(refused, [true; 5]);
    let doubled = affine(&wide[0], &wide[1], None);
    assert!(doubled.kind() == Kind::Double && doubled.equal(&wide[0].linear(&wide[1], None::<&Tensor>)));
    let autocast = AutocastGuard::to(Narrow::Float16, Device::Cpu).unwrap();
    assert!(left_out(&x, &weight, None));
    drop(autocast);
    let _autocast = AutocastGuard::to(Narrow::Bfloat16, Device::Cpu).unwrap();
    let is_odd = [&x, &weight.narrow(0, 0, 47)];
    assert_eq!(left_out(is_odd[0], is_odd[1], None), AmxAffine::detect().is_none(), "no pairs");
    assert_eq!(no_grad(|| affine(&x, &weight.narrow(0, 0, 47), None)).kind(), Kind::BFloat16);
}

/// Each of the kernels that this processor can compute with under autocast, also those that it does not choose, and what
/// the weight's sides must be multiples of.
fn each_mixed(work: impl Fn(&dyn Fn(&[Tensor]) -> Tensor, i64)) {
    let _autocast = AutocastGuard::to(Narrow::Bfloat16, Device::Cpu).unwrap();
    match PairProducts::detect() {
        Some(pairs) => {
            let pairs = |inputs: &[Tensor]| {
                let fits = fits(&inputs[0], &inputs[1], inputs.get(2));
                assert!(fits && MixedAffine::supports(&inputs[0], &inputs[1], inputs.get(2)));
                apply(MixedAffine::by(pairs).unwrap(), inputs).unwrap()
            };
            work(&pairs, 2);
        }
        None => eprintln!("skipped: the processor has no AVX512_BF16"),
    }
    match AmxAffine::detect() {
        Some(_) => {
            let amx = |inputs: &[Tensor]| {
                assert!(matches!(choice(&inputs[0], &inputs[1], inputs.get(2)), Choice::Amx(_)));
                affine(&inputs[0], &inputs[1], inputs.get(2))
            };
            work(&amx, 1);
        }
        None => eprintln!("skipped: the processor has no AMX"),
    }
}

/// As exact as sums in float32 of numbers in bfloat16 are: the result rounded once, and the weight's gradient not at all.
#[test]
fn bfloat16_is_rounded_where_libtorch_rounds_it() {
    each_mixed(|affine, multiple| {
        tch::manual_seed(1);
        for (rows, depth, columns) in SIZES {
            let [depth, columns] = [depth, columns].map(|side| (side + multiple - 1) / multiple * multiple);
            for kind in [Kind::Float, Kind::BFloat16] {
                let rounded = |size: &[i64]| random(size).to_kind(Kind::BFloat16);
                let x = rounded(&[rows, depth]).to_kind(kind).set_requires_grad(true);
                let [weight, bias] = [rounded(&[columns, depth]), random(&[columns])];
                let inputs = [x, weight.to_kind(Kind::Float).set_requires_grad(true), bias.set_requires_grad(true)];
                let upstream = rounded(&[rows, columns]);
                let wide = inputs.each_ref().map(|input| input.detach().to_kind(Kind::Double).set_requires_grad(true));
                let exact = with_gradients(|inputs| inputs[0].linear(&inputs[1], inputs.get(2)), &wide, &upstream);
                let ours = with_gradients(affine, &inputs, &upstream);
                let kinds = ours.iter().map(Tensor::kind).collect::<Vec<_>>();
                assert_eq!(kinds, [Kind::BFloat16, kind, Kind::Float, Kind::Float]);
                for (ours, exact) in ours.iter().zip(&exact) {
                    let most = if ours.kind() == Kind::BFloat16 { 0.5f64.powi(8) } else { 2e-6 };
                    let found = error(ours, exact);
                    assert!(found < most, "{rows} {depth} {columns} {kind:?}: {found:e}");
                }
            }
        }
    });
}

#[test]
fn nothing_in_bfloat16_depends_on_other_rows_or_threads() {
    each_mixed(|affine, _| {
        check_rows_and_threads(affine);
        let inputs = [leaf(&[101, 500]), leaf(&[70, 500])];
        // One number further on in memory, where no pair begins.
        let shifted = Tensor::cat(&[random(&[1]), inputs[0].flatten(0, -1)], 0).to_kind(Kind::BFloat16);
        let shifted = shifted.narrow(0, 1, 101 * 500).view([101, 500]);
        assert!(affine(&[shifted, inputs[1].shallow_clone()]).equal(&affine(&inputs)));
    });
}

#[test]
fn bfloat16_is_of_these_types_and_pairs_of_even_rows() {
    let supports = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        let [pairs, mixed] = [MixedAffine::supports, is_mixed].map(|supports| supports(x, weight, Some(bias)));
        assert_eq!(pairs, mixed && weight.size().iter().all(|side| side % 2 == 0));
        pairs
    };
    let [x, weight, bias] = [random(&[6, 40]), random(&[48, 40]), random(&[48])];
    let half = |tensor: &Tensor| tensor.to_kind(Kind::BFloat16);
    let wide = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    assert!(supports(&x, &weight, &bias) && supports(&half(&x), &weight, &bias));
    assert!(!supports(&wide(&x), &weight, &bias) && !supports(&x, &half(&weight), &bias));
    assert!(!supports(&x, &weight, &half(&bias)));
    assert!(!supports(&x, &weight.narrow(0, 0, 47), &bias) && !supports(&x, &weight.narrow(1, 0, 39), &bias));
}
