"""Least squares of error(n) = a + b n^-c by scipy: `python power_law.py > power_law.json`. Made with scipy 1.17.1.

curve_fit starts from several exponents, and the best of its results counts.
"""

import json

import numpy as np
from scipy.optimize import curve_fit


def law(n, a, b, c):
    return a + b * n ** -c


def case(n, error):
    n, error = np.array(n, dtype=float), np.array(error, dtype=float)
    best = None
    for start in (0.05, 0.2, 0.5, 1.0, 2.0):
        found, _ = curve_fit(law, n, error, p0=(0.05, 0.3, start), bounds=([0, 0, 0.01], [np.inf, np.inf, 3.0]),
                             ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=200000)
        squares = float(np.sum((law(n, *found) - error) ** 2))
        if best is None or squares < best[0]:
            best = (squares, found)
    squares, (a, b, c) = best
    return {"points": list(zip(n.tolist(), error.tolist())), "asymptote": a, "scale": b, "exponent": c, "squares": squares}


random = np.random.RandomState(3)
fractions = [0.1, 0.2, 0.4, 0.7, 1.0]
repeated = np.repeat(fractions, 3)
print(json.dumps([
    case(fractions, [0.31, 0.244, 0.195, 0.171, 0.159]),
    case(fractions, law(np.array(fractions), 0.1, 0.08, 0.6)),
    case(repeated, law(repeated, 0.05, 0.1, 0.4) + random.normal(scale=0.004, size=15)),
    case([100, 200, 400, 800, 1600, 3200], [1.92, 1.31, 0.95, 0.66, 0.51, 0.42]),
    case([100, 200, 400, 800, 1600], [0.40, 0.27, 0.182, 0.124, 0.085]),
    case(fractions, [0.52, 0.33, 0.205, 0.151, 0.149]),
], indent=1))
