#!/usr/bin/env python3
"""The speed of retune beside Hugging Face's, on one machine in one sitting: `cargo xtask bench peer`.

  bench.py --retune target/debug/retune --model MINILM --data FOLDER [--pairs 5] [--rows 640] [--only ROW ...] [--json FILE]

Runs under the Python that has transformers (`cargo xtask parity` makes one). FOLDER holds SST-2's `train.tsv` and `dev.tsv`. Both sides
train on the same rows in batches of 32, dropout as the checkpoint has it, each drawing an order of its own; they run
alternately, `--pairs` times, and every figure is the median of the pairs' ratios. What is compared:

  fp32, bf16              rows as they come, examples per second of training steps
  fixed-fp32, fixed-bf16  every row 128 tokens long, so that there is no padding to save
  grouped                 rows as they come, against Trainer with group_by_length
  inference               `predict` on dev.tsv in batches of 64 against the text-classification pipeline, without their start
  start                   seconds from the process's start to the end of its first step, files cached
  memory                  peak resident MiB of the fp32 runs

It also measures libtorch's matrix product at a batch's shape, by the faster of its two libraries, MKL and oneDNN, and
with it what share of that rate the step reaches.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The floors that we hold ourselves to: at least so many times the peer's rate, at most so much of its memory and time.
FLOORS = {"fp32": 3, "bf16": 3, "fixed-fp32": 1.25, "fixed-bf16": 1.4, "grouped": 1.3, "inference": 3, "start": 0.15, "memory": 0.5}
UTILISATION = {"fp32": 0.55, "bf16": 0.40}
LESS_IS_BETTER = ("start", "memory")
PRODUCT = """
import sys, time, torch
kind, tokens = getattr(torch, sys.argv[1]), int(sys.argv[2])
x, w = torch.randn(tokens, 384).to(kind), torch.randn(1536, 384).to(kind)
def rate(product):
    times = []
    for _ in range(60):
        start = time.perf_counter(); product(); times.append(time.perf_counter() - start)
    return 2 * tokens * 384 * 1536 / sorted(times)[30]
print(max(rate(lambda: x @ w.t()), rate(lambda: torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], ""))))
"""
PIPELINE = """
import csv, sys, time
from transformers import pipeline
classify = pipeline("text-classification", model=sys.argv[1], batch_size=64, device="cpu")
texts = [row[0] for row in list(csv.reader(open(sys.argv[2]), delimiter="\\t", quoting=csv.QUOTE_NONE))[1:]]
classify(texts[:64])
start = time.perf_counter(); classify(texts, truncation=True, max_length=128)
print(len(texts) / (time.perf_counter() - start))
"""


def finished(command, marker=None):
    """Runs a command: its standard output, peak resident MiB, and the seconds until the marker file was there."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start, seen = time.monotonic(), None
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err)
        while marker and child.poll() is None and not seen:
            seen = time.monotonic() - start if marker.exists() and marker.stat().st_size else None
            time.sleep(0.002)
        _, status, usage = os.wait4(child.pid, 0) if child.returncode is None else (0, child.returncode, None)
        err.seek(0)
        if status:
            sys.exit(f"error: {command[0]} failed:\n{err.read()[-2000:]}")
        out.seek(0)
        return out.read(), usage.ru_maxrss / 1024 if usage else None, seen


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.runs = args, folder, 0
        with (args.data / "train.tsv").open(encoding="utf-8") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
        self.files = {
            "as-they-come": self.write("train", rows[: args.rows]),
            "fixed": self.write("fixed", fixed(rows, args.rows // 4)),
            "few": self.write("few", rows[:64]),
            "eval": self.write("eval", rows[-8:]),
        }
        self.dev = args.data / "dev.tsv"

    def write(self, name, rows):
        path = self.folder / f"{name}.tsv"
        path.write_text("\n".join("\t".join(row[:2]) for row in [["sentence", "label"], *rows]) + "\n", encoding="utf-8")
        return path

    def ours(self, file, precision, marker=False):
        self.runs += 1
        output = self.folder / f"run-{self.runs}"
        command = [self.args.retune, "finetune", "--quiet", "--model", self.args.model, "--train", self.files[file]]
        command += ["--eval", self.files["eval"], "--text", "sentence", "--label", "label", "--format", "tsv-unquoted", "--epochs", 1]
        command += ["--batch-size", 32, "--precision", precision, "--output", output]
        for assignment in ("data.max_length=128", "evaluation.bootstrap_samples=0", *(["train.log_every=1"] if marker else [])):
            command += ["--set", assignment]
        _, memory, first = finished(command, output / "metrics.jsonl" if marker else None)
        final = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()][-1]
        return {"rate": final["examples_per_second"], "tokens": final["tokens_per_second"], "memory": memory, "start": first, "run": output}

    def theirs(self, file, precision, grouped=False, marker=False):
        self.runs += 1
        out = self.folder / f"peer-{self.runs}"
        mark = self.folder / f"peer-{self.runs}.first"
        command = [sys.executable, HERE / "hf_finetune.py", "--model", self.args.model, "--train", self.files[file], "--eval", self.files["eval"]]
        command += ["--text", "sentence", "--label", "label", "--epochs", 1, "--batch", 32, "--out", out, "--first-step", mark]
        command += ["--bf16"] * (precision == "bf16") + ["--group-by-length"] * grouped
        printed, memory, first = finished(command, mark if marker else None)
        found = json.loads(printed.splitlines()[-1])
        return {"rate": found["examples_per_s"], "tokens": found["real_tokens_per_s"], "memory": memory, "start": first}

    def product(self, precision, tokens):
        kind = {"fp32": "float32", "bf16": "bfloat16"}[precision]
        return float(finished([sys.executable, "-c", PRODUCT, kind, tokens])[0])

    def predicting(self, run):
        """Examples per second of `predict`, without its start: a file of many rows less one of few."""
        rows = self.dev.read_text(encoding="utf-8").splitlines()
        seconds = []
        for copies in (1, 5):
            path = self.folder / f"dev-{copies}.tsv"
            path.write_text("\n".join([rows[0], *rows[1:] * copies]) + "\n", encoding="utf-8")
            start = time.monotonic()
            finished([self.args.retune, "predict", "--quiet", "--run", run, "--file", path, "--text", "sentence", "--format", "tsv-unquoted",
                      "--batch-size", 64, "--out", self.folder / "predictions.parquet"])
            seconds.append(time.monotonic() - start)
        return 4 * (len(rows) - 1) / (seconds[1] - seconds[0])

    def pair(self, name):
        """Ours and theirs, and for training the share of the product's rate."""
        precision = "bf16" if name.endswith("bf16") else "fp32"
        if name == "inference":
            run = self.ours("few", "fp32")["run"]
            return self.predicting(run), float(finished([sys.executable, "-c", PIPELINE, run / "model", self.dev])[0]), None
        if name == "start":
            return self.ours("few", precision, marker=True)["start"], self.theirs("few", precision, marker=True)["start"], None
        file = "fixed" if name.startswith("fixed") else "as-they-come"
        mine, other = self.ours(file, precision), self.theirs(file, precision, grouped=name == "grouped")
        if name == "memory":
            return mine["memory"], other["memory"], None
        layers, hidden, inner = self.args.sizes
        projection, network = hidden * hidden, 2 * hidden * inner
        # Of the last layer, keys and values of all tokens; the rest of each sequence's first token alone.
        of_all = (layers - 1) * (4 * projection + network) + 2 * projection
        flops = 6 * (of_all * mine["tokens"] + (2 * projection + network) * mine["rate"])
        tokens = round(32 * mine["tokens"] / mine["rate"])
        return mine["rate"], other["rate"], flops / self.product(precision, tokens)


def fixed(rows, count):
    """Rows of more words than a model reads, by joining texts."""
    joined = [" ".join(row[0] for row in rows[place : place + 40]) for place in range(0, len(rows) - 40, 40)]
    long = [text for text in joined if len(text.split()) >= 140][:count]
    return [[text, str(place % 2)] for place, text in enumerate(long)]


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    return {"processor": model, "cores": os.cpu_count(), "commit": commit, "date": time.strftime("%d %B %Y")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--retune", "--model", "--data"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--only", nargs="+", choices=list(FLOORS), default=list(FLOORS))
    parser.add_argument("--sizes", type=int, nargs=3, default=[6, 384, 1536], help="layers, hidden and intermediate size of the model")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.retune = args.retune.resolve()
    about = machine()
    results = {name: [] for name in args.only}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, Path(folder))
        bench.ours("few", "fp32")  # tokens cached, files read once
        for pair in range(args.pairs):
            for name in args.only:
                results[name].append(bench.pair(name))
                print(json.dumps({"pair": pair + 1, "row": name, "values": results[name][-1]}), file=sys.stderr, flush=True)
    print(f"{about['processor']}, {about['cores']} cores; {about['date']}, commit {about['commit']}; medians of {args.pairs} pairs\n")
    print("| work | retune | peer | ratio | floor | share of the product's rate |\n|---|---|---|---|---|---|")
    for name, pairs in results.items():
        ratio = statistics.median(mine / other for mine, other, _ in pairs)
        met = ratio <= FLOORS[name] if name in LESS_IS_BETTER else ratio >= FLOORS[name]
        floor = f"{'≤' if name in LESS_IS_BETTER else '≥'} {FLOORS[name]}{'' if met else ', missed'}"
        shares = [share for _, _, share in pairs if share]
        share = f"{statistics.median(shares):.0%}" if shares else ""
        mine, other = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        print(f"| {name} | {mine:.4g} | {other:.4g} | {ratio:.2f} | {floor} | {share} |")
    if args.json:
        args.json.write_text(json.dumps({"machine": about, "results": results}, indent=1))


if __name__ == "__main__":
    main()
