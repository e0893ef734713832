"""Tracking as the unmodified mlflow client does it, run by mlflow.test.ts."""
import math, os, tempfile, warnings

warnings.filterwarnings("ignore")
os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")
import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

client = MlflowClient()


def refuses(code, sentence, call):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, str(error))
        assert sentence in str(error), str(error)
        return
    raise AssertionError(f"expected {code}: {sentence}")


experiment = mlflow.set_experiment("one").experiment_id
assert client.get_experiment("0").name == "Default"
refuses("RESOURCE_ALREADY_EXISTS", "already exists", lambda: client.create_experiment("one"))
refuses("RESOURCE_DOES_NOT_EXIST", "No Experiment with id=999 exists", lambda: client.get_experiment("999"))
refuses("INVALID_PARAMETER_VALUE", "Invalid experiment ID 'abc'", lambda: client.get_experiment("abc"))
refuses("RESOURCE_DOES_NOT_EXIST", "Run with id=" + "0" * 32 + " not found", lambda: client.get_run("0" * 32))

with mlflow.start_run(run_name="first") as run:
    first = run.info.run_id
    for step, value in enumerate([1.0, float("nan"), float("inf")]):
        mlflow.log_metric("m", value, step=step)
    mlflow.log_params({"a": 1, "empty": ""})
    mlflow.set_tags({"t": "Value", "with space": "x"})
    mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"x": [1]}), name="d1"), context="training")
    mlflow.log_dict({"k": 1}, "sub/d.json")
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metrics({"m": 0.25, "n": 2.0})
for _ in range(2):
    client.log_batch(first, metrics=[Metric("b", 0.1 + 0.2, 10, 1), Metric("b", 0.1 + 0.2, 10, 1), Metric("b", -1.0, 5, 0)])

seen = client.get_run(first)
assert seen.info.status == "FINISHED" and seen.info.run_name == "first"
assert seen.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{first}/artifacts"
assert seen.data.params == {"a": "1", "empty": ""} and seen.data.tags["t"] == "Value"
assert seen.data.metrics["m"] == 1.7976931348623157e308 and seen.data.metrics["b"] == 0.1 + 0.2
assert seen.inputs.dataset_inputs[0].dataset.name == "d1"
history = client.get_metric_history(first, "m")
assert [h.step for h in history] == [0, 1, 2] and math.isnan(history[1].value)
assert len(client.get_metric_history(first, "b")) == 2
client.log_param(first, "a", "1")
refuses("INVALID_PARAMETER_VALUE", "was already logged with value='1'", lambda: client.log_param(first, "a", "2"))
refuses("INVALID_PARAMETER_VALUE", "Duplicate parameter keys", lambda: client.log_batch(first, params=[Param("z", "1"), Param("z", "2")]))
client.delete_tag(first, "t")
refuses("RESOURCE_DOES_NOT_EXIST", "No tag with name: t", lambda: client.delete_tag(first, "t"))
client.set_tag(first, "t", "Value")


def found(text, **more):
    return [r.info.run_name for r in client.search_runs([experiment], text, **more)]


assert found("metrics.m > 1") == ["first"] and found("metrics.m <= 0.25 AND metrics.n = 2") == ["child"]
assert found("params.a = '1'") == ["first"] and found("params.empty = ''") == ["first"]
assert found("tags.t LIKE 'Val%'") == ["first"] and found("tags.t LIKE 'val%'") == []
assert found("tags.t ILIKE 'val%'") == ["first"] and found("tags.`with space` = 'x'") == ["first"]
assert found("tags.\"mlflow.parentRunId\" = '%s'" % first) == ["child"]
assert found("attributes.status = 'FINISHED' and run_name != 'first'") == ["child"]
assert found("run_id IN ('%s')" % first) == ["first"] and found("params.a IS NULL") == ["child"]
assert found("datasets.name = 'd1' and dataset.context = 'training'") == ["first"]
assert found("", order_by=["metrics.m DESC"]) == ["first", "child"]
assert found("", order_by=["metrics.n DESC"]) == ["child", "first"]
refuses("INVALID_PARAMETER_VALUE", "Invalid clause(s) in filter string", lambda: found("params.a = '1' OR params.a = '2'"))
refuses("INVALID_PARAMETER_VALUE", "Expected a quoted string value", lambda: found("params.a = 1"))
refuses("INVALID_PARAMETER_VALUE", "Invalid attribute key 'bad'", lambda: found("attributes.bad = 'x'"))

many = client.create_experiment("many", tags={"k": "v"})
for i in range(25):
    one = client.create_run(many, run_name=f"r{i:02}", start_time=1000 + i // 5)
    if i % 3:
        client.log_metric(one.info.run_id, "score", float("nan") if i % 7 == 0 else i % 4)
for order in (["metrics.score ASC"], ["metrics.score DESC", "run_name ASC"], ["attributes.run_name DESC"], []):
    whole = [r.info.run_id for r in client.search_runs([many], order_by=order)]
    pages, token = [], None
    while True:
        page = client.search_runs([many], order_by=order, max_results=4, page_token=token)
        pages += [r.info.run_id for r in page]
        token = page.token
        if not token:
            break
    assert pages == whole and len(set(pages)) == 25, order

client.delete_run(first)
refuses("INVALID_PARAMETER_VALUE", "must be in the 'active' state", lambda: client.log_metric(first, "m", 1))
assert found("", run_view_type=ViewType.DELETED_ONLY) == ["first"]
client.restore_run(first)
client.rename_experiment(many, "many2")
client.delete_experiment(many)
assert client.get_experiment_by_name("many2").lifecycle_stage == "deleted"
client.restore_experiment(many)
assert [e.name for e in client.search_experiments(filter_string="name LIKE 'many%' AND tags.k = 'v'")] == ["many2"]

folder = tempfile.mkdtemp()
os.mkdir(f"{folder}/deep")
blob = os.urandom(3_000_000)
open(f"{folder}/deep/b.bin", "wb").write(blob)
open(f"{folder}/ü space.txt", "w").write("text")
repository = get_artifact_repository(seen.info.artifact_uri)
repository.log_artifacts(folder, "dir")
assert [f.path for f in repository.list_artifacts()] == ["dir", "sub"]
assert sorted(f.path for f in repository.list_artifacts("dir")) == ["dir/deep", "dir/ü space.txt"]
back = repository.download_artifacts("dir")
assert open(f"{back}/deep/b.bin", "rb").read() == blob and open(f"{back}/ü space.txt").read() == "text"
repository.delete_artifacts("dir/ü space.txt")
assert [f.path for f in repository.list_artifacts("dir")] == ["dir/deep"]
assert mlflow.artifacts.load_dict(f"{seen.info.artifact_uri}/sub/d.json") == {"k": 1}
print("all held")
