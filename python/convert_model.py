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


def main() -> None:
    model_dir, sample_file, out_dir = map(pathlib.Path, sys.argv[1:4])
    meta = json.loads((model_dir / "meta.json").read_text())
    model = joblib.load(model_dir / "model.pkl")
    rows = np.asarray(json.loads(sample_file.read_text()), dtype=np.float32).reshape(-1, len(meta["features"]))
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
    predicted = model.predict(rows) if len(rows) else np.empty(0)
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
