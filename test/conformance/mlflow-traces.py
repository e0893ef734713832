"""Traces and assessments as the unmodified mlflow client makes them, run by mlflow.test.ts."""
import os, warnings

warnings.filterwarnings("ignore")
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="false"
)
import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.exceptions import MlflowException

client = MlflowClient()
experiment = mlflow.set_experiment("traced").experiment_id


@mlflow.trace(name="outer", span_type=SpanType.CHAIN)
def outer(question, fails=False):
    with mlflow.start_span("inner", span_type=SpanType.LLM) as span:
        span.set_inputs({"q": question})
        span.set_attributes({"n": 12345678901234567, "x": 0.1 + 0.2, "list": [1, "ü", None], "ok": True})
        span.set_outputs({"a": 42})
    mlflow.update_current_trace(tags={"team": "north"}, metadata={"prompt": "p1"})
    if fails:
        raise ValueError("no answer")
    return "answer"


outer("why")
first = mlflow.get_last_active_trace_id()
with mlflow.start_run() as run:
    outer("how")
second = mlflow.get_last_active_trace_id()
try:
    outer("never", fails=True)
except ValueError:
    pass
third = mlflow.get_last_active_trace_id()

trace = mlflow.get_trace(first)
root, inner = trace.data.spans
assert (root.name, root.parent_id, inner.name, inner.parent_id) == ("outer", None, "inner", root.span_id)
assert root.inputs == {"question": "why", "fails": False} and root.outputs == "answer"
assert inner.attributes["n"] == 12345678901234567 and inner.attributes["x"] == 0.1 + 0.2
assert inner.attributes["list"] == [1, "ü", None] and inner.attributes["ok"] is True
assert inner.span_type == "LLM" and inner.start_time_ns >= root.start_time_ns and root.end_time_ns >= inner.end_time_ns
assert trace.info.state == "OK" and trace.info.tags["team"] == "north" and trace.info.request_preview
assert trace.info.trace_metadata["prompt"] == "p1" and trace.info.experiment_id == experiment
failed = mlflow.get_trace(third)
assert failed.info.state == "ERROR" and failed.data.spans[0].events[0].name == "exception"


def found(text=None, **more):
    return [t.info.trace_id for t in mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list", **more)]


assert found() == [third, second, first] and found(order_by=["timestamp ASC"]) == [first, second, third]
assert found("status = 'ERROR'") == [third] and found("tags.team = 'north' AND trace.status = 'OK'") == [second, first]
assert found("name = 'outer'", max_results=2) == [third, second] and found("metadata.prompt LIKE 'p%'", max_results=1) == [third]
assert found(f"run_id = '{run.info.run_id}'") == [second] and found("span.type = 'LLM' AND span.name = 'inner'") == [third, second, first]
assert found("span.content LIKE '%never%'") == [third] and found(f"timestamp_ms > {trace.info.request_time + 10**8}") == []
page = client.search_traces(locations=[experiment], max_results=2)
assert len(page) == 2 and [t.info.trace_id for t in client.search_traces(locations=[experiment], max_results=2, page_token=page.token)] == [first]

mlflow.set_trace_tag(first, "z", "1")
assert found("tags.z = '1'") == [first]
mlflow.delete_trace_tag(first, "z")
assert found("tags.z = '1'") == []

judge = AssessmentSource(source_type="HUMAN", source_id="ana")
made = mlflow.log_feedback(trace_id=first, name="quality", value=0.5, rationale="so so", source=judge, metadata={"k": "v"})
mlflow.log_expectation(trace_id=first, name="truth", value={"a": [1, 2]})
mlflow.update_assessment(trace_id=first, assessment_id=made.assessment_id, assessment=Feedback(name="quality", value=0.75))
seen = mlflow.get_assessment(first, made.assessment_id)
assert seen.feedback.value == 0.75 and seen.rationale == "so so" and seen.source.source_id == "ana" and seen.metadata["k"] == "v"
over = mlflow.override_feedback(trace_id=first, assessment_id=made.assessment_id, value=1.0)
held = {a.assessment_id: a for a in mlflow.get_trace(first).info.assessments}
assert len(held) == 3 and held[made.assessment_id].valid is False and held[over.assessment_id].overrides == made.assessment_id
assert found("feedback.quality = '1'") + found("feedback.quality = '1.0'") == [first]
mlflow.delete_assessment(trace_id=first, assessment_id=over.assessment_id)
assert mlflow.get_assessment(first, made.assessment_id).valid is not False
assert [a.expectation.value for a in mlflow.get_trace(first).info.assessments if a.expectation] == [{"a": [1, 2]}]

assert client.delete_traces(experiment, trace_ids=[first]) == 1
try:
    client.get_trace(first)
    raise AssertionError("the trace is still there")
except MlflowException as error:
    assert "not found" in str(error), error
assert client.delete_traces(experiment, max_timestamp_millis=10**14) == 2 and found() == []
print("all held")
