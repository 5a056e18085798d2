"""Frames of HTTP/2 by hand, for calls that no gRPC library would make."""

import tritonclient.grpc as triton

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
FIELDS = [
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
    (b":authority", b"a"), (b"te", b"trailers"), (b"content-type", b"application/grpc")]


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """A frame, whose length may lie."""
    length = len(payload) if length is None else length
    return (length % (1 << 24)).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def number(value, bits, first=0):
    """An integer of HPACK, whose first byte has `bits` of it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    made, value = [first | limit], value - limit
    while value >= 128:
        made.append(value % 128 + 128)
        value //= 128
    return bytes(made + [value])


def block(fields):
    """A block of headers: literals that are not indexed, and no Huffman code."""
    parts = []
    for name, value in fields:
        parts += [b"\0", number(len(name), 7), name, number(len(value), 7), value]
    return b"".join(parts)


def headers(stream, fields=FIELDS, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block(fields))


def data(stream, message, length=None, compressed=0, flags=END_STREAM):
    """The frame of a gRPC message, whose length may lie."""
    length = len(message) if length is None else length
    return frame(DATA, flags, stream, bytes([compressed]) + length.to_bytes(4, "big") + message)


def call(stream, message, **lies):
    return headers(stream) + data(stream, message, **lies)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def wait_until_read(connection):
    """Until the other side has read all that was sent: it answers a ping in its turn."""
    connection.sendall(frame(PING, payload=b"in order"))
    received = b""
    while frame(PING, 1, payload=b"in order") not in received:
        part = connection.recv(65536)
        assert part, "the connection is closed"
        received += part


def message(text=b"a b c"):
    """A request of ModelInfer."""
    request = triton.service_pb2.ModelInferRequest(model_name="dbpedia14", id="7")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(text)
    request.outputs.add(name="label")
    request.outputs.add(name="probabilities")
    return request.SerializeToString()
