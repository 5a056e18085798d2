"""What options say, of the command line and of the environment, and what is refused at the start."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess

import pytest
import requests
import tritonclient.grpc as triton
from conftest import BIN, Server
from test_protocols import tensor


def test_options_come_from_the_environment(model):
    server = Server(model, env={"MP_SERVE_MAX_LAYERS": "1"})
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
    reply = requests.post(server.url + "/v2/models/dbpedia14/infer", json=body, timeout=30).json()
    layers = next(o["data"] for o in reply["outputs"] if o["name"] == "exit_layer")
    assert layers[0] <= 1
    server.stop()
    wrong = subprocess.run(
        [BIN / "mp-serve", model], env={**os.environ, "MP_SERVE_COLOUR": "red"}, capture_output=True, text=True)
    assert wrong.returncode == 64 and "--colour" in wrong.stderr


def test_flags_and_other_options_of_the_environment_are_told_apart(tmp_path):
    dumped = subprocess.run([BIN / "mp-serve", "--experimental-dump-help"], capture_output=True, check=True)
    arguments = [a for a in json.loads(dumped.stdout)["command"]["arguments"] if a["kind"] != "positional"]
    names = {a["preferredName"]["name"]: a["kind"] for a in arguments} | {"help": None, "version": None}
    flags = [name for name, kind in names.items() if kind == "flag"]
    assert flags and len(names) > 30
    for name in flags:
        for value in "10":
            variable = {"MP_SERVE_" + name.upper().replace("-", "_"): value}
            ran = subprocess.run(
                [BIN / "mp-serve", tmp_path / "none.mpc", "--port", "0", "--grpc-port", "0"],
                env={**os.environ, **variable}, capture_output=True, text=True, timeout=60)
            assert ran.returncode == 1 and "none.mpc" in ran.stderr, ran.stderr


def test_every_option_comes_from_the_environment(tmp_path):
    def run(variables, *arguments):
        set_here = {"MP_SERVE_" + name.upper().replace("-", "_"): value for name, value in variables.items()}
        return subprocess.run(
            [BIN / "mp-serve", *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **set_here})

    dumped = subprocess.run([BIN / "mp-serve", "--experimental-dump-help"], capture_output=True, check=True)
    values = {
        "port": "0", "grpc-port": "0", "exit": "entropy(threshold=0.1)", "prune": "keep-all", "max-layers": "1",
        "exit-range": "entropy(threshold=0)..entropy(threshold=0.2)", "prune-range": "keep-all", "threads": "1",
        "batch-tokens": "512", "token": "s3cr3t", "trace": str(tmp_path / "trace.json")}
    missing, none = str(tmp_path / "missing"), tmp_path / "none.mpc"
    # What is read before the model, or goes with another.
    apart, together = {"token-file", "tls-certificate", "tls-key", "plugin", "help", "version"}, {}
    for argument in json.loads(dumped.stdout)["command"]["arguments"]:
        name = argument.get("preferredName", {}).get("name")
        if argument["kind"] != "positional" and name not in apart:
            together[name] = "1" if argument["kind"] == "flag" else values.get(name) or argument["defaultValue"]
    ran = run(together, none)
    assert ran.returncode == 1 and "none.mpc" in ran.stderr and len(together) > 25, ran.stderr
    ports = ["--port", "0", "--grpc-port", "0"]
    for variables, arguments, code, words in [
            ({"tls-certificate": missing, "tls-key": missing}, [*ports, none], 1, missing),
            ({"plugin": f"{missing}.so:{tmp_path}/two.so"}, [*ports, none], 1, missing + ".so"),
            # The command line goes before, wherever its model stands, and a token by either way.
            ({"token": "a"}, [*ports, "--token-file", missing, none], 1, missing),
            ({"token-file": missing}, [*ports, "--token", "a", none], 1, "none.mpc"),
            ({"model": missing}, [*ports, none], 1, "none.mpc"), ({"model": missing}, ports, 1, missing),
            ({}, ports, 64, "MP_SERVE_MODEL")]:
        ran = run(variables, *arguments)
        assert ran.returncode == code and words in ran.stderr and "two.so" not in ran.stderr, (variables, ran.stderr)


def test_numbers_have_bounds(tmp_path):
    """Sums and products of them were formed that no Int holds: the process died at the start, at a request, or at SIGTERM."""
    dumped = subprocess.run([BIN / "mp-serve", "--experimental-dump-help"], capture_output=True, check=True)
    whole = {"grpc-port", "max-layers", "batch-tokens", "threads"}
    for argument in json.loads(dumped.stdout)["command"]["arguments"]:
        if argument["kind"] == "option" and argument.get("defaultValue", "").isdigit():
            whole.add(argument["preferredName"]["name"])
    assert len(whole) > 13, whole

    def run(name, value, env):
        # Two ports of 0 are said after the options under test, unless it is one of them.
        ports = [f"--{port}=0" for port in ["port", "grpc-port"] if port != name]
        variable = {"MP_SERVE_" + name.upper().replace("-", "_"): value} if env else {}
        return subprocess.run(
            [BIN / "mp-serve", tmp_path / "none.mpc", *ports, *([] if env else [f"--{name}={value}"])],
            env={**os.environ, **variable}, capture_output=True, text=True, timeout=60)

    for name in sorted(whole):
        for env in [False, True]:
            ran = run(name, str(2**63 - 1), env)
            assert ran.returncode == 64 and "--" + name in ran.stderr and "must be" in ran.stderr, (name, ran.stderr)
    for name in ["max-header", "max-body", "queue-tokens"]:
        assert "must be 1 to 1099511627776" in run(name, str(2**40 + 1), False).stderr
        assert run(name, str(2**40), False).returncode == 1
    for name in ["drain-delay", "drain-timeout", "idle-timeout"]:
        assert "to 1000000" in run(name, "1000001", False).stderr
        assert run(name, "1000000", False).returncode == 1


def test_what_kubernetes_sets_for_a_service_is_no_option(model):
    links = {
        "PORT": "tcp://10.0.0.7:80", "SERVICE_HOST": "10.0.0.7", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80",
        "PORT_80_TCP": "tcp://10.0.0.7:80", "PORT_80_TCP_PROTO": "tcp", "PORT_80_TCP_PORT": "80",
        "PORT_80_TCP_ADDR": "10.0.0.7", "GRPC_PORT": "tcp://10.0.0.8:81", "GRPC_SERVICE_HOST": "10.0.0.8",
        "GRPC_SERVICE_PORT": "81", "GRPC_PORT_81_TCP_ADDR": "10.0.0.8",
    }
    server = Server(model, env={"MP_SERVE_" + name: value for name, value in links.items()})
    code, log = server.stop()
    assert code == 0, log


def test_a_host_may_be_a_name(model):
    server = Server(model, "--host", "localhost")
    assert server.predict("a").status_code == 200
    assert triton.InferenceServerClient(f"localhost:{server.grpc_port}").is_server_ready()
    assert server.stop()[0] == 0


def certify(key, certificate):
    """Makes a key, and a certificate for it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)


def test_tls(model, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    certify(key, certificate)
    server = Server(
        model, "--tls-certificate", str(certificate), "--tls-key", str(key), scheme="https",
        env={"MP_SERVE_TOKEN": "s3cr3t"})
    reply = requests.get(server.url + "/health", verify=str(certificate), timeout=30)
    assert reply.status_code == 200
    token = {"authorization": "Bearer s3cr3t"}
    for headers, status in [({}, 401), (token, 200)]:
        reply = requests.post(
            server.url + "/predict", json={"inputs": "a"}, headers=headers, verify=str(certificate), timeout=30)
        assert reply.status_code == status
    calls = triton.InferenceServerClient(
        f"127.0.0.1:{server.grpc_port}", ssl=True, root_certificates=str(certificate))
    with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
        calls.infer("dbpedia14", [tensor(["a"], triton)])
    assert calls.infer("dbpedia14", [tensor(["a"], triton)], headers=token).as_numpy("label").shape == (1,)
    # What the server refuses, and not the client already.
    old = ssl.create_default_context(cafile=certificate)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
            old.wrap_socket(connection, server_hostname="127.0.0.1")
    server.stop()
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genrsa", "-out", other, "2048"], check=True, capture_output=True)
    for first, second, option, path in [
            (tmp_path / "none.pem", key, "--tls-certificate", "none.pem"), (key, key, "--tls-certificate", "key.pem"),
            (certificate, certificate, "--tls-key", "certificate.pem"),
            (certificate, other, "--tls-certificate", "other.pem")]:
        wrong = subprocess.run(
            [BIN / "mp-serve", model, "--port", "0", "--grpc-port", "0", "--tls-certificate", first, "--tls-key", second],
            capture_output=True, text=True, timeout=60)
        assert wrong.returncode == 1 and option in wrong.stderr and path in wrong.stderr, wrong.stderr


def test_a_tls_certificate_is_read_again(model, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    certify(key, certificate)
    options = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    with Server(model, *options, scheme="https") as server:
        def shown(port):
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=10))

        def reload(message):
            """Tells the server to, and waits until it says so."""
            server.process.send_signal(signal.SIGHUP)
            assert any(message == json.loads(line)["message"] for line in server.process.stderr), "the server ended"

        ports = [server.port, server.grpc_port]
        first = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        assert [shown(port) for port in ports] == [first] * 2
        # Trusts the first one alone, so that another connection of it would fail.
        trust = ssl.create_default_context(cafile=certificate)
        kept = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trust)

        def asked():
            kept.request("GET", "/health")
            with kept.getresponse() as reply:
                return reply.read() and reply.status

        assert asked() == 200
        certify(key, certificate)
        reload("read the TLS certificate again")
        second = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        assert first != second and [shown(port) for port in ports] == [second] * 2
        assert asked() == 200
        certificate.write_text("no certificate")
        reload("the TLS certificate stays as it was")
        certify(tmp_path / "other.pem", certificate)
        reload("the TLS certificate stays as it was")
        assert [shown(port) for port in ports] == [second] * 2
        kept.close()
        assert server.stop()[0] == 0


def test_a_port_is_for_one_protocol_and_is_had_before_it_is_said(model):
    both = subprocess.run(
        [BIN / "mp-serve", model, "--port", "8080", "--grpc-port", "8080"], capture_output=True, text=True, timeout=60)
    assert both.returncode == 64 and "both 8080" in both.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [BIN / "mp-serve", model, "--port", "0", "--grpc-port", port], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "listens for gRPC" not in ended.stderr, ended.stderr
