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
  /// The time that the stage has taken with all it does.
  var elapsed = 0.0
  /// Bytes of the log that belong to this state.
  var logBytes = 0

  /// No training counts further, and sums of such numbers do not overflow.
  private static let most = 1 << 40

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
    object["elapsed"] = JSONValue(elapsed)
    object["results"] = HeadResult.json(results)
    object["best_score"] = bestScore.map { JSONValue($0) }
    return .object(object)
  }

  init() {}

  init(_ root: JSONField) throws(FormatError) {
    for (name, path) in Self.integers { self[keyPath: path] = try root.required(name).integer(in: 0...Self.most) }
    lossSum = try root.required("loss_sum").double()
    seconds = try root.required("seconds").double()
    elapsed = try root.required("elapsed").double()
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
    let text = JSONWriter.string(position.json)
    var sum = ContentSum()
    for tensor in tensors { sum.add(tensor.name, tensor.shape, UnsafeRawBufferPointer(tensor.values)) }
    for parameter in kept {
      best[parameter.name]!.withUnsafeBytes { sum.add("best/" + parameter.name, parameter.shape, $0) }
    }
    var writer = try SafetensorsWriter(
      path: path, tensors: declarations,
      metadata: [
        ("position", text), ("arguments", arguments), (ContentSum.key, sum.digits(with: [text, arguments])),
      ], alignment: 64)
    for tensor in tensors { try writer.append(UnsafeRawBufferPointer(tensor.values), to: tensor.name) }
    for parameter in kept { try writer.append(best[parameter.name]!, to: "best/" + parameter.name) }
    try writer.finish()
  }

  /// Reads the state at `path`: sets the parameters, and returns the position and the file for `restoreMoments`. Throws
  /// when it is of a training with other arguments, is damaged, or could not be of this training.
  static func restore(
    _ path: String, into context: TrainingContext, arguments: String
  ) throws(FormatError) -> (TrainingPosition, SafetensorsFile) {
    try advising { () throws(FormatError) -> (TrainingPosition, SafetensorsFile) in
      let (position, file) = try read(path, arguments: arguments)
      let stages = context.stages.count
      guard position.stage <= stages else {
        throw FormatError(
          file: path, place: "position.stage", problem: "\(position.stage) stages are done, of \(stages)")
      }
      try restoreValues(file, into: context)
      return (position, file)
    }
  }

  /// What helps where a state can't be gone on from.
  static func advising<Result>(_ body: () throws(FormatError) -> Result) throws(FormatError) -> Result {
    do { return try body() } catch {
      throw FormatError(file: error.file, place: error.place, problem: "\(error.problem); --overwrite starts anew")
    }
  }

  private static func read(
    _ path: String, arguments: String
  ) throws(FormatError) -> (TrainingPosition, SafetensorsFile) {
    let file = try SafetensorsFile(path: path)
    guard file.metadata["arguments"] == arguments, let text = file.metadata["position"] else {
      throw FormatError(file: path, problem: "is the state of another training")
    }
    guard file.isWhole(with: ["position", "arguments"]) else {
      throw FormatError(file: path, problem: "is damaged: its checksum is not that of what it holds")
    }
    return (try TrainingPosition(JSONField(JSONReader.read(text, file: path), file: path, place: "position")), file)
  }

  /// Sets all parameters to the values of the file: what stages added is added, what they removed is removed.
  private static func restoreValues(
    _ file: SafetensorsFile, into context: TrainingContext
  ) throws(FormatError) {
    let parameters = context.parameters
    let values = file.tensors.filter { $0.name.hasPrefix("value/") }
      .map { (name: String($0.name.dropFirst(6)), entry: $0) }
    try context.check(Dictionary(values.map { ($0.name, $0.entry.shape) }) { $1 }, of: file.path)
    for parameter in parameters.all where file.entry(named: "value/\(parameter.name)")?.shape != parameter.shape {
      parameters.remove(parameter.name)
    }
    for (name, entry) in values {
      let array = try file.floats(of: entry)
      if let known = parameters[name] { known.array = array } else { parameters.insert(name, entry.shape, array) }
    }
  }

  /// Sets the moments of what is trained, and returns the best values of `kept`.
  static func restoreMoments(
    _ file: SafetensorsFile, into parameters: ParameterSet, best kept: [Parameter]
  ) throws(FormatError) -> [String: [Float]] {
    func values(_ kind: String, _ parameter: Parameter) throws(FormatError) -> [Float] {
      let name = "\(kind)/\(parameter.name)"
      guard let entry = file.entry(named: name), entry.shape == parameter.shape else {
        throw FormatError(file: file.path, place: name.printable(limit: 80), problem: "is missing or misshapen")
      }
      return try file.floats(of: entry)
    }
    for parameter in parameters.all {
      guard let moments = parameter.moments else { continue }
      _ = moments.first.update(from: try values("first", parameter))
      _ = moments.second.update(from: try values("second", parameter))
    }
    var best: [String: [Float]] = [:]
    for parameter in kept { best[parameter.name] = try values("best", parameter) }
    return best
  }
}
