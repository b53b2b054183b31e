//! What an adapter is: its kind, its numbers, and the modules that it stands beside.

use super::AdapterError;

/// An adapter, as `peft`'s `adapter_config.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// The kind, with its numbers.
    pub kind: AdapterKind,
    /// The modules that it stands beside.
    pub target_modules: Targets,
    /// Modules that it does not stand beside, though they are targets.
    pub exclude_modules: Option<Names>,
    /// Of the targets, those in the layers with these numbers alone (LoRA with a list of targets).
    pub layers_to_transform: Option<Vec<u64>>,
    /// What the list of layers is called in modules' names (`layer`); empty for anything.
    pub layers_pattern: Vec<String>,
    /// Modules that are trained whole and stored with the adapter, by the ends of their names. `None` is the head of the
    /// model's kind; modules that the base model's checkpoint lacks are always among them.
    pub modules_to_save: Option<Vec<String>>,
    /// `peft`'s word for the task (`SEQ_CLS`); `None` is that of the model's head.
    pub task_type: Option<String>,
    /// Where the base model is found.
    pub base_model_name_or_path: Option<String>,
}

/// The kinds of adapters, with what is particular to each.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterKind {
    /// Changes of low rank.
    Lora(Lora),
    /// Learned factors of inputs and outputs.
    Ia3(Ia3),
}

/// LoRA (Hu et al. 2022, arXiv 2106.09685), and with `use_dora` DoRA (Liu et al. 2024, arXiv 2402.09353).
#[derive(Debug, Clone, PartialEq)]
pub struct Lora {
    /// `r`.
    pub rank: i64,
    /// `α`; the change is multiplied by `α / r`.
    pub alpha: f64,
    /// Dropout of what `A` reads.
    pub dropout: f64,
    /// Multiply by `α / √r` instead (Kalajdzievski 2023, arXiv 2312.03732).
    pub use_rslora: bool,
    /// With a magnitude for each output.
    pub use_dora: bool,
    /// Other ranks for modules whose name ends in what a regular expression matches; the first that does, counts.
    pub rank_pattern: Vec<(String, i64)>,
    /// Other `α`, likewise.
    pub alpha_pattern: Vec<(String, f64)>,
    /// The biases that are trained too.
    pub bias: Bias,
    /// How `A` and `B` begin.
    pub start: LoraStart,
}

/// Which biases of the base model are trained with LoRA, and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// None.
    None,
    /// All: every parameter in whose name the word stands, as in `peft`.
    All,
    /// Those of adapted modules.
    LoraOnly,
}

/// How LoRA begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoraStart {
    /// `A` uniform between ±1/√in (Kaiming with a = √5), `B` zero; of an embedding `A` zero and `B` normal. The model is
    /// the base model at first.
    Default,
    /// `A` normal with deviation `1 / r`, `B` zero.
    Gaussian,
    /// Both as a new linear layer begins; of an embedding both normal. The model is not the base model: for tests.
    Random,
}

/// (IA)³ (Liu et al. 2022, arXiv 2205.05638).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ia3 {
    /// Of the targets, those whose inputs are multiplied, and not their outputs. `None` is the architecture's default
    /// where the targets are, else none.
    pub feedforward_modules: Option<Names>,
}

/// Modules by name, as `peft` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Whole names, or their ends: `query` is every module called so.
    Ends(Vec<String>),
    /// A regular expression that matches the whole name.
    Pattern(String),
}

/// Which modules an adapter stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// Those that are usual for the architecture.
    Default,
    /// All linear layers but those of the output.
    AllLinear,
    /// These.
    Named(Names),
}

impl Default for Lora {
    /// `peft`'s numbers: rank 8, `α` 8, no dropout.
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            bias: Bias::None,
            start: LoraStart::Default,
        }
    }
}

impl AdapterConfig {
    /// An adapter of this kind beside the modules that are usual for the architecture.
    pub fn new(kind: AdapterKind) -> Self {
        Self {
            kind,
            target_modules: Targets::Default,
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            modules_to_save: None,
            task_type: None,
            base_model_name_or_path: None,
        }
    }

    /// The same beside modules of these names, or names with these ends.
    pub fn with_targets(self, ends: &[&str]) -> Self {
        let ends = ends.iter().map(|end| (*end).to_owned()).collect();
        Self { target_modules: Targets::Named(Names::Ends(ends)), ..self }
    }

    /// Names the modules that "all linear layers" has found, as `peft` does in the files that it writes.
    pub(super) fn name_targets(&mut self, modules: &[&str]) {
        if self.target_modules != Targets::AllLinear {
            return;
        }
        let owned = |modules: &[&str]| Names::Ends(modules.iter().map(|module| (*module).to_owned()).collect());
        self.target_modules = Targets::Named(owned(modules));
        // `peft` wants them among the targets, letter by letter.
        if let AdapterKind::Ia3(Ia3 { feedforward_modules: Some(names) }) = &mut self.kind
            && let Names::Ends(ends) = names
        {
            let inputs = modules.iter().filter(|module| ends.iter().any(|end| module.ends_with(end.as_str())));
            *names = owned(&inputs.copied().collect::<Vec<_>>());
        }
    }

    /// Refuses numbers that mean nothing.
    pub(super) fn check(&self) -> Result<(), AdapterError> {
        let AdapterKind::Lora(lora) = &self.kind else { return Ok(()) };
        let ranks = [lora.rank].into_iter().chain(lora.rank_pattern.iter().map(|(_, rank)| *rank));
        if let Some(rank) = ranks.into_iter().find(|rank| *rank < 1) {
            return Err(AdapterError::OutOfRange { key: "r", found: rank as f64, expected: "at least 1" });
        }
        let alphas = [lora.alpha].into_iter().chain(lora.alpha_pattern.iter().map(|(_, alpha)| *alpha));
        if let Some(alpha) = alphas.into_iter().find(|alpha| !alpha.is_finite()) {
            return Err(AdapterError::OutOfRange { key: "lora_alpha", found: alpha, expected: "a finite number" });
        }
        if !(0.0..1.0).contains(&lora.dropout) {
            let expected = "from 0 to below 1";
            return Err(AdapterError::OutOfRange { key: "lora_dropout", found: lora.dropout, expected });
        }
        Ok(())
    }
}
