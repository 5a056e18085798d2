"""A server for the tests: mp-serve and mp-compile are found in MP_BIN, models are compiled once."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["MP_BIN"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running mp-serve."""

    def __init__(self, model, *options, env=None, scheme="http", wait=True, **arguments):
        self.port, self.grpc_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{scheme}://{self.address}"
        self.log = []
        command = [str(BIN / "mp-serve"), str(model), "--port", str(self.port), "--log-format", "json"]
        help_text = subprocess.run([command[0], "--help"], capture_output=True, text=True, check=True).stdout
        if "--grpc-port" in help_text:
            command += ["--grpc-port", str(self.grpc_port)]
        self.process = subprocess.Popen(
            command + list(options), stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
            **arguments)
        if wait:
            self.wait()

    def wait(self):
        for _ in range(600):
            try:
                if requests.get(self.url + "/v2/health/ready", timeout=5, verify=False).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        raise AssertionError("the server is not ready")

    def stop(self, sig=signal.SIGTERM):
        """Ends the server; its exit code and what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def predict(self, inputs, **fields):
        return requests.post(self.url + "/predict", json={"inputs": inputs, **fields}, timeout=30)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The default checkpoint with exits that many texts take."""
    path = tmp_path_factory.mktemp("models") / "dbpedia14.mpc"
    subprocess.run(
        [BIN / "mp-compile", ROOT / "Graphs/dbpedia14", "-o", path, "--exit", "entropy(threshold=0.1)",
         "--prune", "received-attention", "--quiet"], check=True)
    return path


@pytest.fixture(scope="session")
def server(model):
    running = Server(model, "--exit-range", "entropy(threshold=0)..entropy(threshold=0.5)")
    yield running
    code, _ = running.stop()
    assert code == 0
