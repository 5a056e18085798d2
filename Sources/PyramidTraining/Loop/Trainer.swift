// The loop that drives the stages: epochs, updates, evaluation, what is kept, when the state is written. Everything that
// decides about the result hangs on the position alone, never on the clock.

import PyramidEvaluation
import PyramidFormats

/// What a training tells while it runs.
public struct TrainingConsole {
  /// A line that overwrites itself, and one that stays.
  public var progress, note: (String) -> Void

  /// A console.
  public init(progress: @escaping (String) -> Void = { _ in }, note: @escaping (String) -> Void = { _ in }) {
    (self.progress, self.note) = (progress, note)
  }
}

/// One training, from its start or from where it stopped to its end.
public final class Trainer {
  let context: TrainingContext
  let folder: TrainingFolder
  let console: TrainingConsole
  private let make: (StageName, TrainingContext) throws -> any TrainingStage
  private let saveInterval: Duration
  private var log: TrainingLog
  private var position = TrainingPosition()
  /// Batches of the stages before.
  private var batchesBefore = 0
  /// The values of the stage's best epoch, by parameter.
  private var best: [String: [Float]] = [:]
  /// The state to go on from, until the stage in it has taken what it holds.
  private var resumed: SafetensorsFile?
  private let clock = ContinuousClock()
  private var lastSave: ContinuousClock.Instant
  private var lastCurve = ContinuousClock.now.advanced(by: .seconds(-1))

  /// A training in a folder. When the folder holds a state of it, that is where it goes on. `saveMinutes` is the most
  /// work in minutes that a killed process loses; 0 writes the state after every update. Throws for a state that can't
  /// be read.
  public init(
    _ context: TrainingContext, folder: TrainingFolder, saveMinutes: Double = 5, console: TrainingConsole,
    make: @escaping (StageName, TrainingContext) throws -> any TrainingStage
  ) throws {
    (self.context, self.folder, self.console, self.make) = (context, folder, console, make)
    saveInterval = .seconds(saveMinutes * 60)
    lastSave = clock.now
    if folder.hasState {
      let (position, file) = try TrainingState.restore(folder.statePath, into: context, arguments: folder.arguments)
      (self.position, resumed) = (position, file)
    }
    log = try TrainingLog(path: folder.logPath, keeping: position.logBytes)
    context.output = TrainingOutput(
      folder: folder.path, arguments: folder.arguments, interval: saveInterval, note: console.note, log: log.append)
  }

  /// Runs the stages that are left and returns the log's events. Throws what stages throw, `TrainingError` for a loss
  /// that is not finite, `OutputError` when the state can't be written, and `TrainingInterrupted` after a signal; the
  /// last state that was written stays.
  public func run() throws -> [JSONValue] {
    let names = context.stages
    while position.stage < names.count {
      try Interruption.check()
      try run(make(names[position.stage], context))
      var next = TrainingPosition()
      (next.stage, next.batches) = (position.stage + 1, position.batches)
      position = next
      best = [:]
      try save()
      FeatureFiles.remove(from: folder.path)
    }
    return try log.events()
  }

  private func run(_ stage: any TrainingStage) throws {
    console.progress("\(stage.name.title): preparing")
    try stage.prepare()
    let plans = (0..<stage.epochs).map { epoch in
      var random = SeededRandom(seed: context.options.seed, stream: "stage \(stage.name.rawValue) epoch \(epoch)")
      return BatchPlan(
        lengths: context.train.lengths, budget: context.options.batchTokens, samples: context.options.batchSamples,
        random: &random)
    }
    let counts = plans.map { ($0.batches.count + context.options.accumulate - 1) / context.options.accumulate }
    let optimiser = Optimiser(stage.groups, thread: context.thread, updates: counts.reduce(0, +), context.options)
    try check(plans, counts)
    batchesBefore = position.batches - batches(done: plans)
    if let resumed, position.updates > 0 {
      let kept = stage.keepsBest && position.bestScore != nil ? stage.groups.flatMap(\.parameters) : []
      best = try TrainingState.advising { () throws(FormatError) in
        try TrainingState.restoreMoments(resumed, into: context.parameters, best: kept)
      }
    }
    resumed = nil
    while position.epoch < stage.epochs, position.stale < context.options.patience ?? .max {
      while position.step < counts[position.epoch] {
        try update(stage, plans[position.epoch], optimiser)
        try saveIfDue()
      }
      try judge(stage)
    }
    // What follows takes a while on a large dev, and a signal in it ends the training: only that is repeated then.
    if stage.epochs > 0 { try save() }
    if stage.keepsBest { for (name, values) in best { context.parameters[name]!.array = values } }
    try stage.finish()
    try summarise(stage, updates: position.updates)
    for parameter in context.parameters.all { parameter.stopTraining() }
  }

  /// Throws for a position that a training by these plans, of so many updates an epoch, never is at.
  private func check(_ plans: [BatchPlan], _ counts: [Int]) throws(FormatError) {
    let (epoch, step) = (position.epoch, position.step)
    let isWithin = epoch < counts.count ? step <= counts[epoch] : epoch == counts.count && step == 0
    guard isWithin, position.updates == counts.prefix(epoch).reduce(0, +) + step, position.stale <= epoch,
      position.batches >= batches(done: plans)
    else {
      throw FormatError(
        file: folder.statePath, place: "position",
        problem: "epoch \(epoch), step \(step), update \(position.updates), batch \(position.batches) is no place in "
          + "this training; --overwrite starts anew")
    }
  }

  /// Batches of the stage that are done, by its plans.
  private func batches(done plans: [BatchPlan]) -> Int {
    let whole = plans.prefix(position.epoch).reduce(0) { $0 + $1.batches.count }
    if position.step == 0 { return whole }
    return whole + min(position.step * context.options.accumulate, plans[position.epoch].batches.count)
  }

  /// One update of the parameters.
  private func update(_ stage: any TrainingStage, _ plan: BatchPlan, _ optimiser: Optimiser) throws {
    let start = clock.now
    let first = position.step * context.options.accumulate
    var (loss, samples) = (0.0, 0)
    for batch in plan.batches[first..<min(first + context.options.accumulate, plan.batches.count)] {
      let batch = context.train.batch(batch, number: position.batches, update: batchesBefore + position.updates)
      loss += try stage.accumulate(batch)
      samples += batch.samples.count
      position.tokens += batch.tokens.tokenCount
      position.batches += 1
    }
    let norm = loss.isFinite ? try optimiser.update(position.updates + 1, samples: samples) : loss
    guard norm.isFinite else { throw notFinite(stage, loss.isFinite ? "gradient" : "loss") }
    position.step += 1
    position.updates += 1
    position.lossSum += loss
    position.samples += samples
    position.seconds += start.duration(to: clock.now) / .seconds(1)
    console.progress(progress(stage, loss: loss / Double(samples), of: optimiser.updates))
    if position.updates % max(optimiser.updates / 100, 1) == 0 {
      try log.append(
        "update",
        [
          "stage": .string(stage.name.rawValue), "epoch": JSONValue(position.epoch + 1),
          "update": JSONValue(position.updates), "of": JSONValue(optimiser.updates),
          "loss": JSONValue(position.lossSum / Double(position.samples)), "gradient_norm": JSONValue(norm),
          "rate": JSONValue(optimiser.rate(of: position.updates)),
          "tokens_per_s": JSONValue((Double(position.tokens) / position.seconds).rounded()),
        ])
      (position.lossSum, position.samples) = (0, 0)
    }
  }

  private func notFinite(_ stage: any TrainingStage, _ what: String) -> TrainingError {
    TrainingError(
      "stage \(stage.name.rawValue), epoch \(position.epoch + 1), update \(position.updates + 1): the \(what) is not "
        + "finite; start anew, with --overwrite and a lower learning rate")
  }

  private func progress(_ stage: any TrainingStage, loss: Double, of updates: Int) -> String {
    let left = position.seconds / Double(position.updates) * Double(updates - position.updates)
    return "\(stage.name.title): epoch \(position.epoch + 1) of \(stage.epochs), update \(position.updates) of "
      + "\(updates), loss \(decimal(loss, 4)), \(decimal(Double(position.tokens) / position.seconds, 0)) tokens/s, "
      + (left < 90 ? "\(decimal(left, 0)) s left" : "\(decimal(left / 60, 0)) min left")
  }

  /// The end of an epoch: how good it is on dev, and whether it is the best.
  private func judge(_ stage: any TrainingStage) throws {
    let results: [HeadResult]
    do { results = try evaluate(stage) } catch let interruption as TrainingInterrupted {
      try save()
      throw interruption
    }
    let score = stage.score(results)
    guard score.isFinite else { throw notFinite(stage, "score on dev") }
    let isBest = position.bestScore.map { score > $0 } ?? true
    if isBest || !stage.keepsBest { position.results = results }
    if isBest {
      (position.bestScore, position.stale) = (score, 0)
      if stage.keepsBest {
        best = [:]
        for parameter in stage.groups.flatMap(\.parameters) { best[parameter.name] = parameter.array }
      }
    } else {
      position.stale += 1
    }
    try log.append(
      "epoch",
      [
        "stage": .string(stage.name.rawValue), "epoch": JSONValue(position.epoch + 1),
        "update": JSONValue(position.updates), "score": JSONValue(score), "best": .bool(isBest),
        "heads": HeadResult.json(results),
      ])
    console.note(
      "\(stage.name.title), epoch \(position.epoch + 1): " + HeadResult.text(results)
        + (isBest ? "" : " (not the best)"))
    position.epoch += 1
    position.step = 0
  }

  private func summarise(_ stage: any TrainingStage, updates: Int) throws {
    let results = try position.results.isEmpty ? evaluate(stage) : position.results
    let seconds = position.elapsed + sinceSave / .seconds(1)
    try log.append(
      "stage",
      [
        "stage": .string(stage.name.rawValue), "epochs": JSONValue(position.epoch), "updates": JSONValue(updates),
        "seconds": JSONValue((seconds * 10).rounded() / 10),
        "tokens_per_s": JSONValue((Double(position.tokens) / max(position.seconds, 1e-9)).rounded()),
        "heads": HeadResult.json(results),
      ])
  }

  /// What every head does on dev.
  private func evaluate(_ stage: any TrainingStage) throws -> [HeadResult] {
    var tally = HeadTally(heads: stage.heads)
    let plan = context.devPlan
    for (number, samples) in plan.batches.enumerated() {
      try Interruption.check()
      console.progress("\(stage.name.title): dev, \(100 * number / plan.batches.count)%")
      let batch = context.dev.batch(samples)
      tally.count(try stage.predict(batch), labels: batch.labels)
    }
    return tally.results
  }

  /// Writes the state when it is time to, or when a signal has come, after which it throws.
  private func saveIfDue() throws {
    do { try Interruption.check() } catch {
      try save()
      throw error
    }
    if sinceSave >= saveInterval { try save() }
  }

  private var sinceSave: Duration { lastSave.duration(to: clock.now) }

  private func save() throws {
    position.elapsed += sinceSave / .seconds(1)
    lastSave = clock.now
    log.flush()
    position.logBytes = log.byteCount
    func write() throws {
      try TrainingState.write(
        to: folder.statePath, position, context.parameters, best: best, arguments: folder.arguments)
    }
    do { try write() } catch {
      // Features can be computed again: the state needs their room more.
      guard FeatureFiles.remove(from: folder.path) else { throw error }
      try write()
      console.note("features gave way to the state, so that a stop in this stage costs computing them again: \(error)")
    }
    // A picture ends no training, and where each update is a state, one in a second is enough.
    guard log.byteCount > 0, lastCurve.duration(to: lastSave) >= .seconds(1) else { return }
    lastCurve = lastSave
    try? OutputFile.write(TrainingCurve(log.events()).svg, to: folder.file("curve.svg"))
  }
}
