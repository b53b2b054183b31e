"""Prints how far each measure is from its reference, over thousands of random cases.

    cargo build -p retune-metrics --example evaluate_cases
    python crates/retune-metrics/tests/compare.py [cases of each family] [seed] [family ...]

It needs what tests/golden/generate.py needs. It ends with 1 where a measure is farther than 1e-9 (relative, above 1) from
the reference, or is defined on one side only.
"""

import json
import os
import random
import subprocess
import sys
import warnings
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "golden"))
import generate  # noqa: E402

BOUND = 1e-9


def pairs(name, expected, found):
    """Numbers, texts and lists of them, side by side; an object's items are named by its key."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if sorted(expected) != sorted(found):
            yield name, sorted(expected), sorted(found)
            return
        for key in expected:
            yield from pairs(name, expected[key], found[key])
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for one, other in zip(expected, found):
            yield from pairs(name, one, other)
    else:
        yield name, expected, found


def difference(expected, found):
    if isinstance(expected, (str, list)) or isinstance(found, (str, list)):
        return 0.0 if expected == found else float("inf")
    return abs(expected - found) / max(1.0, abs(expected))


def main():
    warnings.simplefilter("ignore")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = random.Random(seed)
    families = sys.argv[3:] or generate.FAMILIES
    drawn = [generate.draw(name, rng, 60) for name in families for _ in range(count)]
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[2] / "target"))
    program = target / "debug" / "examples" / "evaluate_cases"
    lines = "".join(json.dumps(case) + "\n" for case, _ in drawn)
    ran = subprocess.run([program], input=lines, capture_output=True, text=True, check=True, encoding="utf-8")
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(answers) == len(drawn)

    table = defaultdict(lambda: [0, 0, 0, 0.0, None])
    for (case, expected), found in zip(drawn, answers):
        if expected is None:
            expected = generate.bootstrap_of(case, found.pop("resamples"))
        if sorted(expected) != sorted(found):
            sys.exit(f"expected {sorted(expected)}; found {found} for {json.dumps(case)}")
        for measure in expected:
            row = table[case["metric"], measure]
            row[0] += 1
            for _, one, other in pairs(measure, expected[measure], found[measure]):
                row[1] += 1
                row[2] += isinstance(one, str) and isinstance(expected[measure], str)
                apart = difference(one, other)
                if apart > row[3] or row[4] is None:
                    row[3:] = [apart, (one, other, case)]

    print(", ".join(f"{name} {number}" for name, number in generate.versions().items()), f"- seed {seed}\n")
    print(f"{'family':<20} {'measure':<36} {'cases':>6} {'values':>8} {'undefined':>9}  largest difference")
    failed = 0
    for (family, measure), (cases, values, undefined, apart, worst) in table.items():
        good = apart <= BOUND
        failed += not good
        print(f"{family:<20} {measure:<36} {cases:>6} {values:>8} {undefined:>9}  {apart:<8.1e}{'' if good else ' FAR'}")
        if not good:
            print(f"    expected {worst[0]}, found {worst[1]}, of {json.dumps(worst[2])[:1500]}")
    print(f"\n{len(table)} measures, {sum(row[1] for row in table.values())} values; {failed} beyond {BOUND}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
