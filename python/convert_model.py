"""Turns a scikit-learn model into ONNX, in the model's own environment, and says what the original predicts.

usage: convert_model.py MODEL_DIR SAMPLE_JSON OUT_DIR

MODEL_DIR holds model.pkl (joblib) and meta.json ({"features": [...], "target": "..."}). SAMPLE_JSON holds rows of
features. OUT_DIR gets model.onnx and report.json: the original's predictions of the sample, for the parity check that
the server makes with its own runtime. Pickles are opened here, in a child with the model's packages, never in the server.
"""

import json
import pathlib
import sys

import joblib
import numpy as np
import onnx
import skl2onnx
import sklearn
from skl2onnx.common.data_types import FloatTensorType

OPSET = {"": 17, "ai.onnx.ml": 3}


def exact_thresholds(model) -> None:
    """Makes the split thresholds of histogram boosting 32-bit numbers that send every 32-bit feature the same way.

    ONNX keeps thresholds as 32-bit floats. Rounding to the nearest may round up onto a feature's own value, and then
    `x <= threshold` flips; the largest 32-bit number that is not above the threshold never does.
    """
    for part in [step for _, step in getattr(model, "steps", [])] or [model]:
        for trees in getattr(part, "_predictors", []):
            for tree in trees:
                exact = tree.nodes["num_threshold"]
                rounded = exact.astype(np.float32)
                below = np.nextafter(rounded, np.float32(-np.inf))
                tree.nodes["num_threshold"] = np.where(rounded.astype(np.float64) > exact, below, rounded).astype(np.float64)


def main() -> None:
    model_dir, sample_file, out_dir = map(pathlib.Path, sys.argv[1:4])
    meta = json.loads((model_dir / "meta.json").read_text())
    model = joblib.load(model_dir / "model.pkl")
    rows = np.asarray(json.loads(sample_file.read_text()), dtype=np.float32).reshape(-1, len(meta["features"]))
    predicted = model.predict(rows) if len(rows) else np.empty(0)
    exact_thresholds(model)
    converted = skl2onnx.to_onnx(
        model,
        initial_types=[("input", FloatTensorType([None, len(meta["features"])]))],
        target_opset=OPSET,
        options={},
    )
    # The converter names the graph at random; equal models must have equal bytes.
    converted.graph.name = "headrace"
    converted.doc_string = ""
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "model.onnx").write_bytes(converted.SerializeToString(deterministic=True))
    report = {
        "features": meta["features"],
        "target": meta["target"],
        "model": type(model).__name__,
        "predictions": [float(v) for v in np.ravel(predicted)],
        "versions": {"sklearn": sklearn.__version__, "skl2onnx": skl2onnx.__version__, "onnx": onnx.__version__},
    }
    (out_dir / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
