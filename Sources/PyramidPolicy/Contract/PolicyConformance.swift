// From a Swift conformance to C functions. A C function cannot be generic, so each policy type hides behind a class
// that knows it, and the functions of the table call that class. The policy is a `let` of that class on purpose: from a
// `var`, or from behind a pointer, each call would copy it first.

/// A policy type behind a class, so that C functions can reach it. Made by the SDK; an author does not need it.
public final class PolicyConformance {
  let description: PolicyDescription
  let memoryLayout: (size: Int, stride: Int, alignment: Int)
  let make: (PolicyArguments) throws -> ErasedPolicy

  init<Conformer: PruningPolicy>(pruning type: Conformer.Type) {
    description = PolicyDescription(.prune, type)
    memoryLayout = (0, 1, 1)
    make = { ErasedPruningPolicy(try type.init($0)) }
  }

  init<Conformer: MergingPolicy>(merging type: Conformer.Type) {
    description = PolicyDescription(.prune, type)
    memoryLayout = (0, 1, 1)
    make = { ErasedMergingPolicy(try type.init($0)) }
  }

  init<Conformer: ExitPolicy>(exit type: Conformer.Type) {
    typealias Layout = MemoryLayout<Conformer.Memory>
    description = PolicyDescription(.exit, type, requires: type.requires)
    memoryLayout = (Layout.size, Layout.stride, Layout.alignment)
    make = { ErasedExitPolicy(try type.init($0)) }
  }
}

/// A policy behind a class. Which of the functions are called follows from the kind.
class ErasedPolicy {
  let declared: UInt64
  private let layers: LayerSet
  private let isOfEntry: Bool

  /// `isOfEntry` says whether the entry is among the boundaries of a policy that is active at all of them.
  init(declared: UInt64, layers: LayerSet, isOfEntry: Bool) {
    (self.declared, self.layers, self.isOfEntry) = (declared, layers, isOfEntry)
  }

  func isActive(_ layer: Int) -> Bool { layers.contains(layer) && (layer > 0 || layers != .all || isOfEntry) }

  var moment: PruningMoment { .afterAttention }
  var remainder: Remainder { .dropped }
  func merge(_ sample: UnsafePointer<TokenViewStorage>, _ targets: UnsafeMutablePointer<Int32>) {}
  func retention(_ layer: Int) -> Retention { .all }
  func score(_ sample: UnsafePointer<TokenViewStorage>, _ scores: UnsafeMutablePointer<Float>) {}
  func initializeMemory(_ memory: UnsafeMutableRawPointer) {}
  func destroyMemory(_ memory: UnsafeMutableRawPointer) {}
  func shouldExit(_ head: UnsafePointer<ExitViewStorage>, _ memory: UnsafeMutableRawPointer) -> Bool { false }
}

private class ErasedPruningPolicy<Conformer: PruningPolicy>: ErasedPolicy {
  final let policy: Conformer

  init(_ policy: Conformer) {
    self.policy = policy
    super.init(declared: policy.reads.reduce(0) { $0 | $1.bit }, layers: policy.layers, isOfEntry: false)
  }

  override var moment: PruningMoment { policy.moment }
  // What merges conforms to MergingPolicy; a policy that only says so merges nothing.
  override var remainder: Remainder { policy.remainder == .merged ? .dropped : policy.remainder }

  override func retention(_ layer: Int) -> Retention { policy.retention(afterLayer: layer) }

  override func score(_ sample: UnsafePointer<TokenViewStorage>, _ scores: UnsafeMutablePointer<Float>) {
    var scores = MutableSpan(_unsafeStart: scores, count: sample.pointee.count)
    policy.score(TokenView(sample, declared: declared), into: &scores)
  }
}

private final class ErasedMergingPolicy<Conformer: MergingPolicy>: ErasedPruningPolicy<Conformer> {
  override var remainder: Remainder { .merged }

  override func merge(_ sample: UnsafePointer<TokenViewStorage>, _ targets: UnsafeMutablePointer<Int32>) {
    var targets = MutableSpan(_unsafeStart: targets, count: sample.pointee.count)
    policy.merge(TokenView(sample, declared: declared), into: &targets)
  }
}

private final class ErasedExitPolicy<Conformer: ExitPolicy>: ErasedPolicy {
  private let policy: Conformer

  init(_ policy: Conformer) {
    self.policy = policy
    let reads = policy.reads
    super.init(
      declared: reads.reduce(0) { $0 | $1.bit }, layers: policy.layers, isOfEntry: reads.allSatisfy(\.isKnownAtEntry))
  }

  override func initializeMemory(_ memory: UnsafeMutableRawPointer) {
    memory.initializeMemory(as: Conformer.Memory.self, to: policy.makeMemory())
  }

  override func destroyMemory(_ memory: UnsafeMutableRawPointer) {
    memory.assumingMemoryBound(to: Conformer.Memory.self).deinitialize(count: 1)
  }

  override func shouldExit(_ head: UnsafePointer<ExitViewStorage>, _ memory: UnsafeMutableRawPointer) -> Bool {
    policy.shouldExit(
      ExitView(head, declared: declared), &memory.assumingMemoryBound(to: Conformer.Memory.self).pointee)
  }
}
