"""ONNX Runtime behind FastAPI, as its users serve a classifier: the peer of Scripts/serving/peers.

    MODEL=model.onnx VOCABULARY=vocab.txt THREADS=2 uvicorn peer_onnxruntime:app --workers 1

One inference at a time in a process: two would wait for each other's threads.
"""

import os
import threading

import numpy
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import BertWordPieceTokenizer

options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
options.intra_op_num_threads = int(os.environ["THREADS"])
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
types = {value.name: numpy.int64 if "64" in value.type else numpy.int32 for value in session.get_inputs()}
tokenizer = BertWordPieceTokenizer(os.environ["VOCABULARY"], lowercase=True)
tokenizer.enable_truncation(512)
turn = threading.Lock()
app = FastAPI()


class Question(BaseModel):
    inputs: str
    truncate: bool = True


@app.get("/health")
def health():
    return {}


@app.post("/predict")
def predict(question: Question):
    encoding = tokenizer.encode(question.inputs)
    values = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
    arrays = {name: numpy.array([values[name]], dtype=kind) for name, kind in types.items()}
    with turn:
        logits = session.run(None, arrays)[0][0]
    shares = numpy.exp(logits - logits.max())
    shares /= shares.sum()
    order = numpy.argsort(-shares)
    return [{"label": f"LABEL_{index}", "score": float(shares[index])} for index in order]
