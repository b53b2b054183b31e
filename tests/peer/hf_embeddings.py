#!/usr/bin/env python3
"""Runs a recipe for sentence embeddings with sentence-transformers, and prints one JSON line of what it reached.

  hf_embeddings.py --recipe recipe.toml --set data.train=pairs.jsonl --set run.seed=1

As `hf_tasks.py`. Pairs of texts learn from in-batch negatives, triplets likewise or with `task.loss = "triplet"`, and
pairs with a number learn it as their cosine.
"""

import json
import tempfile
import time

import datasets
import numpy as np
import sentence_transformers as st
import transformers as hf
from scipy.stats import pearsonr, spearmanr
from sentence_transformers.sentence_transformer import losses

import forms
from hf_tasks import arguments, recipe_of_command_line


def loss_of(task, model, is_scored):
    if is_scored:
        return losses.CosineSimilarityLoss(model)
    if task["loss"] == "triplet":
        return losses.TripletLoss(model, triplet_margin=task["margin"])
    return losses.MultipleNegativesRankingLoss(model, scale=task["scale"])


def scores(model, columns, targets, batch_size):
    """Correlation of cosines with the numbers; or the rank of each text's partner among all, the worst of equals."""
    vectors = [model.encode(texts, batch_size=batch_size, normalize_embeddings=True) for texts in columns]
    own = (vectors[0] * vectors[1]).sum(-1)
    if targets:
        return {"pearson": pearsonr(own, targets)[0], "spearman": spearmanr(own, targets)[0]}
    cosines = vectors[0] @ vectors[1].T
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(-1)
    found = {"mrr": np.mean(1 / ranks), "recall_at_1": np.mean(ranks == 1), "recall_at_10": np.mean(ranks <= 10)}
    if len(vectors) > 2:
        found["triplet_accuracy"] = np.mean(own > (vectors[0] * vectors[2]).sum(-1))
    return found


def main():
    recipe = recipe_of_command_line(__doc__)
    data, seed = recipe["data"], recipe["run"]["seed"]
    label = data.get("label")
    form = forms.form_of(data)
    train, held = (forms.read(data[part], form, data.get("columns")) for part in ("train", "validation"))

    hf.set_seed(seed)
    model = st.SentenceTransformer(recipe["model"]["path"], device="cpu")
    model.max_seq_length = data["max_length"]
    columns = {name: [record[name] for record in train] for name in data["text"]}
    if label:
        columns["label"] = [float(record[label]) for record in train]
    texts = [[record[name] for record in held] for name in data["text"]]
    targets = [float(record[label]) for record in held] if label else None
    score = lambda: {
        name: round(float(value), 6)
        for name, value in scores(model, texts, targets, recipe["evaluation"]["batch_size"]).items()
    }
    before = score()
    with tempfile.TemporaryDirectory() as out:
        trainer = st.SentenceTransformerTrainer(
            model=model,
            args=st.SentenceTransformerTrainingArguments(**arguments(recipe, out)),
            train_dataset=datasets.Dataset.from_dict(columns),
            loss=loss_of(recipe["task"], model, bool(label)),
        )
        started = time.time()
        trainer.train()
        seconds = time.time() - started
    result = {
        "kind": "embeddings",
        "seed": seed,
        "rows": {"train": len(train), "validation": len(held)},
        "train_s": round(seconds, 1),
        "examples_per_s": round(len(train) * recipe["train"]["epochs"] / seconds, 2),
        "before": before,
        "eval": score(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
