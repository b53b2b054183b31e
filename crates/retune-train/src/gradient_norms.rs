//! How large the gradients of a step are, parameter by parameter and layer by layer.

use retune_models::parameter_names::layer_of;
use serde_json::{Map, Value, json};

use crate::optimizers::is_embedding;

/// The 2-norms of the gradients of a step before clipping, each with its parameter's name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GradientNorms(Vec<(String, f64)>);

impl FromIterator<(String, f64)> for GradientNorms {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(norms: I) -> Self {
        Self(norms.into_iter().collect())
    }
}

impl GradientNorms {
    /// Those of the embeddings, of each layer, and of what comes after: the name of the part and the norms of its
    /// parameters.
    pub fn by_layer(&self) -> Vec<(String, Vec<f64>)> {
        let mut parts: Vec<(Option<usize>, bool, Vec<f64>)> = Vec::new();
        for (name, norm) in &self.0 {
            let (layer, is_embedding) = (layer_of(name), is_embedding(name));
            let is_embedding = layer.is_none() && is_embedding;
            match parts.iter_mut().find(|part| (part.0, part.1) == (layer, is_embedding)) {
                Some(part) => part.2.push(*norm),
                None => parts.push((layer, is_embedding, vec![*norm])),
            }
        }
        // Embeddings, then the layers, then the rest.
        parts.sort_by_key(|(layer, is_embedding, _)| (!is_embedding, layer.is_none(), *layer));
        let name = |layer: Option<usize>, is_embedding| match (layer, is_embedding) {
            (Some(layer), _) => format!("layer {layer}"),
            (None, true) => "embeddings".to_owned(),
            (None, false) => "head".to_owned(),
        };
        parts.into_iter().map(|(layer, is_embedding, norms)| (name(layer, is_embedding), norms)).collect()
    }

    /// The norm of each layer taken as one vector, by the layer's name.
    pub(crate) fn to_json(&self) -> Value {
        let whole = |norms: Vec<f64>| norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        let layers = self.by_layer().into_iter();
        Value::Object(layers.map(|(layer, norms)| (layer, json!(whole(norms)))).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_apart_by_layer() {
        let norms = [
            ("classifier.weight", 5.0),
            ("bert.encoder.layer.1.output.dense.weight", 1.0),
            ("bert.encoder.layer.0.output.dense.weight", 3.0),
            ("bert.encoder.layer.0.output.dense.bias", 4.0),
            ("bert.embeddings.word_embeddings.weight", 2.0),
            ("bert.pooler.dense.weight", 12.0),
        ];
        let norms: GradientNorms = norms.into_iter().map(|(name, norm)| (name.to_owned(), norm)).collect();
        let expected =
            [("embeddings", vec![2.0]), ("layer 0", vec![3.0, 4.0]), ("layer 1", vec![1.0]), ("head", vec![5.0, 12.0])];
        assert_eq!(norms.by_layer(), expected.map(|(name, norms)| (name.to_owned(), norms)));
        assert_eq!(norms.to_json(), json!({ "embeddings": 2.0, "layer 0": 5.0, "layer 1": 1.0, "head": 13.0 }));
    }
}
