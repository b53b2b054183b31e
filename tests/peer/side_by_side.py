#!/usr/bin/env python3
"""retune and Hugging Face Trainer on the same file with the same hyperparameters, one after the other, seed by seed.

  side_by_side.py --retune target/debug/retune --model DIR --train train.tsv --eval dev.tsv --text sentence --label label \\
      [--rows 4000] [--epochs 3] [--seeds 1 2 3] [--bf16] [--title SST-2]

Runs under the Python that has transformers (`cargo xtask parity` makes one). Both sides are scored after the last epoch:
Trainer keeps the last model, and of retune the last epoch's evaluation is read, not the kept (best) model's. The data go
to both sides as one CSV file of the first `--rows` rows. Prints a Markdown table and, per run, one JSON line on standard
error. Examples per second cover training steps alone, on both sides.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PEER = Path(__file__).resolve().parent / "hf_finetune.py"


def read(path, rows):
    """The header and the first rows of a CSV file, or of a TSV file without quoting."""
    unquoted = path.suffix == ".tsv"
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(
            file, delimiter="\t" if unquoted else ",", quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL
        )
        header, *body = reader
    return header, body[:rows]


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def ours(args, files, seed, folder):
    output = folder / f"retune-{seed}"
    options = {
        "--model": args.model,
        "--train": files["train"],
        "--eval": files["eval"],
        "--label": args.label,
        "--epochs": args.epochs,
        "--batch-size": args.batch,
        "--learning-rate": args.lr,
        "--precision": "bf16" if args.bf16 else "fp32",
        "--seed": seed,
        "--output": output,
    }
    run(
        [args.retune, "finetune", "--quiet", "--text", *args.text]
        + [word for pair in options.items() for word in pair]
        + ["--set", f"data.max_length={args.max_length}", "--set", "evaluation.bootstrap_samples=0"]
    )
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    last = [record for record in records if record["event"] == "evaluation"][-1]
    final = records[-1]
    return {
        "side": "retune",
        "seed": seed,
        "examples_per_s": round(final["examples_per_second"], 2),
        **{name: round(last["scores"][name], 4) for name in ("accuracy", "f1_macro", "mcc", "loss")},
    }


def theirs(args, files, seed, folder):
    out = folder / f"peer-{seed}"
    options = {
        "--model": args.model,
        "--train": files["train"],
        "--eval": files["eval"],
        "--label": args.label,
        "--epochs": args.epochs,
        "--batch": args.batch,
        "--lr": args.lr,
        "--max-length": args.max_length,
        "--seed": seed,
        "--out": out,
    }
    printed = run(
        [sys.executable, PEER, "--text", *args.text]
        + [word for pair in options.items() for word in pair]
        + (["--bf16"] if args.bf16 else [])
    )
    result = json.loads(printed.splitlines()[-1])
    return {"side": "Trainer", "seed": seed, "examples_per_s": result["examples_per_s"], **result["eval"]}


def spread(values):
    mean = statistics.fmean(values)
    return f"{mean:.4f} ± {statistics.stdev(values):.4f}" if len(values) > 1 else f"{mean:.4f}"


def table(title, results):
    lines = [f"| {title} | accuracy | macro F1 | MCC | loss | examples/s |", "|---|---|---|---|---|---|"]
    for side in ("retune", "Trainer"):
        rows = [result for result in results if result["side"] == side]
        cells = [spread([row[name] for row in rows]) for name in ("accuracy", "f1_macro", "mcc", "loss")]
        speed = statistics.median(row["examples_per_s"] for row in rows)
        lines.append(f"| {side} | {' | '.join(cells)} | {speed:.1f} |")
    pairs = zip(*([row for row in results if row["side"] == side] for side in ("retune", "Trainer")), strict=True)
    ratio = statistics.median(a["examples_per_s"] / b["examples_per_s"] for a, b in pairs)
    lines.append(f"\nexamples per second, retune / Trainer, median of the pairs: {ratio:.2f}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--retune", "--model", "--train", "--eval"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--text", nargs="+", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--title", default="data")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder, files, results = Path(name), {}, []
        for split, path, rows in (("train", args.train, args.rows), ("eval", args.eval, None)):
            header, body = read(path, rows)
            files[split] = folder / f"{split}.csv"
            with files[split].open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *body])
        for seed in args.seeds:
            for side in (ours, theirs):
                results.append(side(args, files, seed, folder))
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    rows = f", first {args.rows} rows" if args.rows else ""
    print(table(f"{args.title}{rows}, {args.epochs:g} epochs, {'bf16' if args.bf16 else 'fp32'}", results))


if __name__ == "__main__":
    main()
