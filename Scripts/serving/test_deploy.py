"""What Scripts/deploy holds, as far as it can be checked without a cluster: the manifest by KServe's own schema,
every option of the manifests and units by mp-serve itself, the systemd unit by systemd.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import BIN, ROOT

DEPLOY = ROOT / "Scripts/deploy"
# The definitions are two megabytes, which the loader in Python takes a minute for.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def schemas():
    """KServe's definitions of resources by (version, kind): config/crd/full of its repository, named by KSERVE_CRDS."""
    folder = os.environ.get("KSERVE_CRDS")
    if not folder:
        pytest.skip("KSERVE_CRDS names no folder of KServe's definitions (config/crd/full of its repository)")
    found = {}
    for name in ["servingruntimes", "inferenceservices"]:
        text = pathlib.Path(folder, f"serving.kserve.io_{name}.yaml").read_text()
        definition = yaml.load(text, LOADER)["spec"]
        for version in definition["versions"]:
            key = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
            found[key] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema):
    """The schema, with members that it does not name refused: a cluster drops them without a word."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        if schema.get("type") == "object":
            made.setdefault("additionalProperties", False)
    return made


def documents():
    return list(yaml.safe_load_all((DEPLOY / "kserve.yaml").read_text()))


def validator(schema):
    import jsonschema

    # What every resource has beside its own; the definitions say no more of it than that it is an object.
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return jsonschema.Draft202012Validator(schema)


def test_the_manifest_is_as_kserve_defines_it():
    known = schemas()
    kinds = [(document["apiVersion"], document["kind"]) for document in documents()]
    assert [kind for _, kind in kinds] == ["ServingRuntime", "InferenceService"]
    for document, key in zip(documents(), kinds):
        errors = validator(known[key]).iter_errors(document)
        problems = [f"{error.json_path}: {error.message[:200]}" for error in errors]
        assert not problems, problems
        # A check that finds nothing in what is wrong would find nothing here, either.
        for member, value in [("protocolVersion" + "z", "v2"), ("containers", 7), ("predictor", "x")]:
            assert list(validator(known[key]).iter_errors({**document, "spec": {**document["spec"], member: value}}))


def test_the_service_uses_the_runtime_that_is_defined():
    runtime, service = documents()
    model = service["spec"]["predictor"]["model"]
    formats = [entry["name"] for entry in runtime["spec"]["supportedModelFormats"]]
    assert model["runtime"] == runtime["metadata"]["name"] and model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert runtime["spec"]["containers"][0]["name"] == "kserve-container"


def test_the_runtime_takes_the_format_that_is_written():
    header = (ROOT / "Sources/PyramidFormats/Artefact/ArtefactHeader.swift").read_text()
    (entry,) = documents()[0]["spec"]["supportedModelFormats"]
    assert entry["version"] == re.search(r'let version = "(\d+)"', header).group(1)


def test_each_protocol_of_the_runtime_has_its_port():
    runtime = documents()[0]["spec"]
    # Whatever protocol a service asks for, it is routed to the container's one port: 8080 speaks HTTP, 8081 gRPC.
    spoken = {8080: "v2", 8081: "grpc-v2"}
    (port,) = runtime["containers"][0]["ports"]
    assert runtime["protocolVersions"] == [spoken[port["containerPort"]]]
    # What asks for HTTP/2 without TLS is the port's name.
    assert (port.get("name") == "h2c") == (runtime["protocolVersions"] == ["grpc-v2"])


def options():
    dumped = subprocess.run([BIN / "mp-serve", "--experimental-dump-help"], capture_output=True, check=True)
    arguments = json.loads(dumped.stdout)["command"]["arguments"]
    return {a["preferredName"]["name"] for a in arguments if a["kind"] != "positional"} | {"model"}


def test_options_that_are_set_exist():
    container = documents()[0]["spec"]["containers"][0]
    names = [entry["name"] for entry in container["env"]]
    for file in ["Containerfile", "mp-serve.service"]:
        names += re.findall(r"\b(MP_SERVE_[A-Z_]+)=", (DEPLOY / file).read_text())
    known = options()
    assert len(names) > 6
    for name in names:
        assert name.removeprefix("MP_SERVE_").lower().replace("_", "-") in known, name


def test_the_container_listens_where_the_manifest_says():
    text = (DEPLOY / "Containerfile").read_text()
    exposed = {int(port) for port in re.search(r"^EXPOSE (.*)$", text, re.M).group(1).split()}
    container = documents()[0]["spec"]["containers"][0]
    ports = {entry["containerPort"] for entry in container["ports"]}
    ports |= {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")}
    assert ports <= exposed
    # Whoever runs it is nobody's root, and by number, which is what runAsNonRoot asks for.
    assert re.search(r"^USER [1-9][0-9]*$", text, re.M)


def test_install_wants_a_folder(tmp_path):
    for arguments, words in [
            ([], "no --prefix"), (["--prefix"], "has no folder"), (["--prefix="], "no --prefix"), (["--what"], "--what")]:
        ran = subprocess.run([ROOT / "Scripts/install", *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 64 and words in ran.stderr and "usage:" in ran.stderr, ran.stderr


def test_the_unit_is_one(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    text = (DEPLOY / "mp-serve.service").read_text()
    # The program is not installed where the unit looks for it; all else is checked as it stands.
    unit = tmp_path / "mp-serve.service"
    unit.write_text(text.replace("/usr/local/bin/mp-serve", str(BIN / "mp-serve")))
    ran = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert ran.returncode == 0 and not ran.stderr.strip(), ran.stderr
    unit.write_text(unit.read_text().replace("LimitNOFILE=65536", "LimitFiles=65536"))
    wrong = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert "LimitFiles" in wrong.stderr
