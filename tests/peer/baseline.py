#!/usr/bin/env python3
"""The classical baseline: TF-IDF of words and word pairs with logistic regression, C chosen on the validation file.

  baseline.py --train train.csv --validation validation.csv --test test.csv --text text --label label

Files are CSV (quoted, UTF-8, with a header). Prints one JSON line. The test file is read once, by the chosen model.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

STRENGTHS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]


def read(path, text, label):
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    absent = {text, label} - set(rows[0] if rows else [])
    if absent:
        present = ", ".join(rows[0]) if rows else "no rows"
        sys.exit(f"error: {path}: no column {', '.join(sorted(absent))}; it has {present}")
    return [row[text] for row in rows], [row[label] for row in rows]


def measure(model, features, labels):
    predicted = model.predict(features)
    return {
        "accuracy": round(accuracy_score(labels, predicted), 6),
        "macro_f1": round(f1_score(labels, predicted, average="macro", zero_division=0), 6),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--train", "--validation", "--test"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    args = parser.parse_args()

    (texts, labels), validation, test = (
        read(path, args.text, args.label) for path in (args.train, args.validation, args.test)
    )
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(texts)
    held = vectorizer.transform(validation[0])
    models = [LogisticRegression(C=strength, max_iter=2000).fit(features, labels) for strength in STRENGTHS]
    # The first of equals: the most regularised.
    best = max(models, key=lambda model: measure(model, held, validation[1])["accuracy"])
    print(
        json.dumps(
            {
                "model": "TF-IDF 1-2 grams, logistic regression",
                "c": best.C,
                "features": features.shape[1],
                "rows": {"train": len(labels), "validation": len(validation[1]), "test": len(test[1])},
                "validation": measure(best, held, validation[1]),
                "test": measure(best, vectorizer.transform(test[0]), test[1]),
            }
        )
    )


if __name__ == "__main__":
    main()
