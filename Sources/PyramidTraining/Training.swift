// A training as a program calls it: what it depends on, its run, its result. The tool adds words and a terminal.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidRuntime

/// A checkpoint, data and options that fit together.
public struct Training {
  /// Everything that the result depends on: the options, and SHA-256 of what was read.
  public let arguments: JSONObject
  /// What a user should know of the checkpoint, a sentence each.
  public let notes: [String]
  let context: TrainingContext
  private let heldOutRows: [Int]

  /// Encodes the texts and readies the parameters. Throws when options, checkpoint and data do not fit together.
  public init(
    _ checkpoint: Checkpoint, _ data: TrainingData, _ options: TrainingOptions, threads: Int? = nil,
    progress: @escaping (String) -> Void = { _ in }
  ) throws {
    let whole = checkpoint
    let checkpoint = try options.layers.map { try whole.cut(to: $0) } ?? whole
    try options.check(checkpoint, data)
    try ResultFolder.check(checkpoint)
    func encode(_ rows: [LabelledDataSet.Row], _ name: String) throws -> EncodedTexts {
      progress("reading \(name)")
      return try EncodedTexts(
        rows, name: name, tokenizer: checkpoint.tokenizer, limit: options.maximumTokens ?? checkpoint.maxTokens,
        vocabulary: checkpoint.configuration.vocabularySize)
    }
    context = try TrainingContext(
      checkpoint: checkpoint, labels: data.labels, options: options, train: encode(data.train, "train"),
      dev: encode(data.dev, "dev"), thread: TrainingThread(threads: ThreadCount.choose(requested: threads)),
      progress: progress)
    heldOutRows = data.heldOutRows
    let model = try LoweredModel(checkpoint, name: "training", training: data.labels)
    try options.check(model, of: checkpoint)
    // One that can't be read is an error now, not when the first stage asks it.
    _ = try context.teachers.get()
    notes =
      try checkpoint.notes + model.notes + model.numberNotes(of: checkpoint) + context.settleExits()
      + context.thresholdNotes
    var arguments = options.arguments
    try arguments.add(checkpoint, as: "checkpoint")
    arguments["labels"] = .string(Checksum.sha256(of: JSONWriter.string(.array(data.labels.map(JSONValue.string)))))
    arguments["data"] = .object(data.checksums)
    // Of the same files, other columns may be read.
    arguments["texts"] = .array([context.train, context.dev].map { .string($0.checksum) })
    for teacher in options.teachers where teacher != Teachers.entry {
      try arguments.add(Checkpoint(path: teacher), as: "teacher \(teacher)")
    }
    self.arguments = arguments
  }

  /// Trains in `folder`, which holds the result afterwards, and returns the table of its stages. A training that is
  /// finished already is not run again. Throws what `Trainer.run` throws, and for one that is finished with weights in
  /// another format.
  public func run(
    in folder: TrainingFolder, saveMinutes: Double, console: TrainingConsole,
    make: @escaping (StageName, TrainingContext) throws -> any TrainingStage = StageCatalogue.make
  ) throws -> StageSummary {
    if folder.isFinished {
      let format = try JSONField(path: folder.file("training-report.json")).required("weights").string()
      guard format == context.options.weights.rawValue else {
        throw TrainingError(
          "\(folder.path): is finished, with weights in \(format); for others train again, with --overwrite")
      }
      console.note("the training in \(folder.path) is finished")
      return StageSummary(try TrainingLog(path: folder.logPath, keeping: nil).events())
    }
    let trainer = try Trainer(context, folder: folder, saveMinutes: saveMinutes, console: console, make: make)
    do {
      let events = try trainer.run()
      if let forecast = try ExitForecastTable(context) { console.note(forecast.text) }
      try ResultFolder(
        folder: folder, context: context, events: events, arguments: arguments, heldOutRows: heldOutRows
      ).write()
      return StageSummary(events)
    } catch let error as OutputError where folder.hasState && error.isOfRoom {
      throw OutputError(
        file: error.file, place: error.place, problem: "\(error.problem); --resume goes on once there is room")
    }
  }
}

extension JSONObject {
  /// SHA-256 of a checkpoint's weights and, each by its name, of the files that say what they mean: with another
  /// activation or other heads the same weights are another model, and a result has the tokenizer's files.
  fileprivate mutating func add(_ checkpoint: Checkpoint, as name: String) throws {
    self[name] = .string(Checksum.sha256(ofFiles: checkpoint.weights.tensors.files))
    for path in checkpoint.files where !path.hasSuffix(".safetensors") {
      let file = path.split(separator: "/").last ?? ""
      self["\(name)/\(file)"] = .string(try MappedFile(path: path).withBytes { Checksum.sha256(of: $0) })
    }
  }
}

extension OutputError {
  /// Whether a disk, a quota or the user's limit on files was full.
  fileprivate var isOfRoom: Bool {
    [ENOSPC, EDQUOT, EFBIG].contains { problem.hasSuffix(String(cString: strerror($0))) }
  }
}
