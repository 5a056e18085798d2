// Everything that a training needs to go on as if nothing had happened, as one file: where it is, all parameters, the
// moments and the best values of what the stage trains. Written whole to another name and renamed: a process that is
// killed at any moment leaves the state before or the state after.

import PyramidFormats

/// Where a training is.
struct TrainingPosition: Equatable {
  /// The stage's place among those that run; as many as there are stages when all are done.
  var stage = 0
  /// The epoch of the stage, from 0, and the updates done in it.
  var epoch = 0, step = 0
  /// Updates of the stage, and batches of the whole training: the step of dropout.
  var updates = 0, batches = 0
  /// Epochs of the stage since the best one, and the best one's score.
  var stale = 0
  var bestScore: Double?
  /// What the heads did after the epoch whose parameters are kept; empty before the first.
  var results: [HeadResult] = []
  /// Loss and samples since the log's last line of an update.
  var lossSum = 0.0
  var samples = 0
  /// Tokens that the stage has trained on, and the time that took.
  var tokens = 0
  var seconds = 0.0
  /// Bytes of the log that belong to this state.
  var logBytes = 0

  private static var integers: [(String, WritableKeyPath<TrainingPosition, Int>)] {
    [
      ("stage", \.stage), ("epoch", \.epoch), ("step", \.step), ("updates", \.updates), ("batches", \.batches),
      ("stale", \.stale), ("samples", \.samples), ("tokens", \.tokens), ("log_bytes", \.logBytes),
    ]
  }

  /// The position as JSON.
  var json: JSONValue {
    var object = JSONObject()
    for (name, path) in Self.integers { object[name] = JSONValue(self[keyPath: path]) }
    object["loss_sum"] = JSONValue(lossSum)
    object["seconds"] = JSONValue(seconds)
    object["results"] = HeadResult.json(results)
    object["best_score"] = bestScore.map { JSONValue($0) }
    return .object(object)
  }

  init() {}

  init(_ root: JSONField) throws(FormatError) {
    for (name, path) in Self.integers { self[keyPath: path] = try root.required(name).integer(in: 0...Int.max) }
    lossSum = try root.required("loss_sum").double()
    seconds = try root.required("seconds").double()
    results = try root.required("results").elements().map(HeadResult.init)
    bestScore = try root.optional("best_score")?.double()
  }
}

/// The state file.
enum TrainingState {
  /// Writes the state. `best` are the values of the best epoch by parameter; `arguments` a checksum of what was asked
  /// for. Throws `OutputError`, for a full disk for one; the file that was there stays then.
  static func write(
    to path: String, _ position: TrainingPosition, _ parameters: ParameterSet, best: [String: [Float]],
    arguments: String
  ) throws {
    var tensors: [(name: String, shape: [Int], values: UnsafeMutableBufferPointer<Float>)] = []
    for parameter in parameters.all {
      tensors.append(("value/" + parameter.name, parameter.shape, parameter.values))
      guard let moments = parameter.moments else { continue }
      tensors.append(("first/" + parameter.name, parameter.shape, moments.first))
      tensors.append(("second/" + parameter.name, parameter.shape, moments.second))
    }
    let kept = parameters.all.filter { best[$0.name] != nil }
    let declarations =
      tensors.map { TensorDeclaration($0.name, .F32, $0.shape) }
      + kept.map { TensorDeclaration("best/" + $0.name, .F32, $0.shape) }
    var writer = try SafetensorsWriter(
      path: path, tensors: declarations,
      metadata: [("position", JSONWriter.string(position.json)), ("arguments", arguments)], alignment: 64)
    for tensor in tensors { try writer.append(UnsafeRawBufferPointer(tensor.values), to: tensor.name) }
    for parameter in kept { try writer.append(best[parameter.name]!, to: "best/" + parameter.name) }
    try writer.finish()
  }

  /// The state at `path`: the position, and the file for `restore`. Throws when it is of a training with other
  /// arguments.
  static func read(_ path: String, arguments: String) throws(FormatError) -> (TrainingPosition, SafetensorsFile) {
    let file = try SafetensorsFile(path: path)
    guard file.metadata["arguments"] == arguments, let text = file.metadata["position"] else {
      throw FormatError(file: path, problem: "is the state of another training")
    }
    return (try TrainingPosition(JSONField(JSONReader.read(text, file: path), file: path, place: "position")), file)
  }

  /// Sets all parameters to the values of the file: what stages added is added, what they removed is removed.
  static func restoreValues(_ file: SafetensorsFile, into parameters: ParameterSet) throws(FormatError) {
    for parameter in parameters.all where file.entry(named: "value/\(parameter.name)")?.shape != parameter.shape {
      parameters.remove(parameter.name)
    }
    for entry in file.tensors where entry.name.hasPrefix("value/") {
      let name = String(entry.name.dropFirst(6))
      let parameter = parameters.add(name, entry.shape)
      parameter.array = try file.floats(of: entry)
    }
  }

  /// Sets the moments of what is trained, and returns the best values.
  static func restoreMoments(
    _ file: SafetensorsFile, into parameters: ParameterSet
  ) throws(FormatError) -> [String: [Float]] {
    var best: [String: [Float]] = [:]
    for parameter in parameters.all {
      if let moments = parameter.moments {
        for (kind, buffer) in [("first", moments.first), ("second", moments.second)] {
          guard let entry = file.entry(named: "\(kind)/\(parameter.name)"), entry.elementCount == buffer.count else {
            throw FormatError(file: file.path, place: "\(kind)/\(parameter.name)", problem: "missing or misshapen")
          }
          _ = buffer.update(from: try file.floats(of: entry))
        }
      }
      if let entry = file.entry(named: "best/\(parameter.name)") { best[parameter.name] = try file.floats(of: entry) }
    }
    return best
  }
}
