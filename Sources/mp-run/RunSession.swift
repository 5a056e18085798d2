// What mp-run does with a stream's answers: prints them, counts what the summary and a profile say, and draws the
// first.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidTools

/// One run over a source of records.
final class RunSession {
  private let classifier: Classifier
  private let options: MPRun
  private let terminal: Terminal
  private let out = StandardOutput()
  private var profile: PolicyProfile
  private var failures = 0
  private var truncated = 0
  private var done = 0
  private var labelled = 0
  /// Right answers, by how labels are read.
  private var correct: [LabelSpelling: Int] = [:]
  private var correlation = RunningCorrelation()
  private var operations = OperationCount()

  private let plan: RecordPlan

  init(_ options: MPRun, classifier: Classifier) throws {
    self.classifier = classifier
    plan = try options.plan(for: classifier)
    self.options = options
    terminal = Terminal(quiet: options.quiet)
    profile = PolicyProfile(of: classifier)
  }

  /// Classifies everything; false when a record was bad.
  func run(_ source: any RecordSource) throws -> Bool {
    var stream: ClassificationStream?
    var groups: GroupStream?
    let spelling = options.reading.labelsBy
    if options.groupBy == nil {
      stream = try ClassificationStream(source, classifier: classifier, plan: plan, spelling: spelling)
    } else {
      groups = try GroupStream(source, classifier: classifier, topCount: options.topK, spelling: spelling)
    }
    func labels() -> LabelReading { stream?.labels ?? groups!.labels }
    if let header = options.format.header { try out.print(header) }
    try out.flush()
    while let lot = try stream == nil ? groups!.next() : stream!.next() {
      for element in lot {
        switch element {
        case .success(let answered): try take(answered, labels: labels())
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
    summarise(labels: labels())
    if done == 0 {
      if options.pyramid != nil { terminal.complain("no text to draw a pyramid of") }
      if options.writeProfile != nil { terminal.complain("no text to profile") }
      return failures == 0 && options.pyramid == nil && options.writeProfile == nil
    }
    if let path = options.writeProfile { try profile.write(to: path) }
    return failures == 0
  }

  private func take(_ answered: ClassificationStream.Answered, labels: LabelReading) throws {
    let result = answered.classification
    if done == 0, let pyramid = options.pyramid {
      try writePyramid(to: pyramid, answered.encodings[0], answered.parts[0], result)
    }
    try out.print(options.format.line(answered))
    done += 1
    if result.isTruncated { truncated += 1 }
    if answered.record.label != nil {
      labelled += 1
      for spelling in labels.possible {
        guard let target = labels.target(of: answered.record, by: spelling) else { continue }
        if case (.value(let wanted), .value(let found)) = (target, result.target) { correlation.add(found, wanted) }
        if target == result.target { correct[spelling, default: 0] += 1 }
      }
    }
    operations.add(result.answer.operations)
    for (part, encoding) in zip(answered.parts, answered.encodings) {
      profile.count(part, tokens: encoding.ids.count)
    }
  }

  /// What the labels say about the answers.
  private func quality(_ labels: LabelReading) -> String {
    guard let spelling = labels.spelling else { return LabelReading.ambiguity }
    let count = "\(labelled) with a label"
    switch labels.kind {
    case .value: return "Pearson correlation \(decimal(correlation.value, 4)) over \(count)"
    case .one, .several:
      let share = decimal(100 * Double(correct[spelling] ?? 0) / Double(labelled), 2)
      let isSaid = spelling == .number && labels.kind == .one
      return "\(labels.kind == .one ? "accuracy" : "all labels right") \(share)% of \(count)"
        + (isSaid ? ", read as numbers of classes" : "")
    }
  }

  private func summarise(labels: LabelReading) {
    guard done > 0 else { return terminal.note("no texts") }
    var parts = ["\(done) \(done == 1 ? "text" : "texts")"]
    if labelled > 0 { parts.append(quality(labels)) }
    if operations.executed < operations.dense {
      parts.append(
        "\(decimal(Double(operations.dense) / Double(max(operations.executed, 1)), 2))x fewer operations than dense")
    }
    if truncated > 0 { parts.append("\(truncated) cut to \(classifier.tokenLimit) tokens") }
    if failures > 0 { parts.append("\(failures) bad records left out") }
    terminal.note(parts.joined(separator: ", "))
  }

  /// Draws a sample of a record, the first.
  private func writePyramid(to path: String, _ encoding: Encoding, _ part: Answer, _ result: Classification) throws {
    let exitLayer = part.exitLayer
    let place = exitLayer == 0 ? "at the entry" : "after layer \(exitLayer)"
    let picture = PyramidPicture(
      tokens: classifier.tokens(of: encoding.ids), alive: part.alivePositions ?? [],
      scores: part.scores ?? [], exitLayer: exitLayer, layers: result.layers,
      caption: "\(result.label), \(decimal(Double(result.score), 4)), left \(place)")
    try OutputFile.write(path.hasSuffix(".svg") ? picture.svg : picture.html, to: path)
  }
}
