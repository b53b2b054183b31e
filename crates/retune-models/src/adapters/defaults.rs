//! What an adapter stands beside where its configuration does not say.
//!
//! `peft` has defaults for BERT, RoBERTa, XLM-R, ELECTRA and DeBERTa-v2 with LoRA, and for BERT, RoBERTa and DeBERTa-v2
//! with (IA)³; these are the same. The others here follow them: queries and values (or the fused projection that holds
//! them) for LoRA; keys, values and what a feed-forward network's second layer reads for (IA)³.

use super::{AdapterConfig, AdapterError, AdapterKind, Names, Targets};
use crate::heads::HeadKind;

/// The ends of modules' names.
type Ends = &'static [&'static str];

/// The configuration with everything said that it leaves to the architecture and the head; no head is a sentence
/// encoder.
pub(super) fn resolve(
    config: &AdapterConfig,
    model_type: &str,
    head: Option<HeadKind>,
) -> Result<AdapterConfig, AdapterError> {
    config.check()?;
    let mut resolved = config.clone();
    if config.target_modules == Targets::Default {
        let missing = || AdapterError::NoDefault { model_type: model_type.to_owned() };
        let targets = match &mut resolved.kind {
            AdapterKind::Lora(_) => lora_targets(model_type).ok_or_else(missing)?,
            AdapterKind::Ia3(ia3) => {
                let (targets, inputs) = ia3_targets(model_type).ok_or_else(missing)?;
                ia3.feedforward_modules.get_or_insert_with(|| Names::Ends(owned(inputs)));
                targets
            }
        };
        resolved.target_modules = Targets::Named(Names::Ends(owned(targets)));
    }
    resolved.modules_to_save.get_or_insert_with(|| owned(head_modules(head)));
    resolved.task_type = config.task_type.clone().or_else(|| task_type(head).map(str::to_owned));
    Ok(resolved)
}

fn owned(ends: Ends) -> Vec<String> {
    ends.iter().map(|end| (*end).to_owned()).collect()
}

/// LoRA's targets.
fn lora_targets(model_type: &str) -> Option<Ends> {
    Some(match model_type {
        "bert" | "roberta" | "xlm-roberta" | "camembert" | "electra" | "albert" => &["query", "value"],
        "deberta-v2" => &["query_proj", "value_proj"],
        "distilbert" => &["q_lin", "v_lin"],
        "mpnet" => &["attn.q", "attn.v"],
        "modernbert" | "nomic_bert" => &["Wqkv"],
        _ => return None,
    })
}

/// (IA)³'s targets, and those of them whose inputs are multiplied.
fn ia3_targets(model_type: &str) -> Option<(Ends, Ends)> {
    Some(match model_type {
        "bert" | "roberta" | "xlm-roberta" | "camembert" | "electra" => {
            (&["key", "value", "output.dense"], &["output.dense"])
        }
        "deberta-v2" => (&["key_proj", "value_proj", "output.dense"], &["output.dense"]),
        "albert" => (&["key", "value", "ffn_output"], &["ffn_output"]),
        "distilbert" => (&["k_lin", "v_lin", "lin2"], &["lin2"]),
        "mpnet" => (&["attn.k", "attn.v", "output.dense"], &["output.dense"]),
        "modernbert" => (&["Wqkv", "mlp.Wo"], &["mlp.Wo"]),
        "nomic_bert" => (&["Wqkv", "fc2"], &["fc2"]),
        _ => return None,
    })
}

/// The modules of a head, by the ends of their names. A masked language model's is pretrained, and stays as it is.
fn head_modules(head: Option<HeadKind>) -> Ends {
    match head {
        Some(HeadKind::SequenceClassification | HeadKind::TokenClassification) => &["classifier", "score"],
        Some(HeadKind::MultipleChoice) => &["classifier"],
        Some(HeadKind::QuestionAnswering) => &["qa_outputs"],
        Some(HeadKind::MaskedLanguageModel) | None => &[],
    }
}

/// `peft`'s word for the task of a head; `None` for those that it has no word for.
fn task_type(head: Option<HeadKind>) -> Option<&'static str> {
    match head {
        Some(HeadKind::SequenceClassification) => Some("SEQ_CLS"),
        Some(HeadKind::TokenClassification) => Some("TOKEN_CLS"),
        Some(HeadKind::QuestionAnswering) => Some("QUESTION_ANS"),
        Some(HeadKind::MaskedLanguageModel | HeadKind::MultipleChoice) => None,
        None => Some("FEATURE_EXTRACTION"),
    }
}
