// The loop of mp-run: read records until there are some waves of them, classify, write, again. Memory is that of these
// records however long the input.

import MagicPyramid
import PyramidEvaluation

/// One run over a source of records.
final class RunSession {
  private let classifier: Classifier
  private let terminal: Terminal
  private let out = OutputStream()
  private let writer: AnswerWriter
  private let pyramid: String?
  private let profile: String?
  private var recorder: ProfileRecorder
  private var pending: [(index: Int, record: TextRecord, encoding: Encoding)] = []
  private var pendingTokens = 0
  private var pendingBytes = 0
  /// How many full waves are handed to the classifier at once: the last samples of each lot run in narrow ones.
  private static let waves = 8
  /// Bytes of text that are held at most, but for the last record.
  private static let mostBytes = 16 << 20
  private var failures = 0
  private var truncated = 0
  private var done = 0
  private var labelled = 0
  private var correct = 0
  private var operations = OperationCount()

  init(classifier: Classifier, format: AnswerFormat, terminal: Terminal, pyramid: String?, profile: String?) {
    self.classifier = classifier
    self.terminal = terminal
    self.pyramid = pyramid
    self.profile = profile
    recorder = ProfileRecorder(of: classifier)
    writer = AnswerWriter(format: format, classifier: classifier)
  }

  /// Classifies everything; false when a record was bad.
  func run(_ source: any RecordSource) throws -> Bool {
    var index = 0
    try writer.begin(out)
    do {
      while let next = try nextRecord(of: source) {
        switch next {
        case .success(let record): try admit(record, index: index, source.location)
        case .failure(let error): reject(error)
        }
        index += 1
      }
    } catch let error as FormatError {
      // The source failed: what came before is answered all the same.
      try classifyPending()
      throw error
    }
    try classifyPending()
    try out.flush()
    terminal.endProgress()
    summarise()
    if done == 0 {
      if pyramid != nil { terminal.complain("no text to draw a pyramid of") }
      if profile != nil { terminal.complain("no text to profile") }
      return failures == 0 && pyramid == nil && profile == nil
    }
    if let profile { try recorder.profile.write(to: profile) }
    return failures == 0
  }

  /// The next record; what has come so far is answered before waiting for more of a slow stream.
  private func nextRecord(of source: any RecordSource) throws -> Result<TextRecord, FormatError>? {
    if !pending.isEmpty && source.mustWait { try classifyPending() }
    return try source.next()
  }

  private func admit(_ record: TextRecord, index: Int, _ location: (file: String, place: String)) throws {
    if let label = record.label, classifier.labelIndex(label) == nil {
      return reject(
        FormatError(
          file: location.file, place: "\(location.place): label",
          problem: "the model has no label '\(label.printable(limit: 80))'"))
    }
    if record.pair?.isEmpty == false && !classifier.acceptsPairs {
      return reject(
        FormatError(
          file: location.file, place: location.place, problem: "is a pair, and the model takes single texts only"))
    }
    let encoding = classifier.encode(record.text, pair: record.pair)
    let limits = classifier.batchLimits
    if pending.count == limits.samples * Self.waves || pendingTokens >= limits.tokens * Self.waves
      || pendingBytes >= Self.mostBytes
    {
      try classifyPending()
    }
    pending.append((index, record, encoding))
    pendingTokens += encoding.ids.count
    pendingBytes += record.text.utf8.count + (record.pair?.utf8.count ?? 0)
  }

  private func reject(_ error: FormatError) {
    failures += 1
    terminal.endProgress()
    terminal.complain("\(error)")
  }

  private func classifyPending() throws {
    let results = try classifier.classify(encodings: pending.map(\.encoding))
    for (item, result) in zip(pending, results) {
      if done == 0, let pyramid { try writePyramid(to: pyramid, item.encoding, result) }
      try writer.write(result, index: item.index, record: item.record, out)
      count(result, item.record)
    }
    pending.removeAll(keepingCapacity: true)
    (pendingTokens, pendingBytes) = (0, 0)
    try out.flush()
    terminal.progress("\(done) texts")
  }

  private func count(_ result: Classification, _ record: TextRecord) {
    done += 1
    if result.isTruncated { truncated += 1 }
    if let label = record.label {
      labelled += 1
      if classifier.labelIndex(label) == result.labelIndex { correct += 1 }
    }
    operations.executed += result.answer.operations.executed
    operations.dense += result.answer.operations.dense
    recorder.count(result.answer)
  }

  private func summarise() {
    guard done > 0 else { return terminal.note("no texts") }
    var parts = ["\(done) \(done == 1 ? "text" : "texts")"]
    if labelled > 0 {
      parts.append("accuracy \(decimal(100 * Double(correct) / Double(labelled), 2))% of \(labelled) with a label")
    }
    if operations.executed < operations.dense {
      parts.append(
        "\(decimal(Double(operations.dense) / Double(max(operations.executed, 1)), 2))x fewer operations than dense")
    }
    if truncated > 0 { parts.append("\(truncated) cut to \(classifier.tokenLimit) tokens") }
    if failures > 0 { parts.append("\(failures) bad records left out") }
    terminal.note(parts.joined(separator: ", "))
  }

  private func writePyramid(to path: String, _ encoding: Encoding, _ result: Classification) throws {
    let picture = PyramidPicture(
      tokens: classifier.tokens(of: encoding.ids), kept: result.answer.keptPositions ?? [],
      exitLayer: result.answer.exitLayer, layers: classifier.model.graph.shape.layers,
      caption: "\(result.label), \(decimal(Double(result.score), 4)), left after layer \(result.answer.exitLayer)")
    try OutputFile.write(path.hasSuffix(".svg") ? picture.svg : picture.html, to: path)
  }
}
