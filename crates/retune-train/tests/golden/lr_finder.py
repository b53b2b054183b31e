"""Writes lr_finder.json: fastai's learning-rate finder on losses that are given.

  python lr_finder.py

Run it where requirements.txt is installed. Each case has `steps`, `lowest` and `highest` rate, and the `losses` of all steps
(null is not a number); and what fastai made of them: the `rates` and the `smoothed` losses that it recorded, and the rates
that it suggests, `steepest` and `minimum_tenth`. fastai goes on where a loss is not a number: what it recorded from there on
is left out.
"""

import json
import math
import tempfile
from pathlib import Path

import torch
from fastai.callback.schedule import minimum, steep  # also gives Learner its lr_find
from fastai.data.core import DataLoaders
from fastai.learner import Learner


def loss_at(step, steps, diverges_at):
    """A valley, with waves; it rises steeply from `diverges_at`, a share of all steps."""
    share = step / steps
    valley = 0.3 + 2.0 / (1.0 + math.exp(14 * (share - 0.55))) + 0.15 * math.sin(1.7 * step) + 0.1 * math.sin(0.31 * step)
    return valley + (math.exp(30 * (share - diverges_at)) if share > diverges_at else 0.0)


class Prescribed(torch.nn.Module):
    """A model whose losses are known beforehand."""

    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, _):
        return self.weight * 0 + next(self.losses)


def run(steps, lowest, highest, diverges_at, not_a_number_at=None):
    losses = [loss_at(step, steps, diverges_at) for step in range(steps)]
    if not_a_number_at is not None:
        losses[not_a_number_at] = math.nan
    batches = [(torch.zeros(1, 1), torch.zeros(1, 1))] * steps
    data = DataLoaders(batches, batches)
    model = Prescribed(losses)
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(data, model, loss_func=lambda output, _: output.mean(), path=folder)
        found = learner.lr_find(lowest, highest, steps, show_plot=False, suggest_funcs=(minimum, steep))
    smoothed = [float(loss) for loss in learner.recorder.losses]
    kept = next((place for place, loss in enumerate(smoothed) if math.isnan(loss)), len(smoothed))
    return {
        "steps": steps,
        "lowest": lowest,
        "highest": highest,
        "losses": [None if math.isnan(loss) else loss for loss in losses],
        "rates": learner.recorder.lrs[:kept],
        "smoothed": smoothed[:kept],
        "steepest": found.steep,
        "minimum_tenth": found.minimum,
    }


def main():
    cases = [
        run(100, 1e-7, 10, diverges_at=0.8),
        run(100, 1e-7, 10, diverges_at=2.0),
        run(60, 1e-6, 1.0, diverges_at=0.6),
        run(250, 1e-8, 1.0, diverges_at=0.9),
        run(100, 1e-7, 10, diverges_at=2.0, not_a_number_at=81),
    ]
    lines = ",\n ".join(json.dumps(case) for case in cases)
    (Path(__file__).parent / "lr_finder.json").write_text(f"[\n {lines}\n]\n")


if __name__ == "__main__":
    main()
