"""Logged models and the registry as the unmodified mlflow client uses them, run by mlflow.test.ts."""
import json, os, warnings

warnings.filterwarnings("ignore")
os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")
import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
X = np.random.rand(40, 3)
y = (X[:, 0] > 0.5).astype(int)


def refuses(code, sentence, call):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, str(error))
        assert sentence in str(error), str(error)
        return
    raise AssertionError(f"expected {code}: {sentence}")


experiment = mlflow.set_experiment("models").experiment_id
with mlflow.start_run() as run:
    info = mlflow.sklearn.log_model(
        LogisticRegression().fit(X, y), name="model", input_example=X[:2], registered_model_name="R1",
        pip_requirements=["scikit-learn"], params={"depth": "3"},
    )
    mlflow.log_metric("acc", 0.9, model_id=info.model_id)
    mlflow.log_artifact(__file__, "raw")
rid = run.info.run_id

logged = mlflow.get_logged_model(info.model_id)
assert logged.status == "READY" and logged.params == {"depth": "3"} and logged.source_run_id == rid
assert [(m.key, m.value) for m in logged.metrics] == [("acc", 0.9)]
assert [v["name"] for v in json.loads(logged.tags["mlflow.modelVersions"])] == ["R1"]
assert client.get_run(rid).outputs.model_outputs[0].model_id == info.model_id


def found(text, **more):
    return [m.name for m in mlflow.search_logged_models([experiment], text, output_format="list", **more)]


assert found("metrics.acc > 0.8") == ["model"] and found("metrics.acc > 0.95") == []
assert found("params.depth = '3' AND name LIKE 'mod%'") == ["model"] and found("status = 'READY'") == ["model"]
assert found(f"source_run_id = '{rid}'") == ["model"]
external = mlflow.initialize_logged_model(name="external", params={"z": "1"})
mlflow.finalize_logged_model(external.model_id, "READY")
assert found(None, order_by=[{"field_name": "metrics.acc", "ascending": False}]) == ["model", "external"]
assert found(None, order_by=[{"field_name": "creation_time", "ascending": False}]) == ["external", "model"]
client.set_logged_model_tags(external.model_id, {"a": "b"})
client.delete_logged_model_tag(external.model_id, "a")
assert mlflow.get_logged_model(external.model_id).tags.get("a") is None
client.delete_logged_model(external.model_id)
refuses("RESOURCE_DOES_NOT_EXIST", "not found", lambda: client.get_logged_model(external.model_id))

version = client.get_model_version("R1", "1")
assert version.source == f"models:/{info.model_id}" and version.run_id == rid and version.status == "READY"
client.set_registered_model_alias("R1", "champion", 1)
assert client.get_model_version_by_alias("R1", "champion").version == "1"
for uri in ("models:/R1@champion", "models:/R1/1", "models:/R1/latest", info.model_uri, f"runs:/{rid}/model"):
    assert len(mlflow.pyfunc.load_model(uri).predict(X[:2])) == 2, uri
second = mlflow.register_model(f"runs:/{rid}/model", "R1", tags={"k": "v"})
assert second.version == "2" and second.run_id == rid
client.set_registered_model_alias("R1", "champion", 2)
assert client.get_registered_model("R1").aliases == {"champion": "2"}
copied = client.copy_model_version("models:/R1/1", "R2")
assert copied.version == "1" and copied.run_id == rid
assert len(mlflow.sklearn.load_model("models:/R2/1").predict(X[:2])) == 2

client.update_registered_model("R1", "words")
client.update_model_version("R1", "1", "more words")
client.set_registered_model_tag("R1", "team", "north")
client.set_model_version_tag("R1", "1", "seen", "yes")
assert client.get_registered_model("R1").description == "words"
assert client.get_model_version("R1", "1").tags == {"seen": "yes"}
assert [v.version for v in client.search_model_versions("name = 'R1'", order_by=["version_number DESC"])] == ["2", "1"]
assert [v.version for v in client.search_model_versions(f"run_id IN ('{rid}') and name = 'R1' and tags.k = 'v'")] == ["2"]
assert [m.name for m in client.search_registered_models("name LIKE 'R%'")] == ["R1", "R2"]
assert [m.name for m in client.search_registered_models("name ILIKE 'r%' and tags.team = 'north'")] == ["R1"]
pages = client.search_registered_models(max_results=1)
assert len(pages) == 1 and len(client.search_registered_models(max_results=1, page_token=pages.token)) == 1
client.transition_model_version_stage("R1", "1", "Production")
client.transition_model_version_stage("R1", "2", "production", archive_existing_versions=True)
assert client.get_model_version("R1", "1").current_stage == "Archived"
assert [v.version for v in client.get_latest_versions("R1", ["Production"])] == ["2"]
client.delete_model_version_tag("R1", "1", "seen")
client.delete_registered_model_alias("R1", "champion")
client.delete_registered_model_alias("R1", "never")
refuses("INVALID_PARAMETER_VALUE", "Registered model alias champion not found.", lambda: client.get_model_version_by_alias("R1", "champion"))
client.delete_model_version("R1", "2")
refuses("RESOURCE_DOES_NOT_EXIST", "Model Version (name=R1, version=2) not found", lambda: client.get_model_version("R1", "2"))
assert client.create_model_version("R1", f"runs:/{rid}/raw", rid).version == "3"
client.rename_registered_model("R2", "R3")
refuses("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=R2 not found", lambda: client.get_registered_model("R2"))
client.delete_registered_model("R3")
refuses("RESOURCE_ALREADY_EXISTS", "Registered Model (name=R1) already exists.", lambda: client.create_registered_model("R1"))
refuses("INVALID_PARAMETER_VALUE", "'latest' alias name", lambda: client.set_registered_model_alias("R1", "latest", 1))
for source in ("/etc/passwd", "file:///etc/passwd", "http://evil.example/x", f"runs:/{rid}/../../x", "mlflow-artifacts:/9/other",
               "s3://bucket/%2e%2e/x", f"mlflow-artifacts:/{experiment}/{rid}/artifacts/..%2f..", "models:/" + info.model_id):
    refuses("INVALID_PARAMETER_VALUE", "Invalid model version source", lambda: client.create_model_version("R1", source))

prompt = mlflow.genai.register_prompt(name="pp", template="Hi {{x}}", commit_message="c1", tags={"a": "b"})
mlflow.genai.register_prompt(name="pp", template="Hello {{x}}")
mlflow.genai.set_prompt_alias("pp", alias="prod", version=prompt.version)
assert mlflow.genai.load_prompt("prompts:/pp@prod").format(x="y") == "Hi y"
assert mlflow.genai.load_prompt("prompts:/pp@latest").format(x="y") == "Hello y"
assert [p.name for p in mlflow.genai.search_prompts()] == ["pp"]
assert [m.name for m in client.search_registered_models()] == ["R1"], "prompts are not listed as models"

mlflow.sklearn.autolog(log_datasets=True)
with mlflow.start_run(run_name="auto") as auto:
    LogisticRegression().fit(X, y)
mlflow.sklearn.autolog(disable=True)
seen = client.get_run(auto.info.run_id)
assert seen.data.params["C"] == "1.0" and "training_accuracy_score" in seen.data.metrics
assert seen.inputs.dataset_inputs and seen.outputs.model_outputs
print("all held")
