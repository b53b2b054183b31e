//! Examples of a test that are explained: which of them, and the file that says it, `explanations.json`.

use retune_data::{Text, TextTokenizer};
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::TrainError;
use crate::evaluate::Outputs;
use crate::explain::{self, ENOUGH_NODES, Sequence};
use crate::network::Network;
use crate::prediction::{Field, Prediction};
use crate::task::{Encoded, Task};

/// The file in the run's folder.
pub(crate) const EXPLANATIONS: &str = "explanations.json";
/// Sequences of more tokens are shown without their attention: it is as large as their length squared.
const LONGEST_ATTENTION: usize = 64;

/// What was predicted of a data set, and from what.
pub(crate) struct Tested<'a, T: Task> {
    pub task: &'a T,
    pub encoded: &'a Encoded<T::Targets>,
    pub outputs: &'a Outputs,
    pub predictions: &'a [Prediction],
    pub labels: Option<&'a [String]>,
}

/// Explains up to `count` examples, for about as much work as training on `tokens` tokens is: of those that are wrong
/// the surest first, then the least sure of the others. `None` where the task's outputs are not of one sequence each.
pub(crate) fn explain<T: Task>(
    network: &Network,
    tokenizer: &TextTokenizer,
    tested: &Tested<'_, T>,
    count: usize,
    mut tokens: usize,
    device: Device,
) -> Result<Option<Value>, TrainError> {
    let mut examples = Vec::new();
    for row in rows(tested, count) {
        let Some(output) = tested.task.explained_output(tested.outputs.of(row)) else { return Ok(None) };
        let prediction = &tested.predictions[row];
        let text = Text { first: text(prediction, "text").unwrap_or_default(), second: text(prediction, "text_pair") };
        let pieces = tokenizer.pieces(&text)?;
        let (mut ids, mut types) = (Vec::new(), Vec::new());
        tested.encoded.tokenized.read(row, &mut ids, &mut types)?;
        if !pieces.iter().map(|piece| piece.id).eq(ids.iter().copied()) {
            // The text is not all that the model read.
            continue;
        }
        let most_nodes = tokens / ids.len().max(1);
        if most_nodes < ENOUGH_NODES {
            // A shorter one may do yet.
            continue;
        }
        let padding = i64::from(tokenizer.padding_id().unwrap_or(0));
        let baseline = pieces.iter().map(|piece| if piece.is_special { i64::from(piece.id) } else { padding });
        let sequence = Sequence {
            input_ids: ids.iter().map(|id| i64::from(*id)).collect(),
            token_type_ids: types.iter().map(|segment| i64::from(*segment)).collect(),
            baseline_ids: baseline.collect(),
        };
        let found = explain::integrated_gradients(network, &sequence, output, most_nodes, device)?;
        tokens = tokens.saturating_sub(found.computed * ids.len());
        let token = |(piece, attribution): (&retune_data::TextPiece, &f64)| {
            json!({
                "text": piece.text, "of": piece.of, "start": piece.start, "end": piece.end, "attribution": attribution,
            })
        };
        let attention = match ids.len() <= LONGEST_ATTENTION {
            true => last_attention(network, &sequence, device)?,
            false => Value::Null,
        };
        examples.push(json!({
            "row": row,
            "text": text.first,
            "text_pair": text.second,
            "label": tested.labels.map(|labels| &labels[row]),
            "predicted": predicted(prediction),
            "probability": confidence(prediction),
            "output": output_name(prediction, output),
            "tokens": pieces.iter().zip(&found.tokens).map(token).collect::<Vec<_>>(),
            "output_value": found.output,
            "baseline_value": found.baseline,
            "nodes": found.nodes,
            "completeness_error": found.completeness_error(),
            "attention": attention,
        }));
    }
    let file = json!({
        "method": "integrated gradients",
        "baseline": "the same text with every token of it replaced by the padding token",
        "examples": examples,
    });
    Ok((!examples.is_empty()).then_some(file))
}

/// The rows to explain.
fn rows<T: Task>(tested: &Tested<'_, T>, count: usize) -> Vec<usize> {
    let sure = |row: usize| confidence(&tested.predictions[row]).unwrap_or(0.0);
    let wrong = |row: usize| tested.labels.map_or(0.0, |labels| wrongness(&tested.predictions[row], &labels[row]));
    let mut rows: Vec<usize> = (0..tested.predictions.len()).collect();
    rows.sort_by(|a, b| wrong(*b).total_cmp(&wrong(*a)).then_with(|| sure(*b).total_cmp(&sure(*a))));
    let mistakes = rows.iter().filter(|row| wrong(**row) > 0.0).count().min(count.div_ceil(2));
    let (first, rest) = rows.split_at(mistakes);
    let mut rest = rest.to_vec();
    rest.sort_by(|a, b| sure(*a).total_cmp(&sure(*b)));
    first.iter().copied().chain(rest).take(count).collect()
}

/// How wrong a prediction is: by how much, where it is a number, else 1, or 0 where it is right.
fn wrongness(prediction: &Prediction, label: &str) -> f64 {
    match field(prediction, "predicted") {
        Some(Field::Number(number)) => label.parse::<f64>().map_or(0.0, |label| (label - number).abs()),
        Some(Field::Text(text)) => f64::from(text != label),
        // A label that is no text stands in its column as JSON.
        Some(Field::Json(value)) => serde_json::from_str(label).map_or(1.0, |label: Value| f64::from(label != *value)),
        _ => 0.0,
    }
}

/// The probability of what is predicted, or the largest one.
fn confidence(prediction: &Prediction) -> Option<f64> {
    match (field(prediction, "confidence"), field(prediction, "probabilities")) {
        (Some(Field::Number(number)), _) => Some(*number),
        (_, Some(Field::ByName(_, pairs))) => pairs.iter().map(|(_, number)| *number).reduce(f64::max),
        _ => None,
    }
}

/// The name of the output that is explained, where outputs have names.
fn output_name(prediction: &Prediction, output: usize) -> Option<&str> {
    match field(prediction, "probabilities") {
        Some(Field::ByName(_, pairs)) => pairs.get(output).map(|(name, _)| name.as_str()),
        _ => None,
    }
}

fn predicted(prediction: &Prediction) -> Value {
    match field(prediction, "predicted") {
        Some(Field::Number(number)) => json!(number),
        Some(Field::Text(text)) => json!(text),
        Some(Field::Json(value)) => value.clone(),
        _ => Value::Null,
    }
}

fn text(prediction: &Prediction, name: &str) -> Option<String> {
    match field(prediction, name) {
        Some(Field::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn field<'a>(prediction: &'a Prediction, name: &str) -> Option<&'a Field> {
    prediction.fields.iter().find(|(own, _)| *own == name).map(|(_, field)| field)
}

/// Where the last layer's attention looks, in the mean over heads: a list for each query, to four digits.
fn last_attention(network: &Network, sequence: &Sequence, device: Device) -> Result<Value, TrainError> {
    let layers = explain::attention(network, sequence, device);
    let Some(weights) = layers.last() else { return Ok(Value::Null) }; // [h, l, l]
    let rows = Vec::<Vec<f64>>::try_from(weights.mean_dim(0, false, Kind::Double))?; // [l, l]
    let round = |weight: &f64| (weight * 1e4).round() / 1e4;
    let mean: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(round).collect()).collect();
    Ok(json!({ "layer": layers.len(), "head_mean": mean }))
}
