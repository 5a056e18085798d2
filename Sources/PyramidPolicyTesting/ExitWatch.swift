// Asks many exit policies about each head of one run. What a policy answers at a head depends on nothing but the heads
// before it, so a run that never leaves shows to each of them what its own run would have shown, up to where it leaves:
// a sweep of a threshold costs one pass over the texts instead of one a setting. It is itself an exit policy, so that the
// engine needs to know nothing of it.

import MagicPyramid
import PyramidPolicy
import Synchronization

/// Several exit policies and where each of them would let the text leave that is being run. One text at a time.
final class ExitWatch: Sendable {
  /// Where a policy would have let the text leave, and the head's logits there.
  struct Leaving: Sendable {
    let layer: Int
    let logits: [Float]
  }

  /// The watch that `WatchedExits` is made for: a policy is made from text, and this is not text.
  @TaskLocal static var current: ExitWatch?

  /// The policies asked.
  let policies: [PolicyInstance]
  /// Boundaries at which they are asked, all alike; 0 is the entry.
  let boundaries: Set<Int>
  private let running = Mutex<Watching?>(nil)

  init(_ policies: [PolicyInstance], boundaries: Set<Int>) { (self.policies, self.boundaries) = (policies, boundaries) }

  /// Where each policy would have let the last text leave; nil for one that stays to the end.
  var leavings: [Leaving?] { running.withLock { $0?.leavings ?? [] } }

  func start() -> Watching {
    let watching = Watching(policies)
    running.withLock { $0 = watching }
    return watching
  }
}

/// One text's way past the heads. Written by the thread that runs the text, read after its answer.
final class Watching: @unchecked Sendable {
  fileprivate var leavings: [ExitWatch.Leaving?]
  private let policies: [PolicyInstance]
  private let memories: [UnsafeMutableRawPointer]

  init(_ policies: [PolicyInstance]) {
    self.policies = policies
    leavings = Array(repeating: nil, count: policies.count)
    memories = policies.map {
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: max($0.memoryStride, 1), alignment: max($0.memoryAlignment, 1))
      $0.initializeMemory(at: memory)
      return memory
    }
  }

  deinit {
    for (policy, memory) in zip(policies, memories) {
      policy.destroyMemory(at: memory)
      memory.deallocate()
    }
  }

  /// Asks every policy that has not let the text go, as the engine would: a head without numbers is never believed.
  func ask(_ head: borrowing ExitView) {
    for (index, policy) in policies.enumerated() where leavings[index] == nil {
      guard policy.isActive(afterLayer: head.layer), policy.shouldExit(head, memory: memories[index]) else { continue }
      let span = head.logits
      let logits = span.indices.map { span[$0] }
      if !logits.contains(where: \.isNaN), logits.max()?.isFinite == true {
        leavings[index] = ExitWatch.Leaving(layer: head.layer, logits: logits)
      }
    }
  }
}

/// The watch as the engine sees it: reads what any of its policies reads, and never lets a text go.
struct WatchedExits: ExitPolicy {
  static let name = "watched-exits"
  static let requires = Set(AnswerKind.allCases)
  let reads: Set<ExitSignal>
  let layers: LayerSet
  private let watch: ExitWatch

  init(_ arguments: PolicyArguments) throws {
    guard let watch = ExitWatch.current else { throw PolicyError.rejected("'\(Self.name)' is for comparisons only") }
    self.watch = watch
    reads = watch.policies.reduce(into: [.logits]) { $0.formUnion($1.exitSignals) }
    layers = LayerSet(watch.boundaries)
  }

  func makeMemory() -> Watching { watch.start() }

  func shouldExit(_ head: borrowing ExitView, _ memory: inout Watching) -> Bool {
    memory.ask(head)
    return false
  }
}
