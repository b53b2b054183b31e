//! The tests tested: attention with one mistake each, which what the other files check must tell from the equation.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use retune_attention::attention::reference;
use retune_attention::{Attention, Mode, Pairing, ScoreBias, Visibility};
use tch::{Kind, Tensor};

use crate::cases::{Batch, Bias, CASES, Case, ContentBias, any_case, generator};
use crate::definition::by_loops;
use crate::dropout::Weights;
use retune_attention::positions::relative::PlaceBias;

/// A mistake that an implementation of attention may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// None, so that the others stand against a right one.
    Nothing,
    /// Scores are not divided by √k.
    NoScale,
    /// Scores are divided by k.
    ScaleOfTheHeadSize,
    /// The mask is put on after softmax, so that rows no longer sum to one.
    MaskAfterSoftmax,
    /// Softmax is taken over the queries.
    SoftmaxOverQueries,
    /// The mask is that of keys and queries in each other's place.
    MaskTransposed,
    /// A causal query does not see itself, or a window is one too narrow.
    MaskOffByOne,
    /// A sequence reads the keys of the next one of the same length.
    WrongSequence,
    /// The last two dimensions of the heads are taken for each other: `[h, k]` is read as `[k, h]`.
    HeadsTransposed,
    /// Query heads that share a head of keys are `g, g + h_kv, …` instead of adjacent.
    GroupsInterleaved,
    /// The bias is multiplied by the scale, as scores are.
    BiasScaled,
    /// The bias is added after softmax.
    BiasAfterSoftmax,
    /// A query that sees nothing gets the mean of all values.
    BlindSeesAll,
}

const MISTAKES: [Mistake; 12] = [
    Mistake::NoScale,
    Mistake::ScaleOfTheHeadSize,
    Mistake::MaskAfterSoftmax,
    Mistake::SoftmaxOverQueries,
    Mistake::MaskTransposed,
    Mistake::MaskOffByOne,
    Mistake::WrongSequence,
    Mistake::HeadsTransposed,
    Mistake::GroupsInterleaved,
    Mistake::BiasScaled,
    Mistake::BiasAfterSoftmax,
    Mistake::BlindSeesAll,
];

/// Attention with a mistake.
fn mistaken(batch: &Batch, mistake: Mistake) -> Tensor {
    let case = &batch.case;
    let own = batch.attention.scale_for(case.size);
    let scale = match mistake {
        Mistake::NoScale => 1.0,
        Mistake::ScaleOfTheHeadSize => own * own,
        _ => own,
    };
    let [q, k, v] = batch.qkv();
    let q = if mistake == Mistake::HeadsTransposed { &q.transpose(1, 2).contiguous().view_as(q) } else { q };
    let repeated = |tensor: &Tensor| match mistake {
        Mistake::GroupsInterleaved => tensor.repeat([1, case.group, 1]),
        _ => tensor.repeat_interleave_self_int(case.group, 1, None),
    };
    let (k, v) = (repeated(k), repeated(v)); // [t_k, h, k]
    let outputs: Vec<Tensor> = (0..case.queries.len())
        .map(|s| {
            let next = (s + 1) % case.queries.len();
            let wrong = mistake == Mistake::WrongSequence && case.keys[next] == case.keys[s];
            let keys = batch.keys_of(if wrong { next } else { s });
            let part = |tensor: &Tensor, start: i64, end: i64| tensor.narrow(0, start, end - start).transpose(0, 1);
            let q = part(q, batch.queries.offsets()[s], batch.queries.offsets()[s + 1]); // [h, l_q, k]
            let (k, v) = (part(&k, keys.start, keys.end), part(&v, keys.start, keys.end)); // [h, l_k, k]
            let bias = bias(batch, &q, &k);
            let scores = q.matmul(&k.transpose(1, 2)) * scale; // [h, l_q, l_k]
            let scores = match mistake {
                Mistake::BiasScaled => scores + &bias * scale,
                Mistake::BiasAfterSoftmax => scores,
                _ => scores + &bias,
            };
            let weights = weights(&scores, case.visibility, mistake);
            let weights = if mistake == Mistake::BiasAfterSoftmax { weights + bias } else { weights };
            weights.matmul(&v).transpose(0, 1) // [l_q, h, k]
        })
        .collect();
    Tensor::cat(&outputs, 0)
}

fn bias(batch: &Batch, q: &Tensor, k: &Tensor) -> Tensor {
    let (q, k) = (q.unsqueeze(0), k.unsqueeze(0));
    match batch.case.bias {
        Bias::Absent => Tensor::zeros([1], (Kind::Double, q.device())),
        Bias::Places => PlaceBias(batch.inputs()[3].shallow_clone()).of(&q, &k),
        Bias::Content => ContentBias(batch.inputs()[3].shallow_clone()).of(&q, &k).squeeze_dim(0),
    }
}

fn weights(scores: &Tensor, visibility: Visibility, mistake: Mistake) -> Tensor {
    let (queries, keys) = (scores.size()[1], scores.size()[2]);
    let sees = |i: i64, j: i64| match mistake {
        Mistake::MaskTransposed => visibility.allows(j, i),
        Mistake::MaskOffByOne if visibility != Visibility::Bidirectional => {
            visibility.allows(i, j) && visibility.allows(i, j + 1)
        }
        _ => visibility.allows(i, j),
    };
    let visible: Vec<bool> = (0..queries).flat_map(|i| (0..keys).map(move |j| sees(i, j))).collect();
    let visible = Tensor::from_slice(&visible).view([queries, keys]);
    let blind = visible.any_dim(1, true).logical_not();
    let hidden = visible.logical_not().logical_and(&blind.logical_not());
    match mistake {
        Mistake::MaskAfterSoftmax => scores.softmax(2, None::<Kind>) * &visible,
        Mistake::SoftmaxOverQueries => scores.masked_fill(&hidden, -1e30).softmax(1, None::<Kind>) * &visible,
        Mistake::BlindSeesAll => scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(2, None::<Kind>),
        _ => scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(2, None::<Kind>).masked_fill(&blind, 0.0),
    }
}

/// In how many of the cases that a property tries an implementation differs from the equation.
fn found(mistake: Mistake) -> usize {
    let mut runner = TestRunner::deterministic();
    let cases = (0..CASES).map(|_| any_case().new_tree(&mut runner).unwrap().current());
    let differs = |case: &Case| {
        let batch = case.batch();
        let (found, expected) = (mistaken(&batch, mistake), by_loops(&batch));
        !found.allclose(&expected, 1e-9, 1e-9, false)
    };
    cases.filter(differs).count()
}

#[test]
fn every_mistake_is_found_and_nothing_else() {
    tch::set_num_threads(1);
    assert_eq!(found(Mistake::Nothing), 0);
    for mistake in MISTAKES {
        let times = found(mistake);
        println!("{mistake:?}: {times} of {CASES} cases");
        assert!(times > 0, "no case tells {mistake:?} from attention");
    }
}

/// Dropped scores instead of dropped weights: what is kept is not w/(1 − p).
#[test]
fn dropout_on_scores_is_found() {
    let _alone = generator();
    let weights = Weights::new(Visibility::Bidirectional, false);
    let dropped_scores =
        |q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode| {
            let q = q.dropout(attention.dropout, mode.is_train());
            reference::attend(&q, k, v, pairing, &Attention { dropout: 0.0, ..*attention }, mode)
        };
    let plain = weights.run(dropped_scores, 0.25, Mode::Evaluate);
    let dropped = weights.run(dropped_scores, 0.25, Mode::Train);
    let kept = dropped.ne(0.0).to_kind(Kind::Double);
    assert!(!dropped.allclose(&(plain / 0.75 * kept), 1e-12, 1e-12, false));
}
