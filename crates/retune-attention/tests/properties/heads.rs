//! Heads work beside each other: together they are what each is alone, and grouped queries are repeated keys.

use proptest::prelude::*;
use retune_attention::{Linear, Mode, MultiHeadAttention, Pairing, ScoreBias};
use tch::{Kind, Tensor};

use crate::cases::{
    BACKENDS, Batch, Bias, Case, ContentBias, DOUBLE, INPUTS, across, any_case, assert_close, config, gradients, randn,
    weighed,
};
use retune_attention::attention::reference;
use retune_attention::positions::relative::PlaceBias;

/// The batch's inputs for one query head.
fn of_head(batch: &Batch, head: i64) -> Vec<Tensor> {
    let [q, k, v] = batch.qkv();
    let key_head = head / batch.case.group;
    let mut inputs = vec![q.narrow(1, head, 1), k.narrow(1, key_head, 1), v.narrow(1, key_head, 1)];
    inputs.extend(batch.inputs().get(3).map(|bias| match batch.case.bias {
        Bias::Places => bias.narrow(0, head, 1),
        _ => bias.shallow_clone(),
    }));
    inputs
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn heads_together_are_what_each_is_alone(case in any_case()) {
        let batch = case.batch();
        let none = Tensor::new();
        for (name, backend) in BACKENDS {
            let together = batch.run(backend);
            for head in 0..case.heads() {
                let inputs = of_head(&batch, head);
                let bias = inputs.get(3).unwrap_or(&none);
                let alone = batch.run_as(backend, &inputs[0], &inputs[1], &inputs[2], bias, &batch.attention, Mode::Evaluate);
                assert_close(&format!("{name}, head {head}"), &together.narrow(1, head, 1), &alone, 1e-12);
            }
        }
    }

    /// Forward and backward: a key's gradient is the sum over the queries' heads that share it.
    #[test]
    fn grouped_queries_equal_repeated_keys(case in any_case()) {
        let batch = case.batch();
        let none = Tensor::new();
        for (name, backend) in BACKENDS {
            let repeated = |inputs: &[Tensor]| {
                let wide = |tensor: &Tensor| {
                    // Written as a list of heads, so that no operation of the backends says what order is meant.
                    let heads: Vec<Tensor> = (0..case.heads()).map(|head| tensor.select(1, head / case.group)).collect();
                    Tensor::stack(&heads, 1)
                };
                let bias = inputs.get(3).unwrap_or(&none);
                batch.run_as(backend, &inputs[0], &wide(&inputs[1]), &wide(&inputs[2]), bias, &batch.attention, Mode::Evaluate)
            };
            assert_close(name, &batch.run(backend), &repeated(batch.inputs()), 1e-12);
            let expected = gradients(batch.inputs(), |inputs| weighed(&repeated(inputs)));
            for ((input, found), expected) in INPUTS.iter().zip(batch.gradients(backend)).zip(&expected) {
                assert_close(&format!("{name}, gradient of {input}"), &found, expected, 1e-10);
            }
        }
    }

    /// Vaswani et al. 2017, section 3.2.2: the concatenation of single heads, each with its rows of the projections.
    #[test]
    fn multi_head_attention_is_the_concatenation_of_single_heads(case in any_case(), with_bias in any::<bool>()) {
        let trial = Trial::new(&case, with_bias);
        let whole = trial.layer(None);
        let heads: Vec<MultiHeadAttention> = (0..case.heads()).map(|head| trial.layer(Some(head))).collect();
        let content = ContentBias(randn([case.size, case.size]));
        for pairing in [trial.batch.pairing(), trial.batch.pairing().with_bias(&content)] {
            let run = |inputs: &[Tensor], layer: &MultiHeadAttention| layer.across(&inputs[0], &inputs[1], pairing, Mode::Evaluate);
            let concatenated = |inputs: &[Tensor]| {
                let outputs: Vec<Tensor> = heads.iter().map(|head| run(inputs, head)).collect();
                Tensor::cat(&outputs, 1)
            };
            let inputs = [trial.x.shallow_clone(), trial.memory.shallow_clone()];
            let found = run(&inputs, &whole);
            assert_eq!(found.size(), [trial.batch.queries.tokens(), case.heads() * case.size]);
            assert_close("output", &found, &concatenated(&inputs), 1e-11);
            let expected = gradients(&inputs, |inputs| weighed(&concatenated(inputs)));
            for (found, expected) in gradients(&inputs, |inputs| weighed(&run(inputs, &whole))).iter().zip(&expected) {
                assert_close("gradient", found, expected, 1e-10);
            }
        }
    }

    /// The projections written out, around the reference.
    #[test]
    fn multi_head_attention_is_its_equation(case in across(), with_bias in any::<bool>()) {
        let trial = Trial::new(&case, with_bias);
        let projected = |x: &Tensor, linear: &Linear, heads: i64| {
            let y = x.matmul(&linear.weight.transpose(0, 1));
            let y = match &linear.bias {
                Some(bias) => y + bias,
                None => y,
            };
            y.view([x.size()[0], heads, case.size])
        };
        let layer = trial.layer(None);
        let expected = reference::attend(
            &projected(&trial.x, &layer.query, case.heads()),
            &projected(&trial.memory, &layer.key, case.key_heads),
            &projected(&trial.memory, &layer.value, case.key_heads),
            &trial.batch.pairing(),
            &layer.attention,
            Mode::Evaluate,
        );
        let expected = expected.view([trial.batch.queries.tokens(), case.heads() * case.size]);
        assert_close("output", &layer.across(&trial.x, &trial.memory, trial.batch.pairing(), Mode::Evaluate), &expected, 1e-11);
    }
}

/// The inputs and weights of multi-head attention.
struct Trial {
    batch: Batch,
    x: Tensor,
    memory: Tensor,
    linears: [(Tensor, Option<Tensor>); 3],
}

const HIDDEN: i64 = 6;

impl Trial {
    fn new(case: &Case, with_bias: bool) -> Self {
        let case = Case { bias: Bias::Absent, ..case.clone() };
        let batch = case.batch();
        let x = randn([batch.queries.tokens(), HIDDEN]);
        let memory = randn([batch.keys.tokens(), HIDDEN]);
        let linears = [case.heads(), case.key_heads, case.key_heads].map(|heads| {
            let out = heads * case.size;
            (randn([out, HIDDEN]), with_bias.then(|| randn([out])))
        });
        Self { batch, x, memory, linears }
    }

    /// The whole layer, or the layer of one of its heads.
    fn layer(&self, head: Option<i64>) -> MultiHeadAttention {
        let case = &self.batch.case;
        let linear = |which: usize, head: Option<i64>| {
            let (weight, bias) = &self.linears[which];
            let rows = |tensor: &Tensor| match head {
                Some(head) => tensor.narrow(0, head * case.size, case.size),
                None => tensor.shallow_clone(),
            };
            Linear::new(rows(weight), bias.as_ref().map(rows))
        };
        let shared = head.map(|head| head / case.group);
        MultiHeadAttention {
            query: linear(0, head),
            key: linear(1, shared),
            value: linear(2, shared),
            head_size: case.size,
            attention: self.batch.attention,
        }
    }
}

/// Attention within a sequence is attention across to itself.
#[test]
fn self_attention_reads_queries_keys_and_values_from_one_place() {
    let case = Case {
        queries: vec![2, 4],
        keys: vec![2, 4],
        key_heads: 1,
        group: 2,
        size: 3,
        visibility: retune_attention::Visibility::Causal,
        bias: Bias::Absent,
        scale: None,
        seed: 9,
    };
    let trial = Trial::new(&case, true);
    let layer = trial.layer(None);
    let own = layer.forward(&trial.x, &trial.batch.queries, Mode::Evaluate);
    let across = layer.across(&trial.x, &trial.x, &trial.batch.queries, Mode::Evaluate);
    assert!(own.equal(&across));
    assert!(own.square().sum(Kind::Double).double_value(&[]) > 0.0);
}

/// A bias sees one head of keys for every head of queries, also where these are grouped.
#[test]
fn a_bias_is_given_as_many_heads_of_keys_as_of_queries() {
    struct Looks;
    impl ScoreBias for Looks {
        fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
            assert_eq!((q.size()[1], k.size()[1]), (6, 6));
            assert!(k.select(1, 0).equal(&k.select(1, 2)) && !k.select(1, 2).equal(&k.select(1, 3)));
            PlaceBias(Tensor::zeros([6, 3, 3], DOUBLE)).of(q, k)
        }
    }
    let layout = retune_attention::SequenceLayout::from_lengths(&[3, 2, 2]);
    let q = randn([7, 6, 2]);
    let [k, v] = [(); 2].map(|()| randn([7, 2, 2]));
    for (_, backend) in BACKENDS {
        let _ = backend(&q, &k, &v, &Pairing::from(&layout).with_bias(&Looks), &Default::default(), Mode::Evaluate);
    }
}
