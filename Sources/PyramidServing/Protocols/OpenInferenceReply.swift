// Answers as tensors of the Open Inference Protocol, and what the protocol tells of a model. One list of outputs: metadata,
// replies in JSON and binary, and gRPC all go by it.

import MagicPyramid
import PyramidFormats

/// An output: what it tells of a text, and of a model of several tasks, of which.
public struct OpenInferenceOutput: Sendable, Hashable {
  /// What it tells.
  public enum Kind: String, CaseIterable, Sendable {
    case label, score, probabilities, logits
    case exitLayer = "exit_layer"
    case truncated
    case limitedBy = "limited_by"

    /// Whether each of several tasks has its own.
    var isOfTask: Bool { self != .truncated && self != .limitedBy }
    /// Whether several tasks have one together: the exit layer is the latest of them.
    var isOfText: Bool { !isOfTask || self == .exitLayer }
  }

  /// What it tells.
  public let kind: Kind
  /// The task; nil for what is told of the text, and in a model of one task.
  public let task: String?

  /// The protocol's name for it: `label`, or `TASK.label`.
  public var name: String { (task.map { $0 + "." } ?? "") + kind.rawValue }

  /// The outputs of a model of these tasks; of none for a model of one.
  public static func all(of tasks: [String] = []) -> [OpenInferenceOutput] {
    let own = tasks.flatMap { task in
      Kind.allCases.filter(\.isOfTask).map { OpenInferenceOutput(kind: $0, task: task) }
    }
    return own
      + Kind.allCases.filter { tasks.isEmpty || $0.isOfText }.map { OpenInferenceOutput(kind: $0, task: nil) }
  }

  /// The protocol's name for its type.
  public var datatype: String {
    switch kind {
    case .label, .limitedBy: "BYTES"
    case .score, .probabilities, .logits: "FP32"
    case .exitLayer: "INT32"
    case .truncated: "BOOL"
    }
  }

  /// Numbers of a text: one, or one of each class.
  public func columns(_ classifier: Classifier) -> Int? {
    let head = classifier.head(of: task)
    switch kind {
    case .label, .score, .exitLayer, .truncated, .limitedBy: return nil
    case .logits: return head.labels.count
    case .probabilities: return head.kind == .regression ? 0 : head.labels.count
    }
  }

  fileprivate func values(_ answers: [Classification]) -> OutputTensor.Values {
    let place = answers.first?.tasks.firstIndex { $0.name == task }
    /// Of each text what `whole` takes of its answer, or `own` of that to the output's task.
    func each<Value>(_ whole: (Classification) -> Value, _ own: (TaskClassification) -> Value) -> [Value] {
      answers.map { answer in place.map { own(answer.tasks[$0]) } ?? whole(answer) }
    }
    switch kind {
    case .label:
      return .strings(
        each({ $0.labels?.joined(separator: ", ") ?? $0.label }, { $0.labels?.joined(separator: ", ") ?? $0.label }))
    case .score: return .floats(each({ $0.score }, { $0.score }))
    case .probabilities: return .floats(each({ $0.probabilities }, { $0.probabilities }).flatMap(\.self))
    case .logits: return .floats(each({ $0.answer.logits }, { $0.logits }).flatMap(\.self))
    case .exitLayer: return .integers(each({ Int32($0.answer.exitLayer) }, { Int32($0.exitLayer) }))
    case .truncated: return .bools(answers.map(\.isTruncated))
    case .limitedBy: return .strings(answers.map { $0.answer.limit?.rawValue ?? "" })
    }
  }
}

/// A tensor of answers.
public struct OutputTensor: Sendable {
  /// Its elements.
  public enum Values: Sendable {
    case strings([String])
    case floats([Float])
    case integers([Int32])
    case bools([Bool])
  }

  /// Which output it is.
  public let output: OpenInferenceOutput
  /// Its shape, texts first.
  public let shape: [Int]
  /// Its elements.
  public let values: Values

  /// An output of a result.
  public init(_ output: OpenInferenceOutput, _ result: ServingResult, _ classifier: Classifier) {
    self.output = output
    shape = [result.answers.count] + (output.columns(classifier).map { [$0] } ?? [])
    values = output.values(result.answers)
  }

  /// The elements in JSON.
  var json: JSONValue {
    switch values {
    case .strings(let strings): .array(strings.map(JSONValue.string))
    case .floats(let floats): .array(floats.map { JSONValue($0) })
    case .integers(let integers): .array(integers.map { JSONValue(Int($0)) })
    case .bools(let bools): .array(bools.map(JSONValue.bool))
    }
  }

  /// The elements as the extension and gRPC's raw contents have them: numbers with the lowest byte first, strings after
  /// their length in four bytes.
  public var bytes: [UInt8] {
    func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    switch values {
    case .strings(let strings): return strings.flatMap { little(UInt32($0.utf8.count)) + $0.utf8 }
    case .floats(let floats): return floats.flatMap { little($0.bitPattern) }
    case .integers(let integers): return integers.flatMap(little)
    case .bools(let bools): return bools.map { $0 ? 1 : 0 }
    }
  }
}

/// A reply's body; of one with binary tensors the first `jsonLength` bytes are JSON.
public struct OpenInferenceReply: Sendable {
  /// The body.
  public let body: [UInt8]
  /// Bytes of JSON in front of binary tensors; nil where all is JSON.
  public let jsonLength: Int?

  /// The reply to a request.
  public init(_ result: ServingResult, to request: OpenInferenceRequest, from model: ServedModel) {
    var (object, outputs, tail) = (JSONObject(), [JSONValue](), [UInt8]())
    for (output, isBinary) in request.outputs {
      let tensor = OutputTensor(output, result, model.classifier)
      var entry = JSONObject()
      entry["name"] = .string(output.name)
      entry["datatype"] = .string(output.datatype)
      entry["shape"] = .array(tensor.shape.map { JSONValue($0) })
      if isBinary {
        let bytes = tensor.bytes
        entry["parameters"] = ["binary_data_size": JSONValue(bytes.count)]
        tail += bytes
      } else {
        entry["data"] = tensor.json
      }
      outputs.append(.object(entry))
    }
    object["model_name"] = .string(model.name)
    object["model_version"] = .string("\(model.version)")
    if let id = request.id { object["id"] = .string(id) }
    object["parameters"] = .object(result.parameters)
    object["outputs"] = .array(outputs)
    let json = Array(JSONWriter.string(.object(object)).utf8)
    jsonLength = request.outputs.contains { $0.isBinary } ? json.count : nil
    body = json + tail
  }
}

extension ServingResult {
  /// What was in force, as a reply's parameters say it.
  public var parameters: JSONObject {
    var parameters = JSONObject()
    if let exit { parameters["exit"] = .string(exit) }
    if let prune { parameters["prune"] = .string(prune) }
    if let loosened { parameters["loosened"] = JSONValue(loosened) }
    return parameters
  }
}

extension ServedModel {
  /// The inputs of the model, by the protocol's names.
  public var inputNames: [String] { ["text"] + (classifier.acceptsPairs ? ["text_pair"] : []) }

  /// The protocol's metadata of the model, `versions` of which are served.
  public func metadata(versions: [Int]) -> JSONValue {
    func tensor(_ name: String, _ datatype: String, _ columns: Int?) -> JSONValue {
      [
        "name": .string(name), "datatype": .string(datatype),
        "shape": .array([-1] + (columns.map { [JSONValue($0)] } ?? [])),
      ]
    }
    return [
      "name": .string(name), "versions": .array(versions.map { .string("\($0)") }), "platform": "magic-pyramid",
      "inputs": .array(inputNames.map { tensor($0, "BYTES", nil) }),
      "outputs": .array(
        OpenInferenceOutput.all(of: classifier.tasks).map { tensor($0.name, $0.datatype, $0.columns(classifier)) }),
    ]
  }
}
