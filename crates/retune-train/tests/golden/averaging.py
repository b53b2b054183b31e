"""Writes averaging.json and averaging.safetensors: averages of weights over forty updates, by their reference implementations.

  python averaging.py

Run it where requirements.txt is installed. Weights follow from a formula, so that the other side makes them itself: with k
the parameter's place, i an element's flat index and t the update, from 0,

    value = sin(1.3 (k + 1) + 0.7 i + 0.21 t) * (1 + 3 / (t + 1))

`averaging.json` lists the cases: `method` (exponential or mean), `decay` and `warmup`. The references are
`torch.optim.swa_utils.AveragedModel`, with `get_ema_multi_avg_fn` or its default mean, and, where the decay warms up,
`diffusers.training_utils.EMAModel`. `averaging.safetensors` holds `CASE.TYPE.PARAMETER`, [updates of STORED, elements], TYPE
float32 or float64.
"""

import json
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

UPDATES = 40
STORED = [1, 2, 3, 10, 40]
PARAMETERS = {"weight": [6, 4], "bias": [5], "scale": []}
CASES = {
    "exponential": {"method": "exponential", "decay": 0.9, "warmup": False},
    "exponential-slow": {"method": "exponential", "decay": 0.999, "warmup": False},
    "exponential-none": {"method": "exponential", "decay": 0.0, "warmup": False},
    "exponential-warmup": {"method": "exponential", "decay": 0.75, "warmup": True},
    "exponential-slow-warmup": {"method": "exponential", "decay": 0.9999, "warmup": True},
    "mean": {"method": "mean"},
}


class Weights(torch.nn.Module):
    def __init__(self, dtype):
        super().__init__()
        for name, shape in PARAMETERS.items():
            self.register_parameter(name, torch.nn.Parameter(torch.zeros(shape, dtype=dtype)))
        self.move(0)

    @torch.no_grad()
    def move(self, update):
        for place, parameter in enumerate(self.parameters()):
            flat = torch.arange(parameter.numel(), dtype=torch.float64)
            value = torch.sin(1.3 * (place + 1) + 0.7 * flat + 0.21 * update) * (1 + 3 / (update + 1))
            parameter.copy_(value.view(parameter.shape))


class Average:
    """One interface to both references."""

    def __init__(self, case, model):
        self.model = model
        self.names = [name for name, _ in model.named_parameters()]
        if case.get("warmup"):
            self.reference = EMAModel(model.parameters(), decay=case["decay"])
        elif case["method"] == "exponential":
            self.reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(case["decay"]))
        else:
            self.reference = AveragedModel(model)

    def update(self):
        if isinstance(self.reference, EMAModel):
            self.reference.step(self.model.parameters())
        else:
            self.reference.update_parameters(self.model)

    def weights(self):
        if isinstance(self.reference, EMAModel):
            return dict(zip(self.names, self.reference.shadow_params))
        return dict(self.reference.module.named_parameters())


def run(case, dtype):
    model = Weights(dtype)
    average = Average(case, model)
    stored = {name: [] for name in PARAMETERS}
    for update in range(UPDATES):
        model.move(update)
        average.update()
        if update + 1 in STORED:
            for name, weight in average.weights().items():
                stored[name].append(weight.detach().clone().flatten())
    return {name: torch.stack(rows) for name, rows in stored.items()}


def main():
    torch.set_num_threads(1)
    folder = Path(__file__).parent
    tensors = {}
    for name, case in CASES.items():
        for kind, dtype in [("float32", torch.float32), ("float64", torch.float64)]:
            tensors |= {f"{name}.{kind}.{key}": value for key, value in run(case, dtype).items()}
    save_file(tensors, folder / "averaging.safetensors", metadata={"format": "pt"})
    lines = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in CASES.items())
    header = f' "updates": {UPDATES},\n "stored": {STORED},\n "parameters": {json.dumps(PARAMETERS)},\n'
    (folder / "averaging.json").write_text(f'{{\n{header} "cases": {{\n  {lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
