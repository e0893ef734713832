"""Writes golden.json: what numpy and scipy say of samples that stats.test.ts makes again by the same arithmetic.

python golden.py > golden.json     (numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1)
"""

import json

import numpy as np
from scipy.special import rel_entr
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
FLOOR = 1e-4


def sample(n: int, step: int, size: int, scale: float) -> np.ndarray:
    """A sample that any language makes alike: whole numbers, one multiplication."""
    return np.array([((i * step) % size) ** 2 * scale for i in range(n)], dtype=np.float64)


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Both directions of the relative entropy, over bins closed on the left."""
    edges = np.quantile(reference, SHARES)
    shares = []
    for values in (reference, current):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(values), FLOOR))
    q, p = shares
    return float(rel_entr(p, q).sum() + rel_entr(q, p).sum())


reference = sample(500, 37, 101, 0.01)
same = sample(300, 53, 101, 0.01)
shifted = sample(300, 53, 101, 0.013)
cents = reference * 100

print(
    json.dumps(
        {
            "quantiles": np.quantile(reference, SHARES).tolist(),
            "psiSame": psi(reference, same),
            "psiShifted": psi(reference, shifted),
            "psiCents": psi(reference, cents),
            "mae": float(mean_absolute_error(same, shifted)),
            "rmse": float(root_mean_squared_error(same, shifted)),
            "wape": float(np.abs(same - shifted).sum() / np.abs(same).sum()),
            "bias": float((shifted - same).mean()),
        },
        indent=2,
    )
)
