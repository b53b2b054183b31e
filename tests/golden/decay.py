"""Writes decay.json and adapter_decay.json: which parameters have weight decay in Transformers, by
`Trainer.get_decay_parameter_names`.

  python decay.py

For each architecture of ../parity/zoo.py, over all its variants and heads: the names with decay and those without, as
save_pretrained writes them, each once. For each variant of ../parity/adapters.py: the same of the parameters that PEFT trains,
under the names that ../parity/adapters.py gives them.
"""

import json
import sys
from pathlib import Path

from transformers import Trainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))
import adapters
import zoo


def verdicts(model):
    """For each stored name whether its parameter decays."""
    decaying = set(Trainer.get_decay_parameter_names(None, model))
    parameters = dict(zoo.parameters(model))
    stored = zoo.as_stored(model, parameters)
    if stored.keys() == parameters.keys():
        return {name: name in decaying for name in parameters}
    # Where stored names are others, parameters are converted one by one; None, where that joins or splits some.
    found = {}
    for name, parameter in parameters.items():
        for stored_name in zoo.as_stored(model, {name: parameter}):
            found[stored_name] = name in decaying
    assert found.keys() == stored.keys(), sorted(found.keys() ^ stored.keys())
    return found


def write(file, found):
    lines = []
    for key, names in found.items():
        lists = {key: sorted(name for name in names if names[name] == decays) for key, decays in (("decay", True), ("none", False))}
        lines.append(f"{json.dumps(key)}: {json.dumps(lists)}")
    (Path(__file__).parent / file).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def of_adapters():
    found = {}
    for variant, head, model, build in adapters.models(None, lambda model: None):
        peft = adapters.adapted(model, head, build)
        decaying = set(Trainer.get_decay_parameter_names(None, peft))
        trained = [name for name, parameter in peft.named_parameters() if parameter.requires_grad]
        found[variant] = {adapters.plain(name): name in decaying for name in trained}
    return found


def main():
    architectures = {variant: architecture for architecture, variant, _ in zoo.VARIANTS}
    found = {}
    for variant, head, model in zoo.models(zoo.VARIANTS, lambda model: None):
        known = found.setdefault(architectures[variant], {})
        for name, decays in verdicts(model).items():
            assert known.setdefault(name, decays) == decays, f"{variant}, {head}: {name}"
    write("decay.json", found)
    write("adapter_decay.json", of_adapters())


if __name__ == "__main__":
    main()
