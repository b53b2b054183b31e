//! How far the texts lie from what the pretrained model knows: its pseudo-perplexity of them, beside that of the same
//! words in an order drawn by seed. Who does not know a language finds neither easier than the other.

use retune_data::Text;
use retune_inspect::{Finding, Kind, Severity, Split};
use retune_random::{Purpose, Random};
use retune_recipe::Plan;
use retune_train::Event;

use super::Sample;
use crate::commands::inspect::Inspection;
use crate::commands::inspect::model::Pretrained;
use crate::terminal::Terminal;

/// Each token of a text is a pass of the model: so many texts are enough for a mean of a thousand tokens.
const TEXTS: usize = 64;
/// Words in order are easier by this factor, at the least, for whom the texts are familiar.
const FAMILIAR: f64 = 2.0;
const WHAT: &str = "familiarity (masked pseudo-perplexity)";

/// Asks the model of a sample of the training texts.
pub(super) fn familiarity(
    plan: &Plan,
    model: Option<&Pretrained>,
    samples: &[Sample],
    terminal: &mut Terminal,
    found: &mut Inspection,
) -> anyhow::Result<()> {
    let (Some(model), Some(train)) = (model, samples.first()) else {
        found.not_checked.push((WHAT, "--no-model".to_owned()));
        return Ok(());
    };
    let Some(reader) = model.masked()? else {
        let reason = format!("the weights of {} have no masked-LM head", plan.model.path);
        found.not_checked.push((WHAT, reason));
        return Ok(());
    };
    let mut random = Random::new(Purpose::Sample, plan.run.seed, 10);
    let chosen = random.sample(train.texts.len(), TEXTS);
    let texts: Vec<Text> = chosen.iter().map(|row| Text::single(train.texts[*row].as_str())).collect();
    let shuffled: Vec<Text> =
        chosen.iter().map(|row| Text::single(in_drawn_order(&train.texts[*row], &mut random))).collect();
    let mut progress = |done, total| terminal.event(Event::Evaluating { done, total });
    let (Some(own), Some(other)) = (reader.read(&texts, &mut progress)?, reader.read(&shuffled, &mut progress)?) else {
        found.not_checked.push((WHAT, "the sampled texts have no tokens".to_owned()));
        return Ok(());
    };
    let ratio = other.value / own.value;
    let (severity, advice) = match ratio >= FAMILIAR {
        true => (Severity::Note, "nothing to do: the model reads these texts better than their words in another order"),
        false => (
            Severity::Warning,
            "the model knows little of how these texts are written: train it further on such texts first (--task masked-lm), or take one of \
             their language or field",
        ),
    };
    let title = format!(
        "pseudo-perplexity of {} texts of train is {:.1}, of the same words in drawn order {:.1}: {ratio:.1} times as high",
        texts.len(),
        own.value,
        other.value
    );
    found.findings.push(
        Finding::new(Kind::Unfamiliar, severity, Split::Train, title, advice)
            .with("pseudo-perplexity", own.value)
            .with("of words in drawn order", other.value)
            .with("ratio", ratio)
            .with("tokens", own.tokens as f64),
    );
    Ok(())
}

fn in_drawn_order(text: &str, random: &mut Random) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    random.shuffle(&mut words);
    words.join(" ")
}
