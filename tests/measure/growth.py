#!/usr/bin/env python3
"""What a fine-tuning costs while one thing grows: `cargo xtask bench growth`.

  growth.py --retune target/debug/retune --model MINILM --data FOLDER [--repeats 3] [--only rows length batch threads] \\
      [--json FILE] [--plot FILE.svg]

Runs under the Python that `cargo xtask parity` makes. FOLDER holds SST-2's `train.tsv` and `dev.tsv`. Each run trains so many
steps; a figure is the median over the repeats, which take turns. Time is that of training steps alone, memory the peak of the process.

  rows     files of 1, 4, 16 and 64 thousand rows, batches of 32 in random order: the same work for each token, whatever the file
  length   every row 16, 32, 64, 128, 256 tokens long, so many rows that a batch has 2,048 tokens
  batch    8, 16, 32, 64, 128 rows as they come
  threads  1, 2, … up to the machine's, 32 rows as they come
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKENS_OF_A_BATCH = 2048
STEPS = {"rows": 60, "length": 12, "batch": 30, "threads": 60}


class Work:
    """Files and runs in one folder."""

    def __init__(self, args, folder):
        self.args, self.folder, self.runs = args, folder, 0
        lines = (args.data / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
        self.rows = [line.split("\t")[:2] for line in lines]
        self.eval = self.write("eval", self.rows[-8:])

    def write(self, name, rows):
        path = self.folder / f"{name}.tsv"
        if not path.exists():
            path.write_text("\n".join(["sentence\tlabel", *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")
        return path

    def long_rows(self, length, count):
        """Rows of more words than `length` tokens hold."""
        words = iter(" ".join(row[0] for row in self.rows).split())
        return [[" ".join(next(words) for _ in range(length)), str(place % 2)] for place in range(count)]

    def run(self, file, steps, *assignments):
        """Trains; microseconds for each token, and the peak in MiB."""
        self.runs += 1
        output = self.folder / f"run-{self.runs}"
        command = [self.args.retune, "finetune", "--quiet", "--model", self.args.model, "--train", file, "--eval", self.eval]
        command += ["--text", "sentence", "--label", "label", "--format", "tsv-unquoted", "--max-steps", steps, "--epochs", 1000]
        command += ["--output", output, "--set", "evaluation.bootstrap_samples=0", "--set", "evaluation.explain=0"]
        # Not at the end of each epoch, of which a small file has more.
        command += ["--set", f"evaluation.every={steps}", "--set", "run.tensorboard=false"]
        for assignment in assignments:
            command += ["--set", assignment]
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"error: {self.args.retune} failed")
        final = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
        return 1e6 / final["tokens_per_second"], usage.ru_maxrss / 1024

    def points(self, what):
        """The sizes of one kind of growth, each with a call that runs it."""
        steps = STEPS[what]
        if what == "rows":
            sizes = [thousand * 1000 for thousand in (1, 4, 16, 64)]
            return [(size, lambda size=size: self.run(self.write(f"{size}", self.rows[:size]), steps, "train.batch_size=32")) for size in sizes]
        if what == "length":
            def of_length(length):
                rows = TOKENS_OF_A_BATCH // length
                file = self.write(f"length-{length}", self.long_rows(length, rows * 2))
                return self.run(file, steps, f"data.max_length={length}", f"train.batch_size={rows}")
            return [(length, lambda length=length: of_length(length)) for length in (16, 32, 64, 128, 256)]
        file = self.write("16000", self.rows[:16000])
        if what == "batch":
            return [(size, lambda size=size: self.run(file, steps, f"train.batch_size={size}")) for size in (8, 16, 32, 64, 128)]
        counts = [2**power for power in range(os.cpu_count().bit_length()) if 2**power <= os.cpu_count()]
        return [(count, lambda count=count: self.run(file, steps, f"run.threads={count}")) for count in counts]


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, places = plt.subplots(1, len(results), figsize=(3.4 * len(results), 3.2), squeeze=False)
    for place, (what, points) in zip(places[0], results.items()):
        sizes = [point["size"] for point in points]
        place.plot(sizes, [point["us_per_token"] for point in points], "o-", color="#0b6e99", label="µs per token")
        place.set(xscale="log", xlabel=what, title=f"growing {what}", ylim=(0, 1.2 * max(point["us_per_token"] for point in points)))
        place.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
        place.minorticks_off()
        memory = place.twinx()
        memory.plot(sizes, [point["mib"] for point in points], "s--", color="#c4621d", label="peak MiB")
        memory.set_ylim(0, 1.6 * max(point["mib"] for point in points))
        if place is places[0][0]:
            place.set_ylabel("µs per token (blue)")
        if place is places[0][-1]:
            memory.set_ylabel("peak MiB (orange)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--retune", "--model", "--data"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    args.retune = args.retune.resolve()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        work = Work(args, Path(name))
        for what in args.only:
            points = work.points(what)
            seen = {size: [] for size, _ in points}
            for _ in range(args.repeats):
                for size, run in points:
                    seen[size].append(run())
            results[what] = [
                {
                    "size": size,
                    "us_per_token": statistics.median(time for time, _ in runs),
                    "mib": statistics.median(memory for _, memory in runs),
                }
                for size, runs in seen.items()
            ]
            print(f"\n| {what} | µs per token | peak MiB |\n|---|---|---|", flush=True)
            for point in results[what]:
                print(f"| {point['size']:,} | {point['us_per_token']:.0f} | {point['mib']:.0f} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"date": time.strftime("%d %B %Y"), "results": results}, indent=1) + "\n")
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
