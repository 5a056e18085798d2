// The description of the HTTP interface, OpenAPI 3.1: what /openapi.json gives. Made from values, so that the outputs and
// parameters that it lists are those that the protocols read.

import MagicPyramid
import PyramidFormats

/// The interface's description.
public enum OpenAPI {
  /// The document.
  public static let document: JSONValue = [
    "openapi": "3.1.0",
    "info": [
      "title": "Magic Pyramid", "version": .string(magicPyramidVersion),
      "description": "Text classification by the Open Inference Protocol v2 and text-embeddings-inference's interface.",
      "license": ["name": "Apache 2.0", "identifier": "Apache-2.0"],
    ],
    "servers": [["url": "/"]],
    "security": [[:], ["bearer": []]],
    "tags": ["Open Inference", "Text Embeddings Inference", "Operations"].tags,
    "paths": .object(paths),
    "components": [
      "securitySchemes": ["bearer": ["type": "http", "scheme": "bearer"]],
      "schemas": schemas, "responses": responses, "parameters": parameters, "headers": headers,
    ],
  ]

  private static let paths: JSONObject = {
    var paths = JSONObject()
    let (inference, texts, operations) = ("Open Inference", "Text Embeddings Inference", "Operations")
    paths["/health"] = get(
      "health", "Whether models are loaded and warm", operations, "Ready", errors: ["503"], isOpen: true)
    paths["/metrics"] = get("metrics", "Numbers for Prometheus", operations, nil)
    paths["/openapi.json"] = get("openapi", "This document", operations, "Object", isOpen: true)
    paths["/info"] = get("info", "What the model is", texts, "Object", errors: ["404", "503"])
    let told = ["X-Limited-By", "X-Loosened"]
    paths["/predict"] = post("predict", "Classify texts", texts, "PredictRequest", "PredictReply", headers: told)
    paths["/rerank"] = post("rerank", "Rank texts by a query", texts, "RerankRequest", "RerankReply", headers: told)
    paths["/pyramid"] = post(
      "pyramid", "One text from the inside, for the page at /", operations, "PageRequest", "Object")
    paths["/pyramid/controls"] = post(
      "controls", "What the page may change", operations, "PageRequest", "Object", errors: ["404", "422"])
    paths["/v2"] = get("serverMetadata", "What the server is", inference, "Object")
    paths["/v2/health/live"] = get("live", "Whether the server runs", inference, "Live", isOpen: true)
    paths["/v2/health/ready"] = get(
      "ready", "Whether models are loaded and warm", inference, "Ready", errors: ["503"], isOpen: true)
    for (suffix, name, references) in [("", "", ["model"]), ("/versions/{version}", "Version", ["model", "version"])] {
      let path = "/v2/models/{model}\(suffix)"
      let gone = ["400", "404", "503"]
      paths[path] = get(
        "metadata\(name)", "A model's inputs and outputs", inference, "Object", references, errors: gone)
      paths[path + "/ready"] = get(
        "modelReady\(name)", "Whether the model is loaded", inference, "Object", references, errors: gone)
      paths[path + "/infer"] = post(
        "infer\(name)", "Classify texts", inference, "InferRequest", "InferReply", references,
        errors: ["400", "404", "500"], headers: [jsonLength])
    }
    paths["/v2/repository/index"] = post(
      "index", "The models that are loaded", operations, nil, "Index", errors: ["400"])
    for change in ["load", "unload"] {
      paths["/v2/repository/models/{model}/\(change)"] = post(
        change, "Puts a model in place, or lets it go", operations, "ChangeRequest", "Object", ["model"],
        errors: ["400", "404"])
    }
    return paths
  }()

  private static let schemas: JSONValue = {
    let string: JSONValue = ["type": "string"]
    let stringOrNull: JSONValue = ["type": ["string", "null"]]
    let boolOrNull: JSONValue = ["type": ["boolean", "null"]]
    let direction: JSONValue = ["enum": ["Right", "right", .null]]
    let tensor: (JSONValue) -> JSONValue = { data in
      [
        "type": "object", "required": ["name", "datatype", "shape"], "additionalProperties": false,
        "properties": [
          "name": string, "datatype": string, "shape": list(["type": "integer", "minimum": 0]), "data": data,
          "parameters": ["type": ["object", "null"]],
        ],
      ]
    }
    let requestParameters: JSONValue = [
      "type": ["object", "null"], "additionalProperties": false,
      "properties": [
        "exit": string, "prune": string, "tasks": string, "max_layers": ["type": "integer", "minimum": 0],
        "deadline_ms": ["type": "integer", "minimum": 1], "timeout": ["type": "integer", "minimum": 1],
        "binary_data_output": ["type": "boolean"], "content_type": ["enum": ["str"]],
      ],
    ]
    // Which tasks there are, and so how all outputs are called, a model's metadata says.
    let names = OpenInferenceOutput.Kind.allCases.map { JSONValue.string($0.rawValue) }
    let ofTask = OpenInferenceOutput.Kind.allCases.filter(\.isOfTask).map(\.rawValue).joined(separator: "|")
    let pattern = "^[A-Za-z][A-Za-z0-9_-]*\\.(\(ofTask))$"
    let output: JSONValue = ["anyOf": [["enum": .array(names)], ["type": "string", "pattern": .string(pattern)]]]
    let score: JSONValue = [
      "type": "object", "required": ["score", "label"], "properties": ["score": ["type": "number"], "label": string],
    ]
    let outputs: JSONValue = [
      "type": ["array", "null"],
      "items": [
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": [
          "name": output,
          "parameters": [
            "type": ["object", "null"], "additionalProperties": false,
            "properties": ["binary_data": ["type": "boolean"]],
          ],
        ],
      ],
    ]
    return [
      "Object": object, "Error": ["type": "object", "required": ["error"], "properties": ["error": string]],
      "Live": ["type": "object", "required": ["live"], "properties": ["live": ["type": "boolean"]]],
      "Ready": ["type": "object", "required": ["ready"], "properties": ["ready": ["type": "boolean"]]],
      "InferRequest": [
        "type": "object", "required": ["inputs"], "additionalProperties": false,
        "properties": [
          "id": stringOrNull, "model_name": stringOrNull,
          "inputs": list(tensor(list(["oneOf": [string, list(string)]]))), "outputs": outputs,
          "parameters": requestParameters,
        ],
      ],
      "InferReply": [
        "type": "object", "required": ["model_name", "model_version", "outputs"],
        "properties": [
          "model_name": string, "model_version": string, "id": string, "parameters": object,
          "outputs": list(tensor(list(["type": ["string", "number", "boolean", "null"]]))),
        ],
      ],
      "PredictRequest": [
        "type": "object", "required": ["inputs"], "additionalProperties": false,
        "properties": [
          "inputs": ["oneOf": [string, list(string, 1, 2), list(list(string, 1, 2), 1)]],
          "raw_scores": boolOrNull, "truncate": boolOrNull, "truncation_direction": direction, "tasks": stringOrNull,
        ],
      ],
      "PageRequest": [
        "type": "object", "additionalProperties": false,
        "properties": [
          "model": stringOrNull, "text": stringOrNull, "text_pair": stringOrNull, "exit": stringOrNull,
          "prune": stringOrNull,
        ],
      ],
      "ChangeRequest": [
        "type": "object", "additionalProperties": false,
        "properties": [
          "parameters": ["type": "object", "additionalProperties": false, "properties": ["unload_dependents": [:]]]
        ],
      ],
      "PredictReply": ["type": "array", "items": ["oneOf": [score, list(score)]]],
      "RerankRequest": [
        "type": "object", "required": ["query", "texts"], "additionalProperties": false,
        "properties": [
          "query": string, "texts": list(string, 1), "raw_scores": boolOrNull, "return_text": boolOrNull,
          "truncate": boolOrNull, "truncation_direction": direction,
        ],
      ],
      "RerankReply": list([
        "type": "object", "required": ["index", "score"],
        "properties": ["index": ["type": "integer"], "score": ["type": "number"], "text": string],
      ]),
      "Index": list([
        "type": "object", "required": ["name", "version", "state"],
        "properties": ["name": string, "version": string, "state": string, "reason": string],
      ]),
    ]
  }()

  private static let responses: JSONValue = {
    let texts = [
      ("400", "The request is wrong"), ("401", "The bearer token is missing or wrong"),
      ("404", "There is no such model or version"), ("413", "The request is larger than this server takes"),
      ("422", "The request is wrong"), ("424", "The model failed"),
      ("429", "The queue is full, or too many bodies are on their way"), ("500", "The model failed"),
      ("431", "The headers are longer than this server takes"),
      ("503", "Models are being loaded, or the server ends"),
      ("504", "The deadline passed, or the body was not there in time"),
    ]
    var responses = JSONObject()
    let headers = ["401": ["WWW-Authenticate"], "429": ["Retry-After"]]
    for (code, text) in texts { responses["Error\(code)"] = reply(text, "Error", headers[code] ?? []) }
    return .object(responses)
  }()

  private static let parameters: JSONValue = [
    "model": ["name": "model", "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]],
    "version": ["name": "version", "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]],
  ]

  /// What the binary tensor data extension calls the length of the JSON in front of the tensors. Of a request it stands
  /// in the description alone: a parameter would be there with bodies of either kind.
  private static let jsonLength = "Inference-Header-Content-Length"

  private static let headers: JSONValue = {
    func header(_ text: String, _ type: String) -> JSONValue {
      ["description": .string(text), "schema": ["type": .string(type)]]
    }
    var headers = JSONObject()
    headers["Retry-After"] = header("Seconds after which to come again", "integer")
    headers["WWW-Authenticate"] = header("Bearer", "string")
    headers["X-Limited-By"] = header("What made texts leave early: deadline, max_layers, or both", "string")
    headers["X-Loosened"] = header("How far the exit policy was loosened, 0 to 1", "number")
    headers[jsonLength] = header("Bytes of JSON in front of the tensors; not there where all is JSON", "integer")
    return .object(headers)
  }()

  private static let object: JSONValue = ["type": "object"]

  private static func list(_ items: JSONValue, _ least: Int = 0, _ most: Int? = nil) -> JSONValue {
    var schema = JSONObject()
    (schema["type"], schema["items"], schema["minItems"]) = ("array", items, JSONValue(least))
    if let most { schema["maxItems"] = JSONValue(most) }
    return .object(schema)
  }

  private static func reference(_ kind: String, _ name: String) -> JSONValue {
    ["$ref": .string("#/components/\(kind)/\(name)")]
  }

  /// A reply of JSON, or of text without a schema.
  private static func reply(_ text: String, _ schema: String?, _ headers: [String] = []) -> JSONValue {
    var reply = JSONObject()
    reply["description"] = .string(text)
    if !headers.isEmpty {
      reply["headers"] = .object(headers.reduce(into: JSONObject()) { $0[$1] = reference("headers", $1) })
    }
    let held: JSONValue =
      if let schema { content(schema, isBinary: headers.contains(jsonLength)) } else {
        ["text/plain": ["schema": ["type": "string"]]]
      }
    reply["content"] = held
    return .object(reply)
  }

  private static func content(_ schema: String, isBinary: Bool) -> JSONValue {
    var content = JSONObject()
    content["application/json"] = ["schema": reference("schemas", schema)]
    if isBinary { content["application/octet-stream"] = ["schema": ["type": "string", "format": "binary"]] }
    return .object(content)
  }

  private static func get(
    _ id: String, _ summary: String, _ tag: String, _ schema: String?, _ references: [String] = [],
    errors: [String] = [], isOpen: Bool = false
  ) -> JSONValue {
    ["get": .object(operation(id, summary, tag, reply(summary, schema), references, errors, isOpen: isOpen))]
  }

  private static func post(
    _ id: String, _ summary: String, _ tag: String, _ body: String?, _ schema: String, _ references: [String] = [],
    errors: [String] = ["404", "422", "424"], headers: [String] = []
  ) -> JSONValue {
    // What reading a body can end with, and waiting for an answer.
    let errors = errors + ["413", "429", "503", "504"]
    var operation = operation(id, summary, tag, reply(summary, schema, headers), references, errors)
    guard let body else { return ["post": .object(operation)] }
    let isBinary = headers.contains(jsonLength)
    var request = JSONObject()
    request["required"] = .bool(body != "ChangeRequest")
    if isBinary {
      request["description"] = .string(
        "With tensors behind the JSON, whose length the header \(jsonLength) says, or JSON alone without that header.")
    }
    request["content"] = content(body, isBinary: isBinary)
    operation["requestBody"] = .object(request)
    return ["post": .object(operation)]
  }

  private static func operation(
    _ id: String, _ summary: String, _ tag: String, _ reply: JSONValue, _ references: [String], _ errors: [String],
    isOpen: Bool = false
  ) -> JSONObject {
    var replies = JSONObject()
    replies["200"] = reply
    for code in (errors + (isOpen ? ["431"] : ["401", "431"])).sorted() {
      replies[code] = reference("responses", "Error\(code)")
    }
    var operation = JSONObject()
    (operation["operationId"], operation["summary"]) = (.string(id), .string(summary))
    operation["tags"] = [.string(tag)]
    if !references.isEmpty { operation["parameters"] = .array(references.map { reference("parameters", $0) }) }
    operation["responses"] = .object(replies)
    // No token is asked for here, whatever the server has.
    if isOpen { operation["security"] = [] }
    return operation
  }
}

extension [String] {
  fileprivate var tags: JSONValue { .array(map { ["name": .string($0)] }) }
}
