"""Writes schedules.json: every learning-rate schedule by transformers or torch, at every step, with the highest rate 1.

  python schedules.py

Run it where requirements.txt is installed. `schedules` lists cases: `shape` and its settings, `warmup_steps`, `total_steps`,
and `factors` for the steps from 0 to some beyond the last. `plateaus` lists cases of `ReduceLROnPlateau`: its settings, the
`metrics` that it was shown (null is not a number), and `factors` after each.
"""

import json
import math
from pathlib import Path

import torch
from transformers import optimization

BEYOND = 5  # What follows the last step.


def factors(make, total_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    rates = []
    for _ in range(total_steps + BEYOND):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


def schedules():
    def case(shape, make, warmup_steps, total_steps, **settings):
        values = factors(lambda optimizer: make(optimizer, warmup_steps, total_steps), total_steps)
        numbers = {"shape": shape, "settings": settings, "warmup_steps": warmup_steps, "total_steps": total_steps}
        return numbers | {"factors": values}

    for warmup, total in [(0, 20), (7, 41), (20, 20), (1, 1)]:
        if warmup == 0:
            yield case("constant", lambda o, w, t: optimization.get_constant_schedule(o), warmup, total)
        else:
            yield case("constant", lambda o, w, t: optimization.get_constant_schedule_with_warmup(o, w), warmup, total)
        yield case("linear", optimization.get_linear_schedule_with_warmup, warmup, total)
        for cycles in [0.5, 1.5]:
            make = lambda o, w, t: optimization.get_cosine_schedule_with_warmup(o, w, t, num_cycles=cycles)
            yield case("cosine", make, warmup, total, cycles=cycles, floor=0.0)
        for cycles, floor in [(0.5, 0.1), (1.0, 0.25)]:
            make = lambda o, w, t: optimization.get_cosine_with_min_lr_schedule_with_warmup(
                o, w, t, num_cycles=cycles, min_lr_rate=floor
            )
            yield case("cosine", make, warmup, total, cycles=cycles, floor=floor)
        for cycles in [1, 3]:
            make = lambda o, w, t: optimization.get_cosine_with_hard_restarts_schedule_with_warmup(o, w, t, num_cycles=cycles)
            yield case("cosine_with_restarts", make, warmup, total, cycles=cycles)
        for power, end in [(1.0, 1e-7), (2.0, 0.1), (0.5, 0.0)]:
            if warmup < total:  # else transformers divides by 0
                make = lambda o, w, t: optimization.get_polynomial_decay_schedule_with_warmup(o, w, t, lr_end=end, power=power)
                yield case("polynomial", make, warmup, total, power=power, end=end)
        for timescale in [None, 3, 50]:
            make = lambda o, w, t: optimization.get_inverse_sqrt_schedule(o, w, timescale=timescale)
            yield case("inverse_square_root", make, warmup, total, timescale=timescale)
        for form in ["linear", "cosine", "1-sqrt"]:
            for decay, floor in [(5, 0.0), (13, 0.2)]:
                if warmup + decay <= total:
                    make = lambda o, w, t: optimization.get_wsd_schedule(
                        o, w, decay, num_training_steps=t, decay_type=form, min_lr_ratio=floor
                    )
                    yield case("warmup_stable_decay", make, warmup, total, decay=decay, form=form, floor=floor)


def plateaus():
    draw = torch.Generator().manual_seed(11)
    for mode in ["min", "max"]:
        for threshold_mode in ["rel", "abs"]:
            for settings in [
                {},
                {"factor": 0.5, "patience": 0, "threshold": 0.05},
                {"factor": 0.5, "patience": 2, "threshold": 0.01, "cooldown": 3, "min_lr": 0.05},
                {"factor": 0.9, "patience": 1, "threshold": 0.1, "cooldown": 1, "eps": 0.02},
            ]:
                whole = {"factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0, "eps": 1e-8}
                whole |= settings | {"mode": mode, "threshold_mode": threshold_mode}
                sign = 1 if mode == "min" else -1
                noise = torch.randn(80, generator=draw, dtype=torch.float64).tolist()
                metrics = [sign * (3 * math.exp(-step / 10) + 0.2 * noise[step]) for step in range(80)]
                metrics[17] = math.nan
                optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
                plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **whole)
                seen = []
                for metric in metrics:
                    plateau.step(metric)
                    seen.append(optimizer.param_groups[0]["lr"])
                shown = [None if math.isnan(metric) else metric for metric in metrics]
                yield {"settings": whole, "metrics": shown, "factors": seen}


def main():
    groups = {"schedules": list(schedules()), "plateaus": list(plateaus())}
    listed = ",\n".join(
        f' "{name}": [\n  ' + ",\n  ".join(json.dumps(one) for one in cases) + "\n ]" for name, cases in groups.items()
    )
    (Path(__file__).parent / "schedules.json").write_text(f"{{\n{listed}\n}}\n")


if __name__ == "__main__":
    main()
