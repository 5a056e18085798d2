"""/rerank, as text-embeddings-inference documents it, on a model of one logit."""

import math

import pytest
import requests
import tritonclient.http as triton
from conftest import Server
from test_protocols import tensor

QUERY = "a river in the south"
TEXTS = [
    "The Bora River is a tributary of the Lotru River.", "Abbey Road is an album by the Beatles.", "naïve café 東京", "river"]


@pytest.fixture(scope="module")
def server(ranker):
    running = Server(ranker)
    yield running
    assert running.stop()[0] == 0


def rerank(server, **fields):
    return requests.post(server.url + "/rerank", json={"query": QUERY, "texts": TEXTS, **fields}, timeout=30)


def logits(server, pairs):
    """What the other protocol says to pairs."""
    client = triton.InferenceServerClient(server.address)
    inputs = [tensor([first for first, _ in pairs]), tensor([second for _, second in pairs], name="text_pair")]
    return client.infer("ranker", inputs).as_numpy("logits")[:, 0].tolist()


def test_texts_come_by_their_score_with_the_query(server):
    reply = rerank(server)
    assert reply.status_code == 200
    entries = reply.json()
    assert sorted(entry["index"] for entry in entries) == [0, 1, 2, 3]
    assert all(set(entry) == {"index", "score"} for entry in entries)
    scores = [entry["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 4
    expected = logits(server, [(QUERY, text) for text in TEXTS])
    for entry in entries:
        assert math.isclose(entry["score"], 1 / (1 + math.exp(-expected[entry["index"]])), abs_tol=1e-5)
    # The query is the first text of each pair: the other way round it is another question.
    turned = logits(server, [(text, QUERY) for text in TEXTS])
    assert max(abs(a - b) for a, b in zip(expected, turned)) > 1e-3


def test_raw_scores_are_logits_and_texts_come_back_where_asked(server):
    entries = rerank(server, raw_scores=True, return_text=True).json()
    expected = logits(server, [(QUERY, text) for text in TEXTS])
    for entry in entries:
        assert entry["text"] == TEXTS[entry["index"]]
        assert math.isclose(entry["score"], expected[entry["index"]], abs_tol=1e-4)
    assert [e["index"] for e in entries] == sorted(range(4), key=lambda index: -expected[index])


def test_wrong_requests_are_refused(server):
    for fields in [{"texts": []}, {"texts": "one"}, {"texts": [7]}, {"query": None}, {"colour": 1}]:
        reply = rerank(server, **fields)
        assert reply.status_code == 422 and reply.json()["error_type"] == "Validation", fields
    long = rerank(server, texts=["river " * 200])
    assert long.status_code == 413 and "shorten it" in long.json()["error"]
    assert rerank(server, texts=["river " * 200], truncate=True).status_code == 200
    assert rerank(server, texts=["a"] * 1025).status_code == 413


def test_a_pair_to_predict_has_the_same_score(server):
    reply = requests.post(server.url + "/predict", json={"inputs": [[QUERY, TEXTS[0]]]}, timeout=30).json()
    score = next(entry["score"] for entry in rerank(server).json() if entry["index"] == 0)
    assert math.isclose(reply[0][0]["score"], score, abs_tol=1e-5)


def test_the_model_is_said_to_rank(server):
    info = requests.get(server.url + "/info", timeout=30).json()
    assert list(info["model_type"]) == ["reranker"]
    assert 'protocol="rerank",outcome="ok"' in requests.get(server.url + "/metrics", timeout=30).text
