// What a caller sees of the engine: hand in a batch, get answers. Here batches are checked and queued; how they go
// through the model is the wave loop's business, on the inference thread.

import PyramidIR
import PyramidPolicy

/// Buffers and team for one model. Calls from several threads and tasks share waves: each returns when its own samples
/// are answered, and a sample's answer does not depend on the others.
public final class Executor: Sendable {
  /// What it was made with.
  public let options: ExecutorOptions
  private let shape: ModelShape
  private let indexLimits: [Int]
  private let paddingID: Int32?
  private let terms: TermsCheck
  private let queue: RequestQueue
  private let work: InferenceWork
  private let thread: InferenceThread

  /// An executor for an open model and the policies that `model.policies(...)` resolved for it.
  public init(model: LoadedModel, policies: ResolvedPolicies, options: ExecutorOptions) throws {
    try options.check()
    self.options = options
    shape = model.graph.shape
    let program = try Program(model.graph, target: model.instructionSet, address: model.address(of:))
    (indexLimits, paddingID) = (program.indexLimits, program.paddingID)
    terms = TermsCheck(model, policies)
    let trace = options.trace?.group(program.traceNames(model.graph))
    // A quarter of a wave: several large requests keep a small one waiting for a wave, not for a wave each, and what is
    // no larger goes whole, which is soonest for all of its kind.
    let queue = RequestQueue(turn: max(1, options.tokens / 4), trace: trace)
    self.queue = queue
    let loop = try WaveLoop(
      program, of: model, policies: policies, options: options, source: queue, trace: trace)
    work = InferenceWork {
      // A wave's way from end to end and the end of it, then it is the turn of another executor that has something to
      // do.
      for _ in 0...program.sections.count {
        guard loop.advance() else { return false }
        queue.tellCallers()
      }
      return true
    }
    thread = try InferenceThread.shared(threads: options.threads)
  }

  /// Runs a batch of any number of samples; answers come in their order. Throws when a sample has more tokens than the
  /// options give room for, or an id that the embedding tables lack.
  public func run(_ batch: PackedBatch) throws -> [Answer] {
    let table = AnswerTable()
    try run(batch, into: table)
    return table.answers
  }

  /// Runs a batch and writes its answers over those in `table`. Once the table has held as many, nothing is allocated.
  public func run(_ batch: PackedBatch, into table: AnswerTable) throws {
    try prepare(batch, table)
    if batch.sampleCount == 0 { return }
    let request = queue.spare()
    request.prepare(batch, into: table)
    queue.append(request)
    thread.wake(work)
    request.wait()
    queue.reuse(request)
  }

  /// Runs a batch on terms of its own while the calling task is suspended; no thread waits. Throws as the others do,
  /// `CancellationError` when the task was cancelled and `DeadlinePassed` when the deadline passed before all samples were
  /// admitted to a wave: those that were not are not computed.
  public func run(_ batch: PackedBatch, on terms: RequestTerms = RequestTerms()) async throws -> [Answer] {
    let table = AnswerTable()
    try prepare(batch, table)
    try check(terms)
    if batch.sampleCount == 0 { return [] }
    let request = Request()
    request.prepare(batch, into: table, terms: terms)
    // While waves are full the queue is looked at seldom, and who waits for room shall know at the deadline.
    let alarm = terms.deadline.map { deadline in
      Task { [queue] in
        try await Task.sleep(until: deadline, clock: .continuous)
        queue.cancel(request, isLate: true)
      }
    }
    defer { alarm?.cancel() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        queue.append(request, resuming: continuation)
        thread.wake(work)
      }
    } onCancel: {
      queue.cancel(request)
    }
    return table.answers
  }

  /// Throws `RuntimeError` where terms can't be kept: too few layers for the first head, or policies that keep more of a
  /// sample than this executor's.
  public func check(_ terms: RequestTerms) throws(RuntimeError) { try self.terms.check(terms) }

  /// Checks a batch and makes room for its answers.
  private func prepare(_ batch: PackedBatch, _ table: AnswerTable) throws {
    guard thread.isOfThisProcess else {
      throw RuntimeError(
        "the model was opened before this process was forked, which has no thread for it: open it again")
    }
    for sample in 0..<batch.sampleCount {
      let length = batch.length(of: sample)
      guard length <= options.roomForTokens else {
        throw RuntimeError(
          "sample \(sample + 1) of the batch has \(length) tokens; room is for \(options.roomForTokens)")
      }
    }
    for sample in 0..<batch.sampleCount where batch.groups[sample] > 1 {
      let group = batch.rows(ofGroupAt: sample)
      guard group.samples <= options.samples, group.tokens <= options.tokens else {
        throw RuntimeError(
          "a group of \(group.samples) samples and \(group.tokens) tokens; a batch has room for \(options.samples) and "
            + "\(options.tokens)")
      }
    }
    try check(batch.tokenIDs, 0)
    if let paddingID, batch.tokenIDs.contains(paddingID) {
      throw RuntimeError(
        "a text holds the padding token (id \(paddingID)), after which this model's positions are counted in another way: "
          + "take it out of the text")
    }
    try check(batch.positions, 1)
    try check(batch.typeIDs, 2)
    table.prepare(for: batch, shape: shape, recordsPositions: options.recordsPositions)
  }

  /// What keeps a text of these ids from being answered, as the end of a sentence with the token in it; nil when nothing
  /// does. `token` gives the text of an id.
  public func problem(ofIDs ids: [Int32], token: (Int32) -> String) -> String? {
    if let limit = indexLimits.first, let id = ids.first(where: { $0 < 0 || Int($0) >= limit }) {
      return "has the token '\(token(id))', whose id \(id) is beyond the model's \(limit) embeddings"
    }
    guard let paddingID, ids.contains(paddingID) else { return nil }
    return "has the padding token '\(token(paddingID))', after which this model's positions are counted in another way"
  }

  /// Throws when an index is not in the tables of a kind; a model without token types has two kinds.
  private func check(_ indices: [Int32], _ table: Int) throws {
    guard table < indexLimits.count else { return }
    let limit = indexLimits[table]
    if let bad = indices.first(where: { $0 < 0 || Int($0) >= limit }) {
      throw RuntimeError("index \(bad) is outside its embedding table of \(limit) rows")
    }
  }
}
