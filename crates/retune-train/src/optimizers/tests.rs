use super::*;

const RULES: [fn() -> Box<dyn UpdateRule>; 5] = [
    || Box::new(AdamW::default()),
    || Box::new(Sgd { momentum: 0.9, ..Sgd::default() }),
    || Box::new(Adafactor::default()),
    || Box::new(Lion::default()),
    || Box::new(ScheduleFreeAdamW::default()),
];

fn two_weights() -> Vec<(String, Tensor)> {
    [("a.weight", 1.0), ("b.weight", 2.0)].map(|(name, value)| (name.to_owned(), Tensor::from_slice(&[value]))).into()
}

fn all(parameters: &[(String, Tensor)], weight_decay: f64) -> Vec<ParameterGroup> {
    let named = parameters.iter().map(|(name, tensor)| (name.as_str(), tensor));
    groups(named, &GroupSettings { weight_decay, ..GroupSettings::default() }).unwrap()
}

#[test]
fn a_parameter_without_a_gradient_stays() -> Result<(), TorchError> {
    for rule in RULES.map(|rule| rule()) {
        let what = format!("{rule:?}");
        let parameters = two_weights();
        let mut optimizer = Optimizer::new(rule, all(&parameters, 0.5));
        let before: Vec<_> = optimizer.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        optimizer.step(&[Tensor::from_slice(&[1.0]), Tensor::new()], StepControl::at(0.1))?;
        let values: Vec<f64> = parameters.iter().map(|(_, tensor)| tensor.double_value(&[0])).collect();
        assert!(values[0] < 0.96 && values[1] == 2.0, "{what}: {values:?}");
        for ((name, old), (_, new)) in before.iter().zip(optimizer.state()) {
            assert_eq!(*old == new, name.starts_with("b."), "{what}: {name} was {old:?}, is {new:?}");
        }
    }
    Ok(())
}

#[test]
fn a_sparse_gradient_is_the_dense_one() -> Result<(), TorchError> {
    let options = (Kind::Float, Device::Cpu);
    let (start, other) = (Tensor::randn([50, 6], options), Tensor::randn([3, 2], options));
    for rule in RULES {
        let moved = |sparse: bool| -> Result<Tensor, TorchError> {
            let parameters = [("table.weight", start.copy()), ("other.weight", other.copy())]
                .map(|(name, tensor)| (name.to_owned(), tensor));
            let mut optimizer = Optimizer::new(rule(), all(&parameters, 0.1));
            for step in 0..5 {
                let mut dense = Tensor::zeros([50, 6], options);
                for row in [step, 2 * step, 30] {
                    let _ = dense.get(row).g_add_scalar_(0.1 * (step + row + 1) as f64);
                }
                if sparse {
                    dense = dense.to_sparse_sparse_dim(1).coalesce();
                }
                optimizer.step(&[dense, &other * 0.5], StepControl::at(0.01))?;
            }
            Ok(parameters[0].1.shallow_clone())
        };
        let (sparse, dense) = (moved(true)?, moved(false)?);
        assert!(!dense.allclose(&start, 0.0, 1e-3, false), "{:?} moved nothing", rule());
        assert!(sparse.allclose(&dense, 1e-6, 1e-7, false), "{:?}", rule());
    }
    Ok(())
}

#[test]
fn a_factor_is_that_of_the_gradients() -> Result<(), TorchError> {
    let options = (Kind::Float, Device::Cpu);
    let start = [Tensor::randn([50, 6], options), Tensor::randn([3, 2], options)];
    let factor = Tensor::from(0.3f32);
    for rule in RULES {
        let moved = |scaled_before: bool| -> Result<Vec<Tensor>, TorchError> {
            let parameters = [("table.weight", start[0].copy()), ("other.weight", start[1].copy())]
                .map(|(name, tensor)| (name.to_owned(), tensor));
            let mut optimizer = Optimizer::new(rule(), all(&parameters, 0.1));
            for step in 1..=5 {
                let mut gradients = [&start[0] * step, &start[1] * (0.5 * step as f64)];
                let _ = gradients[0].narrow(0, 7, 40).zero_();
                let factor = if scaled_before {
                    gradients = gradients.map(|gradient| gradient * &factor);
                    None
                } else {
                    Some(&factor)
                };
                let [table, other] = gradients;
                let control = StepControl { factor, ..StepControl::at(0.01) };
                optimizer.step(&[table.to_sparse_sparse_dim(1).coalesce(), other], control)?;
            }
            Ok(parameters.map(|(_, tensor)| tensor).into())
        };
        let (before, inside) = (moved(true)?, moved(false)?);
        assert!(before.iter().zip(&inside).all(|(before, inside)| before.equal(inside)), "{:?}", rule());
    }
    Ok(())
}

#[test]
fn a_step_that_stays_leaves_no_trace() -> Result<(), TorchError> {
    let [goes, skip] = [0f32, 1.0].map(Tensor::from);
    let start = [Tensor::from_slice(&[1f32, -2.0]), Tensor::from_slice(&[0.5f32])];
    for rule in RULES {
        let moved = |left_out: bool| -> Result<Vec<Tensor>, TorchError> {
            let parameters = [("a.weight", start[0].copy()), ("b.weight", start[1].copy())]
                .map(|(name, tensor)| (name.to_owned(), tensor));
            let mut optimizer = Optimizer::new(rule(), all(&parameters, 0.1));
            let wrong = start.each_ref().map(|tensor| tensor * f64::NAN);
            for step in 1..=4 {
                if left_out {
                    optimizer.step(&wrong, StepControl { skip: Some(&skip), ..StepControl::at(0.01) })?;
                }
                let gradients = start.each_ref().map(|tensor| tensor * (0.3 * f64::from(step)));
                optimizer.step(&gradients, StepControl { skip: left_out.then_some(&goes), ..StepControl::at(0.01) })?;
            }
            let state = optimizer.state().into_iter().chain(parameters);
            Ok(state.map(|(_, tensor)| tensor).collect())
        };
        assert_eq!(moved(true)?, moved(false)?, "{:?}", rule());
    }
    Ok(())
}

#[test]
fn evaluation_leaves_no_trace() -> Result<(), TorchError> {
    let parameters = two_weights();
    let mut optimizer = Optimizer::new(Box::new(ScheduleFreeAdamW::default()), all(&parameters, 0.0));
    for step in 0..3 {
        let gradients = [Tensor::from_slice(&[0.3 * f64::from(step)]), Tensor::from_slice(&[-1.0])];
        optimizer.step(&gradients, StepControl::at(0.1))?;
    }
    let training: Vec<Tensor> = parameters.iter().map(|(_, tensor)| tensor.copy()).collect();
    optimizer.to_evaluation()?;
    optimizer.to_evaluation()?;
    assert!(parameters.iter().zip(&training).all(|((_, tensor), before)| tensor != before));
    optimizer.to_training();
    assert!(parameters.iter().zip(&training).all(|((_, tensor), before)| tensor == before));
    Ok(())
}
