"""Scorers, evaluation datasets and genai evaluation through the unmodified mlflow client. Prints `all held`."""
import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import delete_scorer, get_scorer, list_scorers, scorer
from mlflow.tracking._tracking_service.utils import _get_store


def refused(what, *words):
    try:
        what()
    except MlflowException as error:
        for word in words:
            assert word in str(error), f"{word!r} not in {error}"
        return
    raise AssertionError(f"was not refused: {words}")


experiment = mlflow.set_experiment("judging").experiment_id
store = _get_store()

# Scorers: versions by name, the newest is meant.
judge = make_judge(
    name="tone", instructions="is {{ outputs }} kind?", model="openai:/gpt-4o", feedback_value_type=str
)
judge.register(name="tone")
judge.register(name="tone")
make_judge(
    name="short", instructions="is {{ outputs }} short?", model="openai:/gpt-4o", feedback_value_type=bool
).register(name="short")
assert sorted(s.name for s in list_scorers()) == ["short", "tone"]
versions = store.list_scorer_versions(experiment, "tone")
assert [v.scorer_version for v in versions] == [1, 2], versions
assert len({v.scorer_id for v in versions}) == 1
assert store.get_scorer(experiment, "tone").scorer_version == 2
assert "kind?" in get_scorer(name="tone", version=1).instructions
delete_scorer(name="tone", version=2)
assert store.get_scorer(experiment, "tone").scorer_version == 1
refused(lambda: store.get_scorer(experiment, "tone", 2), "tone", "not found")
delete_scorer(name="tone", version="all")
refused(lambda: get_scorer(name="tone"), "not found")
refused(lambda: store.register_scorer("987654", "x", "{}"), "987654")
refused(lambda: store.register_scorer(experiment, "x", "no json"), "JSON")

# Evaluation datasets: equal inputs are one record.
made = datasets.create_dataset(name="questions", experiment_id=experiment, tags={"team": "a", "n": "1"})
assert made.dataset_id.startswith("d-") and made.tags["team"] == "a"
made.merge_records(
    [
        {"inputs": {"q": "one", "n": 1}, "expectations": {"answer": "1"}},
        {"inputs": {"n": 1.5, "q": "two"}},
        {"inputs": {"n": 1, "q": "one"}, "expectations": {"source": "book"}, "tags": {"kind": "easy"}},
    ]
)
found = datasets.get_dataset(dataset_id=made.dataset_id)
table = found.to_df()
assert len(table) == 2, table
one = [r for r in store._load_dataset_records(made.dataset_id)[0] if r.inputs["q"] == "one"][0]
assert one.expectations == {"answer": "1", "source": "book"}, one
assert one.tags["kind"] == "easy" and one.source.source_type.value == "HUMAN", one
assert one.dataset_record_id.startswith("dr-") and one.dataset_id == made.dataset_id
before = found.digest
assert store.upsert_dataset_records(made.dataset_id, [{"inputs": {"q": "one", "n": 1}, "outputs": {"a": 2}}]) == {
    "inserted": 0,
    "updated": 1,
}
again = datasets.get_dataset(dataset_id=made.dataset_id)
assert again.digest != before
assert '"n": "integer"' in again.schema.replace(":", ": ").replace(":  ", ": "), again.schema
assert "2" in again.profile
store.upsert_dataset_records(made.dataset_id, [{"inputs": {"q": f"many {i}"}} for i in range(2_500)])
assert len(datasets.get_dataset(dataset_id=made.dataset_id).to_df()) == 2_502
first, token = store._load_dataset_records(made.dataset_id, max_results=1_000)
assert len(first) == 1_000 and token
gone = store.delete_dataset_records(made.dataset_id, [r.dataset_record_id for r in first] + ["dr-none"])
assert gone == 1_000, gone

datasets.set_dataset_tags(dataset_id=made.dataset_id, tags={"team": "b", "more": "x"})
datasets.delete_dataset_tag(dataset_id=made.dataset_id, key="n")
tags = datasets.get_dataset(dataset_id=made.dataset_id).tags
assert tags["team"] == "b" and tags["more"] == "x" and "n" not in tags, tags

other = mlflow.create_experiment("judging-other")
assert store.add_dataset_to_experiments(made.dataset_id, [other]).dataset_id == made.dataset_id
assert sorted(store.get_dataset_experiment_ids(made.dataset_id)) == sorted([experiment, other])
store.remove_dataset_from_experiments(made.dataset_id, [experiment])
assert store.get_dataset_experiment_ids(made.dataset_id) == [other]
refused(lambda: store.add_dataset_to_experiments(made.dataset_id, ["987654"]), "987654")

for i in range(3):
    datasets.create_dataset(name=f"set {i}", experiment_id=[experiment, other], tags={"i": str(i)})
names = lambda **search: [d.name for d in datasets.search_datasets(**search)]
assert names(experiment_ids=[experiment], order_by=["name ASC"]) == ["set 0", "set 1", "set 2"]
assert names(filter_string="name LIKE 'set%' AND tags.i = '1'") == ["set 1"]
assert names(filter_string="name = 'questions'", experiment_ids=[experiment]) == []
page = MlflowClient().search_datasets(max_results=2, order_by=["name DESC"])
assert [d.name for d in page] == ["set 2", "set 1"] and page.token
rest = MlflowClient().search_datasets(max_results=2, order_by=["name DESC"], page_token=page.token)
assert [d.name for d in rest] == ["set 0", "questions"] and not rest.token
refused(lambda: names(filter_string="size = '3'"), "size")
datasets.delete_dataset(dataset_id=made.dataset_id)
refused(lambda: datasets.get_dataset(dataset_id=made.dataset_id), made.dataset_id)


# The whole evaluation on a dataset: traces with assessments, metrics on a run.
@scorer
def exact(outputs, expectations):
    return outputs == expectations["answer"]


asked = datasets.create_dataset(name="asked", experiment_id=experiment)
asked.merge_records(
    [
        {"inputs": {"q": "1"}, "expectations": {"answer": "1"}},
        {"inputs": {"q": "2"}, "expectations": {"answer": "3"}},
    ]
)
result = mlflow.genai.evaluate(data=asked, predict_fn=lambda q: q, scorers=[exact])
assert result.metrics["exact/mean"] == 0.5, result.metrics
run = mlflow.get_run(result.run_id)
assert run.data.metrics["exact/mean"] == 0.5
assert len(mlflow.search_traces(run_id=result.run_id)) == 2
print("all held")
