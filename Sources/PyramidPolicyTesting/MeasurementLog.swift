// What was measured, written down as soon as it is: a comparison that is interrupted, however it ends, goes on where it
// stopped. One JSON value a line; a line that breaks off is the last one, and is measured again.

import Glibc
import PyramidEvaluation
import PyramidFormats

/// What one turn took, and what disturbed it.
struct TurnTimes {
  /// Seconds of each contender: of each text, or of the block in batches.
  var seconds: [Int: [Double]]
  /// What disturbed any of its tries.
  var disturbances: [Disturbance.Kind]
  /// Whether the try that counts was disturbed, too.
  var isDisturbed: Bool
}

/// The file that keeps a measurement until its report is written.
public final class MeasurementLog {
  /// One block of one repetition, measured one by one or in batches.
  struct Turn: Hashable {
    let isBatch: Bool
    let repetition, block: Int
  }

  /// Its path.
  public let path: String
  private(set) var outcomes: [Int: [SampleOutcome]] = [:]
  private(set) var times: [Turn: TurnTimes] = [:]
  private var file: UnsafeMutablePointer<FILE>?
  private var isOurs = false
  private static let format = "magic-pyramid-comparison"

  /// Opens the file of a measurement with this `identity`: what was measured is read when it `resumes`, else there must be
  /// none. Throws when it is of another measurement, or can't be written.
  public init(path: String, identity: String, resumes: Bool) throws {
    self.path = path
    let kind = FileKind(at: path)
    // A pipe would be waited for without an end.
    guard kind == .missing || kind == .regular else { throw ComparisonError("\(path): is not a regular file") }
    let isThere = kind == .regular
    if resumes {
      guard isThere else { throw ComparisonError("\(path): there is nothing to go on with; leave --resume out") }
      try read(identity)
    } else if isThere, try Self.holdsMeasurements(path) {
      throw ComparisonError(
        "\(path): an interrupted measurement is there; go on with it by --resume, or delete it to start anew")
    }
    file = fopen(path, resumes ? "a" : "w")
    isOurs = file != nil
    guard isOurs else { throw ComparisonError("\(path): \(String(cString: strerror(errno)))") }
    // The line that broke off must not run into the next one.
    if resumes {
      try write("")
    } else {
      try append(["format": JSONValue(Self.format), "identity": JSONValue(identity)])
    }
  }

  deinit {
    if let file { fclose(file) }
    // What failed before anything was measured leaves nothing to go on with.
    if isOurs, (try? Self.holdsMeasurements(path)) == false { unlink(path) }
  }

  /// Whether there is more than the line that says what is measured.
  private static func holdsMeasurements(_ path: String) throws -> Bool {
    let reader = try LineReader(path: path, limit: 64 << 20)
    guard case .bytes(let first)? = try reader.next() else { return false }
    let header = try? JSONReader.read(first, file: path)
    return try header?["format"] != .string(format) || reader.next() != nil
  }

  /// Removes the file: its report is written.
  public func finish() { unlink(path) }

  /// Notes answers to the texts from number `first` on.
  func add(_ outcomes: [SampleOutcome], of contender: Int, first: Int) throws {
    try append([
      "contender": JSONValue(contender), "first": JSONValue(first), "outcomes": .array(outcomes.map(\.json)),
    ])
  }

  func add(_ times: TurnTimes, of turn: Turn) throws {
    let contenders = times.seconds.keys.sorted()
    try append([
      "batch": .bool(turn.isBatch), "repetition": JSONValue(turn.repetition), "block": JSONValue(turn.block),
      "contenders": .array(contenders.map { JSONValue($0) }),
      "seconds": .array(contenders.map { .array(times.seconds[$0]!.map { JSONValue($0) }) }),
      "disturbed": .array(times.disturbances.map { JSONValue($0.rawValue) }), "remains": .bool(times.isDisturbed),
    ])
  }

  private func append(_ value: JSONValue) throws { try write(JSONWriter.string(value)) }

  private func write(_ line: String) throws {
    guard fputs(line + "\n", file!) >= 0, fflush(file!) == 0 else {
      throw ComparisonError("\(path): \(String(cString: strerror(errno)))")
    }
  }

  private func read(_ identity: String) throws {
    let reader = try LineReader(path: path, limit: 64 << 20)
    var isFirst = true
    while let line = try reader.next() {
      guard case .bytes(let bytes) = line, !bytes.isEmpty else { continue }
      guard let value = try? JSONReader.read(bytes, file: path) else { continue }
      if isFirst {
        guard value["format"] == .string(Self.format) else { throw ComparisonError("\(path): is no measurement") }
        guard value["identity"] == .string(identity) else {
          throw ComparisonError("\(path): is of other policies, texts or options; delete it to start anew")
        }
        isFirst = false
      } else {
        try read(JSONField(value, file: path))
      }
    }
    if isFirst { throw ComparisonError("\(path): is no measurement") }
  }

  private func read(_ field: JSONField) throws(FormatError) {
    func integer(_ key: String) throws(FormatError) -> Int { try field.required(key).integer(in: 0...(1 << 40)) }
    if field.value["outcomes"] != nil {
      let (contender, first) = (try integer("contender"), try integer("first"))
      guard first <= outcomes[contender, default: []].count else {
        throw field.failure("answers before it are missing")
      }
      outcomes[contender, default: []].removeLast(outcomes[contender, default: []].count - first)
      for element in try field.required("outcomes").elements() {
        outcomes[contender, default: []].append(try SampleOutcome(element))
      }
      return
    }
    let turn = Turn(
      isBatch: try field.required("batch").bool(), repetition: try integer("repetition"), block: try integer("block"))
    var seconds: [Int: [Double]] = [:]
    for (contender, list) in zip(
      try field.required("contenders").elements(), try field.required("seconds").elements())
    {
      var values: [Double] = []
      for value in try list.elements() { values.append(try value.double()) }
      seconds[try contender.integer(in: 0...(1 << 20))] = values
    }
    var disturbances: [Disturbance.Kind] = []
    for kind in try field.required("disturbed").elements() {
      if let kind = Disturbance.Kind(rawValue: try kind.string()) { disturbances.append(kind) }
    }
    times[turn] = TurnTimes(
      seconds: seconds, disturbances: disturbances, isDisturbed: try field.required("remains").bool())
  }
}

extension SampleOutcome {
  fileprivate var json: JSONValue {
    let answer: JSONValue =
      switch answer {
      case .one(let label): JSONValue(label)
      case .several(let set): .array(set.map { JSONValue($0) })
      case .value(let value): ["value": JSONValue(value)]
      }
    return .array([
      answer, JSONValue(exitLayer), JSONValue(operations), JSONValue(paperOperations),
      .array(tokensAlive.map { JSONValue($0) }), .array(probabilities.map { JSONValue($0) }),
    ])
  }

  fileprivate init(_ field: JSONField) throws(FormatError) {
    let parts = try field.elements()
    guard parts.count == 6 else { throw field.failure("expected six values") }
    var (tokens, probabilities): ([Int], [Float]) = ([], [])
    for part in try parts[4].elements() { tokens.append(try part.integer(in: 0...(1 << 40))) }
    for part in try parts[5].elements() { probabilities.append(Float(try part.double())) }
    let answer: LabelTarget
    switch parts[0].value {
    case .array:
      var set: [Int] = []
      for part in try parts[0].elements() { set.append(try part.integer(in: 0...(1 << 20))) }
      answer = .several(set)
    case .object: answer = .value(try parts[0].required("value").double())
    default: answer = .one(try parts[0].integer(in: 0...(1 << 20)))
    }
    // More than a text of 16 MiB takes of the largest model.
    let most = 1 << 57
    self.init(
      answer, exitLayer: try parts[1].integer(in: 0...(1 << 20)),
      tokensAlive: tokens, operations: try parts[2].integer(in: 0...most),
      paperOperations: try parts[3].integer(in: 0...most), probabilities: probabilities)
  }
}
