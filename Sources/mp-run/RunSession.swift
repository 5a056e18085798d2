// What mp-run does with a stream's answers: prints them, counts what the summary and a profile say, and draws the first.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidTools

/// One run over a source of records.
final class RunSession {
  private let classifier: Classifier
  private let terminal: Terminal
  private let out = StandardOutput()
  private let format: AnswerFormat
  private let pyramid: String?
  private let profile: String?
  private var recorder: ProfileRecorder
  private var failures = 0
  private var truncated = 0
  private var done = 0
  private var labelled = 0
  private var correct = 0
  private var operations = OperationCount()

  init(classifier: Classifier, format: AnswerFormat, terminal: Terminal, pyramid: String?, profile: String?) {
    self.classifier = classifier
    self.format = format
    self.terminal = terminal
    self.pyramid = pyramid
    self.profile = profile
    recorder = ProfileRecorder(of: classifier)
  }

  /// Classifies everything; false when a record was bad.
  func run(_ source: any RecordSource) throws -> Bool {
    let stream = ClassificationStream(source, classifier: classifier)
    if let header = format.header { try out.print(header) }
    try out.flush()
    while let lot = try stream.next() {
      for element in lot {
        switch element {
        case .success(let answered): try take(answered)
        case .failure(let error):
          failures += 1
          terminal.endProgress()
          terminal.complain("\(error)")
        }
      }
      try out.flush()
      terminal.progress("\(done) texts")
    }
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

  private func take(_ answered: ClassificationStream.Answered) throws {
    let result = answered.classification
    if done == 0, let pyramid { try writePyramid(to: pyramid, answered.encoding, result) }
    try out.print(format.line(answered))
    done += 1
    if result.isTruncated { truncated += 1 }
    if let label = answered.record.label {
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
      exitLayer: result.answer.exitLayer, layers: result.layers,
      caption: "\(result.label), \(decimal(Double(result.score), 4)), left after layer \(result.answer.exitLayer)")
    try OutputFile.write(path.hasSuffix(".svg") ? picture.svg : picture.html, to: path)
  }
}
