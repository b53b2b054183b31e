"""How much `retune inspect` finds of what was planted into real data, as a table in Markdown.

    python3 tests/measure/planted_faults.py --data FOLDER --model MODEL [--binary target/debug/retune] [--rows 6000] [--only clinc150]

FOLDER holds sst2/{train,dev}.tsv, clinc150/data_full.json and goemotions/{train,dev}.tsv with labels.txt, as their makers publish them.
Of each, --rows training rows are drawn by a fixed seed, and inspected twice: as they are, and with faults planted into them:

- 2 % of the rows repeated to the letter; 2 % with other case, white space and punctuation; 2 % with one word replaced, left out or misspelt;
- the same three of 2 % of the training rows each, put into the test rows (leakage);
- 5 % of the labels changed to another (of goemotions: one of its labels taken away and another given);
- 30 % of the test rows taken from another of the three data sets (shift), in a third inspection.

Recall is the share of planted rows that are found. Precision is the share of found rows that were planted, less those that are found in
the data as they are too; where it is marked, those count against it. Only the standard library is needed.
"""

import argparse
import csv
import json
import math
import random
import re
import subprocess
import tempfile
import time
import unicodedata
from pathlib import Path

KINDS = ("exact", "normalised", "near")
# Rows that the model reads of data in which no labels were changed: enough for the shift.
SAMPLE = 1500


def read_sst2(folder):
    def rows(name):
        with open(folder / "sst2" / name, encoding="utf-8") as file:
            return [line.rstrip("\n").split("\t") for line in file][1:]

    return [tuple(row) for row in rows("train.tsv")], [tuple(row) for row in rows("dev.tsv")]


def read_clinc150(folder):
    data = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    return [tuple(row) for row in data["train"]], [tuple(row) for row in data["test"]]


def read_goemotions(folder):
    names = (folder / "goemotions" / "labels.txt").read_text(encoding="utf-8").split()

    def rows(name):
        with open(folder / "goemotions" / name, encoding="utf-8", newline="") as file:
            return [(row[0], tuple(names[int(i)] for i in row[1].split(","))) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]

    return rows("train.tsv"), rows("dev.tsv")


READERS = {"sst2": read_sst2, "clinc150": read_clinc150, "goemotions": read_goemotions}


def rewritten(draw, text):
    """Another case, other white space and punctuation."""
    words = text.split()
    place = draw.randrange(len(words))
    words[place] = words[place].upper() if words[place] != words[place].upper() else words[place].capitalize()
    return "  ".join(words[: place + 1]) + " " + " ".join(words[place + 1 :]) + draw.choice(["!", " .", " ?", "..."])


def changed(draw, text, vocabulary):
    """One word replaced, left out, or with two letters exchanged."""
    words = text.split()
    place = draw.choice([i for i, word in enumerate(words) if len(word) > 3] or range(len(words)))
    how = draw.randrange(3)
    if how == 0:
        words[place] = draw.choice(vocabulary)
    elif how == 1:
        del words[place]
    else:
        word = words[place]
        words[place] = word[:1] + word[2:3] + word[1:2] + word[3:]
    return " ".join(words)


def shingles(text):
    """What the near duplicates are defined by: runs of four characters of the normalised text."""
    kept = "".join(c if c.isalnum() else "" if c in "'’‘`" else " " for c in unicodedata.normalize("NFKC", text).lower())
    normal = " ".join(kept.split())
    return {normal[place : place + 4] for place in range(len(normal) - 3)}


def similarity(first, second):
    first, second = shingles(first), shingles(second)
    return len(first & second) / max(1, len(first | second))


def copies(draw, source, count, vocabulary):
    """For each kind of copy, `count` rows made of `source`, and how alike each is to what it is made of."""
    long = [row for row in source if len(row[0].split()) >= 7]
    made, alike = {}, {}
    for kind in KINDS:
        rows = draw.sample(long, count)
        make = {
            "exact": lambda text: text,
            "normalised": lambda text: rewritten(draw, text),
            "near": lambda text: changed(draw, text, vocabulary),
        }[kind]
        made[kind] = [(make(text), label) for text, label in rows]
        alike[kind] = [similarity(text, new) for (text, _), (new, _) in zip(rows, made[kind])]
    return made, alike


def flip(draw, label, labels):
    if isinstance(label, tuple):
        kept = list(label)
        kept.remove(draw.choice(kept))
        return tuple(sorted(kept + [draw.choice([other for other in labels if other not in label])]))
    return draw.choice([other for other in labels if other != label])


def inspect(options, folder, train, test, max_rows=1_000_000):
    several = isinstance(train[0][1], tuple)
    for name, rows in (("train", train), ("test", test)):
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
            for text, label in rows:
                print(json.dumps({"text": text, "label": list(label) if several else label}, ensure_ascii=False), file=file)
    out = folder / "found.json"
    command = [options.binary, "inspect", "--model", options.model, "--train", folder / "train.jsonl", "--test", folder / "test.jsonl"]
    command += ["--text", "text", "--label", "label", "--max-rows", str(max_rows), "--json", out, "--quiet"]
    command += ["--task", "multi-label"] if several else []
    command += ["--no-model"] if options.no_model else []
    start = time.time()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    found = json.loads(out.read_text(encoding="utf-8"))["findings"]
    return found, time.time() - start


def rows_of(findings, kind, split, likeness=None):
    """The rows of a kind of finding in a data set, the most telling first."""
    words = {"exact": "the same text", "normalised": "the same but", "near": "alike by"}
    return [
        row["row"]
        for finding in findings
        if finding["kind"] == kind
        for row in finding["rows"]
        if row["split"] == split and (likeness is None or row["note"].startswith(words[likeness]))
    ]


def shift_of(findings):
    return next(finding for finding in findings if finding["kind"] == "shift")


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "none"


def measure(options, name, foreign):
    draw = random.Random(17)
    train, test = READERS[name](options.data)
    train = draw.sample(train, min(options.rows, len(train)))
    test = draw.sample(test, min(options.rows // 4, len(test)))
    labels = sorted({one for _, label in train for one in (label if isinstance(label, tuple) else (label,))})
    vocabulary = sorted({word for text, _ in train for word in re.findall(r"\w{4,}", text)})
    lines = []

    def line(what, planted, found, before, right):
        fresh = len(found) - len(before)
        lines.append(f"| {name} | {what} | {planted} | {len(found)} | {share(right, planted)} | {share(right, fresh)} |")

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        clean, _ = inspect(options, folder, train, test, SAMPLE)
        count = len(train) // 50
        (repeated, alike), (leaked, leaked_alike) = (copies(draw, train, size, vocabulary) for size in (count, len(test) // 50))
        planted_train, planted_test = list(train), list(test)
        flipped = set(draw.sample(range(len(train)), len(train) // 20))
        planted_train = [(text, flip(draw, label, labels) if row in flipped else label) for row, (text, label) in enumerate(planted_train)]
        places = {"train": {}, "test": {}}
        for kind in KINDS:
            places["train"][kind] = range(len(planted_train), len(planted_train) + count)
            planted_train += repeated[kind]
            places["test"][kind] = range(len(planted_test), len(planted_test) + len(leaked[kind]))
            planted_test += leaked[kind]
        found, seconds = inspect(options, folder, planted_train, planted_test)
        for what, kind_of, split in (("repeated", "duplicates", "train"), ("leaked", "leakage", "test")):
            for kind in KINDS:
                planted = set(places[split][kind])
                # A misspelling may leave a text that is equal but for what does not count, and a copy may be of a copy.
                rows = rows_of(found, kind_of, split, kind)
                right = planted & set(rows_of(found, kind_of, split))
                others = set().union(*(set(places[split][other]) for other in KINDS if other != kind))
                rows = [row for row in rows if row not in others] + [row for row in right if row not in rows]
                before = [row for row in rows_of(clean, kind_of, split) if row in set(rows)]
                line(f"{what}, {kind}", len(planted), rows, before, len(right))
                if kind == "near":
                    of_kind = (alike if split == "train" else leaked_alike)[kind]
                    defined = {place for place, how in zip(places[split][kind], of_kind) if how >= 0.7}
                    lines.append(f"| {name} | … of them, alike by 0.7 or more | {len(defined)} | | {share(len(defined & right), len(defined))} | |")
        rows = rows_of(found, "label-errors", "train")
        line("5 % of labels changed: all that are listed *", len(flipped), rows, [], len(flipped & set(rows)))
        for part in (0.6, 0.8):
            # As far down the list as it takes to meet that share of them.
            met = [place for place, row in enumerate(rows) if row in flipped]
            if len(met) >= part * len(flipped):
                first = rows[: met[math.ceil(part * len(flipped)) - 1] + 1]
                line(f"… the first {len(first)} of the list *", len(flipped), first, [], len(flipped & set(first)))
        confident = next(finding for finding in found if finding["kind"] == "label-errors")["numbers"]
        mixed = list(test)
        strangers = draw.sample(range(len(test)), 3 * len(test) // 10)
        texts = [text for text, _ in READERS[foreign](options.data)[0]]
        for row, text in zip(strangers, draw.sample(texts, len(strangers))):
            mixed[row] = (text, mixed[row][1])
        shifted, _ = inspect(options, folder, train, mixed, SAMPLE)
    before, after = shift_of(clean), shift_of(shifted)
    # The share of strangers is not known to whoever looks; rows that are likelier of test than 1/2 are what a person would look at.
    listed = {row["row"] for row in after["rows"][: len(strangers)]}
    right = len(listed & set(strangers))
    lines.append(
        f"| {name} | test rows from {foreign}, as many of the first listed | {len(strangers)} | {len(listed)} | {share(right, len(strangers))} | {share(right, len(listed))} |"
    )
    areas = [[finding["numbers"].get(f"auc by {by}", float("nan")) for by in ("words", "features")] for finding in (before, after)]
    notes = (
        f"{name}: {len(train)} training and {len(test)} test rows, {seconds:.0f} s with what is planted. The quick head gives "
        f"{100 * confident['out-of-fold accuracy']:.1f} % of the labels as they are. AUC of train against test by words and by features: "
        f"{areas[0][0]:.3f} and {areas[0][1]:.3f} ({before['severity']}); with rows from {foreign} {areas[1][0]:.3f} and {areas[1][1]:.3f} "
        f"({after['severity']})."
    )
    return lines, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--binary", default="target/debug/retune")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--only", choices=sorted(READERS))
    parser.add_argument("--no-model", action="store_true")
    options = parser.parse_args()
    foreign = {"sst2": "goemotions", "clinc150": "sst2", "goemotions": "clinc150"}
    print("| data | planted | rows | found | recall | precision |\n|---|---|---|---|---|---|", flush=True)
    notes = []
    for name in [options.only] if options.only else READERS:
        lines, note = measure(options, name, foreign[name])
        print("\n".join(lines), flush=True)
        notes.append(note)
    print("\n\\* Labels that were wrong before count against the precision.\n\n" + "\n".join(f"- {note}" for note in notes))


if __name__ == "__main__":
    main()
