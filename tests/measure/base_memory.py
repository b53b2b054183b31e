#!/usr/bin/env python3
"""Peak memory of fine-tuning a model of BERT-base's size, with and without what saves memory.

  base_memory.py --retune target/debug/retune --tokenizer MINILM [--batch 32] [--length 128] [--steps 3] [--only NAME ...]

The model is bert-base-uncased's in shape (109.5 million parameters), its weights drawn: values do not change what is held. `--tokenizer`
is a folder with a `tokenizer.json` of BERT's vocabulary, as MiniLM's is. Every row fills the length. Each line is a process of its own;
what is printed is its peak resident memory, and the median seconds of a step after the first. Only the standard library is needed.
"""

import argparse
import array
import json
import math
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTH, INNER, LAYERS, WORDS, PLACES = 768, 3072, 12, 30522, 512

RUNS = [
    ("full fine-tuning", []),
    ("full fine-tuning, recompute", ["train.recompute=true"]),
    ("full fine-tuning, bf16", ["run.precision=bf16"]),
    ("full fine-tuning, bf16, recompute", ["run.precision=bf16", "train.recompute=true"]),
    ("LoRA, rank 8", ["adapter.kind=lora"]),
    ("LoRA, rank 8, recompute", ["adapter.kind=lora", "train.recompute=true"]),
]


def shapes():
    """The parameters of `bert-base-uncased`'s encoder with its pooler."""
    found = {
        "embeddings.word_embeddings.weight": [WORDS, WIDTH],
        "embeddings.position_embeddings.weight": [PLACES, WIDTH],
        "embeddings.token_type_embeddings.weight": [2, WIDTH],
    }

    def linear(name, out, inside):
        found[f"{name}.weight"], found[f"{name}.bias"] = [out, inside], [out]

    def norm(name):
        found[f"{name}.weight"], found[f"{name}.bias"] = [WIDTH], [WIDTH]

    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{at}.attention.self.{part}", WIDTH, WIDTH)
        linear(f"{at}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", INNER, WIDTH)
        linear(f"{at}.output.dense", WIDTH, INNER)
        norm(f"{at}.output.LayerNorm")
    linear("pooler.dense", WIDTH, WIDTH)
    return found


def write_model(folder, tokenizer):
    """The checkpoint's folder."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": 12, "vocab_size": WORDS, "max_position_embeddings": PLACES,
        "type_vocab_size": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12, "initializer_range": 0.02, "pad_token_id": 0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    header, start = {}, 0
    for name, shape in shapes().items():
        end = start + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    draw = random.Random(1)
    numbers = array.array("f", (draw.gauss(0, 0.02) for _ in range(1 << 16)))
    ones = array.array("f", [1.0] * WIDTH)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes().items():
            count = math.prod(shape)
            if name.endswith("LayerNorm.weight"):
                ones.tofile(file)
                continue
            while count > 0:
                numbers[:count].tofile(file)
                count -= len(numbers)
    return sum(math.prod(shape) for shape in shapes().values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retune", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--only", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        count = write_model(folder / "model", args.tokenizer)
        print(f"{count:,} parameters before the head; {args.batch} rows of {args.length} tokens\n")
        rows = [f"{'word ' * args.length}\t{row % 2}" for row in range(args.batch * args.steps)]
        for file, lines in (("train", rows), ("eval", rows[:2])):
            (folder / f"{file}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
        print("| | peak MiB | s a step |\n|---|---|---|")
        for place, (what, assignments) in enumerate(RUNS):
            if args.only and what not in args.only:
                continue
            output = folder / f"run{place}"
            sets = [
                f"train.max_steps={args.steps}", f"train.batch_size={args.batch}", f"data.max_length={args.length}", "train.log_every=1",
                *assignments,
            ]  # fmt: skip
            command = [args.retune, "finetune", "--quiet", "--model", folder / "model", "--train", folder / "train.tsv"]
            command += ["--eval", folder / "eval.tsv", "--text", "text", "--label", "label", "--output", output]
            command += [part for assignment in sets for part in ("--set", assignment)]
            child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            if status:
                sys.exit(f"error: {what} ended with {os.waitstatus_to_exitcode(status)}")
            records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
            steps = [record for record in records if record["event"] == "train"]
            seconds = statistics.median(args.batch * args.length / step["tokens_per_second"] for step in steps[1:])
            print(f"| {what} | {usage.ru_maxrss / 1024:,.0f} | {seconds:.1f} |", flush=True)
            shutil.rmtree(output)


if __name__ == "__main__":
    main()
