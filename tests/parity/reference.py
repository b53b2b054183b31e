#!/usr/bin/env python3
"""What Hugging Face Transformers computes from a real model, for comparison with retune.

  reference.py dump --model DIR --texts texts.json --out out.safetensors [--seed-head]
      One forward and backward pass over all texts as one batch, then a short training from the same start: hidden
      states, logits, loss, gradients, and the losses and gradient norms of the steps. fp32, eager attention, dropout 0.
      --seed-head gives parameters that the checkpoint lacks (the classifier) the values of ../golden/formula.py;
      without it a checkpoint that lacks any is refused.

  reference.py logits --model DIR --texts texts.json --out out.json [--save DIR]
      Loads a model directory as a user would, and its logits. Fails if anything at all is logged as a warning, or if
      a key is missing, unexpected or of another shape. --save writes model and tokenizer as a user would.

The texts file is JSON: {"texts": [...]}, each a string or a [first, second] pair, and optionally "max_length"; `dump`
also reads "num_labels", "labels", "batches" (the rows of each training step) and "training" (its hyperparameters).
"""

import argparse
import copy
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything compared lies in a folder; the network has no say
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))
import classifier_steps
import formula

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
ROWS_PER_BATCH = 32


class Warnings(logging.Handler):
    """Every message logged as a warning or worse."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(f"{record.name}: {record.getMessage()}")


def tokenize(tokenizer, texts, max_length):
    """Token ids and type ids of each text, truncated, without padding."""
    if len({isinstance(text, str) for text in texts}) != 1:
        sys.exit("error: the texts must be all strings or all [first, second] pairs, and at least one")
    firsts, seconds = (texts, None) if isinstance(texts[0], str) else map(list, zip(*texts, strict=True))
    encoded = tokenizer(firsts, seconds, truncation=True, max_length=max_length)
    types = encoded.get("token_type_ids") or [[0] * len(row) for row in encoded["input_ids"]]
    return encoded["input_ids"], types


def load_for_training(folder, num_labels, seed_head):
    transformers.utils.logging.set_verbosity_error()  # the report of missing keys: `info` says the same
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=num_labels,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
        **NO_DROPOUT,
    )
    missing = sorted(info["missing_keys"])
    if missing and not seed_head:
        sys.exit(f"error: {folder} lacks {', '.join(missing)}; pass --seed-head to give them the formula's values")
    formula.fill(model, set(missing))
    return model.train(), missing


def dump(args):
    job = json.loads(args.texts.read_text())
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model, seeded = load_for_training(args.model, job["num_labels"], args.seed_head)
    sequences, types = tokenize(tokenizer, job["texts"], job["max_length"])
    labels = job["labels"]

    def rectangle(rows):
        pad_id = tokenizer.pad_token_id
        return classifier_steps.pad([sequences[row] for row in rows], [types[row] for row in rows], pad_id)

    start = copy.deepcopy(model)
    record = classifier_steps.packed_inputs(sequences, types, labels)
    record |= classifier_steps.forward_and_backward(model, rectangle(range(len(sequences))), labels)
    batches = [(rectangle(rows), [labels[row] for row in rows]) for rows in job["batches"]]
    record |= classifier_steps.train(start, batches, job["training"])
    save_file(classifier_steps.contiguous(record), args.out, metadata={"format": "pt"})
    print(
        json.dumps(
            {
                "sequences": len(sequences),
                "tokens": sum(map(len, sequences)),
                "longest": max(map(len, sequences)),
                "seeded": seeded,
                "loss": record["loss"].item(),
                "train_loss": record["train.loss"].tolist(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            }
        )
    )


def load_cleanly(folder):
    """Tokenizer and model, as a user loads them; any complaint ends the program."""
    heard = Warnings()
    transformers.utils.logging.set_verbosity_warning()  # TRANSFORMERS_VERBOSITY could have hushed it
    for name in (None, "transformers", "huggingface_hub", "torch"):
        logging.getLogger(name).addHandler(heard)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    complaints = heard.messages + [f"{warning.category.__name__}: {warning.message}" for warning in raised]
    complaints += [f"{kind}: {found}" for kind, found in info.items() if found]
    if complaints:
        sys.exit("error: loading was not clean\n  " + "\n  ".join(complaints))
    return tokenizer, model.eval()


@torch.no_grad()
def logits(args):
    job = json.loads(args.texts.read_text())
    tokenizer, model = load_cleanly(args.model)
    limit = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    sequences, types = tokenize(tokenizer, job["texts"], job.get("max_length", limit))
    rows = []
    for begin in range(0, len(sequences), ROWS_PER_BATCH):
        window = slice(begin, begin + ROWS_PER_BATCH)
        rows += model(**classifier_steps.pad(sequences[window], types[window], tokenizer.pad_token_id)).logits.tolist()
    # Keys of a JSON object are strings; a list says the same and keeps the order.
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    args.out.write_text(json.dumps({"id2label": names, "logits": rows}) + "\n")
    if args.save:
        model.save_pretrained(args.save)
        tokenizer.save_pretrained(args.save)
    print(json.dumps({"texts": len(rows), "id2label": names, "class": type(model).__name__}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function in (dump, logits):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for flag in ("--model", "--texts", "--out"):
            command.add_argument(flag, type=Path, required=True)
        if function is dump:
            command.add_argument("--seed-head", action="store_true")
        else:
            command.add_argument("--save", type=Path)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    args.function(args)


if __name__ == "__main__":
    main()
