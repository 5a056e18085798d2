// What one request asks for beyond its texts, so that requests of different policies, depths and deadlines share waves.
// Separate from the queue, which orders requests, and from the decisions, which follow the terms.

import PyramidIR
import PyramidPolicy

/// Terms of one request; without any, its samples go as the executor's policies say.
public struct RequestTerms: Sendable {
  /// Policies in place of the executor's own; nil for those. `Executor.check(_:)` says which ones fit.
  public var policies: ResolvedPolicies?
  /// The last layer that may run, 0 for none: a sample leaves at the last head up to there, whatever its policy says.
  public var maxLayers: Int?
  /// From this moment on a sample leaves at the next head that it comes to, and samples that were not admitted yet are
  /// given up.
  public var deadline: ContinuousClock.Instant?
  /// Of a model of several tasks, the numbers of those that are asked, in place of the executor's; nil for those.
  public var tasks: Set<Int>?

  /// Terms.
  public init(
    policies: ResolvedPolicies? = nil, maxLayers: Int? = nil, deadline: ContinuousClock.Instant? = nil,
    tasks: Set<Int>? = nil
  ) {
    (self.policies, self.maxLayers, self.deadline, self.tasks) = (policies, maxLayers, deadline, tasks)
  }
}

extension RequestTerms {
  /// Why a sample leaves at a head that its policy would have it pass, when the next one is after layer `next`; nil when it
  /// may go on.
  func limit(before next: Int, now: ContinuousClock.Instant) -> AnswerLimit? {
    if let maxLayers, next > maxLayers { return .maxLayers }
    if let deadline, now >= deadline { return .deadline }
    return nil
  }
}

/// What made a sample leave before its policy did.
public enum AnswerLimit: String, Sendable {
  /// `RequestTerms.maxLayers`.
  case maxLayers = "max_layers"
  /// `RequestTerms.deadline`.
  case deadline
}

/// A request's deadline passed before all of its samples were admitted to a wave.
public struct DeadlinePassed: Error, Sendable, CustomStringConvertible {
  /// The text for the user.
  public var description: String { "the deadline passed while the request waited for room" }
  /// The error.
  public init() {}
}

/// What an executor must know of terms to keep them.
struct TermsCheck: Sendable {
  private let exit: PolicyInstance?
  private let prune: PolicyInstance?
  private let exits: [Int]
  private let layers: Int
  private let taskCount: Int

  /// For an executor with policies of its own.
  init(_ model: LoadedModel, _ policies: ResolvedPolicies) {
    (exit, prune) = (policies.exit, policies.prune)
    exits = model.graph.decisions.exits.map(\.number).sorted()
    (layers, taskCount) = (model.graph.shape.layers, model.graph.shape.tasks.count)
  }

  /// Throws `RuntimeError` where the terms can't be kept.
  func check(_ terms: RequestTerms) throws(RuntimeError) {
    if let most = terms.maxLayers, most < layers {
      guard let first = exits.first else {
        throw RuntimeError("at most \(most) layers: the model has no exit heads, and \(layers) layers")
      }
      guard most >= first else {
        throw RuntimeError("at most \(most) layers: the model's first exit head is after layer \(first)")
      }
    }
    if let tasks = terms.tasks, tasks.isEmpty || !tasks.allSatisfy({ (0..<taskCount).contains($0) }) {
      throw RuntimeError("tasks \(tasks.sorted()) are asked of a model that has \(taskCount)")
    }
    guard let policies = terms.policies else { return }
    guard (policies.exit == nil) == (exit == nil), (policies.prune == nil) == (prune == nil) else {
      throw RuntimeError("the policies of a request are of other kinds than the model's")
    }
    guard let own = exit, let other = policies.exit else { return }
    // What is kept of each sample was laid out for the executor's own policy.
    let kept: Set<ExitSignal> = [.tokenIDs, .groupLogits]
    let isRoomy = other.memoryStride <= own.memoryStride && other.memoryAlignment <= own.memoryAlignment
    guard isRoomy, other.exitSignals.intersection(kept).isSubset(of: own.exitSignals) else {
      throw RuntimeError("'\(other.spec)' keeps more of a sample than '\(own.spec)': load the model with it")
    }
  }
}
