"""Densities of Optuna's univariate Parzen estimator: `python parzen.py > parzen.json`.

Made with optuna 5.0.0. The density of a logarithmic float is one of the logarithm.
"""

import json

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

PARAMETERS = _ParzenEstimatorParameters(
    prior_weight=1.0, consider_magic_clip=True, consider_endpoints=False, weights=default_weights, multivariate=False
)


def case(distribution, observed, at, **domain):
    estimator = _ParzenEstimator({"x": np.array(observed, dtype=float)}, {"x": distribution}, PARAMETERS)
    density = estimator.log_pdf({"x": np.array(at, dtype=float)})
    return {"choices": None, "min": None, "max": None, "step": None, "log": None} | domain | {
        "observed": list(map(float, observed)), "at": list(map(float, at)), "log_density": density.tolist()}


def real(low, high, observed, at, log=False):
    return case(FloatDistribution(low, high, log=log), observed, at, min=low, max=high, step=None, log=log)


def whole(low, high, observed, at, log=False, step=1):
    return case(IntDistribution(low, high, step=step, log=log), observed, at,
                min=float(low), max=float(high), step=float(step), log=log)


random = np.random.RandomState(7)
print(json.dumps([
    real(0.0, 1.0, [], [0.0, 0.3, 1.0]),
    real(0.0, 1.0, [0.2], [0.0, 0.21, 0.9]),
    real(-3.0, 5.0, [0.1, 0.1, 4.0, -2.5], [-3.0, 0.0, 0.1, 2.2, 5.0]),
    real(0.0, 1.0, random.uniform(size=60).tolist(), [0.05, 0.5, 0.77]),
    real(0.0, 1.0, random.uniform(size=26).tolist(), [0.05, 0.5, 0.77]),
    real(1e-6, 1e-2, [1e-5, 3e-5, 2e-3], [1e-6, 2e-5, 5e-4, 1e-2], log=True),
    whole(1, 10, [3, 4, 9, 9], [1, 3, 5, 9, 10]),
    whole(16, 128, [32, 64], [16, 32, 48, 128], step=16),
    whole(1, 1000, [3, 40, 900, 45], [1, 3, 5, 47, 1000], log=True),
    case(CategoricalDistribution(list("abcd")), [2, 2, 0], [0, 1, 2, 3], choices=4),
    case(CategoricalDistribution(list("abc")), [], [0, 1, 2], choices=3),
], indent=1))
