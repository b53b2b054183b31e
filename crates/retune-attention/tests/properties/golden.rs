//! Positions against the numbers of `transformers`; `tests/golden/generate_positions.py` writes them.

use retune_attention::ScoreBias;
use retune_attention::positions::disentangled::{Disentangled, RelativeSpan};
use retune_attention::positions::relative::{Buckets, alibi_slopes};
use retune_attention::positions::rotary::{Planes, Rotary, Scaling};
use retune_attention::positions::sinusoidal::sinusoidal;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::cases::{DOUBLE, assert_close, tensor};

/// The reference computes in float32.
const SINGLE: f64 = 2e-6;

fn golden(name: &str) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("../golden/positions.json")).unwrap();
    all[name].take()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// A nested list of numbers.
fn nested(value: &Value) -> Tensor {
    fn flatten(value: &Value, numbers: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| flatten(item, numbers)),
            item => numbers.push(number(item)),
        }
    }
    let (mut numbers, mut shape, mut inner) = (Vec::new(), Vec::new(), value);
    while let Value::Array(items) = inner {
        shape.push(items.len() as i64);
        inner = &items[0];
    }
    flatten(value, &mut numbers);
    tensor(&numbers, &shape)
}

/// Numbers that the generator computes too: `[t, h, k]`.
fn heads(tokens: i64, count: i64, size: i64) -> Tensor {
    Tensor::arange(tokens * count * size, DOUBLE).sin().view([tokens, count, size])
}

fn scaling(case: &Value) -> Scaling {
    let given = &case["parameters"];
    let (trained, factor) = (integer(&case["trained"]), given["factor"].as_f64());
    let or = |name: &str, default: f64| given[name].as_f64().unwrap_or(default);
    let factors = |name: &str| list(&given[name]).iter().map(number).collect::<Vec<f64>>();
    let attention_factor = given["attention_factor"].as_f64();
    match case["kind"].as_str().unwrap() {
        "default" => Scaling::Default,
        "linear" => Scaling::Linear { factor: factor.unwrap() },
        "dynamic" => Scaling::Dynamic { factor: factor.unwrap(), trained },
        "yarn" => Scaling::Yarn {
            factor: factor.unwrap(),
            trained,
            beta_fast: or("beta_fast", 32.0),
            beta_slow: or("beta_slow", 1.0),
            attention_factor,
        },
        "llama3" => Scaling::Llama3 {
            factor: factor.unwrap(),
            trained,
            low: number(&given["low_freq_factor"]),
            high: number(&given["high_freq_factor"]),
        },
        "longrope" => Scaling::LongRope {
            short: factors("short_factor"),
            long: factors("long_factor"),
            trained,
            factor: factor.unwrap(),
            attention_factor,
        },
        other => panic!("{other}"),
    }
}

fn rotary(case: &Value) -> Rotary {
    let (rotated, base) = (integer(&case["rotated"]), number(&case["base"]));
    Rotary { rotated, base, planes: Planes::Halves, scaling: scaling(case) }
}

#[test]
fn frequencies_of_every_scaling() {
    for case in list(&golden("rotary")) {
        let rotary = rotary(case);
        let (frequencies, factor) = rotary.frequencies(integer(&case["longest"]));
        let what = format!("{:?} of {} tokens", rotary.scaling, case["longest"]);
        let expected = nested(&case["frequencies"]);
        // Relative, since the slow planes' frequencies are small.
        assert_close(&what, &(tensor(&frequencies, &expected.size()) / &expected), &expected.ones_like(), SINGLE);
        assert!((factor - number(&case["attention_factor"])).abs() < 1e-12, "{what}: {factor}");
    }
}

/// Angles in single precision are the reference's to the last bit, at the last position of the longest sequence too: the
/// vector (1, 0) of every plane is turned to the cosine and sine themselves. (But for two planes of one case, of which
/// torch's own power is off by one in the last place.)
#[test]
fn angles_in_single_precision_of_every_scaling() {
    for case in list(&golden("rotary")) {
        let rotary = rotary(case);
        let single = |tensor: Tensor| tensor.to_kind(Kind::Float);
        let positions = [0, 1, integer(&case["longest"]) - 1];
        let frequencies = single(nested(&case["frequencies"])); // [r/2]
        let factor = number(&case["attention_factor"]);
        let angle = single(tensor(&positions.map(|place| place as f64), &[3, 1])) * &frequencies; // [3, r/2]
        let ones = single(Tensor::ones([3, 1, rotary.rotated / 2], DOUBLE));
        let found = rotary
            .angles(&Tensor::from_slice(&positions), Kind::Float)
            .rotate(&Tensor::cat(&[ones.shallow_clone(), ones.zeros_like()], 2)); // [3, 1, r]
        let expected = Tensor::cat(&[angle.cos() * factor, angle.sin() * factor], 1).unsqueeze(1); // [3, 1, r]
        let what = format!("{:?}", rotary.scaling);
        if rotary.base == 150_000.0 {
            let differ = found.ne_tensor(&expected).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!(differ < 0.04, "{what}: {differ}");
            assert_close(&what, &found, &expected, SINGLE);
        } else {
            assert_close(&what, &found, &expected, 0.0);
        }
    }
}

#[test]
fn rotations_in_both_kinds_of_planes() {
    let case = golden("rotations");
    let positions: Vec<i64> = list(&case["positions"]).iter().map(integer).collect();
    let rotated = |planes, size: i64| {
        let rotary = Rotary {
            rotated: integer(&case["rotated"]),
            base: number(&case["base"]),
            planes,
            scaling: Scaling::Default,
        };
        rotary.angles(&Tensor::from_slice(&positions), Kind::Double).rotate(&heads(5, 2, size))
    };
    assert_close("halves", &rotated(Planes::Halves, 4), &nested(&case["halves"]), 1e-12);
    assert_close("adjacent", &rotated(Planes::Adjacent, 6), &nested(&case["adjacent_of_six"]), 1e-12);
}

#[test]
fn sinusoidal_encodings() {
    let expected = nested(&golden("sinusoidal"));
    let positions = Tensor::arange(expected.size()[0], (Kind::Int64, Device::Cpu));
    assert_close("encodings", &sinusoidal(&positions, expected.size()[1], Kind::Double), &expected, SINGLE);
}

/// The bucket of every number from the first edge on, given where buckets change.
fn assert_edges(case: &Value, bucket: impl Fn(i64) -> i64) {
    let edges = list(&case["edges"]);
    let last = integer(&case["last"]);
    for (place, edge) in edges.iter().enumerate() {
        let end = edges.get(place + 1).map_or(last + 1, |next| integer(&next[0]));
        for number in integer(&edge[0])..end {
            assert_eq!(bucket(number), integer(&edge[1]), "bucket of {number}");
        }
    }
}

#[test]
fn buckets_of_t5() {
    for case in list(&golden("t5_buckets")) {
        let buckets = Buckets {
            count: integer(&case["count"]),
            max_distance: integer(&case["max_distance"]),
            bidirectional: case["bidirectional"].as_bool().unwrap(),
        };
        assert_edges(case, |offset| buckets.bucket(offset));
    }
}

#[test]
fn rows_of_deberta() {
    for case in list(&golden("deberta_rows")) {
        let span = RelativeSpan {
            span: integer(&case["span"]),
            buckets: Some(integer(&case["buckets"])).filter(|buckets| *buckets > 0),
            max_distance: integer(&case["max_distance"]),
        };
        assert_edges(case, |distance| span.row(distance));
    }
}

#[test]
fn disentangled_biases_of_deberta() {
    for case in list(&golden("disentangled")) {
        let terms: Vec<&str> = list(&case["terms"]).iter().map(|term| term.as_str().unwrap()).collect();
        let (content_to_position, position_to_content) = (terms.contains(&"c2p"), terms.contains(&"p2c"));
        let table = (Tensor::arange(64, DOUBLE).cos()).view([8, 2, 4]).transpose(0, 1); // [h, 2s, k]
        let bias = Disentangled {
            span: RelativeSpan { span: 4, buckets: Some(4), max_distance: 8 },
            position_keys: content_to_position.then(|| table.shallow_clone()),
            position_queries: position_to_content.then(|| &table * 0.5),
            scale: Disentangled::scale_for(4, content_to_position, position_to_content),
        };
        let q = heads(7, 2, 4).transpose(0, 1).unsqueeze(0); // [1, h, l, k]
        let found = bias.of(&q, &(q.flip(2) * 0.7)).squeeze_dim(0); // [h, l, l]
        // The scale of the reference is a float32.
        assert_close(&format!("{terms:?}"), &found, &nested(&case["bias"]), SINGLE);
    }
}

#[test]
fn slopes_of_alibi() {
    let slopes = golden("alibi_slopes");
    for (heads, expected) in slopes.as_object().unwrap() {
        let found = alibi_slopes(heads.parse().unwrap());
        assert_close(&format!("{heads} heads"), &tensor(&found, &[found.len() as i64]), &nested(expected), SINGLE);
    }
}
