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

/// Each kind and shape by itself: what the kernel does not compute on goes step by step.
#[test]
fn the_kernel_takes_rows_of_one_precision_on_the_processor() {
    let of = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
    let takes = |x: Kind, residual: Kind, weight: Kind| {
        supports(&of(&[4, 6], x), &of(&[4, 6], residual), &of(&[6], weight), &of(&[6], weight))
    };
    let (half, bf16, float, double) = (Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double);
    for kinds in [[float; 3], [double; 3], [bf16, float, float]] {
        assert!(takes(kinds[0], kinds[1], kinds[2]), "{kinds:?}");
    }
    for kinds in [
        [half; 3],
        [bf16; 3],
        [bf16, float, bf16],
        [bf16, bf16, float],
        [float, double, double],
        [double, double, float],
    ] {
        assert!(!takes(kinds[0], kinds[1], kinds[2]), "{kinds:?}");
    }
    let shaped = |x: &[i64], residual: &[i64], weight: i64| {
        supports(&of(x, float), &of(residual, float), &of(&[weight], float), &of(&[weight], float))
    };
    assert!(shaped(&[2, 3, 6], &[2, 3, 6], 6));
    assert!(!shaped(&[3, 6], &[1, 6], 6) && !shaped(&[3, 6], &[3, 6], 3) && !shaped(&[0, 6], &[0, 6], 6));
}

/// In half precision throughout there is no kernel, and no norm to add to either: all of it is libtorch's.
#[test]
fn other_types_go_step_by_step() {
    let case = Case::new(7, 12, Kind::Float);
    let narrow = |tensor: &Tensor| tensor.detach().to_kind(Kind::BFloat16);
    let norm =
        LayerNorm { weight: narrow(&case.norm.weight), bias: case.norm.bias.as_ref().map(narrow), epsilon: 1e-5 };
    let dropout = Dropout { probability: 0.0 };
    let inputs = [narrow(&case.x), narrow(&case.residual)];
    let found = add_norm(&inputs[0], &inputs[1], &dropout, &norm, Mode::Train);
    assert_eq!(found.kind(), Kind::BFloat16);
    assert!(found.equal(&plain(&inputs[0], &inputs[1], &dropout, &norm, Mode::Train)));
}

#[test]
fn nothing_is_dropped_in_evaluation() {
    let case = Case::new(9, 20, Kind::Float);
    let dropout = Dropout { probability: 0.5 };
    let run = |dropout: &Dropout, mode| add_norm(&case.x, &case.residual, dropout, &case.norm, mode);
    assert!(run(&dropout, Mode::Evaluate).equal(&run(&Dropout { probability: 0.0 }, Mode::Train)));
}

/// What the operation itself says to autograd, which would mend a gradient of another type, at a cost.
#[test]
fn gradients_are_of_the_types_of_their_inputs_and_inputs_are_let_go() {
    for kind in [Kind::Double, Kind::Float, Kind::BFloat16] {
        let case = Case::new(5, 8, kind);
        let inputs = [&case.x, &case.residual, &case.norm.weight, case.norm.bias.as_ref().unwrap()].map(Tensor::detach);
        for keeps in [true, false] {
            let mut operation = AddNorm { kind, draw: None, epsilon: 1e-5, keeps, kept: None };
            let output = operation.forward(&inputs);
            assert_eq!((operation.keeps_inputs(), operation.kept.is_some()), (!keeps, keeps));
            let gradients = operation.backward(&inputs, &output, &[true; 4]);
            let kinds = |tensors: &[Tensor]| tensors.iter().map(Tensor::kind).collect::<Vec<_>>();
            assert_eq!(kinds(&gradients), kinds(&inputs));
        }
    }
}

#[test]
fn parameters_of_another_type_or_size_are_left_to_libtorch() {
    let case = Case::new(3, 8, Kind::Float);
    let bias = case.norm.bias.as_ref().unwrap();
    let fits = |weight: &Tensor, bias: &Tensor| supports(&case.x, &case.residual, weight, bias);
    assert!(fits(&case.norm.weight, bias));
    assert!(!fits(&case.norm.weight, &bias.to_kind(Kind::Double)));
    assert!(!fits(&case.norm.weight.to_kind(Kind::Double), bias));
    assert!(!fits(&case.norm.weight, &bias.narrow(0, 0, 7)));
    assert!(!fits(&case.norm.weight.narrow(0, 0, 7), bias));
}
