#!/usr/bin/env python3
"""Sentence embeddings as sentence-transformers computes them, and its directories both ways.

  sentences.py dump --model DIR --texts texts.json --out DIR
      For each kind of pooling OUT/NAME/, as SentenceTransformer.save writes it, and OUT/NAME.json: the embeddings.

  sentences.py check --model DIR --texts texts.json --out out.json
      Loads a directory that retune wrote, as a user would, and writes its embeddings. A warning is an error.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from sentence_transformers import SentenceTransformer, models

TEXTS = 16
ALL = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def kinds(width):
    yield "mean-normalised", [models.Pooling(width, pooling_mode="mean"), models.Normalize()]
    yield "cls", [models.Pooling(width, pooling_mode="cls")]
    yield "all-dense", [
        models.Pooling(width, pooling_mode=ALL),
        models.Dense(len(ALL) * width, 24, activation_function=torch.nn.Tanh()),
        models.Dense(24, 8, bias=False, activation_function=torch.nn.Identity()),
    ]


def embeddings(model, texts):
    found = model.encode(json.loads(texts.read_text())["texts"][:TEXTS], batch_size=TEXTS, show_progress_bar=False)
    return {"embeddings": found.tolist()}


def dump(args):
    torch.manual_seed(1)
    encoder = models.Transformer(str(args.model))
    for name, modules in kinds(encoder.get_embedding_dimension()):
        model = SentenceTransformer(modules=[encoder, *modules], device="cpu")
        model.save(str(args.out / name))
        (args.out / f"{name}.json").write_text(json.dumps(embeddings(model, args.texts)))


def check(args):
    heard = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())
    transformers.utils.logging.set_verbosity_warning()
    for name in (None, "transformers", "sentence_transformers", "huggingface_hub", "torch"):
        logging.getLogger(name).addHandler(handler)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        model = SentenceTransformer(str(args.model), device="cpu")
    heard += [str(warning.message) for warning in raised]
    if heard:
        sys.exit("error: loading was not clean\n  " + "\n  ".join(heard))
    args.out.write_text(json.dumps(embeddings(model, args.texts)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function in (dump, check):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for flag in ("--model", "--texts", "--out"):
            command.add_argument(flag, type=Path, required=True)
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
