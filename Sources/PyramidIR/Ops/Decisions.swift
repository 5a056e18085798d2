// Operands of decisions by name. Which operand carries which signal follows from the order of `reads` and is known here
// only: shape rule, verifier, passes, reference interpreter and runtime read decisions through these views, and passes
// write them through them. Generic over what stands for an operand: a value, its type, its place, a buffer.

import PyramidPolicy

/// A `decide_exit` and what it reads.
public struct ExitDecision<Operand> {
  /// Name of the policy asked.
  public var policy: String
  /// Where it stands.
  public var boundary: Boundary
  /// Numbers of the samples alive.
  public var samples: Operand
  /// Logits of the samples alive.
  public var logits: Operand
  /// The signals read, each with the operands that carry it: none for logits, those of the group and token ids (the
  /// batch's, whoever asks), all that are left for earlier probabilities, one for any other; fewer where operands are missing.
  public var signals: [(signal: ExitSignal, operands: [Operand])]
  /// Operands that carry no signal; 0 in a verified graph.
  public private(set) var surplus = 0

  /// A decision from its parts.
  public init(
    policy: String, at boundary: Boundary, samples: Operand, logits: Operand, signals: [(ExitSignal, [Operand])]
  ) {
    (self.policy, self.boundary) = (policy, boundary)
    (self.samples, self.logits, self.signals) = (samples, logits, signals)
  }

  /// The view of an operation's operands; nil when it is another operation or has fewer than two.
  public init?(_ op: Op, _ operands: [Operand]) {
    guard case .decideExit(let policy, let boundary, let reads) = op, operands.count >= 2 else { return nil }
    var rest = operands.dropFirst(2)
    let signals = reads.map { signal in
      let count =
        switch signal {
        case .logits, .tokenIDs, .groupLogits: 0
        case .probabilities, .hidden, .earlierHidden, .tokensAlive: 1
        case .earlierProbabilities: rest.count
        }
      defer { rest = rest.dropFirst(count) }
      return (signal, Array(rest.prefix(count)))
    }
    self.init(policy: policy, at: boundary, samples: operands[0], logits: operands[1], signals: signals)
    surplus = rest.count
  }

  /// The operation.
  public var op: Op { .decideExit(policy: policy, at: boundary, reads: signals.map(\.signal)) }
  /// Its operands in order.
  public var operands: [Operand] { [samples, logits] + signals.flatMap(\.operands) }
}

/// A `decide_prune` and what it reads.
public struct PruneDecision<Operand> {
  /// Name of the policy asked.
  public var policy: String
  /// Where it stands.
  public var boundary: Boundary
  /// Offsets of the samples in the tokens.
  public var segments: Operand
  /// The samples that stay, if an exit was decided before.
  public var stay: Operand?
  /// The signals read, each with the operand that carries it, as far as there are operands.
  public var signals: [(signal: TokenSignal, operand: Operand)]
  /// What becomes of the others, and how many tokens each row stands for before, unless it is one.
  public var rest = Remainder.dropped
  public var sizes: Operand?
  /// Operands that carry no signal, negative when some are missing; 0 in a verified graph.
  public private(set) var surplus = 0

  /// A decision from its parts.
  public init(
    policy: String, at boundary: Boundary, segments: Operand, stay: Operand?, signals: [(TokenSignal, Operand)],
    rest: Remainder = .dropped, sizes: Operand? = nil
  ) {
    (self.policy, self.boundary) = (policy, boundary)
    (self.segments, self.stay, self.signals) = (segments, stay, signals)
    (self.rest, self.sizes) = (rest, sizes)
  }

  /// The view of an operation's operands; nil when it is another operation or lacks %segments or %stay.
  public init?(_ op: Op, _ operands: [Operand]) {
    guard case .decidePrune(let policy, let boundary, let reads, let afterExit, let rest) = op,
      operands.count >= (afterExit ? 2 : 1)
    else { return nil }
    var carriers = operands.dropFirst(afterExit ? 2 : 1)
    let sizes = rest == .merged && carriers.count > reads.count ? carriers.popLast() : nil
    self.init(
      policy: policy, at: boundary, segments: operands[0], stay: afterExit ? operands[1] : nil,
      signals: Array(zip(reads, carriers)), rest: rest, sizes: sizes)
    surplus = carriers.count - reads.count
  }

  /// The operation.
  public var op: Op {
    .decidePrune(policy: policy, at: boundary, reads: signals.map(\.signal), afterExit: stay != nil, rest: rest)
  }
  /// Its operands in order.
  public var operands: [Operand] {
    [segments] + (stay.map { [$0] } ?? []) + signals.map(\.operand) + (sizes.map { [$0] } ?? [])
  }
}

extension ExitDecision: Sendable where Operand: Sendable {}
extension PruneDecision: Sendable where Operand: Sendable {}

extension ExitDecision<ValueID> {
  /// The view of a node; nil when it is not a `decide_exit`.
  public init?(_ node: Node) { self.init(node.op, node.inputs) }
}

extension PruneDecision<ValueID> {
  /// The view of a node; nil when it is not a `decide_prune`.
  public init?(_ node: Node) { self.init(node.op, node.inputs) }
}

extension Node {
  /// The samples that the node may answer and their logits; nil when it answers none.
  public var answered: (samples: ValueID, logits: ValueID)? {
    switch op {
    case .decideExit, .classify: return inputs.count < 2 ? nil : (inputs[0], inputs[1])
    default: return nil
    }
  }
}
