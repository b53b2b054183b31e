//! Which modules an adapter stands beside, by name, with `peft`'s rules.

use regex::Regex;

use super::{AdapterConfig, AdapterError, Names, Targets};

/// [`Names`], ready to match.
#[derive(Debug)]
pub(super) enum Matcher {
    /// Whole names or their ends after a dot.
    Ends(Vec<String>),
    /// Of the whole name.
    Pattern(Regex),
}

impl Matcher {
    pub fn new(key: &'static str, names: &Names) -> Result<Self, AdapterError> {
        Ok(match names {
            Names::Ends(ends) => Self::Ends(ends.clone()),
            Names::Pattern(pattern) => Self::Pattern(expression(key, pattern, &format!("^(?:{pattern})$"))?),
        })
    }

    /// The place in the list of what matches; 0 for a pattern.
    pub fn find(&self, module: &str) -> Option<usize> {
        match self {
            Self::Ends(ends) => ends.iter().position(|end| is_or_ends_in(module, end)),
            Self::Pattern(pattern) => pattern.is_match(module).then_some(0),
        }
    }

    /// What was written, for messages.
    pub fn written(&self) -> Vec<String> {
        match self {
            Self::Ends(ends) => ends.clone(),
            Self::Pattern(pattern) => vec![pattern.to_string()],
        }
    }
}

/// A number for modules whose name ends in what a pattern matches; the first that does, counts.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    entries: Vec<(Regex, T)>,
    otherwise: T,
}

impl<T: Copy> Patterns<T> {
    pub fn new(key: &'static str, entries: &[(String, T)], otherwise: T) -> Result<Self, AdapterError> {
        let compile = |(pattern, value): &(String, T)| {
            Ok((expression(key, pattern, &format!(r"^(?:.*\.)?(?:{pattern})$"))?, *value))
        };
        Ok(Self { entries: entries.iter().map(compile).collect::<Result<_, _>>()?, otherwise })
    }

    pub fn of(&self, module: &str) -> T {
        let found = self.entries.iter().find(|(pattern, _)| pattern.is_match(module));
        found.map_or(self.otherwise, |(_, value)| *value)
    }
}

fn expression(key: &'static str, written: &str, whole: &str) -> Result<Regex, AdapterError> {
    // The last line of the parser's message says what is wrong; those before draw it.
    let message = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().trim().to_owned();
    Regex::new(whole).map_err(|error| AdapterError::Pattern {
        key,
        pattern: written.to_owned(),
        message: message(error),
    })
}

/// Whether a module has this name, or one that ends in it after a dot.
pub(super) fn is_or_ends_in(module: &str, end: &str) -> bool {
    module.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The rules for one model.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None` for all linear layers.
    targets: Option<Matcher>,
    excluded: Option<Matcher>,
    layers: Option<Layers>,
    /// The ends of names of modules that are trained whole.
    pub saved: Vec<String>,
}

/// The layers of `layers_to_transform`.
#[derive(Debug)]
struct Layers {
    numbers: Vec<u64>,
    /// Each finds a layer's number in a module's name.
    patterns: Vec<Regex>,
}

/// What the rules say of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An adapter stands beside it; the target at this place found it.
    Adapted(usize),
    /// A target found it, but another rule leaves it as it is.
    Spared(usize),
    /// No target found it.
    Other,
}

impl Selection {
    /// The configuration has no default left in it ([`super::defaults::resolve`]).
    pub fn new(config: &AdapterConfig, saved: Vec<String>) -> Result<Self, AdapterError> {
        let targets = match &config.target_modules {
            Targets::AllLinear => None,
            Targets::Default => Some(Matcher::Ends(Vec::new())),
            Targets::Named(names) => Some(Matcher::new("target_modules", names)?),
        };
        let excluded = config.exclude_modules.as_ref().map(|names| Matcher::new("exclude_modules", names));
        let layers = config.layers_to_transform.as_ref().map(|numbers| {
            let any = [r"[^.]*".to_owned()];
            let names = if config.layers_pattern.is_empty() { &any[..] } else { &config.layers_pattern };
            let compile = |name: &String| expression("layers_pattern", name, &format!(r"^.*\.(?:{name})\.(\d+)\."));
            Ok(Layers { numbers: numbers.clone(), patterns: names.iter().map(compile).collect::<Result<_, _>>()? })
        });
        Ok(Self { targets, excluded: excluded.transpose()?, layers: layers.transpose()?, saved })
    }

    /// What becomes of a module, which is a linear layer or not.
    pub fn verdict(&self, module: &str, is_linear: bool) -> Verdict {
        let found = match &self.targets {
            None => is_linear.then_some(0),
            Some(targets) => targets.find(module),
        };
        let Some(target) = found else { return Verdict::Other };
        let is_excluded = self.excluded.as_ref().is_some_and(|excluded| excluded.find(module).is_some());
        let is_spared = is_excluded || self.keeps_whole(module) || !self.is_in_layers(module);
        if is_spared { Verdict::Spared(target) } else { Verdict::Adapted(target) }
    }

    /// What was written as targets, for messages.
    pub fn written(&self) -> Vec<String> {
        self.targets.as_ref().map_or_else(|| vec!["all-linear".to_owned()], Matcher::written)
    }

    /// Whether a module is trained whole, or lies in one that is. As in `peft`, `classifier` is also the end of
    /// `pre_classifier`.
    fn keeps_whole(&self, module: &str) -> bool {
        self.saves(&format!("{module}."))
    }

    /// Whether a parameter lies in a module that is trained whole.
    pub fn saves(&self, parameter: &str) -> bool {
        parameter
            .match_indices('.')
            .any(|(dot, _)| self.saved.iter().any(|end| parameter[..dot].ends_with(end.as_str())))
    }

    /// `peft` looks at layers where targets are a list alone.
    fn is_in_layers(&self, module: &str) -> bool {
        let (Some(layers), Some(Matcher::Ends(_))) = (&self.layers, &self.targets) else { return true };
        let number = layers.patterns.iter().find_map(|pattern| pattern.captures(module)?.get(1)?.as_str().parse().ok());
        number.is_some_and(|number| layers.numbers.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{AdapterKind, Lora};

    const QUERY: &str = "bert.encoder.layer.3.attention.self.query";

    fn selection(config: AdapterConfig, saved: &[&str]) -> Selection {
        Selection::new(&config, saved.iter().map(|end| (*end).to_owned()).collect()).unwrap()
    }

    fn lora() -> AdapterConfig {
        AdapterConfig::new(AdapterKind::Lora(Lora::default())).with_targets(&["query"])
    }

    #[test]
    fn ends_begin_after_a_dot_and_patterns_match_the_whole() {
        let named = |names| AdapterConfig { target_modules: Targets::Named(names), ..lora() };
        let ends = selection(named(Names::Ends(vec!["dense".into(), "query".into()])), &[]);
        assert_eq!(ends.verdict(QUERY, true), Verdict::Adapted(1));
        assert_eq!(ends.verdict("x.jquery", true), Verdict::Other);
        assert_eq!(ends.verdict("dense", true), Verdict::Adapted(0));
        let pattern = selection(named(Names::Pattern(r".*\.(query|value)".into())), &[]);
        assert_eq!(pattern.verdict(QUERY, true), Verdict::Adapted(0));
        assert_eq!(pattern.verdict("a.query.b", true), Verdict::Other);
        let error = Selection::new(&named(Names::Pattern("(?=a)".into())), vec![]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "adapter: target_modules: '(?=a)' is not a regular expression that is supported: error: look-around, including \
             look-ahead and look-behind, is not supported"
        );
    }

    #[test]
    fn layers_are_chosen_by_number() {
        let config = AdapterConfig { layers_to_transform: Some(vec![1, 3]), ..lora() };
        assert_eq!(selection(config.clone(), &[]).verdict(QUERY, true), Verdict::Adapted(0));
        assert_eq!(selection(config.clone(), &[]).verdict(&QUERY.replace('3', "2"), true), Verdict::Spared(0));
        let named = AdapterConfig { layers_pattern: vec!["blocks".into()], ..config };
        assert_eq!(selection(named, &[]).verdict(QUERY, true), Verdict::Spared(0));
    }

    #[test]
    fn what_is_trained_whole_has_no_adapter() {
        let all = selection(AdapterConfig { target_modules: Targets::AllLinear, ..lora() }, &["classifier"]);
        assert_eq!(all.verdict(QUERY, true), Verdict::Adapted(0));
        assert_eq!(all.verdict("bert.embeddings.word_embeddings", false), Verdict::Other);
        for module in ["classifier", "classifier.dense", "pre_classifier"] {
            assert_eq!(all.verdict(module, true), Verdict::Spared(0), "{module}");
        }
        assert!(all.saves("classifier.dense.weight") && !all.saves("bert.pooler.dense.weight"));
        let excluded = AdapterConfig { exclude_modules: Some(Names::Ends(vec!["self.query".into()])), ..lora() };
        assert_eq!(selection(excluded, &[]).verdict(QUERY, true), Verdict::Spared(0));
    }

    #[test]
    fn the_first_pattern_counts() {
        let entries = [("layer.3.*query".to_owned(), 1), ("query".to_owned(), 2)];
        let patterns = Patterns::new("rank_pattern", &entries, 8).unwrap();
        assert_eq!([QUERY, &QUERY.replace('3', "2"), "x.key"].map(|module| patterns.of(module)), [1, 2, 8]);
    }
}
