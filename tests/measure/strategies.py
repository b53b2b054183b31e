#!/usr/bin/env python3
"""What each strategy of fine-tuning gives and costs: score, seconds and peak memory, seed by seed, on small training sets.

  strategies.py --retune target/debug/retune --model MINILM --data datasets [--seeds 1 2 3 4 5] [--sets triage sst2 clinc150]
      [--results FOLDER] [--only METHOD ...]

Every method but few-shot training, which has eight rows of each class, has the same training rows (`data.train_fraction` of the recipe's file, drawn by seed), the same epochs and batches; those
that train few parameters have a learning rate of their own, as their papers do. The score is the accuracy on the validation data
after the last step: no epoch is chosen by it. Prints a Markdown table for each data set: the mean over seeds with the half-width of
its 95 % interval (Student's t); the mean difference from full fine-tuning, seed by seed, with its own; the median seconds of processor
time of the whole process, its evaluation included; and its peak resident memory. `--results` keeps each run as JSON and does not run
it again.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Student's t, two-sided 95 %, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}

FEW_SHOT = "few-shot, 8 rows of each class alone"
METHODS = {
    "full fine-tuning": [],
    "LoRA, rank 8": ["adapter.kind=lora", "train.learning_rate=2e-3"],
    "BitFit": ["train.trained=biases", "train.learning_rate=2e-3"],
    "head alone, on features": ["train.trained=head", "train.learning_rate=1e-2"],
    "layer-wise decay 0.8": ["optimizer.layer_decay=0.8"],
    "R-Drop, 1": ["regularization.r_drop=1"],
    "mean of the parameters (EMA 0.98)": ["regularization.ema_decay=0.98"],
    "top layer drawn anew": ["regularization.reinitialized_layers=1"],
    "NEFTune, 5": ["regularization.neftune_alpha=5"],
    FEW_SHOT: ["few_shot.pairs=PAIRS", "data.train_per_class=8", "train.epochs=50", "train.learning_rate=1e-2"],
}

# Contrastive pairs for each example: fewer where there are many classes, for the time.
PAIRS = {"triage": 20, "sst2": 20, "clinc150": 2}

# The recipe, the settings of all methods, and where the data are.
SETS = {
    "triage": ("quickstart", ["data.train_fraction=0.4", "train.epochs=6", "train.learning_rate=2e-4"]),
    "sst2": ("sst2", ["data.train_fraction=0.006", "train.epochs=6", "train.batch_size=16", "train.learning_rate=2e-4"]),
    "clinc150": ("clinc150", ["data.train_fraction=0.05", "train.epochs=12", "train.batch_size=16", "train.learning_rate=3e-4"]),
}


def run(args, name, method, seed):
    kept = args.results and args.results / f"{name}-{method.replace(' ', '_').replace('/', '_')}-{seed}.json"
    if kept and kept.exists():
        return json.loads(kept.read_text())
    recipe, common = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        text = (ROOT / "recipes" / f"{recipe}.toml").read_text()
        lines = [line for line in text.splitlines() if not line.startswith("test = ")]
        path = Path(folder) / "recipe.toml"
        path.write_text("\n".join(lines).replace('"datasets/', f'"{args.data}/') + "\n")
        output = Path(folder) / "run"
        if method == FEW_SHOT:
            # Its own rows; rates and epochs of the second stage as few_shot.pairs has them where no recipe says them.
            common = []
        own = [assignment.replace("PAIRS", str(PAIRS[name])) for assignment in METHODS[method]]
        sets = [*common, *own, f"run.seed={seed}", "evaluation.bootstrap_samples=0", "evaluation.every=1000000", f"model.path={args.model}"]
        flags = [flag for assignment in sets for flag in ("--set", assignment)]
        command = [args.retune, "finetune", "--quiet", "--recipe", path, "--output", output, *flags]
        errors = Path(folder) / "errors"
        with errors.open("w") as file:
            child = subprocess.Popen([str(part) for part in command], stdout=file, stderr=file, cwd=ROOT)
            _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{name}, {method}, seed {seed}: {errors.read_text()[-2000:]}")
        records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        final = [record for record in records if record["event"] == "final"][-1]
        found = {
            "score": final["scores"]["accuracy"],
            "seconds": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss / 1024,
        }
    if kept:
        kept.write_text(json.dumps(found))
    return found


def mean_and_half(values):
    """The mean, and the half-width of its 95 % interval."""
    half = T[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.3f} ± {half:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retune", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    args.retune = args.retune.resolve()
    if args.results:
        args.results.mkdir(parents=True, exist_ok=True)
    # Seed by seed and method by method, so that what else the machine does falls on all alike.
    results = {}
    for seed in args.seeds:
        for name in args.sets:
            for method in args.only:
                results.setdefault((name, method), []).append(run(args, name, method, seed))
    for name in args.sets:
        print(f"\n| {name}: {', '.join(SETS[name][1])} | accuracy | less full fine-tuning | processor seconds | peak MB |")
        print("|---|---|---|---|---|")
        full = [one["score"] for one in results.get((name, "full fine-tuning"), [])]
        for method in args.only:
            runs = results[name, method]
            scores = [one["score"] for one in runs]
            gains = [score - other for score, other in zip(scores, full)]
            difference = mean_and_half(gains) if gains and method != "full fine-tuning" else ""
            seconds = statistics.median(one["seconds"] for one in runs)
            peak = statistics.median(one["peak_mb"] for one in runs)
            print(f"| {method} | {mean_and_half(scores)} | {difference} | {seconds:.0f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
