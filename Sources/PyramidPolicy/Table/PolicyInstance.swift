// One policy made for one model, as the engine calls it: the hot side of the table. Nothing here allocates.

/// A policy with its arguments, ready to be asked. Safe for concurrent calls on different samples.
public final class PolicyInstance: Sendable {
  /// The policy's type.
  public let type: PolicyType
  /// The specification with all defaults filled in: printing it reproduces the instance. Learned values stay symbolic.
  public let spec: PolicySpec
  /// The model that the instance was made for.
  public let model: ModelFacts
  /// The same policy made for each further task of a model with several; each decides about the logits of its own.
  public let others: [PolicyInstance]

  private nonisolated(unsafe) let table: PolicyTable
  private nonisolated(unsafe) let handle: UnsafeMutableRawPointer
  private nonisolated(unsafe) let label: UnsafePointer<UInt8>

  init(
    type: PolicyType, spec: PolicySpec, model: ModelFacts, handle: UnsafeMutableRawPointer, others: [PolicyInstance]
  ) {
    self.type = type
    self.others = others
    self.spec = spec
    self.model = model
    self.handle = handle
    table = type.table
    label = type.label
  }

  deinit { table.destroy(handle) }

  /// The policy of a task, counted from 0.
  public func part(_ task: Int) -> PolicyInstance { task == 0 ? self : others[task - 1] }

  /// Whether the policy is asked after a layer, 0 for the entry; false for the last layer, which always exits and prunes
  /// nothing.
  public func isActive(afterLayer layer: Int) -> Bool {
    layer >= 0 && layer < model.layers
      && PolicyCallNotes.during(.layers, label) { table.isActive(handle, layer) }
  }

  /// The signals that an exit policy reads; empty for a pruning policy.
  public var exitSignals: Set<ExitSignal> {
    Set(type.kind == .exit ? ExitSignal.allCases.filter { table.reads(handle) & $0.bit != 0 } : [])
  }

  /// The signals that a pruning policy reads; empty for an exit policy.
  public var tokenSignals: Set<TokenSignal> {
    Set(type.kind == .prune ? TokenSignal.allCases.filter { table.reads(handle) & $0.bit != 0 } : [])
  }

  /// When in a layer a pruning policy decides; `.afterAttention` for an exit policy.
  public var moment: PruningMoment {
    let index = table.moment(handle)
    return PruningMoment.allCases.indices.contains(index) ? PruningMoment.allCases[index] : .afterAttention
  }

  /// What becomes of the rows of tokens that do not stay; `.dropped` for an exit policy.
  public var remainder: Remainder {
    let index = table.remainder(handle)
    return Remainder.allCases.indices.contains(index) ? Remainder.allCases[index] : .dropped
  }

  /// Writes where each token of a sample goes, its place in the sample, into `targets`, `[view.count]`; its own place
  /// if it stays.
  public func merge(_ view: borrowing TokenViewStorage, into targets: UnsafeMutablePointer<Int32>) {
    for index in 0..<view.count { targets[index] = Int32(truncatingIfNeeded: index) }
    withUnsafePointer(to: view) { view in
      PolicyCallNotes.during(.merge, label) { table.merge(handle, view, targets) }
    }
  }

  /// Which tokens stay after a layer; `.all` for an exit policy and where the policy is not active.
  public func retention(afterLayer layer: Int) -> Retention {
    guard isActive(afterLayer: layer) else { return .all }
    var payload = 0
    let kind = PolicyCallNotes.during(.retention, label) { table.retention(handle, layer, &payload) }
    return Retention(kind: kind, payload: payload)
  }

  /// Scores the tokens of one sample into `scores`, `[view.count]`.
  public func score(_ view: borrowing TokenViewStorage, into scores: UnsafeMutablePointer<Float>) {
    scores.update(repeating: 0, count: view.count)
    withUnsafePointer(to: view) { view in
      PolicyCallNotes.during(.score, label) { table.score(handle, view, scores) }
    }
  }

  /// The scores of a sample's tokens, `[sample.count]`, for a view that was made by hand.
  public func scores(of sample: borrowing TokenView) -> [Float] {
    var scores = [Float](repeating: 0, count: sample.count)
    scores.withUnsafeMutableBufferPointer { score(sample.storage.pointee, into: $0.baseAddress!) }
    return scores
  }

  /// The targets of a sample's tokens, `[sample.count]`, for a view that was made by hand.
  public func targets(of sample: borrowing TokenView) -> [Int32] {
    var targets = [Int32](repeating: 0, count: sample.count)
    targets.withUnsafeMutableBufferPointer { merge(sample.storage.pointee, into: $0.baseAddress!) }
    return targets
  }

  /// Whether an exit policy remembers something of a sample from head to head: what it answers at one head then
  /// depends on having been asked at the others.
  public var hasMemory: Bool { table.memorySize > 0 }
  /// Bytes from one sample's memory to the next.
  public var memoryStride: Int { table.memoryStride }
  /// Alignment of a sample's memory in bytes.
  public var memoryAlignment: Int { table.memoryAlignment }

  /// Makes a sample's memory in `memory`: `memoryStride` bytes, aligned to `memoryAlignment`. Call once per sample.
  public func initializeMemory(at memory: UnsafeMutableRawPointer) {
    PolicyCallNotes.during(.makeMemory, label) { table.initializeMemory(handle, memory) }
  }

  /// Ends a sample's memory; call once for each `initializeMemory(at:)`.
  public func destroyMemory(at memory: UnsafeMutableRawPointer) { table.destroyMemory(handle, memory) }

  /// Runs `body` with the memory of a new sample, which ends with the call.
  public func withMemory<Result>(_ body: (UnsafeMutableRawPointer) throws -> Result) rethrows -> Result {
    try withUnsafeTemporaryAllocation(byteCount: memoryStride, alignment: memoryAlignment) { buffer in
      initializeMemory(at: buffer.baseAddress!)
      defer { destroyMemory(at: buffer.baseAddress!) }
      return try body(buffer.baseAddress!)
    }
  }

  /// Whether the sample leaves at this head. `memory` is the sample's own.
  public func shouldExit(_ view: borrowing ExitViewStorage, memory: UnsafeMutableRawPointer) -> Bool {
    withUnsafePointer(to: view) { view in
      PolicyCallNotes.during(.shouldExit, label) { table.shouldExit(handle, view, memory) }
    }
  }

  /// The same for a view that was made by hand.
  public func shouldExit(_ head: borrowing ExitView, memory: UnsafeMutableRawPointer) -> Bool {
    shouldExit(head.storage.pointee, memory: memory)
  }
}
