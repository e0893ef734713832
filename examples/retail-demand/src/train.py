"""Trains the demand model on the rows it is given and leaves a pickle with its feature order beside it.

`--kind ridge` trains a linear model in place of gradient boosting, `--kind mean` one that always says the mean.
"""

import argparse
import json
import pathlib

import joblib
import numpy as np
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headrace as hr

FEATURES = ["category", "lag_1", "lag_7", "lag_14", "mean_7", "mean_28", "promo_1", "weekday"]
TARGET = "units"
SEED = 0


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Complete rows only: the first fortnight has no lag of 14 days. 32-bit features, as the served model will see them."""
    table = pq.read_table(hr.input("x"), columns=[*FEATURES, TARGET])
    values = np.column_stack([table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in [*FEATURES, TARGET]])
    values = values[~np.isnan(values).any(axis=1)]
    return values[:, :-1].astype(np.float32), values[:, -1]


def estimator(kind: str):
    if kind == "ridge":
        return make_pipeline(StandardScaler(), Ridge())
    if kind == "mean":  # so much penalty that nothing but the mean is left: the worse model of the demonstration
        return make_pipeline(StandardScaler(), Ridge(alpha=1e12))
    return HistGradientBoostingRegressor(random_state=SEED)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["boosting", "ridge", "mean"], default=hr.params().get("kind", "boosting"))
    kind = parser.parse_args().kind
    x, y = rows()
    model = estimator(kind).fit(x, y)
    wape = float(np.abs(y - model.predict(x)).sum() / np.abs(y).sum())
    hr.log_params({"kind": kind, "seed": SEED, "features": len(FEATURES)})
    hr.log_metrics({"train_wape": wape, "rows": len(y)})
    target = pathlib.Path(hr.output("model"))
    target.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, target / "model.pkl")
    (target / "meta.json").write_text(json.dumps({"features": FEATURES, "target": TARGET, "kind": kind}, indent=2))
    print(f"{kind}: {len(y)} rows, wape on the training rows {wape:.3f}")


if __name__ == "__main__":
    main()
