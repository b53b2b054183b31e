use super::*;

struct Case {
    x: Tensor,
    residual: Tensor,
    norm: LayerNorm,
    upstream: Tensor,
}

impl Case {
    /// Of `rows` by `width` numbers, `x` in this type.
    fn new(rows: i64, width: i64, kind: Kind) -> Self {
        let wide = if kind == Kind::Double { Kind::Double } else { Kind::Float };
        let draw = |shape: &[i64]| Tensor::randn(shape, (wide, Device::Cpu));
        let leaf = |tensor: Tensor| tensor.detach().set_requires_grad(true);
        Self {
            x: leaf(draw(&[rows, width]).to_kind(kind)),
            residual: leaf(draw(&[rows, width]) * 3.0 + 5.0),
            norm: LayerNorm { weight: leaf(draw(&[width]) + 1.0), bias: Some(leaf(draw(&[width]))), epsilon: 1e-5 },
            upstream: draw(&[rows, width]),
        }
    }

    /// The output and the gradients of `x`, `residual`, `γ` and `β`.
    fn gradients(&self, output: Tensor) -> Vec<Tensor> {
        let bias = self.norm.bias.as_ref().unwrap();
        let leaves = [&self.x, &self.residual, &self.norm.weight, bias];
        let kind = output.kind();
        let mut all = vec![output.detach()];
        all.extend(Tensor::run_backward(&[(output * &self.upstream).sum(kind)], &leaves, false, false));
        all
    }

    fn check(&self, found: &[Tensor], expected: &[Tensor], tolerance: f64) {
        for (name, (found, expected)) in ["y", "dx", "dr", "dγ", "dβ"].iter().zip(found.iter().zip(expected)) {
            assert_eq!((found.kind(), found.size()), (expected.kind(), expected.size()), "{name}");
            let [found, expected] = [found, expected].map(|tensor| tensor.to_kind(Kind::Double));
            let bound = expected.abs().max().double_value(&[]).max(1.0) * tolerance;
            let apart = (found - expected).abs().max().double_value(&[]);
            assert!(apart <= bound, "{name} of {:?}: {apart:e}, at most {bound:e}", self.x.size());
        }
    }
}

#[test]
fn it_is_the_sum_and_the_norm_one_after_the_other() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5), (Kind::BFloat16, 1e-2)] {
        for (rows, width) in [(1, 5), (1, 384), (33, 16), (70, 37), (425, 384)] {
            let case = Case::new(rows, width, kind);
            let dropout = Dropout { probability: 0.0 };
            for mode in [Mode::Train, Mode::Evaluate] {
                let run = |norm: fn(&Tensor, &Tensor, &Dropout, &LayerNorm, Mode) -> Tensor| {
                    case.gradients(norm(&case.x, &case.residual, &dropout, &case.norm, mode))
                };
                case.check(&run(add_norm), &run(plain), tolerance);
            }
        }
    }
}

#[test]
fn what_is_dropped_is_dropped_in_both_passes() {
    for kind in [Kind::Double, Kind::Float, Kind::BFloat16] {
        let case = Case::new(130, 96, kind);
        let dropout = Dropout { probability: 0.3 };
        let found = case.gradients(add_norm(&case.x, &case.residual, &dropout, &case.norm, Mode::Train));
        // A gradient is zero where an element was dropped, and nowhere else.
        let kept = found[1].ne(0.0).to_kind(case.residual.kind());
        let share = kept.mean(Kind::Double).double_value(&[]);
        assert!((share - 0.7).abs() < 0.03, "{share} are kept");
        let dropped = &case.x.to_kind(case.residual.kind()) * kept / 0.7;
        let expected = case.gradients(case.norm.forward(&(dropped + &case.residual)));
        case.check(&found, &expected, if kind == Kind::BFloat16 { 1e-2 } else { 1e-5 });
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let case = Case::new(1000, 48, Kind::Float);
    let run = |threads: i32| {
        let before = tch::get_num_threads();
        tch::set_num_threads(threads);
        let found =
            case.gradients(add_norm(&case.x, &case.residual, &Dropout { probability: 0.0 }, &case.norm, Mode::Train));
        tch::set_num_threads(before);
        found
    };
    assert!(run(1).iter().zip(run(2)).all(|(one, two)| one.equal(&two)));
}
