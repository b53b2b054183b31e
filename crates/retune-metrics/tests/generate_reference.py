"""Writes tests/reference.json: random cases with the measures that scikit-learn gives them.

Run it with a Python that has scikit-learn 1.x and scipy; the file says which versions made it:

    python crates/retune-metrics/tests/generate_reference.py

The same versions give the same file.
"""

import json
import random
import warnings
from pathlib import Path

import scipy
import sklearn
from scipy.stats import binom
from sklearn import metrics

BETAS = [0.0, 0.5, 2.0]
AVERAGES = ["micro", "macro", "weighted"]


def labels_of(case, rng):
    """Labels and predictions of one of several kinds of data."""
    classes = rng.randint(1, 8)
    n = rng.randint(1, 50)
    weights = [rng.random() for _ in range(classes)]
    kind = case % 6
    if kind == 1:  # imbalance
        weights = [0.02] * classes
        weights[rng.randrange(classes)] = 1.0
    elif kind == 2:  # classes that no label has
        for absent in rng.sample(range(classes), classes // 2):
            weights[absent] = 0.0
    elif kind == 3:  # one class only
        weights = [0.0] * classes
        weights[rng.randrange(classes)] = 1.0
    labels = rng.choices(range(classes), weights, k=n)
    skill = [0.0, 0.3, 0.7, 0.95, 1.0][case % 5]
    predicted = [label if rng.random() < skill else rng.randrange(classes) for label in labels]
    if kind == 4:  # a model that always says the same
        predicted = [rng.randrange(classes)] * n
    return classes, labels, predicted


def number(value):
    """Twelve digits are more than the comparison asks for, and keep the file small. NaN becomes null."""
    return None if value != value else float(f"{value:.12g}")


def scores(y_true, y_pred, **options):
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y_true, y_pred, zero_division=0, **options
    )
    return precision, recall, f1, support


def classification(case, rng):
    classes, labels, predicted = labels_of(case, rng)
    precision, recall, f1, support = scores(labels, predicted, labels=list(range(classes)), average=None)
    averaged = {}
    for average in AVERAGES:
        averaged[average] = [number(x) for x in scores(labels, predicted, average=average)[:3]]
        averaged[average] += [
            number(metrics.fbeta_score(labels, predicted, beta=beta, average=average, zero_division=0))
            for beta in BETAS
        ]
    return {
        "classes": classes,
        "labels": labels,
        "predicted": predicted,
        "accuracy": number(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": number(metrics.balanced_accuracy_score(labels, predicted)),
        "mcc": number(metrics.matthews_corrcoef(labels, predicted)),
        "kappa": number(metrics.cohen_kappa_score(labels, predicted)),
        "class_scores": [
            [number(p), number(r), number(f), int(s)] for p, r, f, s in zip(precision, recall, f1, support)
        ],
        **averaged,
    }


def log_loss(rng):
    """Probabilities are whole numbers of thousandths, so that both sides divide and get the same floats."""
    classes = rng.randint(2, 5)
    n = rng.randint(1, 12)
    thousandths = []
    for _ in range(n):
        cuts = sorted(rng.choice([0, 1000, rng.randint(0, 1000)]) for _ in range(classes - 1))
        thousandths.append([b - a for a, b in zip([0] + cuts, cuts + [1000])])
    labels = [rng.randrange(classes) for _ in range(n)]
    probabilities = [[x / 1000 for x in row] for row in thousandths]
    return {
        "classes": classes,
        "labels": labels,
        "thousandths": thousandths,
        "log_loss": number(metrics.log_loss(labels, probabilities, labels=list(range(classes)))),
    }


def accuracy_interval(rng):
    """The bootstrap of accuracy is a binomial, so its interval is known without drawing anything."""
    n = rng.choice([20, 100, 500, 2000])
    right = rng.randint(n // 2, n)
    level = rng.choice([0.8, 0.95])
    tail = (1 - level) / 2
    low, high = (binom.ppf(q, n, right / n) / n for q in (tail, 1 - tail))
    return {"n": n, "right": right, "level": level, "low": number(low), "high": number(high)}


def main():
    warnings.simplefilter("ignore")
    rng = random.Random(20040)
    reference = {
        "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__},
        "betas": BETAS,
        "classification": [classification(case, rng) for case in range(240)],
        "log_loss": [log_loss(rng) for _ in range(60)],
        "accuracy_intervals": [accuracy_interval(rng) for _ in range(12)],
    }
    # One case on each line, so that a change shows as a change.
    parts = []
    for key, value in reference.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            parts.append(f'"{key}":[\n{rows}\n]')
        else:
            parts.append(f'"{key}":{json.dumps(value)}')
    path = Path(__file__).with_name("reference.json")
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
