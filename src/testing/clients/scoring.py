"""Real clients ask one endpoint the same question; the answers go to stdout as JSON, by client.

usage: scoring.py SERVER PROJECT KEY
"""

import json
import sys

import boto3
import numpy as np
import tritonclient.http as triton
from botocore import UNSIGNED
from botocore.config import Config
from tritonclient.utils import InferenceServerException

server, project, key = sys.argv[1:4]
host = server.removeprefix("http://")
answers: dict[str, object] = {}

client = triton.InferenceServerClient(url=f"{host}/p/{project}")
answers["triton live, ready, model ready"] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("demand")]
answers["triton metadata"] = client.get_model_metadata("demand")["name"]
for name, binary in [("triton binary", True), ("triton json", False)]:
    tensor = triton.InferInput("product_category", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([key], dtype=object), binary_data=binary)
    output = triton.InferRequestedOutput("prediction", binary_data=binary)
    for compression in [None, "gzip", "deflate"]:
        result = client.infer("demand", [tensor], outputs=[output], request_compression_algorithm=compression)
        answers[f"{name} {compression or 'plain'}"] = float(result.as_numpy("prediction")[0])
try:
    client.infer("nobody", [tensor])
except InferenceServerException as error:
    answers["triton unknown model"] = str(error.message())

# No AWS credentials: the owner on loopback needs none.
runtime = boto3.client(
    "sagemaker-runtime",
    endpoint_url=f"{server}/p/{project}",
    region_name="eu-central-1",
    config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
)
bodies = {
    "sagemaker json": ("application/json", json.dumps({"dataframe_records": [{"product_category": key}]})),
    "sagemaker csv": ("text/csv", f'product_category\n"{key}"\n'),
}
for name, (content_type, body) in bodies.items():
    reply = runtime.invoke_endpoint(EndpointName="demand", ContentType=content_type, Body=body)
    answers[name] = json.loads(reply["Body"].read())["predictions"][0]

print(json.dumps(answers))
