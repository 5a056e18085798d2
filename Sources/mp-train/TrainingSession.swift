// One training from the command line: reads everything that can be wrong before anything is written, trains, writes the
// result.

import MagicPyramid
import PyramidFormats
import PyramidModels
import PyramidTools
import PyramidTraining

/// A run of mp-train.
final class TrainingSession {
  /// Whether the output folder holds this training: what there is to resume.
  private(set) var isBegun = false
  private let command: MPTrain
  private let terminal: Terminal
  private let progress: LongProgress

  init(_ command: MPTrain, _ terminal: Terminal) {
    (self.command, self.terminal, progress) = (command, terminal, LongProgress(terminal))
  }

  func run() throws {
    let checkpoint = try Checkpoint(path: command.checkpoint)
    var options = command.choices.options(hasEntry: checkpoint.weights.shape(of: "exits.entry.table") != nil)
    // Another machine, or other features of it, go on as this training was begun.
    if command.choices.precision == nil, command.running.start == .resuming {
      options.precision = TrainingFolder.precision(at: command.files.output) ?? options.precision
    }
    let data = try TrainingData(
      path: command.files.data, dev: command.files.dev, checkpoint: checkpoint.configuration.labels, seed: options.seed,
      layout: { command.files.reading.layout(of: $0, else: .tsv) })
    let training = try Training(
      checkpoint, data, options, threads: command.running.team.threads, progress: progress.report)
    for note in training.notes { terminal.note("note: \(note)") }
    if let policy = command.files.fitPolicy {
      let words = try training.fit(policy: policy, to: command.files.output)
      terminal.endProgress()
      return terminal.note("\(policy): \(words); wrote \(command.files.output)")
    }
    let folder = try TrainingFolder(
      path: command.files.output, command.running.start, arguments: training.arguments, source: command.checkpoint)
    isBegun = true
    terminal.endProgress()
    terminal.note(
      "\(data.train.count) rows to train on, \(data.dev.count) \(data.heldOutRows.isEmpty ? "of dev" : "held out"), "
        + "\(data.labels.count) classes"
        + (options.precision == .bf16 ? "; layers learn with products in bf16 (--precision f32 for f32)" : ""))
    let isFinished = folder.isFinished
    let summary = try training.run(
      in: folder, saveMinutes: command.running.checkpointMinutes,
      console: TrainingConsole(progress: progress.report, note: note))
    terminal.endProgress()
    let out = StandardOutput()
    try out.print(summary.markdown, terminator: "")
    try out.flush()
    if !isFinished { terminal.note("wrote \(command.files.output)") }
  }

  private func note(_ text: String) {
    terminal.endProgress()
    terminal.note(text)
  }
}
