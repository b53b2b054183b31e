#!/usr/bin/env python3
"""Checks the data set's splits: columns, counts, duplicates, and near-duplicates across splits.

Two texts are near-duplicates where the sets of their character 5-grams (lower case, white space folded) have a Jaccard
similarity above 0.35. Usage: python data/support-triage/check.py (standard library only; exit code 1 on a violation).
"""
import collections, csv, pathlib, sys

folder = pathlib.Path(__file__).parent
limit = 0.35


def grams(text):
    text = " ".join(text.lower().split())
    return {text[i : i + 5] for i in range(max(1, len(text) - 4))}


rows, failures = [], 0
for split in ("train", "validation", "test"):
    with open(folder / f"{split}.csv", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != ["text", "label", "source"]:
            sys.exit(f"{split}.csv: columns are {reader.fieldnames}")
        for row in reader:
            rows.append((split, row, grams(row["text"])))
for split in ("train", "validation", "test"):
    counts = collections.Counter(row["label"] for name, row, _ in rows if name == split)
    print(split, sum(counts.values()), dict(sorted(counts.items())))
index = collections.defaultdict(list)
for number, (_, _, own) in enumerate(rows):
    for gram in own:
        index[gram].append(number)
for number, (split, row, own) in enumerate(rows):
    shared = collections.Counter(other for gram in own for other in index[gram] if other < number)
    for other, common in shared.items():
        similarity = common / (len(own) + len(rows[other][2]) - common)
        if similarity > limit:
            failures += 1
            print(f"{rows[other][0]}/{split} {similarity:.2f}: {rows[other][1]['text']!r} ~ {row['text']!r}")
print("near-duplicates:", failures)
sys.exit(1 if failures else 0)
