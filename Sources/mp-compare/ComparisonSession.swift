// One comparison from the command line: makes the contenders, says what is to come, measures, writes.

import MagicPyramid
import PyramidFormats
import PyramidPolicyTesting
import PyramidTools

/// A run of mp-compare.
struct ComparisonSession {
  private let command: MPCompare
  private let terminal: Terminal
  private let progress: LongProgress

  init(_ command: MPCompare) {
    self.command = command
    terminal = Terminal(quiet: command.quiet)
    progress = LongProgress(terminal)
  }

  func run() throws {
    // A path that can't be written should be known before minutes of measuring, not after.
    try checkOutputs(
      command.output + command.output.prefix(1).map { $0 + ".partial" } + [command.perSample],
      inputs: [command.model, command.data, command.train] + command.profile + command.plugins.plugin)
    for path in command.output + [command.perSample].compactMap({ $0 }) { _ = try OutputFile(path: path) }
    defer { terminal.endProgress() }
    let sources = try sources()
    // Mistakes in the data, too, should be known before models are compiled.
    let (task, labels) = (sources[0].task, sources[0].labels)
    var layout = command.reading.layout(of: command.data, else: .tsv)
    layout.group = command.groupBy
    let texts = try LabelledDataSet(
      path: command.data, labels: labels, kind: task.labelKind, limit: command.limit, layout: layout)
    _ = try AnswerKey(texts, task, classes: labels.count)
    let list = try contenders(of: sources)
    let first = list.contenders[0].classifier
    guard list.contenders.contains(where: { $0.name == command.baseline }) else {
      let names = list.contenders.map(\.name).joined(separator: ", ")
      throw ComparisonError("--baseline \(command.baseline): there is no such contender; there are \(names)")
    }
    let workload = try Workload(
      texts, classifier: first, batch: command.batch, plan: command.windows.plan(for: first))
    var options = MeasurementOptions()
    options.repetitions = command.repetitions
    options.isTimed = !command.answersOnly
    options.threads = ThreadCount.choose(requested: command.team.threads)
    options.progress = progress.report
    let notes = command.policy.flatMap(\.notes) + list.notes + texts.notes
    let plan = try plan(list.contenders, workload, options)
    if let path = command.output.first.map({ $0 + ".partial" }) {
      options.log = try MeasurementLog(
        path: path,
        identity: list.identity(workload, options, files: command.plugins.plugin + command.profile),
        resumes: command.resume)
    }
    let measurement = try Measurement(list.contenders, workload, options)
    var report = try ComparisonReport(
      measurement, source: sources[0], command: ShellText.command(), threads: command.team.threads,
      margin: command.margin, baseline: command.baseline)
    report.notes += notes + [plan].compactMap { $0 }
    if command.output.contains(where: { ReportFormat(endingOf: $0) == .html }) {
      report.pictures = try measurement.pictures()
    }
    terminal.endProgress()
    try write(report, measurement)
    options.log?.finish()
  }

  private var classifierOptions: ClassifierOptions {
    var options = ClassifierOptions()
    (options.threads, options.batchSamples) = (command.team.threads, command.batch)
    options.labelThreshold = command.labelThreshold
    return options
  }

  /// The model in every precision that is asked for.
  private func sources() throws -> [ModelSource] {
    let registry = try command.plugins.registry()
    let profiles = try command.profile.map { try PolicyProfile(path: $0) }
    let precisions = command.precision.isEmpty ? [nil] : command.precision.map(Optional.some)
    return try precisions.map {
      try ModelSource(
        path: command.model, precision: $0, profiles: profiles, registry: registry, options: classifierOptions)
    }
  }

  private func contenders(of sources: [ModelSource]) throws -> ContenderList {
    var nulls = command.noNullModels ? nil : sources[0]
    var bag: TrainedBag?
    if let train = command.train {
      guard FileKind(at: command.model) == .folder else {
        throw ComparisonError("\(command.model): --train wants a checkpoint folder, whose tokenizer reads the texts")
      }
      let trained = try TrainedBag(
        of: command.model, train: train, layout: command.reading, threads: command.team.threads,
        progress: progress.report)
      nulls = try ModelSource(
        path: trained.path, precision: command.precision.first, registry: command.plugins.registry(),
        options: classifierOptions)
      bag = trained
    }
    return try withExtendedLifetime(bag) {
      try ContenderList(
        of: sources, command.policy.flatMap(\.options), seeds: command.seeds, nulls: nulls, progress: progress.report)
    }
  }

  /// Says how long it will take and what the texts can show, and returns the latter for the report; nil for numbers.
  private func plan(_ contenders: [Contender], _ workload: Workload, _ options: MeasurementOptions) throws -> String? {
    let seconds = try Measurement.estimate(contenders, workload, options)
    let count = workload.texts.count
    let smallest = PairedDifference.detectable(texts: count, discordant: 0.02)
    let sentence: String? =
      workload.key.kind == .value
      ? nil
      : "\(count) texts show a difference of \(decimal(100 * smallest, 2)) points or more (with a power of 80%, where "
        + "only one of two is right on 2% of them)"
    terminal.endProgress()
    terminal.note(
      "\(contenders.count) contenders, at most about \(duration(seconds))\(sentence.map { "; \($0)" } ?? "")")
    if seconds > 60, !command.output.isEmpty {
      terminal.note("if it is interrupted, the same command with --resume goes on")
    }
    return sentence
  }

  private func write(_ report: ComparisonReport, _ measurement: Measurement) throws {
    if command.output.isEmpty {
      let out = StandardOutput()
      try out.print(report.markdown, terminator: "")
      try out.flush()
    }
    for path in command.output {
      guard let format = ReportFormat(endingOf: path) else { continue }
      try OutputFile.write(format.text(report), to: path)
      terminal.note("wrote \(path)")
    }
    if let path = command.perSample {
      let file = try OutputFile(path: path)
      var text = ""
      try measurement.writeAnswers { line in
        text += line + "\n"
        if text.utf8.count >= 1 << 16 {
          try file.write(text)
          text = ""
        }
      }
      try file.write(text)
      try file.commit()
      terminal.note("wrote \(path)")
    }
  }
}
