"""Makes the goldens beside this file: what scikit-learn, cleanlab and DeLong's method say of small drawn data.

    python -m venv V && V/bin/pip install scikit-learn==1.9.1 cleanlab==2.9.0 confidenceinterval==1.0.5
    V/bin/python crates/retune-inspect/tests/golden/make.py
"""

import json
from pathlib import Path

import numpy as np
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent

TEXTS = [
    "The parcel came late, and the box was open.",
    "the PARCEL never came",
    "My card was charged twice for one order!",
    "I was charged for an order that I never made: my card, my order",
    "Wie ändere ich meine Adresse? Die Straße ist falsch.",
    "Пароль не подходит, пароль забыт",
    "where is my parcel? where is my_order_7",
    "a I ?",
    "Can't log in; it's 2 a.m. and the e-mail isn't there",
    "İstanbul'dan sipariş geldi mi",
]


def write(name, value):
    (HERE / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False) + "\n")


def fitted(features, labels, c):
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(features, labels)
    return {
        "c": c,
        "coefficients": model.coef_.tolist(),
        "intercepts": model.intercept_.tolist(),
        "probabilities": model.predict_proba(features).tolist(),
    }


def linear():
    random = np.random.default_rng(1)
    cases = []
    for rows, width, classes, c in [(40, 3, 2, 1.0), (60, 5, 4, 1.0), (50, 4, 3, 0.05), (50, 4, 2, 30.0)]:
        features = random.normal(size=(rows, width)).round(4)
        weights = random.normal(size=(classes, width))
        labels = (features @ weights.T + random.gumbel(size=(rows, classes))).argmax(1)
        cases.append({"features": features.tolist(), "labels": labels.tolist(), **fitted(features, labels, c)})
    write("linear", cases)


def tfidf():
    labels = [0, 0, 1, 1, 2, 2, 0, 1, 2, 2]
    cases = []
    for pairs, minimum in [(False, 1), (True, 1), (True, 2)]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2 if pairs else 1), min_df=minimum)
        matrix = vectorizer.fit_transform(TEXTS)
        cases.append({
            "pairs": pairs,
            "minimum_rows": minimum,
            "vocabulary": vectorizer.get_feature_names_out().tolist(),
            "rows": matrix.toarray().tolist(),
            "labels": labels,
            **fitted(matrix, labels, 1.0),
        })
    write("tfidf", {"texts": TEXTS, "cases": cases})


def label_errors():
    random = np.random.default_rng(2)
    cases = []
    for rows, classes, sharp, noise in [(60, 2, 2.0, 0.1), (90, 3, 3.0, 0.15), (120, 5, 1.5, 0.3), (40, 6, 4.0, 0.0), (30, 4, 0.3, 0.5)]:
        true = random.integers(0, classes, rows)
        logits = random.normal(size=(rows, classes))
        logits[np.arange(rows), true] += sharp
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        wrong = random.random(rows) < noise
        labels = np.where(wrong, random.integers(0, classes, rows), true)
        issues = {
            rule: find_label_issues(labels, probabilities, filter_by=rule, return_indices_ranked_by="self_confidence", n_jobs=1).tolist()
            for rule in ["prune_by_noise_rate", "confident_learning", "predicted_neq_given"]
        }
        cases.append({
            "labels": labels.tolist(),
            "probabilities": probabilities.tolist(),
            "thresholds": get_confident_thresholds(labels, probabilities).tolist(),
            "joint": compute_confident_joint(labels, probabilities).tolist(),
            "issues": issues,
            "quality": {
                method: get_label_quality_scores(labels, probabilities, method=method).tolist()
                for method in ["self_confidence", "normalized_margin", "confidence_weighted_entropy"]
            },
        })
    write("label_errors", cases)


def auc():
    from confidenceinterval import roc_auc_score

    random = np.random.default_rng(3)
    cases = []
    for rows, shift, digits in [(50, 0.5, 6), (80, 1.0, 1), (200, 0.0, 1), (30, 2.0, 6)]:
        labels = (random.random(rows) < 0.4).astype(int)
        scores = (random.normal(size=rows) + shift * labels).round(digits)
        area, (low, high) = roc_auc_score(labels, scores, confidence_level=0.95, method="delong")
        cases.append({"labels": labels.tolist(), "scores": scores.tolist(), "auc": float(area), "low": float(low), "high": float(high)})
    write("auc", cases)


if __name__ == "__main__":
    linear()
    tfidf()
    label_errors()
    auc()
