#!/usr/bin/env python3
"""retune and Hugging Face Trainer on the same recipe and the same rows, whatever the task, seed by seed.

  side_by_side_tasks.py --data datasets --model DIR --retune target/debug/retune stsb goemotions ... \\
      [--seeds 1 2 3] [--only peer|retune] [--results FOLDER]

Runs under the Python that has transformers (`cargo xtask parity` makes one). For each name, `recipes/NAME.toml` says
everything but the rows, the epochs and at times the rate and the batch, which SUBSETS says: the subset is written in
the data set's own form, and both sides are given it with the same `--set key=value`. Both are scored after the last epoch:
Trainer keeps the last model, and of retune the last epoch's evaluation is read, not the kept (best) model's. `--data`
is the folder that the recipes call datasets. `--results` keeps each run as a JSON file, so that the sides may be run on
different days: what is there is not run again. Prints Markdown tables; examples per second cover training steps alone,
on both sides.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import forms
from hf_tasks import read_recipe

HERE = Path(__file__).resolve().parent
PEER = HERE / "hf_tasks.py"
RECIPES = HERE.parent.parent / "recipes"
SIDES = {"retune": "retune", "peer": "Trainer"}


class Part(NamedTuple):
    """Which records of a file: of every `every`th, the first `first`, and of those at most `size` bytes of text."""

    first: int | None = None
    every: int = 1
    size: int | None = None

    def of(self, records):
        chosen = records[:: self.every][: self.first]
        if self.size is None:
            return chosen
        total = 0
        for count, record in enumerate(chosen):
            total += len(record["text"].encode()) + 1
            if total > self.size:
                return chosen[:count]
        return chosen

    def __str__(self):
        words = [f"one row of {self.every}"] if self.every > 1 else []
        words += [f"first {self.first:,} rows"] if self.first else []
        words += [f"first {self.size:,} bytes"] if self.size else []
        return ", ".join(words) or "all"


class Subset(NamedTuple):
    train: Part
    validation: Part
    epochs: int
    metrics: tuple
    settings: dict = {}


FASTER = {"train.learning_rate": 3e-4}
SUBSETS = {
    "sst2": Subset(Part(first=2000), Part(), 2, ("accuracy", "f1_macro", "mcc", "loss")),
    "mrpc": Subset(Part(first=1000), Part(), 2, ("accuracy", "f1_macro", "mcc", "loss")),
    "stsb": Subset(Part(first=1500), Part(), 3, ("pearson", "spearman", "loss")),
    # Until the thousandth step or so it only learns how frequent each label is, at 3e-4 even longer.
    "goemotions": Subset(
        Part(first=12000),
        Part(first=1500),
        2,
        ("f1_micro", "f1_macro", "loss"),
        {"train.learning_rate": 1e-4, "train.batch_size": 8},
    ),
    # Its rows are sorted by intent.
    "clinc150": Subset(Part(every=5), Part(every=3), 3, ("accuracy", "f1_macro", "mcc", "loss")),
    "wnut17": Subset(Part(), Part(), 3, ("entity_f1", "entity_f1_strict", "loss")),
    "squad": Subset(Part(first=1500), Part(first=300), 2, ("exact_match", "f1"), FASTER),
    "wikitext2": Subset(Part(size=1_000_000), Part(size=100_000), 1, ("loss", "perplexity")),
}


def prepare(name, args, folder):
    """Writes the recipe without its test file, and the subset of its data, and returns the `key=value` words of it."""
    subset, source = SUBSETS[name], RECIPES / f"{name}.toml"
    data = read_recipe(source, [])["data"]
    lines = source.read_text().splitlines(keepends=True)
    (folder / "recipe.toml").write_text("".join(line for line in lines if not line.startswith("test = ")))
    form, columns = forms.form_of(data), data.get("columns")
    here = lambda path: str(args.data / Path(path).relative_to("datasets"))
    words = {"model.path": args.model, "train.epochs": subset.epochs, **subset.settings}
    words["evaluation.bootstrap_samples"] = 0
    for part in ("train", "validation"):
        source = args.train if part == "train" and args.train else here(data[part])
        records = getattr(subset, part).of(forms.read(source, form, columns))
        suffix = Path(source.partition("#")[0]).suffix
        words[f"data.{part}"] = forms.write(folder / f"{part}{suffix}", form, records, columns)
    if "label_names" in data:
        words["data.label_names"] = here(data["label_names"])
    return words


def run(command, flags, words):
    flags = [flag for key, value in words.items() for flag in ("--set", f"{key}={value}")] + flags
    done = subprocess.run([str(word) for word in (*command, *flags)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def ours(args, words, folder):
    output = folder / f"retune-{words['run.seed']}"
    run([args.retune, "finetune", "--recipe", folder / "recipe.toml"], ["--quiet", "--output", output], words)
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    last = [record for record in records if record["event"] == "evaluation"][-1]
    return {"eval": last["scores"], "examples_per_s": records[-1]["examples_per_second"]}


def theirs(args, words, folder):
    return json.loads(run([sys.executable, PEER, "--recipe", folder / "recipe.toml"], [], words).splitlines()[-1])


def spread(values):
    mean = statistics.fmean(values)
    return f"{mean:.4f} ± {statistics.stdev(values):.4f}" if len(values) > 1 else f"{mean:.4f}"


def table(name, results):
    """A Markdown table of the sides that were run, and how many times as many examples a second ours trains on."""
    subset = SUBSETS[name]
    lines = [
        f"| {name}: train {subset.train}, validation {subset.validation}; {subset.epochs} epochs"
        f"{''.join(f', {key} {value:g}' for key, value in subset.settings.items())} "
        f"| {' | '.join(subset.metrics)} | examples/s |",
        "|---" * (len(subset.metrics) + 2) + "|",
    ]
    speeds = {}
    for side, title in SIDES.items():
        rows = [row for row in results if row["side"] == side]
        if rows:
            speeds[side] = statistics.median(row["examples_per_s"] for row in rows)
            cells = [spread([row["eval"][metric] for row in rows]) for metric in subset.metrics]
            lines.append(f"| {title} | {' | '.join(cells)} | {speeds[side]:.1f} |")
    before = [row["before"]["loss"] for row in results if row.get("before")]
    if before:
        lines.append(f"\nBefore training, Trainer's loss was {spread(before)}.")
    if len(speeds) == 2:
        lines.append(f"\nExamples per second, retune / Trainer, medians: {speeds['retune'] / speeds['peer']:.2f}.")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=SUBSETS, metavar="name", help=", ".join(SUBSETS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--retune", type=Path)
    parser.add_argument("--train", help="a training file other than the recipe's, in any form that it has")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for both sides")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", choices=SIDES)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    if args.only != "peer" and not args.retune:
        parser.error("--retune is needed, or --only peer")
    if args.train and len(args.names) > 1:
        parser.error("--train goes with one name")
    if args.results:
        args.results.mkdir(parents=True, exist_ok=True)

    for name in args.names:
        results = []
        with tempfile.TemporaryDirectory() as folder:
            words = prepare(name, args, Path(folder))
            words |= dict(word.split("=", 1) for word in args.set)
            for seed in args.seeds:
                for side, function in (("retune", ours), ("peer", theirs)):
                    kept = args.results / f"{name}-{side}-{seed}.json" if args.results else Path(os.devnull)
                    if kept.is_file():
                        results.append(json.loads(kept.read_text()))
                    elif args.only in (None, side):
                        result = function(args, {**words, "run.seed": seed}, Path(folder))
                        results.append({"name": name, "side": side, "seed": seed, **result})
                        kept.write_text(json.dumps(results[-1], indent=1) + "\n")
                        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
        print(table(name, results), flush=True)


if __name__ == "__main__":
    main()
