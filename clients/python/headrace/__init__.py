"""The thin client of Headrace: what a step of a pipeline reads and says. Standard library only, Python 3.10 or later.

In a step, `HEADRACE_STEP` names a JSON file with parameters, inputs and outputs; logging goes to the server that started
the step. A script that is run by hand has no parameters, logs nowhere, and says clearly which input is missing.
"""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request
from typing import Any

__all__ = ["params", "input", "output", "log_metrics", "log_metric", "log_params", "set_tag", "flush", "run_id"]

_BATCH = 500
_TIMEOUT_SECONDS = 30


class _Step:
    """The step's file, read once."""

    def __init__(self) -> None:
        path = os.environ.get("HEADRACE_STEP")
        self.about: dict[str, Any] = json.loads(pathlib.Path(path).read_text()) if path else {}
        self.pending: dict[str, list[dict[str, Any]]] = {"metrics": [], "params": [], "tags": []}


_step: _Step | None = None


def _get() -> _Step:
    global _step
    if _step is None:
        _step = _Step()
        atexit.register(flush)
    return _step


def params() -> dict[str, Any]:
    """The parameters of the step, by name; empty where the script is run by hand."""
    return dict(_get().about.get("params", {}))


def input(name: str) -> str:  # noqa: A001 - the word of the definition
    """The path of an input: a Parquet file, or a folder of them."""
    return _path("inputs", name)


def output(name: str) -> str:
    """The folder that an output is written to."""
    return _path("outputs", name)


def _path(kind: str, name: str) -> str:
    known = _get().about.get(kind, {})
    if name not in known:
        listed = ", ".join(known) or "none: HEADRACE_STEP is not set, so this is not a step"
        raise KeyError(f"there is no {kind[:-1]} {name!r}; known are {listed}")
    return str(known[name]["path"])


def run_id() -> str | None:
    """The id of the tracked run, where there is one."""
    return os.environ.get("HEADRACE_RUN_ID")


def log_metrics(metrics: dict[str, float], step: int = 0) -> None:
    """Logs numbers under names; NaN and infinities are kept."""
    now = int(time.time() * 1000)
    for key, value in metrics.items():
        _get().pending["metrics"].append({"key": key, "value": _number(value), "step": step, "timestamp": now})
    if len(_get().pending["metrics"]) >= _BATCH:
        flush()


def log_metric(key: str, value: float, step: int = 0) -> None:
    """Logs one number."""
    log_metrics({key: value}, step)


def log_params(values: dict[str, Any]) -> None:
    """Logs parameters; each is written once."""
    _get().pending["params"].extend({"key": key, "value": str(value)} for key, value in values.items())


def set_tag(key: str, value: str) -> None:
    """Sets a tag of the run."""
    _get().pending["tags"].append({"key": key, "value": str(value)})


def flush() -> None:
    """Sends what waits. A server that does not answer costs a warning, never the training."""
    pending = _get().pending
    if not any(pending.values()):
        return
    body, _get().pending = pending, {"metrics": [], "params": [], "tags": []}
    server, project, run = (os.environ.get(n) for n in ("HEADRACE_SERVER", "HEADRACE_PROJECT", "HEADRACE_RUN_ID"))
    if not server or not run:
        return
    request = urllib.request.Request(
        f"{server}/p/{project or 'default'}/api/v1/runs/{run}/log",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {os.environ.get('HEADRACE_TOKEN', '')}"},
        method="POST",
    )
    # Straight to the server that started us: a proxy of the environment would not know it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=_TIMEOUT_SECONDS).read()
    except urllib.error.HTTPError as error:
        print(f"headrace: the server refused the log: {error.read().decode(errors='replace')[:500]}", file=sys.stderr)
    except OSError as error:
        print(f"headrace: the server does not answer, the log is lost: {error}", file=sys.stderr)


def _number(value: float) -> float | str:
    value = float(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value
