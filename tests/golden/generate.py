#!/usr/bin/env python3
"""Writes the golden fixtures of this folder: tiny BERT classifiers, as Hugging Face Transformers computes them.

  python generate.py [--out DIR] [--rounding]

README.md says what is in the files. Nothing is drawn at random; with the versions of ../parity/requirements.txt and on
the same processor the same bytes come out each time.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save
from transformers import BertConfig, BertForSequenceClassification

import classifier_steps
import formula

TRAINING = {
    "learning_rate": 0.002,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.01,
    "warmup_ratio": 0.1,
    "max_gradient_norm": 1.0,
}
TRAINING_STEPS = 20
ROWS_PER_BATCH = 3
PAD_ID = 0

COMMON = {
    "vocab_size": 97,
    "num_hidden_layers": 3,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "pad_token_id": PAD_ID,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout": 0.0,
}

# Lengths hold a sequence of one token, two of equal length and one that fills every position.
# For pairs, `first` counts the tokens of type 0; the rest are of type 1.
VARIANTS = {
    "bert_tiny_gelu": {
        "config": COMMON | {"hidden_size": 32, "num_attention_heads": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
        "classes": 5,
        "lengths": [7, 1, 12, 5, 19, 5, 40, 3],
        "first": [7, 1, 12, 5, 19, 5, 40, 3],
    },
    "bert_tiny_gelu_new": {
        "config": COMMON
        | {"hidden_size": 24, "num_attention_heads": 2, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5},
        "classes": 2,
        "lengths": [9, 14, 1, 40, 6, 14, 2],
        "first": [4, 10, 1, 17, 5, 3, 1],
    },
}


def token(row, position):
    """Never 0, which is the padding token and has no gradient in Transformers."""
    return 1 + (31 * row + 17 * position + 5 * row * position + 7 * position**2) % (COMMON["vocab_size"] - 1)


def inputs(variant):
    rows = range(len(variant["lengths"]))
    sequences = [[token(row, position) for position in range(variant["lengths"][row])] for row in rows]
    types = [[int(position >= variant["first"][row]) for position in range(variant["lengths"][row])] for row in rows]
    labels = [(3 * row + 1) % variant["classes"] for row in rows]
    return sequences, types, labels


def new_model(variant):
    config = BertConfig(**variant["config"], num_labels=variant["classes"])
    config.architectures = ["BertForSequenceClassification"]
    config.problem_type = "single_label_classification"
    model = BertForSequenceClassification._from_config(config, attn_implementation="eager").train()
    formula.fill(model)
    return model


def training_batches(variant):
    count = len(variant["lengths"])
    return [[(step * ROWS_PER_BATCH + k) % count for k in range(ROWS_PER_BATCH)] for step in range(TRAINING_STEPS)]


def compute(variant, dtype):
    """Everything that a fixture stores, computed in `dtype`."""
    sequences, types, labels = inputs(variant)

    def rectangle(rows):
        return classifier_steps.pad([sequences[row] for row in rows], [types[row] for row in rows], PAD_ID)

    record = classifier_steps.packed_inputs(sequences, types, labels)
    model = new_model(variant).to(dtype)
    record |= classifier_steps.forward_and_backward(model, rectangle(range(len(sequences))), labels)
    model = new_model(variant).to(dtype)
    batches = [(rectangle(rows), [labels[row] for row in rows]) for rows in training_batches(variant)]
    record |= classifier_steps.train(model, batches, TRAINING)
    record |= {f"trained.{name}": value for name, value in model.named_parameters()}
    return classifier_steps.contiguous(record)


def write(name, variant, out):
    record = compute(variant, torch.float32)
    (out / f"{name}.safetensors").write_bytes(save(record, metadata={"format": "pt"}))
    model = new_model(variant)
    model.config.to_json_file(out / f"{name}.config.json")
    parameters = ",\n  ".join(
        json.dumps({"name": key, "shape": list(value.shape), "first": value.flatten()[:3].tolist()})
        for key, value in model.named_parameters()
    )
    training = json.dumps(TRAINING | {"batches": training_batches(variant)})
    (out / f"{name}.json").write_text(f'{{\n "training": {training},\n "parameters": [\n  {parameters}\n ]\n}}\n')


def print_rounding(name, variant):
    """The largest difference between float32 and float64, by kind of value; gradients relative, in norm."""
    single, double = compute(variant, torch.float32), compute(variant, torch.float64)
    worst = {}
    for key, exact in double.items():
        kind = key.split(".")[0] if not key.startswith("train.") else key
        kind += ".….key.bias" if key.endswith("key.bias") else ""
        difference = (single[key].double() - exact.double()).norm(torch.inf if kind != "gradient" else 2).item()
        relative_to = exact.norm().item() if kind == "gradient" else 1
        if difference > 0:
            worst[kind] = max(worst.get(kind, 0), difference / relative_to)
    for kind, difference in worst.items():
        print(f"{name} {kind} {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to; default: this one")
    parser.add_argument("--rounding", action="store_true", help="write nothing; print what float32 costs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, variant in VARIANTS.items():
        if args.rounding:
            print_rounding(name, variant)
        else:
            write(name, variant, args.out)


if __name__ == "__main__":
    main()
