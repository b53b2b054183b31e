"""Writes losses.json beside this file: losses and their gradients as PyTorch and sentence-transformers compute them.

Run it with a Python that has torch and sentence-transformers (it needs no network); the file says which versions made it:

    python crates/retune-train/tests/golden/losses.py

Inputs are float32, all that follows from them is computed in float64, and losses are sums. The same versions give the
same file.
"""

import json
from pathlib import Path

import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from torch.nn import functional

IGNORED = -100
DRAW = torch.Generator().manual_seed(7)
# The losses ask a model for nothing here: they are given vectors.
NO_MODEL = torch.nn.Identity()
NO_MODEL.__class__ = type("NoModel", (torch.nn.Identity, SentenceTransformer), {})


def draw(*shape, scale=2.0):
    return (scale * torch.randn(*shape, generator=DRAW)).double()


def case(loss, variables, **more):
    """A case: its variables by name, the loss of them, and the gradient of each."""
    for variable in variables.values():
        variable.requires_grad_()
    value = loss(**variables)
    gradients = torch.autograd.grad(value, list(variables.values()))
    numbers = {name: variable.tolist() for name, variable in variables.items()}
    gradients = {name: gradient.tolist() for name, gradient in zip(variables, gradients)}
    return {**more, **numbers, "loss": value.item(), "gradients": gradients}


def cross_entropy():
    labels = torch.tensor([0, 3, 1, 2, 2, 0, 3])
    some = torch.tensor([0, IGNORED, 1, 2, IGNORED, 0, 3])
    weights = [0.5, 2.0, 1.25, 4.0]
    for of, weight, smoothing in [
        (labels, None, 0.0),
        (labels, weights, 0.0),
        (labels, None, 0.1),
        (labels, weights, 0.2),
        (some, None, 0.0),
        (some, weights, 0.2),
    ]:
        tensor = None if weight is None else torch.tensor(weight).double()

        def loss(logits):
            return functional.cross_entropy(logits, of, tensor, reduction="sum", label_smoothing=smoothing)

        def mean(logits):
            return functional.cross_entropy(logits, of, tensor, reduction="mean", label_smoothing=smoothing)

        logits = draw(7, 4)
        more = {"labels": of.tolist(), "weights": weight, "smoothing": smoothing, "mean": mean(logits).item()}
        yield case(loss, {"logits": logits}, **more)


def focal():
    labels = torch.tensor([0, 3, IGNORED, 1, 2, 2])
    for gamma, weight in [(0.0, None), (0.0, [0.5, 2.0, 1.25, 4.0]), (0.5, None), (2.0, None), (2.0, [0.5, 2.0, 1.25, 4.0])]:
        alpha = torch.ones(4).double() if weight is None else torch.tensor(weight).double()

        def loss(logits):
            total = torch.zeros(()).double()
            for row, label in zip(logits, labels.tolist()):
                if label != IGNORED:
                    p = torch.exp(row[label]) / torch.exp(row).sum()
                    total = total - alpha[label] * (1 - p) ** gamma * torch.log(p)
            return total

        yield case(loss, {"logits": draw(6, 4)}, labels=labels.tolist(), weights=weight, gamma=gamma)


def binary():
    targets = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]).double()
    for weight in [None, [0.5, 3.0, 7.0]]:
        tensor = None if weight is None else torch.tensor(weight).double()

        def loss(logits):
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=tensor, reduction="sum")

        yield case(loss, {"logits": draw(5, 3)}, targets=targets.tolist(), weights=weight)


def regression():
    targets = draw(9, scale=1.0)
    numbers = targets.tolist()
    yield case(lambda outputs: functional.mse_loss(outputs, targets, reduction="sum"), {"outputs": draw(9)}, targets=numbers)
    for delta in [0.7, 1.0]:

        def loss(outputs):
            return functional.huber_loss(outputs, targets, reduction="sum", delta=delta)

        yield case(loss, {"outputs": draw(9)}, targets=numbers, delta=delta)


def spans():
    """As transformers' models for question answering, of each sequence for itself, without padding."""
    lengths, starts, ends = [4, 1, 7, 2], [1, 0, 6, 0], [3, 0, 6, 1]

    def loss(logits):
        total, first = torch.zeros(()).double(), 0
        for length, start, end in zip(lengths, starts, ends):
            of = logits[first : first + length]
            start = functional.cross_entropy(of[None, :, 0], torch.tensor([start]))
            end = functional.cross_entropy(of[None, :, 1], torch.tensor([end]))
            total, first = total + (start + end) / 2, first + length
        return total

    # The second is so large that no exponential of it is finite in float32.
    for scale in [2.0, 300.0]:
        yield case(loss, {"logits": draw(14, 2, scale=scale)}, lengths=lengths, starts=starts, ends=ends)


def multiple_negatives():
    for columns, scale in [(2, 20.0), (3, 20.0), (4, 5.0)]:
        of = MultipleNegativesRankingLoss(NO_MODEL, scale=scale)
        rows = 5

        def loss(**sides):
            return rows * of.compute_loss_from_embeddings(list(sides.values()), None)

        yield case(loss, {f"side_{place}": draw(rows, 6) for place in range(columns)}, columns=columns, scale=scale)


def triplet():
    for margin in [5.0, 0.5]:
        of = TripletLoss(NO_MODEL, triplet_margin=margin)
        sides = {f"side_{place}": draw(6, 4) for place in range(3)}
        terms = [of.compute_loss_from_embeddings([side[row : row + 1] for side in sides.values()], None) for row in range(6)]
        zeros = sum(term.item() == 0 for term in terms)
        assert (zeros > 0) == (margin == 0.5), (margin, zeros)
        yield case(lambda **sides: 6 * of.compute_loss_from_embeddings(list(sides.values()), None), sides, margin=margin)


def cosine():
    targets = [0.9, -0.3, 0.0, 1.0]
    of = CosineSimilarityLoss(NO_MODEL)

    def loss(**sides):
        # The class itself casts labels to float32, and the targets here are of float64.
        outputs = of.cos_score_transformation(torch.cosine_similarity(*sides.values()))
        ours = 4 * of.loss_fct(outputs, torch.tensor(targets).double())
        theirs = 4 * of.compute_loss_from_embeddings(list(sides.values()), torch.tensor(targets))
        assert abs(ours - theirs) < 1e-6
        return ours

    yield case(loss, {"side_0": draw(4, 5), "side_1": draw(4, 5)}, targets=targets)


def divergence():
    """R-Drop's: the mean of both directions of torch's KL divergence, of each kind of output that tasks have."""
    def both(p, q):
        """Of logarithms of probabilities, over the last dimension."""
        one = functional.kl_div(q, p, reduction="none", log_target=True).sum(-1)
        other = functional.kl_div(p, q, reduction="none", log_target=True).sum(-1)
        return (one + other) / 2

    labels = [2, IGNORED, 0, 3, IGNORED, 1]
    for weight in [None, [0.5, 2.0, 1.25, 4.0]]:
        counts = torch.tensor([0 if label == IGNORED else 1 if weight is None else weight[label] for label in labels]).double()

        def classes(first, second):
            return (counts * both(first.log_softmax(-1), second.log_softmax(-1))).sum()

        yield case(classes, {"first": draw(6, 4), "second": draw(6, 4)}, form="classes", labels=labels, weights=weight)

    def binary(first, second):
        sides = [torch.stack([functional.logsigmoid(x), functional.logsigmoid(-x)], -1) for x in (first, second)]
        return both(*sides).sum()

    yield case(binary, {"first": draw(5, 3), "second": draw(5, 3)}, form="binary")
    lengths = [4, 1, 7, 2]

    def spans(first, second):
        parts = zip(first.split(lengths), second.split(lengths))
        return sum(both(p.T.log_softmax(-1), q.T.log_softmax(-1)).sum() for p, q in parts) / 2

    yield case(spans, {"first": draw(14, 2, scale=4.0), "second": draw(14, 2, scale=4.0)}, form="spans", lengths=lengths)
    numbers = {"first": draw(9), "second": draw(9)}
    yield case(lambda first, second: functional.mse_loss(first, second, reduction="sum"), numbers, form="numbers")


def main():
    families = [cross_entropy, focal, binary, regression, spans, multiple_negatives, triplet, cosine, divergence]
    versions = {"torch": torch.__version__, "sentence-transformers": sentence_transformers.__version__}
    golden = {"versions": versions, **{family.__name__: list(family()) for family in families}}
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
