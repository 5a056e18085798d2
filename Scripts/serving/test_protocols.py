"""The clients of others against mp-serve: tritonclient unchanged, requests as text-embeddings-inference documents them."""

import re
import socket

import numpy as np
import pytest
import requests
import tritonclient.http as triton

TEXTS = ["The Bora River is a tributary of the Lotru River.", "Abbey Road is an album by the Beatles.", "naïve café 東京"]


def tensor(texts, module=triton, name="text"):
    array = np.array([text.encode() for text in texts], dtype=object)
    given = module.InferInput(name, [len(texts)], "BYTES")
    given.set_data_from_numpy(array)
    return given


@pytest.fixture
def client(server):
    return triton.InferenceServerClient(server.address)


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("dbpedia14")
    assert client.is_model_ready("dbpedia14", "1") and not client.is_model_ready("dbpedia14", "2")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("dbpedia14")
    assert metadata["versions"] == ["1"] and metadata["inputs"][0]["datatype"] == "BYTES"
    assert {o["name"] for o in metadata["outputs"]} >= {"label", "score", "probabilities", "exit_layer", "truncated"}
    assert [entry["name"] for entry in client.get_model_repository_index()] == ["dbpedia14"]


def test_inference_is_the_same_in_binary_and_json(client, server):
    names = ["label", "score", "probabilities", "logits", "exit_layer", "truncated"]
    wanted = [triton.InferRequestedOutput(name) for name in names]
    binary = client.infer("dbpedia14", [tensor(TEXTS)], outputs=wanted, request_id="7")
    plain_input = triton.InferInput("text", [len(TEXTS)], "BYTES")
    plain_input.set_data_from_numpy(np.array([t.encode() for t in TEXTS], dtype=object), binary_data=False)
    plain = client.infer(
        "dbpedia14", [plain_input], outputs=[triton.InferRequestedOutput(n, binary_data=False) for n in names])
    assert binary.get_response()["id"] == "7"
    for name in names:
        first, second = binary.as_numpy(name), plain.as_numpy(name)
        assert first.shape == second.shape and first.shape[0] == len(TEXTS)
        if first.dtype == object:
            assert [x.decode() for x in first] == [x.decode() if isinstance(x, bytes) else x for x in second]
        else:
            assert first.dtype == second.dtype and np.allclose(first, second, atol=1e-6)
    probabilities = binary.as_numpy("probabilities")
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(probabilities.max(axis=1), binary.as_numpy("score"))
    assert binary.as_numpy("label")[0].decode() == "NaturalPlace"
    assert client.infer("dbpedia14", [tensor(TEXTS)]).as_numpy("limited_by").shape == (3,)


def test_request_parameters(client):
    def layers(**parameters):
        return client.infer("dbpedia14", [tensor(TEXTS)], parameters=parameters).as_numpy("exit_layer")

    assert layers(max_layers=1).max() <= 1
    assert (layers(exit="entropy(threshold=0)") == 6).all()
    reply = client.infer("dbpedia14", [tensor(TEXTS)], parameters={"max_layers": 2, "exit": "entropy(threshold=0)"})
    assert (reply.as_numpy("exit_layer") == 2).all()
    assert [x.decode() for x in reply.as_numpy("limited_by")] == ["max_layers"] * 3
    for wrong in [{"exit": "entropy(threshold=0.9)"}, {"colour": 1}, {"max_layers": -1}]:
        with pytest.raises(triton.InferenceServerException, match="400"):
            layers(**wrong)


def test_errors_say_what_is_wrong(server):
    def infer(body, path="/v2/models/dbpedia14/infer", **headers):
        return requests.post(server.url + path, data=body, headers=headers, timeout=30)

    assert infer("{").status_code == 400 and "request: line 1" in infer("{").json()["error"]
    assert infer("{}", "/v2/models/other/infer").status_code == 404
    assert infer("{}", **{"Inference-Header-Content-Length": "99"}).status_code == 400
    assert infer("{}", **{"Content-Encoding": "gzip"}).status_code == 400
    assert requests.get(server.url + "/nothing", timeout=30).status_code == 404
    for method, path, allowed in [
            ("PUT", "/predict", "POST"), ("GET", "/v2/models/dbpedia14/infer", "POST"), ("POST", "/health", "GET, HEAD")]:
        wrong = requests.request(method, server.url + path, timeout=30)
        assert wrong.status_code == 405 and wrong.headers["Allow"] == allowed and allowed in wrong.json()["error"]
    head = requests.head(server.url + "/v2/health/ready", timeout=30)
    assert head.status_code == 200 and not head.content and int(head.headers["Content-Length"]) > 0
    assert infer(b"x" * (9 << 20)).status_code == 413
    many = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1025], "data": ["a"] * 1025}]}
    assert requests.post(server.url + "/v2/models/dbpedia14/infer", json=many, timeout=30).status_code == 413
    # The last two are more than is read.
    for headers in [{"X": "a" * (32 << 10)}, {"X": "a" * (70 << 10)}, {f"X{index}": "a" for index in range(1100)}]:
        assert requests.get(server.url + "/health", headers=headers, timeout=30).status_code == 431


def test_a_body_that_waits_for_its_word_is_asked_for(server):
    body = b'{"inputs": "a"}'
    head = "POST /predict HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall((head % len(body)).encode())
            assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        # What is refused anyway is not asked for.
        connection.sendall((head % (9 << 20)).encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_text_embeddings_inference(server):
    single = server.predict(TEXTS[0]).json()
    assert single[0]["label"] == "NaturalPlace" and single[0]["score"] > 0.9 and len(single) == 14
    batch = server.predict([[TEXTS[0]], [TEXTS[1]]]).json()
    assert [entry[0]["label"] for entry in batch] == ["NaturalPlace", "Album"]
    assert [e["label"] for e in batch[0]] == [e["label"] for e in single]
    assert server.predict(TEXTS[0], raw_scores=True).json()[0]["score"] > 1
    refused = server.predict("word " * 5000)
    assert refused.status_code == 413 and refused.json()["error_type"] == "Validation"
    assert server.predict("word " * 5000, truncate=True).status_code == 200
    assert server.predict(7).status_code == 422
    info = requests.get(server.url + "/info", timeout=30).json()
    assert info["model_type"]["classifier"]["id2label"]["0"] == "Artist" and info["max_input_length"] > 100
    # What that server's own description requires.
    assert set(info) >= {
        "model_id", "model_dtype", "model_type", "max_concurrent_requests", "max_input_length", "max_batch_tokens",
        "max_client_batch_size", "auto_truncate", "tokenization_workers", "version"}
    no_ranker = requests.post(server.url + "/rerank", json={"query": "a", "texts": ["b"]}, timeout=30)
    assert no_ranker.status_code == 424 and no_ranker.json()["error_type"] == "Backend"
    for fields in [{"colour": 1}, {"truncation_direction": "left"}]:
        assert server.predict("a", **fields).status_code == 422
    assert requests.get(server.url + "/health", timeout=30).status_code == 200


def test_metrics(server):
    server.predict(TEXTS[0])
    text = requests.get(server.url + "/metrics", timeout=30).text
    assert 'mp_requests_total{model="dbpedia14",version="1",protocol="predict",outcome="ok"}' in text
    # What no model counts: by the pattern of its path, so that clients make up no series.
    assert requests.post(server.url + "/v2/models/made-up/infer", json={}, timeout=30).status_code == 404
    assert requests.get(server.url + "/made-up", timeout=30).status_code == 404
    assert requests.get(server.url + "/health", headers={"X": "a" * (32 << 10)}, timeout=30).status_code == 431
    text = requests.get(server.url + "/metrics", timeout=30).text
    for route, method, status in [
            ("/predict", "POST", 200), ("/v2/models/{model}/infer", "POST", 404), ("NotFound", "GET", 404),
            ("/health", "GET", 431)]:
        labels = f'{{route="{route}",method="{method}",status="{status}"'
        assert f"http_server_requests_total{labels}}} " in text, route
        assert f'http_server_request_seconds_bucket{labels},le="0.005"}} ' in text, route
    assert "made-up" not in text
    sample = re.compile(r'[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\]|\\.)*",?)+\})? (\S+)')
    for line in text.splitlines():
        assert line.startswith("#") or float(sample.fullmatch(line)[4]) is not None, line
    assert "mp_exit_layer_bucket" in text and "mp_tokens_alive_total" in text


def test_description_is_valid(server):
    from openapi_spec_validator import validate

    document = requests.get(server.url + "/openapi.json", timeout=30).json()
    validate(document)
    replies = {path: set(operation["responses"])
               for path, item in document["paths"].items() for operation in item.values()}
    assert "/v2/models/{model}/infer" in replies and all("431" in codes for codes in replies.values())
    assert {path for path, codes in replies.items() if "401" not in codes} == {
        "/health", "/openapi.json", "/v2/health/live", "/v2/health/ready"}
    for path in ["/pyramid/controls", "/v2/repository/index", "/v2/repository/models/{model}/load"]:
        assert replies[path] >= {"413", "429", "504"}, path
