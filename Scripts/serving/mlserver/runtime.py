"""A model for MLServer with mp-serve's inputs and outputs: what its answers look like is what is compared, not what they say."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Texts(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        text = next(tensor for tensor in payload.inputs if tensor.name == "text")
        count, classes = len(StringCodec.decode_input(text)), self.settings.parameters.extra["classes"]
        tensors = {
            "score": np.full(count, 0.5, np.float32),
            "probabilities": np.full((count, classes), 1 / classes, np.float32),
            "logits": np.zeros((count, classes), np.float32), "exit_layer": np.zeros(count, np.int32),
            "truncated": np.zeros(count, np.bool_),
        }
        strings = {"label": "Film", "limited_by": ""}
        outputs = [StringCodec.encode_output(name, [value] * count) for name, value in strings.items()]
        outputs += [NumpyCodec.encode_output(name, value) for name, value in tensors.items()]
        wanted = [output.name for output in payload.outputs or []]
        return InferenceResponse(
            id=payload.id, model_name=self.name, model_version="1",
            outputs=[output for output in outputs if not wanted or output.name in wanted])
