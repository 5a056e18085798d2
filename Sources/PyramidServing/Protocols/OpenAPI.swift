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
      "schemas": schemas, "responses": responses, "parameters": parameters,
    ],
  ]

  private static let paths: JSONObject = {
    var paths = JSONObject()
    let (inference, texts, operations) = ("Open Inference", "Text Embeddings Inference", "Operations")
    paths["/health"] = get("health", "Whether models are loaded and warm", operations, "Ready", errors: ["503"])
    paths["/metrics"] = get("metrics", "Numbers for Prometheus", operations, nil)
    paths["/openapi.json"] = get("openapi", "This document", operations, "Object")
    paths["/info"] = get("info", "What the model is", texts, "Object", errors: ["404", "503"])
    paths["/predict"] = post("predict", "Classify texts", texts, "PredictRequest", "PredictReply")
    paths["/rerank"] = post("rerank", "Rank texts by a query", texts, "RerankRequest", "RerankReply")
    paths["/pyramid"] = post(
      "pyramid", "One text from the inside, for the page at /", operations, "PageRequest", "Object")
    paths["/pyramid/controls"] = post(
      "controls", "What the page may change", operations, "PageRequest", "Object", errors: ["404", "422", "503"])
    paths["/v2"] = get("serverMetadata", "What the server is", inference, "Object")
    paths["/v2/health/live"] = get("live", "Whether the server runs", inference, "Live")
    paths["/v2/health/ready"] = get("ready", "Whether models are loaded and warm", inference, "Ready", errors: ["503"])
    for (suffix, name, references) in [("", "", ["model"]), ("/versions/{version}", "Version", ["model", "version"])] {
      let path = "/v2/models/{model}\(suffix)"
      let (gone, plain) = (["404", "503"], ["400", "404", "413", "429", "500", "503", "504"])
      paths[path] = get(
        "metadata\(name)", "A model's inputs and outputs", inference, "Object", references, errors: gone)
      paths[path + "/ready"] = get(
        "modelReady\(name)", "Whether the model is loaded", inference, "Object", references, errors: gone)
      paths[path + "/infer"] = post(
        "infer\(name)", "Classify texts", inference, "InferRequest", "InferReply", references, errors: plain)
    }
    paths["/v2/repository/index"] = post("index", "The models that are loaded", operations, nil, "Index", errors: [])
    for change in ["load", "unload"] {
      paths["/v2/repository/models/{model}/\(change)"] = post(
        change, "Puts a model in place, or lets it go", operations, nil, "Object", ["model"], errors: ["400", "404"])
    }
    return paths
  }()

  private static let schemas: JSONValue = {
    let string: JSONValue = ["type": "string"]
    let tensor: (JSONValue) -> JSONValue = { data in
      [
        "type": "object", "required": ["name", "datatype", "shape"],
        "properties": [
          "name": string, "datatype": string, "shape": list(["type": "integer", "minimum": 0]), "data": data,
          "parameters": object,
        ],
      ]
    }
    let requestParameters: JSONValue = [
      "type": "object", "additionalProperties": false,
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
    let truncation: JSONValue = ["type": ["boolean", "null"]]
    return [
      "Object": object, "Error": ["type": "object", "required": ["error"], "properties": ["error": string]],
      "Live": ["type": "object", "required": ["live"], "properties": ["live": ["type": "boolean"]]],
      "Ready": ["type": "object", "required": ["ready"], "properties": ["ready": ["type": "boolean"]]],
      "InferRequest": [
        "type": "object", "required": ["inputs"], "additionalProperties": false,
        "properties": [
          "id": string, "model_name": string, "inputs": list(tensor(list(["oneOf": [string, list(string)]]))),
          "outputs": list(["type": "object", "required": ["name"], "properties": ["name": output]]),
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
          "raw_scores": ["type": "boolean"], "truncate": truncation,
          "truncation_direction": ["enum": ["Right", "right"]], "tasks": ["type": ["string", "null"]],
        ],
      ],
      "PageRequest": [
        "type": "object", "additionalProperties": false,
        "properties": ["model": string, "text": string, "text_pair": string, "exit": string, "prune": string],
      ],
      "PredictReply": ["type": "array", "items": ["oneOf": [score, list(score)]]],
      "RerankRequest": [
        "type": "object", "required": ["query", "texts"], "additionalProperties": false,
        "properties": [
          "query": string, "texts": list(string, 1), "raw_scores": ["type": "boolean"],
          "return_text": ["type": "boolean"], "truncate": truncation,
          "truncation_direction": ["enum": ["Right", "right"]],
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
      ("429", "The queue is full; Retry-After says when to come again"), ("500", "The model failed"),
      ("503", "Models are being loaded"), ("504", "The deadline passed"),
    ]
    var responses = JSONObject()
    for (code, text) in texts { responses["Error\(code)"] = reply(text, "Error") }
    return .object(responses)
  }()

  private static let parameters: JSONValue = [
    "model": ["name": "model", "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]],
    "version": ["name": "version", "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]],
  ]

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
  private static func reply(_ text: String, _ schema: String?) -> JSONValue {
    let content: JSONValue =
      if let schema { ["application/json": ["schema": reference("schemas", schema)]] } else {
        ["text/plain": ["schema": ["type": "string"]]]
      }
    return ["description": .string(text), "content": content]
  }

  private static func get(
    _ id: String, _ summary: String, _ tag: String, _ schema: String?, _ references: [String] = [],
    errors: [String] = []
  ) -> JSONValue {
    ["get": operation(id, summary, tag, schema, references, errors)]
  }

  private static func post(
    _ id: String, _ summary: String, _ tag: String, _ body: String?, _ schema: String, _ references: [String] = [],
    errors: [String] = ["413", "422", "424", "429", "503", "504", "404"]
  ) -> JSONValue {
    guard case .object(var operation) = operation(id, summary, tag, schema, references, errors) else { return .null }
    if let body {
      operation["requestBody"] = [
        "required": true, "content": ["application/json": ["schema": reference("schemas", body)]],
      ]
    }
    return ["post": .object(operation)]
  }

  private static func operation(
    _ id: String, _ summary: String, _ tag: String, _ schema: String?, _ references: [String], _ errors: [String]
  ) -> JSONValue {
    var replies = JSONObject()
    replies["200"] = reply(summary, schema)
    for code in (errors + ["401"]).sorted() { replies[code] = reference("responses", "Error\(code)") }
    var operation = JSONObject()
    (operation["operationId"], operation["summary"]) = (.string(id), .string(summary))
    operation["tags"] = [.string(tag)]
    if !references.isEmpty { operation["parameters"] = .array(references.map { reference("parameters", $0) }) }
    operation["responses"] = .object(replies)
    return .object(operation)
  }
}

extension [String] {
  fileprivate var tags: JSONValue { .array(map { ["name": .string($0)] }) }
}
