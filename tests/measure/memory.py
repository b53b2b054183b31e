#!/usr/bin/env python3
"""The peak memory of a fine-tuning while its training file grows: 1, 4 and 16 times the same rows; or of a prediction.

  memory.py --retune target/debug/retune --model DIR --train train.tsv --eval dev.tsv --text sentence --label label \\
      [--format tsv-unquoted] [--times 1 4 16] [--steps 3] [--task KIND]
  memory.py --retune target/debug/retune --run RUN --file in.csv [--times 1 4 16]

The first line of a .csv or .tsv file is its header; a blank line ends a sentence of a .conll file. Other tasks than
classification are named by --task, and need no label. Each size runs twice, with an empty cache of tokens and with a full one.
Prints a Markdown table: the file's size, the peak resident memory of the process, and its seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def grown(source, times, folder):
    """A file with the header of `source`, and its rows so many times."""
    header, rows = "", source.read_text(encoding="utf-8")
    if source.suffix in (".csv", ".tsv"):
        header, rows = rows.split("\n", 1)
        header += "\n"
    rows = rows.rstrip("\n") + ("\n\n" if source.suffix == ".conll" else "\n")
    path = folder / f"{times}{source.suffix}"
    with path.open("w", encoding="utf-8") as file:
        file.write(header)
        for _ in range(times):
            file.write(rows)
    return path


def measured(command, environment):
    """The peak resident memory of a command in MiB, and its seconds."""
    started = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"error: {command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024, time.monotonic() - started


def of_prediction(args):
    """A table for `predict` on a file that grows."""
    print("| rows | file | peak memory | time |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for times in args.times:
            file = grown(args.file, times, folder)
            command = [args.retune, "predict", "--quiet", "--run", args.run, "--file", file, "--out", folder / "out.parquet"]
            peak, seconds = measured([str(word) for word in command], os.environ)
            print(f"| {times}× | {file.stat().st_size / 2**20:.1f} MiB | {peak:.0f} MiB | {seconds:.0f} s |", flush=True)
            file.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retune", type=Path, required=True)
    for name in ("model", "train", "eval", "run", "file"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--text", nargs="+")
    parser.add_argument("--label")
    parser.add_argument("--task", default="classification")
    parser.add_argument("--format", default="auto")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    if args.run and args.file:
        return of_prediction(args)
    if not (args.model and args.train and args.eval and args.text):
        parser.error("either --run and --file, or --model, --train, --eval and --text")
    print("| rows | training file | cache | peak memory | time |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        for times in args.times:
            train = grown(args.train, times, folder)
            for cache in ("empty", "full"):
                command = [args.retune, "finetune", "--quiet", "--model", args.model, "--train", train]
                command += ["--eval", args.eval, "--text", *args.text, "--format", args.format]
                command += ["--label", args.label] if args.label else []
                command += ["--set", f"task.kind={args.task}"]
                command += ["--max-steps", args.steps, "--set", "evaluation.bootstrap_samples=0"]
                command += ["--output", folder / f"run-{times}-{cache}"]
                peak, seconds = measured([str(word) for word in command], environment)
                size = train.stat().st_size / 2**20
                print(f"| {times}× | {size:.1f} MiB | {cache} | {peak:.0f} MiB | {seconds:.0f} s |", flush=True)
            train.unlink()


if __name__ == "__main__":
    main()
