"""Writes drift.golden.json: what Evidently, river, Fairlearn and scikit-learn say of data that drift.test.ts makes again.

python golden-drift.py > drift.golden.json     (versions: src/testing/data-peers.ts)
"""

import json
import logging
import random
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import evidently.legacy.calculations.stattests  # noqa: F401, E402  (registers the tests)
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from evidently.legacy.calculations.stattests.registry import get_stattest  # noqa: E402
from evidently.legacy.core import ColumnType  # noqa: E402
from fairlearn import metrics as fm  # noqa: E402
from river import drift  # noqa: E402
from sklearn import metrics as sm  # noqa: E402

NUMERIC = "ks wasserstein psi jensenshannon kl_div hellinger ed t_test mannw anderson cramer_von_mises es".split()
CATEGORICAL = "chisquare z psi jensenshannon kl_div hellinger TVD".split()


def ints(seed: int, n: int, m: int) -> list[int]:
    """A generator that any language has: a linear congruence of whole numbers."""
    out = []
    for _ in range(n):
        seed = (1103515245 * seed + 12345) % (1 << 31)
        out.append((seed >> 8) % m)
    return out


def numbers() -> dict:
    return {
        "N": ([v / 100 for v in ints(1, 500, 10000)], [v / 100 + 5 for v in ints(2, 400, 10000)]),
        "Big": ([v / 100 for v in ints(1, 2000, 10000)], [v / 100 + 5 for v in ints(2, 1500, 10000)]),
        "Int": (ints(5, 300, 50), [v + 3 for v in ints(6, 300, 50)]),
        "Tiny": (ints(12, 12, 1000), [v + 200 for v in ints(13, 9, 1000)]),
        "Wide": (ints(14, 300, 100000), [v + 3000 for v in ints(15, 11000, 100000)]),
        "Many": (ints(14, 9000, 100000), [v + 300 for v in ints(15, 11000, 100000)]),
    }


def categories() -> dict:
    return {
        "C": (["abcde"[v % 5] for v in ints(3, 500, 1000)], ["abcde"[min(4, v % 6)] for v in ints(4, 400, 1000)]),
        "B": ([v % 2 for v in ints(7, 500, 1000)], [1 if v % 3 else 0 for v in ints(8, 400, 1000)]),
        "C2": (["ab"[v % 2] for v in ints(9, 500, 1000)], ["abc"[v % 3] for v in ints(10, 400, 1000)]),
    }


def scored(reference, current, kind, name):
    a, b = pd.Series(reference), pd.Series(current)
    try:
        test = get_stattest(a, b, kind, name)
        found = test(a, b, kind, None)
    except ValueError:
        return None
    return [test.name, float(found.drift_score), bool(found.drifted)]


def drifts() -> dict:
    out = {}
    for sets, kind, names in (
        (numbers(), ColumnType.Numerical, NUMERIC),
        (categories(), ColumnType.Categorical, CATEGORICAL),
    ):
        for label, (reference, current) in sets.items():
            out[label] = {n or "default": scored(reference, current, kind, n) for n in [None, *names]}
    return out


def signals(detector, values) -> list[int]:
    out = []
    for i, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            out.append(i)
    return out


def streams() -> dict:
    u = [v / 1000 for v in ints(11, 2000, 1000)]
    data = [v if i < 1000 else 0.5 * v + 0.6 for i, v in enumerate(u)]
    errors = [int(v < 0.1) if i < 1000 else int(v < 0.45) for i, v in enumerate(u)]
    adwin = drift.ADWIN()
    return {
        "adwin": signals(adwin, data),
        "adwinState": [adwin.width, adwin.estimation],
        "pageHinkley": signals(drift.PageHinkley(), data),
        "kswin": signals(drift.KSWIN(seed=1), data),
        "ddm": signals(drift.binary.DDM(), errors),
        "eddm": signals(drift.binary.EDDM(), errors),
    }


def fairness() -> dict:
    y, p = [v % 2 for v in ints(21, 200, 1000)], [int(v % 3 == 0) for v in ints(22, 200, 1000)]
    group = ["abc"[v % 3] for v in ints(23, 200, 1000)]
    frame = fm.MetricFrame(
        metrics={"selection_rate": fm.selection_rate, "true_positive_rate": fm.true_positive_rate},
        y_true=y,
        y_pred=p,
        sensitive_features=group,
    )
    names = ["demographic_parity", "equalized_odds", "equal_opportunity"]
    return {
        "by_group": frame.by_group.to_dict(),
        **{
            method: {
                f"{name}_{kind}": getattr(fm, f"{name}_{kind}")(y, p, sensitive_features=group, method=method)
                for name in names
                for kind in ("difference", "ratio")
            }
            for method in ("between_groups", "to_overall")
        },
    }


def models() -> dict:
    y = [v % 2 for v in ints(31, 300, 1000)]
    s = [min(0.99, max(0.01, v / 100)) for v in ints(32, 300, 100)]
    said = [int(v >= 0.5) for v in s]
    a, b = [v / 10 + 1 for v in ints(33, 100, 1000)], [v / 10 + 1 for v in ints(34, 100, 1000)]
    relevance, rank = ints(35, 20, 4), [v / 4 for v in ints(36, 20, 12)]
    return {
        "accuracy": sm.accuracy_score(y, said),
        "precision": sm.precision_score(y, said),
        "recall": sm.recall_score(y, said),
        "f1": sm.f1_score(y, said),
        "rocAuc": sm.roc_auc_score(y, s),
        "prAuc": sm.average_precision_score(y, s),
        "logLoss": sm.log_loss(y, s),
        "brier": sm.brier_score_loss(y, s),
        "r2": sm.r2_score(a, b),
        "mape": sm.mean_absolute_percentage_error(a, b),
        "medianAbsolute": sm.median_absolute_error(a, b),
        "pinball": sm.mean_pinball_loss(a, b, alpha=0.9),
        "ndcg": sm.ndcg_score([relevance], [rank]),
        "ndcg5": sm.ndcg_score([relevance], [rank], k=5),
    }


json.dump(
    {
        "drifts": drifts(),
        "streams": streams(),
        "fairness": fairness(),
        "models": models(),
        "sample": random.Random(7).sample(range(70), 30),
        "numpy": np.random.RandomState(0).permutation(20).tolist(),
    },
    sys.stdout,
    indent=1,
)
