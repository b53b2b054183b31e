#!/usr/bin/env python3
"""Runs a recipe with Hugging Face Trainer, whatever its task, and prints one JSON line of what it cost and reached.

  hf_tasks.py --recipe recipes/stsb.toml --set data.train=train.csv --set data.validation=dev.csv --set run.seed=1

The peer's side of a side-by-side run. It reads the same recipe and takes the same `--set key=value` as retune, and
means the same by them: AdamW, weight decay on all but biases and norms, linear warm-up and descent, clipping by global
norm. It is scored on the validation file after the last epoch. Each task follows the example script of transformers
that it is known by: run_glue.py, run_classification.py, run_ner.py, run_qa.py with utils_qa.py, run_mlm.py.
`hf_embeddings.py` does the same for sentence embeddings.
"""

import argparse
import collections
import json
import re
import string
import sys
import tempfile
import time
import tomllib
from typing import Any, NamedTuple

import numpy as np
import transformers as hf

import forms

DEFAULTS = {
    "task": {
        "kind": "classification", "loss": "auto", "label_smoothing": 0.0, "label_separator": None,
        "mask_probability": 0.15, "whole_word_masking": False, "stride": 128, "max_answer_length": 30, "n_best": 20,
        "scale": 20.0, "margin": 5.0,
    },
    "data": {"max_length": 128},
    "train": {
        "epochs": 3.0, "batch_size": 32, "learning_rate": 5e-5, "warmup_fraction": 0.1, "weight_decay": 0.01,
        "max_grad_norm": 1.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
    },
    "evaluation": {"batch_size": 64, "metric": "auto"},
    "run": {"seed": 42, "precision": "fp32"},
}  # fmt: skip


def read_recipe(path, assignments):
    """The recipe's tables, with defaults for what it leaves out and `key=value` words on top."""
    with open(path, "rb") as file:
        written = tomllib.load(file)
    recipe = {table: {**DEFAULTS.get(table, {}), **written.get(table, {})} for table in {*DEFAULTS, *written}}
    for assignment in assignments:
        key, _, value = assignment.partition("=")
        table, _, name = key.partition(".")
        try:
            recipe[table][name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            recipe[table][name] = value
    return recipe


def recipe_of_command_line(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    return read_recipe(args.recipe, args.set)


class Task(NamedTuple):
    """What a Trainer needs, and how what it predicts is scored."""

    model: Any
    train: list
    held: list
    collator: Any
    score: Any  # (predictions, labels) -> {metric: value}; None where the loss says it all


def class_names(names):
    return {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def encode(recipe, tokenizer, records):
    columns = recipe["data"]["text"]
    columns = [columns] if isinstance(columns, str) else columns
    texts = [[record[column] for record in records] for column in columns]
    encoded = tokenizer(*texts, truncation=True, max_length=recipe["data"]["max_length"])
    return [{name: values[i] for name, values in encoded.items()} for i in range(len(records))]


def sequence_task(recipe, tokenizer, train, held, targets, score, **config):
    """A task with one label, or one vector of them, for each text."""
    config = hf.AutoConfig.from_pretrained(recipe["model"]["path"], **config)
    model = hf.AutoModelForSequenceClassification.from_pretrained(recipe["model"]["path"], config=config)
    rows = [
        [{**row, "labels": targets(record)} for row, record in zip(encode(recipe, tokenizer, part), part, strict=True)]
        for part in (train, held)
    ]
    return Task(model, *rows, hf.DataCollatorWithPadding(tokenizer), score)


def classification(recipe, tokenizer, train, held):
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    column = recipe["data"]["label"]
    names = sorted({record[column] for record in train})

    def score(logits, labels):
        predicted = logits.argmax(-1)
        return {
            "accuracy": accuracy_score(labels, predicted),
            "f1_macro": f1_score(labels, predicted, average="macro"),
            "mcc": matthews_corrcoef(labels, predicted),
        }

    targets = lambda record: names.index(record[column])
    config = {"problem_type": "single_label_classification", **class_names(names)}
    return sequence_task(recipe, tokenizer, train, held, targets, score, **config)


def multi_label(recipe, tokenizer, train, held):
    from sklearn.metrics import f1_score

    data, separator = recipe["data"], recipe["task"]["label_separator"]

    def labels_of(record):
        labels = record[data["label"]]
        labels = [label for label in labels.split(separator) if label] if separator else labels
        return [known[int(label)] for label in labels] if known else labels

    known = None
    if "label_names" in data:
        with open(data["label_names"], encoding="utf-8") as file:
            known = file.read().split()
    names = known or sorted({label for record in train for label in labels_of(record)})

    def targets(record):
        labels = labels_of(record)
        return [float(name in labels) for name in names]

    def score(logits, labels):
        predicted = logits > 0  # a probability above one half
        return {
            "f1_micro": f1_score(labels, predicted, average="micro", zero_division=0),
            "f1_macro": f1_score(labels, predicted, average="macro", zero_division=0),
        }

    config = {"problem_type": "multi_label_classification", **class_names(names)}
    return sequence_task(recipe, tokenizer, train, held, targets, score, **config)


def regression(recipe, tokenizer, train, held):
    from scipy.stats import pearsonr, spearmanr

    def score(logits, labels):
        predicted = logits.reshape(-1)
        return {"pearson": pearsonr(predicted, labels)[0], "spearman": spearmanr(predicted, labels)[0]}

    targets = lambda record: float(record[recipe["data"]["label"]])
    return sequence_task(recipe, tokenizer, train, held, targets, score, num_labels=1, problem_type="regression")


def token_classification(recipe, tokenizer, train, held):
    """As run_ner.py: a word's label stands at its first sub-word, and nothing else counts."""
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    data = recipe["data"]
    names = sorted({label for record in train for label in record[data["label"]]})
    options = {"truncation": True, "max_length": data["max_length"], "is_split_into_words": True}

    def rows(records):
        encoded = tokenizer([record[data["text"]] for record in records], **options)
        for i, record in enumerate(records):
            labels, last = [], None
            for word in encoded.word_ids(i):
                starts = word is not None and word != last
                labels.append(names.index(record[data["label"]][word]) if starts else -100)
                last = word
            yield {
                "input_ids": encoded["input_ids"][i],
                "attention_mask": encoded["attention_mask"][i],
                "labels": labels,
            }

    def score(logits, labels):
        counts = labels != -100
        named = lambda ids: [[names[i] for i in row[mask]] for row, mask in zip(ids, counts, strict=True)]
        predicted, wanted = named(logits.argmax(-1)), named(labels)
        return {
            "entity_f1_strict": f1_score(wanted, predicted, mode="strict", scheme=IOB2),
            "entity_f1": f1_score(wanted, predicted),
            "accuracy": np.mean(logits.argmax(-1)[counts] == labels[counts]),
        }

    model = hf.AutoModelForTokenClassification.from_pretrained(recipe["model"]["path"], **class_names(names))
    collator = hf.DataCollatorForTokenClassification(tokenizer)
    return Task(model, list(rows(train)), list(rows(held)), collator, score)


def question_answering(recipe, tokenizer, train, held):
    """As run_qa.py: windows of a long context; one without the whole answer is trained to point to its first token."""
    task, (question, context) = recipe["task"], recipe["data"]["text"]

    def windows(records):
        encoded = tokenizer(
            [record[question].lstrip() for record in records],
            [record[context] for record in records],
            truncation="only_second",
            max_length=recipe["data"]["max_length"],
            stride=task["stride"],
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        inputs = [name for name in tokenizer.model_input_names if name in encoded]
        for i, example in enumerate(encoded["overflow_to_sample_mapping"]):
            # Offsets of the context's tokens; None elsewhere.
            parts = zip(encoded["offset_mapping"][i], encoded.sequence_ids(i), strict=True)
            offsets = [offset if part == 1 else None for offset, part in parts]
            yield example, offsets, {name: encoded[name][i] for name in inputs}

    def positions(offsets, answer):
        start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        inside = [i for i, offset in enumerate(offsets) if offset]
        if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
            return 0, 0
        return max(i for i in inside if offsets[i][0] <= start), min(i for i in inside if offsets[i][1] >= end)

    rows = []
    for example, offsets, inputs in windows(train):
        start, end = positions(offsets, train[example]["answers"][0])
        rows.append({**inputs, "start_positions": start, "end_positions": end})
    held_windows = list(windows(held))

    def score(logits, _):
        texts = best_answers(held, held_windows, *logits, task["n_best"], task["max_answer_length"], context)
        best = lambda measure: [
            max(measure(text, answer["text"]) for answer in record["answers"])
            for text, record in zip(texts, held, strict=True)
        ]
        return {"exact_match": 100 * np.mean(best(exact)), "f1": 100 * np.mean(best(overlap))}

    model = hf.AutoModelForQuestionAnswering.from_pretrained(recipe["model"]["path"])
    held_rows = [inputs for _, _, inputs in held_windows]
    return Task(model, rows, held_rows, hf.DataCollatorWithPadding(tokenizer), score)


def best_answers(records, windows, starts, ends, n_best, longest, context):
    """As utils_qa.py: over all windows, the span of the highest sum among the n best starts and the n best ends."""
    best = [(-np.inf, "")] * len(records)
    for (example, offsets, _), start_logits, end_logits in zip(windows, starts, ends, strict=True):
        best_of = lambda logits: [int(i) for i in np.argsort(logits[: len(offsets)])[::-1][:n_best]]
        for start in best_of(start_logits):
            for end in best_of(end_logits):
                if not offsets[start] or not offsets[end] or not start <= end < start + longest:
                    continue
                total = start_logits[start] + end_logits[end]
                if total > best[example][0]:
                    text = records[example][context][offsets[start][0] : offsets[end][1]]
                    best[example] = (total, text)
    return [text for _, text in best]


def normalised(text):
    """As SQuAD's official script: lower case, without punctuation, articles and surplus white space."""
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact(text, gold):
    return float(normalised(text) == normalised(gold))


def overlap(text, gold):
    """F1 of the words of an answer and of a right one."""
    found, wanted = normalised(text).split(), normalised(gold).split()
    same = sum((collections.Counter(found) & collections.Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def masked_lm(recipe, tokenizer, train, held):
    """As run_mlm.py: each line between special tokens, all joined, cut into blocks, the rest dropped. (Empty lines are
    left out, which run_mlm.py keeps as two special tokens.)"""
    data, task = recipe["data"], recipe["task"]
    length = data["max_length"]

    def blocks(records):
        encoded = tokenizer([record[data["text"]] for record in records], return_special_tokens_mask=True)
        names = [name for name in encoded if name != "token_type_ids"]
        joined = {name: [i for ids in encoded[name] for i in ids] for name in names}
        cuts = range(0, len(joined["input_ids"]) // length * length, length)
        return [{name: values[at : at + length] for name, values in joined.items()} for at in cuts]

    model = hf.AutoModelForMaskedLM.from_pretrained(recipe["model"]["path"])
    collator = hf.DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=task["mask_probability"], whole_word_mask=task["whole_word_masking"]
    )
    return Task(model, blocks(train), blocks(held), collator, None)


KINDS = {
    "classification": classification,
    "multi-label": multi_label,
    "regression": regression,
    "token-classification": token_classification,
    "question-answering": question_answering,
    "masked-lm": masked_lm,
}


def arguments(recipe, out):
    """What a recipe says of training, in Trainer's words."""
    train, run = recipe["train"], recipe["run"]
    return {
        "output_dir": out,
        "num_train_epochs": train["epochs"],
        "per_device_train_batch_size": train["batch_size"],
        "per_device_eval_batch_size": recipe["evaluation"]["batch_size"],
        "learning_rate": train["learning_rate"],
        "lr_scheduler_type": "linear",
        "warmup_steps": train["warmup_fraction"],  # below 1, a share of all steps
        "weight_decay": train["weight_decay"],
        "adam_beta1": train["adam_beta1"],
        "adam_beta2": train["adam_beta2"],
        "adam_epsilon": train["adam_epsilon"],
        "max_grad_norm": train["max_grad_norm"],
        "seed": run["seed"],
        "bf16": run["precision"] == "bf16",
        "use_cpu": run.get("device", "cpu") == "cpu",
        "logging_steps": 50,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def trainer_of(recipe, task, out):
    is_answer = recipe["task"]["kind"] == "question-answering"
    options = hf.TrainingArguments(
        **arguments(recipe, out),
        label_smoothing_factor=recipe["task"]["label_smoothing"],
        label_names=["start_positions", "end_positions"] if is_answer else None,
        remove_unused_columns=False,
        prediction_loss_only=task.score is None,
    )
    return hf.Trainer(
        model=task.model, args=options, train_dataset=task.train, eval_dataset=task.held, data_collator=task.collator
    )


def evaluate(trainer, task, seed):
    """The scores, of masks that are the same each time where there are masks."""
    hf.set_seed(seed)
    found = trainer.predict(task.held)
    scores = task.score(found.predictions, found.label_ids) if task.score else {}
    if "test_loss" in found.metrics:
        scores["loss"] = found.metrics["test_loss"]
        if not task.score:
            scores["perplexity"] = float(np.exp(scores["loss"]))
    return {name: round(float(value), 6) for name, value in scores.items()}


def main():
    recipe = recipe_of_command_line(__doc__)
    kind, data = recipe["task"]["kind"], recipe["data"]
    if kind not in KINDS:
        sys.exit(f"error: no peer for task.kind = {kind}")

    hf.set_seed(recipe["run"]["seed"])
    form, columns = forms.form_of(data), data.get("columns")
    train, held = (forms.read(data[part], form, columns) for part in ("train", "validation"))
    tokenizer = hf.AutoTokenizer.from_pretrained(recipe["model"]["path"])
    task = KINDS[kind](recipe, tokenizer, train, held)
    with tempfile.TemporaryDirectory() as out:
        trainer = trainer_of(recipe, task, out)
        before = {} if task.score else evaluate(trainer, task, recipe["run"]["seed"])
        hf.set_seed(recipe["run"]["seed"])
        started = time.time()
        trainer.train()
        seconds = time.time() - started
        scores = evaluate(trainer, task, recipe["run"]["seed"])
    result = {
        "kind": kind,
        "seed": recipe["run"]["seed"],
        "rows": {"train": len(train), "validation": len(held)},
        "inputs": {"train": len(task.train), "validation": len(task.held)},
        "train_s": round(seconds, 1),
        "examples_per_s": round(len(task.train) * recipe["train"]["epochs"] / seconds, 2),
        "before": before,
        "eval": scores,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
