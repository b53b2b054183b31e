"""Writes tests/golden/cases.json: random cases with the measures that the references give them.

Run it with a Python that has numpy, scipy, scikit-learn, statsmodels, krippendorff, seqeval and transformers; the file says which versions made it:

    python crates/retune-metrics/tests/golden/generate.py

The same versions give the same file. `tests/compare.py` draws thousands more of the same cases.

A case is the input of one family of measures; beside it stand the expected measures by name, and where a measure is not
defined the name of our error.
"""

import json
import math
import random
import string
import warnings
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import krippendorff
import numpy as np
import seqeval.metrics as seqeval_metrics
import seqeval.scheme as seqeval_schemes
from scipy import optimize, special, stats
from seqeval.metrics import sequence_labeling
from sklearn import metrics
from statsmodels.stats import inter_rater
from statsmodels.stats.descriptivestats import sign_test
from statsmodels.stats.proportion import proportion_confint
from transformers.data.metrics import squad_metrics

AVERAGES = ["micro", "macro", "weighted"]
BETAS = [0.0, 0.5, 1.0, 2.0, 3.7]


def number(value, error="NaN"):
    """NaN becomes the name of our error."""
    value = float(value)
    return error if math.isnan(value) else value


def regression(rng, big):
    n = rng.choice([1, 2, 3, rng.randint(4, big)])
    kind = rng.randrange(7)
    labels = [round(rng.gauss(0, 3), 3) for _ in range(n)]
    noise = rng.choice([0.1, 1, 10])
    predictions = [round(y * rng.choice([1, 1, -1]) + rng.gauss(0, noise), 3) for y in labels]
    if kind == 0:  # ties
        labels = [float(rng.randint(0, 3)) for _ in range(n)]
        predictions = [float(rng.randint(0, 3)) for _ in range(n)]
    elif kind == 1:  # labels all the same
        labels = [1.25] * n
    elif kind == 2:  # predictions all the same
        predictions = [-0.5] * n
    elif kind == 3:  # every prediction right
        predictions = list(labels)
    elif kind == 4:  # far from zero
        labels = [1e6 + y for y in labels]
        predictions = [1e6 + p for p in predictions]
    constant = "Constant" if n > 1 else "TooFew"
    correlation = (lambda test: number(test(labels, predictions)[0], constant)) if n > 1 else (lambda test: "TooFew")
    expected = {
        "MAE": metrics.mean_absolute_error(labels, predictions),
        "MSE": metrics.mean_squared_error(labels, predictions),
        "RMSE": metrics.root_mean_squared_error(labels, predictions),
        "max error": metrics.max_error(labels, predictions),
        "R2": number(metrics.r2_score(labels, predictions), "TooFew"),
        "Pearson": correlation(stats.pearsonr),
        "Spearman": correlation(stats.spearmanr),
        "Kendall tau-b": correlation(stats.kendalltau),
    }
    return {"labels": labels, "predictions": predictions}, expected


def averaged(name, measure):
    return {f"{average} {name}": float(measure(average)) for average in AVERAGES}


def classes(rng, big):
    count, n, beta = rng.randint(1, 7), rng.randint(1, big), rng.choice(BETAS)
    used = rng.sample(range(count), rng.randint(1, count))
    labels = [rng.choice(used) for _ in range(n)]
    predicted = [y if rng.random() < 0.6 else rng.randrange(count) for y in labels]
    options = {"zero_division": 0}
    expected = {
        "F-beta of classes": metrics.fbeta_score(
            labels, predicted, beta=beta, labels=list(range(count)), average=None, **options
        ).tolist(),
        **averaged("F-beta", lambda a: metrics.fbeta_score(labels, predicted, beta=beta, average=a, **options)),
        **averaged("precision", lambda a: metrics.precision_score(labels, predicted, average=a, **options)),
        **averaged("recall", lambda a: metrics.recall_score(labels, predicted, average=a, **options)),
    }
    return {"classes": count, "labels": labels, "predicted": predicted, "beta": beta}, expected


def label_rows(rng, n, count):
    """Some examples have no label, some all, and some labels no example."""
    rates = [rng.choice([0.0, 0.2, 0.5, 0.9, 1.0]) for _ in range(count)]
    return [[int(rng.random() < rate) for rate in rates] for _ in range(n)]


def multilabel(rng, big):
    count, n, beta = rng.randint(2, 6), rng.randint(1, big), rng.choice(BETAS)
    labels = label_rows(rng, n, count)
    wrong = rng.choice([0.0, 0.2, 0.5])
    predicted = [[1 - bit if rng.random() < wrong else bit for bit in row] for row in labels]
    y, p = np.array(labels), np.array(predicted)
    options = {"zero_division": 0}
    expected = {
        "subset accuracy": metrics.accuracy_score(y, p),
        "Hamming loss": metrics.hamming_loss(y, p),
        "samples precision": metrics.precision_score(y, p, average="samples", **options),
        "samples recall": metrics.recall_score(y, p, average="samples", **options),
        "samples F1": metrics.f1_score(y, p, average="samples", **options),
        **averaged("precision", lambda a: metrics.precision_score(y, p, average=a, **options)),
        **averaged("recall", lambda a: metrics.recall_score(y, p, average=a, **options)),
        **averaged("F1", lambda a: metrics.f1_score(y, p, average=a, **options)),
        **averaged("F-beta", lambda a: metrics.fbeta_score(y, p, beta=beta, average=a, **options)),
        "F1 of labels": metrics.f1_score(y, p, average=None, **options).tolist(),
    }
    return {"labels": labels, "predicted": predicted, "beta": beta}, expected


def best_f1(labels, scores):
    """The greatest F1 over thresholds of scikit-learn's curve."""
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    both = precision + recall
    return float(max(0, *(2 * precision * recall / np.where(both == 0, 1, both)))) if sum(labels) else 0.0


def score(rng, ties):
    return rng.randint(-2, 3) / 2 if ties else round(rng.gauss(0, 1), 3)


def label_ranking(rng, big):
    count, n, ties = rng.randint(2, 6), rng.randint(1, big), rng.random() < 0.5
    labels = label_rows(rng, n, count)
    scores = [[score(rng, ties) + bit * rng.choice([0, 1]) for bit in row] for row in labels]
    y, s = np.array(labels), np.array(scores)
    expected = {
        "label-ranking average precision": metrics.label_ranking_average_precision_score(y, s),
        "coverage error": metrics.coverage_error(y, s),
        "ranking loss": metrics.label_ranking_loss(y, s),
        "best common F1": best_f1(y.ravel(), s.ravel()),
        "best F1 of labels": [best_f1(y[:, i], s[:, i]) for i in range(count)],
    }
    for average in AVERAGES:
        name = "OneSided" if average == "micro" else "OneSidedClass"
        expected[f"{average} ROC AUC"] = number(metrics.roc_auc_score(y, s, average=average), name)
        expected[f"{average} average precision"] = metrics.average_precision_score(y, s, average=average)
    return {"labels": labels, "scores": scores}, expected


def binary_scores(rng, big):
    n, ties = rng.randint(1, big), rng.random() < 0.5
    rate = rng.choice([0.0, 0.1, 0.5, 0.5, 1.0])
    labels = [int(rng.random() < rate) for _ in range(n)]
    scores = [score(rng, ties) + y * rng.choice([0, 1]) for y in labels]
    thresholds = [*sorted(set(scores)), math.inf]
    called = [[int(s >= t) for s in scores] for t in thresholds]
    rates = [[sum(c for c, y in zip(row, labels) if y == kind) / max(1, labels.count(kind)) for kind in (1, 0)]
             for row in called]
    best = best_f1(labels, scores)
    return {"labels": labels, "scores": scores}, {
        "ROC AUC": number(metrics.roc_auc_score(labels, scores), "OneSided"),
        "average precision": metrics.average_precision_score(labels, scores),
        "best F1": best,
        "F1 at the best threshold": best,
        "best accuracy": max(metrics.accuracy_score(labels, row) for row in called),
        "best Youden's J": max(recall - false for recall, false in rates),
    }


def thousandths(rng, count):
    """Probabilities as whole numbers of thousandths, so that both sides divide and get the same floats."""
    grain = rng.choice([1, 1, 100])
    cuts = sorted(rng.randrange(0, 1001, grain) for _ in range(count - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, 1000])]


def calibration_errors(labels, rows, bins):
    """Guo et al.'s sums over bins that are open below and closed above."""
    confidences, right = rows.max(axis=1), rows.argmax(axis=1) == labels
    places = np.clip(np.searchsorted(np.arange(bins + 1) / bins, confidences, side="left") - 1, 0, bins - 1)
    gaps = [
        (abs(right[places == b].mean() - confidences[places == b].mean()), (places == b).mean())
        for b in range(bins)
        if (places == b).any()
    ]
    counts = np.bincount(places, minlength=bins).tolist()
    return sum(gap * share for gap, share in gaps), max(gap for gap, _ in gaps), counts


def class_probabilities(rng, big):
    count, n, bins = rng.randint(2, 5), rng.randint(1, big), rng.choice([1, 5, 10, 15])
    used = rng.sample(range(count), count if rng.random() < 0.7 else rng.randint(1, count))
    labels = [rng.choice(used) for _ in range(n)]
    rows = [thousandths(rng, count) for _ in range(n)]
    for row, label in zip(rows, labels):
        if rng.random() < 0.5:  # some skill
            best = row.index(max(row))
            row[best], row[label] = row[label], row[best]
    y, p, every = np.array(labels), np.array(rows) / 1000, list(range(count))
    one_hot = np.eye(count, dtype=int)[y]
    ece, mce, counts = calibration_errors(y, p, bins)
    # Of two classes brier_score_loss takes the probability of the second; top_k_accuracy_score needs more than two.
    expected = {
        "Brier score": metrics.brier_score_loss(y, p, labels=every)
        if count > 2
        else metrics.brier_score_loss(y, p[:, 1], pos_label=1),
        "expected calibration error": ece,
        "maximum calibration error": mce,
        "examples of bins": counts,
        "log loss": metrics.log_loss(y, p, labels=every),
        "one-vs-one ROC AUC": one_vs_one(y, p),
        "top-k accuracy": [
            metrics.top_k_accuracy_score(y, p, k=k, labels=every) if count > 2 else top_k(y, p, k)
            for k in range(1, count + 1)
        ],
    }
    for average in AVERAGES:
        name = "OneSided" if average == "micro" else "OneSidedClass"
        auc = metrics.roc_auc_score(one_hot, p, average=average)
        if count > 2 and len(set(labels)) > 1:
            again = metrics.roc_auc_score(y, p, multi_class="ovr", average=average, labels=every)
            assert math.isnan(auc) and math.isnan(again) or abs(auc - again) < 1e-12
        expected[f"{average} one-vs-rest ROC AUC"] = number(auc, name)
        expected[f"{average} average precision"] = metrics.average_precision_score(one_hot, p, average=average)
    return {"labels": labels, "thousandths": rows, "bins": bins}, expected


def one_vs_one(y, p):
    present = sorted(set(y.tolist()))
    if len(present) < 2:
        return "OneSided"
    if p.shape[1] == 2:
        return (metrics.roc_auc_score(y, p[:, 1]) + metrics.roc_auc_score(1 - y, p[:, 0])) / 2
    return metrics.roc_auc_score(y, p, multi_class="ovo", average="macro", labels=list(range(p.shape[1])))


def top_k(y, p, k):
    """The rule of top_k_accuracy_score for several classes, of two."""
    ranked = np.argsort(p, axis=1, kind="mergesort")[:, ::-1]
    return float(np.mean([label in row[:k] for label, row in zip(y, ranked)]))


SCHEMES = {
    "IOB1": ("IOB", seqeval_schemes.IOB1),
    "IOB2": ("IOB", seqeval_schemes.IOB2),
    "IOE1": ("IOE", seqeval_schemes.IOE1),
    "IOE2": ("IOE", seqeval_schemes.IOE2),
    "IOBES": ("IOBES", seqeval_schemes.IOBES),
    "BILOU": ("BILOU", seqeval_schemes.BILOU),
}


def entities(rng, big):
    """Random tags, so mostly sequences that no scheme allows."""
    scheme = rng.choice([None, None, *SCHEMES])
    prefixes = SCHEMES[scheme][0] if scheme else rng.choice(["IOB", "IOE", "IOBES", "IOBES.", "BILOU"])
    types = rng.choice([["-PER"], ["-PER", "-LOC"], ["-PER", "-LOC", "-MISC-A"], ["", "-PER"]])

    def tag():
        prefix = rng.choice(prefixes)
        return "O" if prefix == "O" else prefix + rng.choice(types)

    def skilled(label):
        return label if rng.random() < skill else tag()

    skill = rng.choice([0.0, 0.5, 0.9, 1.0])
    # A tag with a prefix that the lenient reading does not know may end an entity that did not begin. seqeval then has it
    # begin in whatever sequence one last began in; ours is read within its sequence, so there is one.
    sequences = 1 if not scheme and set(prefixes) & set(".LU") else rng.randint(1, max(1, big // 6))
    labels = [[tag() for _ in range(rng.randint(1, 9))] for _ in range(sequences)]
    predicted = [[skilled(label) for label in row] for row in labels]
    options = {"mode": "strict", "scheme": SCHEMES[scheme][1]} if scheme else {}
    support = sequence_labeling.precision_recall_fscore_support
    if scheme:
        support = sequence_labeling.precision_recall_fscore_support_v1
    scored = {"scheme": SCHEMES[scheme][1]} if scheme else {}

    def spans(tags):
        if scheme:
            found = seqeval_schemes.Tokens(tags, SCHEMES[scheme][1]).entities
            return [[entity.tag, entity.start, entity.end] for entity in found]
        return [[kind, start, end + 1] for kind, start, end in sequence_labeling.get_entities(tags)]

    names = sorted({kind for row in labels + predicted for kind, _, _ in spans(row)})
    expected = {"accuracy of tags": seqeval_metrics.accuracy_score(labels, predicted)}
    for name, measure in [
        ("precision", seqeval_metrics.precision_score),
        ("recall", seqeval_metrics.recall_score),
        ("F1", seqeval_metrics.f1_score),
    ]:
        # Of no entities at all seqeval divides by zero.
        value = lambda a: measure(labels, predicted, average=a, zero_division=0, **options) if names else 0.0  # noqa
        expected.update(averaged(name, value))
    per_type = zip(*support(labels, predicted, average=None, zero_division=0, **scored)) if names else []
    expected["scores of types"] = {
        kind: [float(p), float(r), float(f), int(s)] for kind, (p, r, f, s) in zip(names, per_type)
    }
    expected["entities"] = [spans(row) for row in predicted]
    decoding = {"strict": scheme} if scheme else "lenient"
    return {"labels": labels, "predicted": predicted, "decoding": decoding}, expected


WORDS = [
    "a", "an", "the", "The", "A", "cat", "cat", "Cat's", "the-cat", "re_a_d", "1995", "U.S.", "theatre", "an.", "Straße",
    "ÉCOLE", "a\u0301", "日本", "\u00a0", "\t", "x\u2003y", "«a»", "'the'", "-", "...", "ΣΑΣ", "İ", "a\x1cb", "“the”", "",
]


def text(rng):
    return "".join(rng.choice(WORDS) + rng.choice([" ", "  ", "", ", "]) for _ in range(rng.randint(0, 5)))


def question(rng, answerable):
    answers = [text(rng) for _ in range(rng.randint(1, 3))] if answerable else []
    prediction = rng.choice([text(rng), rng.choice([*answers, ""]), rng.choice([*answers, ""]).upper()])
    return {"answers": answers, "prediction": prediction}


def answers(rng, big):
    questions = [question(rng, True) for _ in range(rng.randint(1, max(1, big // 5)))]
    exact, f1 = [], []
    for q in questions:
        normal = squad_metrics.normalize_answer(q["prediction"])
        exact.append(max(squad_metrics.compute_exact(answer, q["prediction"]) for answer in q["answers"]))
        # Version 1.1 has no case for texts without words: nothing is common, so 0.
        f1.append(max(
            squad_metrics.compute_f1(answer, q["prediction"]) if normal else 0 for answer in q["answers"]
        ))
    return {"questions": questions}, {
        "exact match": float(np.mean(exact)),
        "F1": float(np.mean(f1)),
        "normalized": [squad_metrics.normalize_answer(q["prediction"]) for q in questions],
    }


def unanswerable(rng, big):
    questions, threshold = [], rng.choice([0.0, 0.3, 0.5, 1.0])
    share = rng.choice([0.0, 0.5, 0.5, 1.0])
    for _ in range(rng.randint(1, max(1, big // 3))):
        q = question(rng, rng.random() < share)
        questions.append(q | {"no_answer": rng.choice([0.0, 0.25, 0.5, 1.0, round(rng.random(), 3)])})
    examples = [
        SimpleNamespace(qas_id=i, answers=[{"text": answer} for answer in q["answers"]])
        for i, q in enumerate(questions)
    ]
    found = squad_metrics.squad_evaluate(
        examples,
        {i: q["prediction"] for i, q in enumerate(questions)},
        {i: q["no_answer"] for i, q in enumerate(questions)},
        threshold,
    )
    percent = lambda name: found[name] / 100 if name in found else "Empty"  # noqa
    return {"questions": questions, "threshold": threshold}, {
        "exact match": percent("exact"),
        "F1": percent("f1"),
        "exact match of answerable": percent("HasAns_exact"),
        "F1 of answerable": percent("HasAns_f1"),
        "exact match of unanswerable": percent("NoAns_exact"),
        "F1 of unanswerable": percent("NoAns_f1"),
        "best exact match": percent("best_exact"),
        "threshold of the best exact match": found["best_exact_thresh"],
        "best F1": percent("best_f1"),
        "threshold of the best F1": found["best_f1_thresh"],
    }


def temperature(rng, big):
    count, n, scale = rng.randint(1, 5), rng.randint(1, big), rng.choice([0.2, 1, 5])
    labels = [rng.randrange(count) for _ in range(n)]
    logits = [[round(rng.gauss(0, 1) * scale + (c == y) * rng.choice([0, 2]) * scale, 3) for c in range(count)]
              for y in labels]
    y, z = np.array(labels), np.array(logits)

    def loss(b):
        return float(np.mean(special.logsumexp(b * z, axis=1) - b * z[np.arange(n), y]))

    def slope(b):
        return float(np.mean((special.softmax(b * z, axis=1) * z).sum(axis=1) - z[np.arange(n), y]))

    # Where nothing changes with temperature, as with one class, ours is the greatest.
    flat = abs(slope(0.01)) < 1e-15
    if flat or slope(0.01) >= 0:
        best = 0.01
    elif slope(100) <= 0:
        best = 100.0
    else:
        # A minimum is known to half the digits of what is minimised, so the digits of T come from the slope.
        best = optimize.brentq(slope, 0.01, 100, xtol=1e-15, rtol=1e-14)
        rough = optimize.minimize_scalar(
            lambda t: loss(math.exp(t)), bounds=(math.log(0.01), math.log(100)), method="bounded",
            options={"xatol": 1e-10},
        )
        assert loss(best) <= rough.fun + 1e-12 and abs(loss(best) - rough.fun) < 1e-9, (best, rough)
    return {"labels": labels, "logits": logits}, {
        "temperature": 1 / best,
        "loss before": loss(1.0),
        "loss after": loss(best),
    }


def retrieval(rng, big):
    queries, k = rng.randint(1, max(1, big // 6)), rng.choice([1, 2, 3, 5, 10])
    gain = rng.choice(["linear", "exponential"])
    ties = rng.random() < 0.3
    sums = []
    relevances, scores = [], []
    for _ in range(queries):
        n = rng.randint(2, 12)
        rel = [rng.choice([0, 0, 0, 1, 1, 2, 3]) if rng.random() < 0.9 else 0 for _ in range(n)]
        s = [rng.randint(0, 3) / 2 if ties else round(rng.random(), 6) for _ in range(n)]
        relevances.append(rel)
        scores.append(s)
        order = sorted(range(n), key=lambda i: -s[i])
        hits = [int(rel[i] > 0) for i in order]
        found, total = sum(hits[:k]), sum(hits)
        first = next((1 / (i + 1) for i, hit in enumerate(hits[:k]) if hit), 0.0)
        ap = sum(sum(hits[: i + 1]) / (i + 1) for i in range(min(k, n)) if hits[i])
        gains = rel if gain == "linear" else [2**r - 1 for r in rel]
        ndcg = metrics.ndcg_score([gains], [s], k=k)
        sums.append([found / k, found / total if total else 0, first, ap / total if total else 0, ndcg])
    names = ["precision@k", "recall@k", "MRR@k", "MAP@k", "nDCG@k"]
    means = np.mean(sums, axis=0).tolist()
    return {"relevances": relevances, "scores": scores, "k": k, "gain": gain}, dict(zip(names, means))


def language_modelling(rng, big):
    n = rng.randint(1, big)
    tokens = [rng.randint(1, 300) for _ in range(n)]
    losses = [round(rng.uniform(0, 8) * t, 3) for t in tokens]
    size = rng.randint(1, 5) * sum(tokens)
    mean = math.fsum(losses) / sum(tokens)
    return {"losses": losses, "tokens": tokens, "bytes": size}, {
        "perplexity": math.exp(mean),
        "bits per token": mean / math.log(2),
        "bits per byte": math.fsum(losses) / math.log(2) / size,
    }


def mcnemar(rng, big):
    most = rng.choice([2, 10, 100, 3000])
    first, second = rng.randint(0, most), rng.randint(0, most)
    n = first + second
    chi = (abs(first - second) - 1) ** 2 / n if n else None
    return {"only_first": first, "only_second": second}, {
        "exact p": stats.binomtest(first, n, 0.5).pvalue if n else 1.0,
        "chi-square": chi if n else "Constant",
        "chi-square p": stats.chi2.sf(chi, 1) if n else "Constant",
    }


def bootstrap(rng, big):
    n = rng.randint(1, max(1, big // 4))
    differences = [rng.choice([-1, 0, 0, 1, 1, round(rng.gauss(0.3, 1), 2)]) for _ in range(n)]
    case = {"differences": differences, "samples": rng.choice([1, 19, 30]), "level": rng.choice([0.5, 0.9, 0.95]),
            "seed": rng.randrange(1 << 32)}
    return case, None


def bootstrap_of(case, resamples):
    """Expected measures, once the resamples are known."""
    d = np.array(case["differences"], dtype=float)
    observed = float(d.mean())
    means = np.array([d[resample].mean() for resample in resamples])
    tail = (1 - case["level"]) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    extreme = int((np.abs(means - observed) >= abs(observed) - 1e-12).sum())
    return {"estimate": observed, "low": float(low), "high": float(high), "p": (1 + extreme) / (1 + len(means))}


def judges(rng, big):
    """Judgements by item; a judge may be missing, judges may agree always or never, and one value may be all there is."""
    n, raters, count = rng.randint(1, big), rng.choice([1, 2, 2, 3, 3, 5]), rng.choice([1, 2, 2, 3, 5, 7])
    values = sorted(rng.sample([round(0.5 * i - 3, 1) for i in range(25)], count))
    if rng.random() < 0.5:
        values = [float(i) for i in range(count)]
    used = rng.sample(range(count), rng.randint(1, count))
    missing, skill = rng.choice([0.0, 0.0, 0.2, 0.6, 0.95]), rng.choice([0.0, 0.5, 0.9, 1.0])
    rows = []
    for _ in range(n):
        true = rng.choice(used)
        row = [true if rng.random() < skill else rng.choice(used) for _ in range(raters)]
        rows.append([None if rng.random() < missing else place for place in row])
    pairable = [[place for place in row if place is not None] for row in rows]
    pairable = [row for row in pairable if len(row) > 1]
    constant = len({place for row in pairable for place in row}) < 2
    data = np.array([[math.nan if p is None else values[p] for p in row] for row in rows]).T

    def alpha(level):
        if not pairable:
            return "NothingPairable"
        if constant:
            return "Constant"
        return float(krippendorff.alpha(data, value_domain=values, level_of_measurement=level))

    sizes = [sum(place is not None for place in row) for row in rows]
    counts = [[row.count(place) for place in range(count)] for row in rows]
    # The first item that cannot be counted decides which error there is; ours counts in two parts, then merges.
    parts = [sizes[: n // 3], sizes[n // 3 :]]
    fleiss = next(
        (
            "OutOfRange" if size < 2 else "OtherCount"
            for part in parts
            for size in part
            if size < 2 or size != part[0]
        ),
        "OtherCount" if len(set(sizes)) > 1 else None,
    )
    if fleiss is None:
        fleiss = "Constant" if constant else float(inter_rater.fleiss_kappa(np.array(counts)))
    both = [row[:2] for row in rows if raters > 1 and None not in row[:2]]
    if not both:
        cohen = "Empty"
    else:
        cohen = float(metrics.cohen_kappa_score(*zip(*both), labels=list(range(count))))
        cohen = 0.0 if math.isnan(cohen) else cohen
    return {"judgements": rows, "values": values}, {
        "items": n,
        "Fleiss' kappa": fleiss,
        **{f"Krippendorff's alpha, {level}": alpha(level) for level in ["nominal", "ordinal", "interval"]},
        "Cohen's kappa of the first two": cohen,
    }


def preferences(rng, big):
    """Items by which of two is preferred."""
    kinds = rng.choice([[-1, 0, 1], [-1, 1], [0, 1, 1, 1], [0], [1], [-1, 1, 1]])
    differences = [float(rng.choice(kinds)) for _ in range(rng.randint(1, 4 * big))]
    wins, losses = differences.count(1), differences.count(-1)
    p = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert not wins + losses or abs(p - sign_test(differences)[1]) < 1e-12
    return {"differences": differences}, {"wins": wins, "sign test p": float(p)}


def shares(rng, big):
    n, level = rng.choice([1, 2, rng.randint(1, big), rng.randint(1, 100000)]), rng.choice([0.5, 0.8, 0.9, 0.95, 0.999])
    right = rng.choice([0, n, rng.randint(0, n)])
    low, high = proportion_confint(right, n, alpha=1 - level, method="wilson")
    return {"share": right / n, "n": n, "level": level}, {"Wilson low": float(low), "Wilson high": float(high)}


FAMILIES = {
    "regression": regression,
    "classes": classes,
    "multilabel": multilabel,
    "label ranking": label_ranking,
    "binary scores": binary_scores,
    "class probabilities": class_probabilities,
    "entities": entities,
    "answers": answers,
    "unanswerable": unanswerable,
    "temperature": temperature,
    "retrieval": retrieval,
    "language modelling": language_modelling,
    "mcnemar": mcnemar,
    "judges": judges,
    "preferences": preferences,
    "shares": shares,
    "bootstrap": bootstrap,
}


def draw(name, rng, big):
    """A case of the family and what is expected of it. `big` is about the greatest number of examples."""
    case, expected = FAMILIES[name](rng, big)
    return {"metric": name, **case}, expected


def versions():
    return {name: version(name) for name in ["numpy", "scipy", "scikit-learn", "statsmodels", "krippendorff", "seqeval", "transformers"]}


def rounded(value):
    """Twelve digits are more than the comparison asks for, and keep the file small."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.12g}") if isinstance(value, np.floating) else value


def main():
    warnings.simplefilter("ignore")
    rng = random.Random(11)
    lines = []
    for name in FAMILIES:
        if name == "bootstrap":  # needs the resamples, so is compared live
            continue
        for _ in range(40):
            case, expected = draw(name, rng, 14)
            lines.append(json.dumps({"case": case, "expected": rounded(expected)}, separators=(",", ":")))
    body = ",\n".join(lines)
    path = Path(__file__).with_name("cases.json")
    path.write_text(f'{{"versions":{json.dumps(versions())},\n"cases":[\n{body}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
