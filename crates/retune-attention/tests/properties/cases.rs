//! What the properties are tried on: small packed batches of every kind, the backends, and comparisons that name the
//! worst element.

use std::cell::Cell;
use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use retune_attention::attention::{packed, rectangles, reference};
use retune_attention::positions::relative::PlaceBias;
use retune_attention::{Attention, Mode, Pairing, ScoreBias, SequenceLayout, Visibility, attend};
use tch::{Device, Kind, Tensor};

/// What every backend is, as a function.
pub type Backend = fn(&Tensor, &Tensor, &Tensor, &Pairing<'_>, &Attention, Mode) -> Tensor;

/// The backends that run on a processor. The last is the choice among them that callers get.
pub const BACKENDS: [(&str, Backend); 4] = [
    ("reference", reference::attend),
    ("rectangles", rectangles::attend),
    ("packed", packed_where_it_can),
    ("attend", dispatched),
];

/// How often each property is tried.
pub const CASES: u32 = 64;

/// The type and device of all properties.
pub const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// The packed kernel has no bias and no half precision; with them, what it stands beside is tried again.
fn packed_where_it_can(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    pairing: &Pairing<'_>,
    how: &Attention,
    mode: Mode,
) -> Tensor {
    match packed::supports(q, pairing) {
        true => packed::attend(q, k, v, pairing, how, mode),
        false => rectangles::attend(q, k, v, pairing, how, mode),
    }
}

fn dispatched(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, how: &Attention, mode: Mode) -> Tensor {
    attend(q, k, v, *pairing, how, mode)
}

/// The configuration of a property's runs. Failing cases are printed, not kept in files.
pub fn config() -> ProptestConfig {
    // On tensors this small a second thread only waits.
    tch::set_num_threads(1);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) }
}

thread_local! {
    /// The state of this test's draws. libtorch has one generator for all threads, with which no test would see the same
    /// numbers twice.
    static DRAWS: Cell<u64> = const { Cell::new(0) };
}

/// Begins this test's draws anew.
pub fn seed_of_draws(seed: i64) {
    DRAWS.set(seed as u64);
}

/// Independent numbers of the normal distribution, float64.
pub fn randn(shape: impl AsRef<[i64]>) -> Tensor {
    let count = shape.as_ref().iter().product::<i64>() as usize;
    // Box and Muller's method: two numbers of a uniform distribution make one of the normal.
    let numbers: Vec<f64> = (0..count).map(|_| (-2.0 * uniform().ln()).sqrt() * (TAU * uniform()).cos()).collect();
    tensor(&numbers, shape.as_ref())
}

/// The next number above 0 and up to 1 (SplitMix64: Steele, Lea and Flood 2014).
fn uniform() -> f64 {
    let state = DRAWS.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    DRAWS.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (((mixed ^ (mixed >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// libtorch's generator, from which dropout draws, for one test at a time.
pub fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is added to the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    Absent,
    /// One that depends on places alone.
    Places,
    /// One that depends on what queries and keys hold.
    Content,
}

/// The shape of a packed batch, what attention does on it, and the seed of its numbers.
#[derive(Debug, Clone)]
pub struct Case {
    pub queries: Vec<usize>,
    pub keys: Vec<usize>,
    pub key_heads: i64,
    /// How many query heads share a head of keys.
    pub group: i64,
    pub size: i64,
    pub visibility: Visibility,
    pub bias: Bias,
    pub scale: Option<f64>,
    pub seed: i64,
}

impl Case {
    pub fn heads(&self) -> i64 {
        self.key_heads * self.group
    }

    pub fn batch(&self) -> Batch {
        seed_of_draws(self.seed);
        let (queries, keys) = (SequenceLayout::from_lengths(&self.queries), SequenceLayout::from_lengths(&self.keys));
        let q = randn([queries.tokens(), self.heads(), self.size]);
        let [k, v] = [(); 2].map(|()| randn([keys.tokens(), self.key_heads, self.size]));
        let bias = match self.bias {
            Bias::Absent => None,
            Bias::Places => Some(randn([self.heads(), queries.longest(), keys.longest()])),
            Bias::Content => Some(randn([self.size, self.size])),
        };
        let attention = Attention { visibility: self.visibility, scale: self.scale, dropout: 0.0 };
        Batch {
            inputs: [Some(q), Some(k), Some(v), bias].map(Option::unwrap_or_default),
            queries,
            keys,
            case: self.clone(),
            attention,
        }
    }
}

/// A case with its numbers.
#[derive(Debug)]
pub struct Batch {
    /// `q`, `[t_q, h, k]`; `k` and `v`, `[t_k, h_kv, k]`; the bias's parameter, an undefined tensor where there is none.
    inputs: [Tensor; 4],
    pub queries: SequenceLayout,
    pub keys: SequenceLayout,
    pub case: Case,
    pub attention: Attention,
}

/// The names of a batch's inputs.
pub const INPUTS: [&str; 4] = ["q", "k", "v", "bias"];

impl Batch {
    pub fn qkv(&self) -> [&Tensor; 3] {
        [&self.inputs[0], &self.inputs[1], &self.inputs[2]]
    }

    /// All inputs that there are.
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs[..3 + usize::from(self.case.bias != Bias::Absent)]
    }

    /// Which keys the queries look into, without a bias.
    pub fn pairing(&self) -> Pairing<'_> {
        Pairing::across(&self.queries, &self.keys)
    }

    /// The output of a backend.
    pub fn run(&self, backend: Backend) -> Tensor {
        self.run_on(backend, &self.inputs[0], &self.inputs[1], &self.inputs[2])
    }

    /// The output of a backend for other numbers of the same shapes.
    pub fn run_on(&self, backend: Backend, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        self.run_as(backend, q, k, v, &self.inputs[3], &self.attention, Mode::Evaluate)
    }

    /// The same with another parameter of the bias, and other attention.
    #[allow(clippy::too_many_arguments)]
    pub fn run_as(
        &self,
        backend: Backend,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        parameter: &Tensor,
        attention: &Attention,
        mode: Mode,
    ) -> Tensor {
        let places = PlaceBias(parameter.shallow_clone());
        let content = ContentBias(parameter.shallow_clone());
        let pairing = self.pairing();
        let pairing = match self.case.bias {
            Bias::Absent => pairing,
            Bias::Places => pairing.with_bias(&places),
            Bias::Content => pairing.with_bias(&content),
        };
        backend(q, k, v, &pairing, attention, mode)
    }

    /// The number that gradients are taken of: the output weighed elementwise by fixed numbers.
    pub fn loss(&self, backend: Backend, inputs: &[Tensor]) -> Tensor {
        let none = Tensor::new();
        let parameter = inputs.get(3).unwrap_or(&none);
        let out = self.run_as(backend, &inputs[0], &inputs[1], &inputs[2], parameter, &self.attention, Mode::Evaluate);
        weighed(&out)
    }

    /// The gradients of [`loss`](Self::loss), one for each input.
    pub fn gradients(&self, backend: Backend) -> Vec<Tensor> {
        gradients(self.inputs(), |inputs| self.loss(backend, inputs))
    }

    /// The places that the query at `i` of sequence `s` may look at, from the definition.
    pub fn seen(&self, s: usize, i: i64) -> Vec<i64> {
        let keys = 0..self.case.keys[s] as i64;
        keys.filter(|&j| match self.case.visibility {
            Visibility::Bidirectional => true,
            Visibility::Causal => i >= j,
            Visibility::Window { before, after } => (-before..=after).contains(&(j - i)),
        })
        .collect()
    }

    /// Every query: its sequence, its place there, and its row.
    pub fn rows(&self) -> Vec<(usize, i64, i64)> {
        let ranges = self.queries.ranges().enumerate();
        ranges.flat_map(|(s, range)| (range.clone()).map(move |row| (s, row - range.start, row))).collect()
    }

    /// The rows of the keys of a sequence.
    pub fn keys_of(&self, s: usize) -> Range<i64> {
        self.keys.offsets()[s]..self.keys.offsets()[s + 1]
    }
}

/// `tanh(Q W) Kᵀ`: a bias that is neither linear nor the same for all sequences.
pub struct ContentBias(pub Tensor);

impl ScoreBias for ContentBias {
    fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
        q.matmul(&self.0).tanh().matmul(&k.transpose(-2, -1)) // [n, h, l_q, l_k]
    }
}

/// A sum of all elements, each with a factor of its own.
pub fn weighed(out: &Tensor) -> Tensor {
    let factors = Tensor::arange(out.numel() as i64, (Kind::Double, out.device())).sin().view_as(out);
    (out.to_kind(Kind::Double) * factors).sum(Kind::Double)
}

/// The gradients of a function of some tensors; zeros where it does not depend on one.
pub fn gradients(inputs: &[Tensor], function: impl Fn(&[Tensor]) -> Tensor) -> Vec<Tensor> {
    let leaves: Vec<Tensor> = inputs.iter().map(|input| input.detach().copy().set_requires_grad(true)).collect();
    function(&leaves).backward();
    let gradient = |leaf: &Tensor| if leaf.grad().defined() { leaf.grad() } else { leaf.zeros_like().detach() };
    leaves.iter().map(gradient).collect()
}

fn length() -> impl Strategy<Value = usize> {
    // Few distinct lengths, so that equal ones lie side by side.
    prop::sample::select(vec![0usize, 1, 2, 3, 3, 3, 5, 5, 7])
}

fn visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![
        1 => Just(Visibility::Bidirectional),
        1 => Just(Visibility::Causal),
        2 => (0i64..3, 0i64..3).prop_map(|(before, after)| Visibility::Window { before, after }),
    ]
}

fn with_lengths(lengths: impl Strategy<Value = (Vec<usize>, Vec<usize>)>) -> impl Strategy<Value = Case> {
    let bias = prop::sample::select(vec![Bias::Absent, Bias::Places, Bias::Content]);
    let scale = prop_oneof![6 => Just(None), 3 => (0.1f64..2.0).prop_map(Some), 1 => (-1.0f64..=0.0).prop_map(Some), 1 => Just(Some(0.0))];
    (lengths, 1i64..4, 1i64..4, 1i64..5, visibility(), bias, scale, any::<i64>()).prop_map(
        |((queries, keys), key_heads, group, size, visibility, bias, scale, seed)| Case {
            queries,
            keys,
            key_heads,
            group,
            size,
            visibility,
            bias,
            scale,
            seed,
        },
    )
}

/// Self-attention: queries and keys of the same sequences.
pub fn within() -> impl Strategy<Value = Case> {
    with_lengths(prop::collection::vec(length(), 1..6).prop_map(|lengths| (lengths.clone(), lengths)))
}

/// Cross-attention: as many sequences on both sides, of lengths that have nothing to do with each other.
pub fn across() -> impl Strategy<Value = Case> {
    with_lengths(prop::collection::vec((length(), length()), 1..6).prop_map(|pairs| pairs.into_iter().unzip()))
}

/// Either.
pub fn any_case() -> impl Strategy<Value = Case> {
    prop_oneof![within(), across()]
}

/// Fails with the worst element's index and both values where two tensors differ by more than `tolerance`, relative to
/// the larger of 1 and what is expected.
#[track_caller]
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}: shapes");
    if found.numel() == 0 {
        return;
    }
    let (found, expected) = (found.detach().to_kind(Kind::Double), expected.detach().to_kind(Kind::Double));
    let difference = ((&found - &expected).abs() / expected.abs().clamp_min(1.0)).flatten(0, -1);
    // NaN is further away than anything.
    let worst = difference.nan_to_num(f64::INFINITY, None, None).argmax(None, false).int64_value(&[]);
    let largest = difference.double_value(&[worst]);
    assert!(
        largest <= tolerance,
        "{what}: element {:?} is {} instead of {}",
        index_of(worst, &found.size()),
        found.flatten(0, -1).double_value(&[worst]),
        expected.flatten(0, -1).double_value(&[worst]),
    );
}

/// Fails with the place of the first element that is not exactly zero.
#[track_caller]
pub fn assert_zero(what: &str, found: &Tensor) {
    assert_close(what, found, &found.zeros_like(), 0.0);
}

fn index_of(flat: i64, shape: &[i64]) -> Vec<i64> {
    let mut rest = flat;
    let mut index: Vec<i64> = (shape.iter().rev())
        .map(|&size| {
            let place = rest % size;
            rest /= size;
            place
        })
        .collect();
    index.reverse();
    index
}

/// The numbers of a tensor in memory order, float64.
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// A tensor of numbers.
pub fn tensor(numbers: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_slice(numbers).view(shape)
}
