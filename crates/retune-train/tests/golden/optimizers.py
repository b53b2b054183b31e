"""Writes optimizers.json and optimizers.safetensors: a hundred steps of every optimiser, by its reference implementation.

  python optimizers.py

Run it where requirements.txt is installed. Nothing is drawn: parameters and gradients follow from a formula, so that the
other side makes them itself.

Parameters (`PARAMETERS`) are a matrix, a matrix of one row, a vector, a number, an embedding of which some rows have no
gradient, a three-dimensional one, and one that has a gradient at every third step alone (schedule-free AdamW counts steps
for all parameters together, so there it has one always). With k the parameter's place and i an element's flat index:

    value     = sin(1.3 (k + 1) + 0.7 i)
    gradient  = sin(0.37 (t + 1) (k + 1) + 0.11 (i + 1)²) * (0.5 + (t mod 7) / 4) + 0.1 * the parameter, t from 0
    embedding : 0 in the rows r with (t + r) mod 3 = 0
    rate      = highest * (0.6 + 0.4 cos(0.13 t)); schedule-free AdamW has the highest at every step

`optimizers.json` lists the cases: `rule`, its `settings`, `rate` (the highest) and `weight_decay`.
`optimizers.safetensors` holds `CASE.TYPE.PARAMETER`, [steps of STORED, elements], TYPE float32 or float64, in which both the
parameters and the optimiser's state are; and `CASE.TYPE.evaluation.PARAMETER`, [elements], schedule-free AdamW's weights
in evaluation mode after the last step.
"""

import json
import math
from pathlib import Path

import torch
from lion_pytorch import Lion
from safetensors.torch import save_file
from schedulefree import AdamWScheduleFree
from transformers.optimization import Adafactor

STEPS = 100
STORED = [1, 2, 3, 10, 40, 100]
PARAMETERS = {
    "layer.weight": [6, 4],
    "row.weight": [1, 5],
    "layer.bias": [5],
    "scale": [],
    "embeddings.weight": [7, 3],
    "convolution.weight": [2, 3, 4],
    "seldom.weight": [2, 2],
}

SGD = {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "decoupled": False}
ADAMW = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
LION = {"beta1": 0.9, "beta2": 0.99}
ADAFACTOR = {
    "epsilon_gradient": 1e-30,
    "epsilon_parameter": 1e-3,
    "clip_threshold": 1.0,
    "decay_rate": -0.8,
    "beta1": None,
    "scale_parameter": False,
    "relative_step": False,
    "warmup_init": False,
}
SCHEDULE_FREE = ADAMW | {"warmup_steps": 0, "r": 0.0, "weight_lr_power": 2.0}


def case(rule, defaults, rate, weight_decay=0.0, **settings):
    return {"rule": rule, "rate": rate, "weight_decay": weight_decay, "settings": defaults | settings}


CASES = {
    "adamw": case("adamw", ADAMW, 1e-2),
    "adamw_decay": case("adamw", ADAMW, 3e-3, 0.1, beta1=0.8, beta2=0.98, epsilon=1e-6),
    "sgd": case("sgd", SGD, 1e-2),
    "sgd_momentum": case("sgd", SGD, 1e-2, 0.01, momentum=0.9),
    "sgd_dampening": case("sgd", SGD, 1e-2, 0.1, momentum=0.8, dampening=0.3),
    "sgd_nesterov": case("sgd", SGD, 1e-2, 0.1, momentum=0.9, nesterov=True),
    "sgd_decoupled": case("sgd", SGD, 1e-2, 0.1, momentum=0.9, decoupled=True),
    "adafactor": case("adafactor", ADAFACTOR, 1e-2),
    "adafactor_decay": case("adafactor", ADAFACTOR, 1e-2, 0.1, beta1=0.9, clip_threshold=0.5, decay_rate=-0.6),
    "adafactor_scaled": case("adafactor", ADAFACTOR, 1e-2, 0.1, scale_parameter=True, epsilon_parameter=0.8),
    "adafactor_relative": case("adafactor", ADAFACTOR, 0.0, relative_step=True, scale_parameter=True),
    "adafactor_warmup": case("adafactor", ADAFACTOR, 0.0, relative_step=True, warmup_init=True, epsilon_gradient=1e-8),
    "lion": case("lion", LION, 1e-3),
    "lion_decay": case("lion", LION, 1e-3, 0.5, beta1=0.95, beta2=0.98),
    "schedule_free": case("schedule_free", SCHEDULE_FREE, 1e-2),
    "schedule_free_decay": case("schedule_free", SCHEDULE_FREE, 1e-2, 0.1, warmup_steps=20, beta1=0.95, beta2=0.98),
    "schedule_free_weights": case("schedule_free", SCHEDULE_FREE, 5e-3, warmup_steps=7, r=1.5, weight_lr_power=1.0),
}


def values(shape, function, dtype):
    numbers = [function(i) for i in range(math.prod(shape))]
    return torch.tensor(numbers, dtype=torch.float64).to(dtype).reshape(shape)


def gradient(name, place, parameter, step, always):
    if name == "seldom.weight" and step % 3 and not always:
        return None
    size = 0.5 + step % 7 / 4
    phase = 0.37 * (step + 1) * (place + 1)
    result = values(parameter.shape, lambda i: math.sin(phase + 0.11 * (i + 1) ** 2) * size, parameter.dtype)
    result = result + 0.1 * parameter.detach()
    if name == "embeddings.weight":
        rows = torch.arange(parameter.shape[0])
        result[(step + rows) % 3 == 0] = 0
    return result


def reference(one, parameters):
    """The reference's optimiser, and whether weight decay is left to `decay`."""
    settings, common = dict(one["settings"]), {"lr": one["rate"], "weight_decay": one["weight_decay"]}
    if one["rule"] == "sgd":
        if settings.pop("decoupled"):
            common["weight_decay"] = 0.0
        return torch.optim.SGD(parameters, **common, **settings)
    if one["rule"] == "adafactor":
        eps = (settings.pop("epsilon_gradient"), settings.pop("epsilon_parameter"))
        return Adafactor(parameters, **common | ({"lr": None} if settings["relative_step"] else {}), eps=eps, **settings)
    betas = (settings.pop("beta1"), settings.pop("beta2"))
    if one["rule"] == "lion":
        return Lion(parameters, **common, betas=betas)
    eps = settings.pop("epsilon")
    kind = {"adamw": torch.optim.AdamW, "schedule_free": AdamWScheduleFree}[one["rule"]]
    return kind(parameters, **common, betas=betas, eps=eps, **settings)


def run(one, dtype):
    """Everything that is stored of a case, under the names that follow `CASE.TYPE.`."""
    start = lambda place: lambda i: math.sin(1.3 * (place + 1) + 0.7 * i)
    parameters = {
        name: torch.nn.Parameter(values(shape, start(place), dtype))
        for place, (name, shape) in enumerate(PARAMETERS.items())
    }
    optimizer = reference(one, list(parameters.values()))
    is_schedule_free = one["rule"] == "schedule_free"
    if is_schedule_free:
        optimizer.train()
    stored = {name: [] for name in parameters}
    for step in range(STEPS):
        rate = one["rate"] * (1 if is_schedule_free else 0.6 + 0.4 * math.cos(0.13 * step))
        if not one["settings"].get("relative_step"):
            optimizer.param_groups[0]["lr"] = rate
        for place, (name, parameter) in enumerate(parameters.items()):
            parameter.grad = gradient(name, place, parameter, step, is_schedule_free)
            if one["settings"].get("decoupled") and parameter.grad is not None:
                parameter.data.mul_(1 - rate * one["weight_decay"])
        optimizer.step()
        if step + 1 in STORED:
            for name, parameter in parameters.items():
                stored[name].append(parameter.detach().clone().flatten())
    record = {name: torch.stack(steps) for name, steps in stored.items()}
    if is_schedule_free:
        optimizer.eval()
        record |= {f"evaluation.{name}": parameter.detach().clone().flatten() for name, parameter in parameters.items()}
    return record


def main():
    torch.set_num_threads(1)
    folder = Path(__file__).parent
    tensors = {}
    for name, one in CASES.items():
        for kind, dtype in [("float32", torch.float32), ("float64", torch.float64)]:
            tensors |= {f"{name}.{kind}.{key}": value for key, value in run(one, dtype).items()}
    save_file(tensors, folder / "optimizers.safetensors", metadata={"format": "pt"})
    lines = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in CASES.items())
    header = f' "steps": {STEPS},\n "stored": {STORED},\n "parameters": {json.dumps(PARAMETERS)},\n'
    (folder / "optimizers.json").write_text(f'{{\n{header} "cases": {{\n  {lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
