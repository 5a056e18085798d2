// Policies changed at run time: which overrides a compiled model takes, what they do, and what the others are told.

import MagicPyramid
import PyramidTestSupport
import Testing

/// An override that a model compiled with other policies refuses.
struct RefusedOverride: Sendable, CustomTestStringConvertible {
  var compiledExit: String? = "entropy"
  var compiledPrune: String? = "top-k"
  var exit: String?
  var prune: String?
  let message: String

  var testDescription: String { exit ?? prune ?? "" }
}

@Suite struct `Overrides of policies` {
  @Test(arguments: [
    ("entropy(threshold=1)", "entropy"), ("never-exit", "entropy"), ("fixed-layer(layer=2)", "entropy"),
    ("patience(patience=1)", "entropy"), ("fixed-layer(layer=1)", "patience"),
  ])
  func `an exit that reads no more than the compiled one runs as if it had been compiled`(
    override: String, compiled: String
  ) throws {
    let batch = PackedBatch(Sieve.samples)
    let overridden = try Sieve.compiled(.portable, exit: compiled).executor(exit: override).run(batch)
    let direct = try Sieve.compiled(.portable, exit: override).executor().run(batch)
    #expect(overridden.map(\.exitLayer) == direct.map(\.exitLayer))
    #expect(overridden.map(\.alivePositions) == direct.map(\.alivePositions))
    for (first, second) in zip(overridden, direct) {
      #expect(first.logits.largestDifference(to: second.logits) <= 1e-5)
    }
  }

  @Test(arguments: ["keep-all", "top-k(keep=2)", "received-attention(thresholds=[1, 1, 0, 0])"])
  func `a pruning policy that reads no more than the compiled one runs as if it had been compiled`(override: String)
    throws
  {
    let batch = PackedBatch(Sieve.samples)
    let overridden = try Sieve.compiled(.portable, prune: "top-k").executor(prune: override).run(batch)
    let direct = try Sieve.compiled(.portable, prune: override).executor().run(batch)
    #expect(overridden.map(\.alivePositions) == direct.map(\.alivePositions))
    #expect(overridden.map(\.exitLayer) == direct.map(\.exitLayer))
  }

  @Test func `with neither exits nor pruning the logits are the dense model's`() throws {
    let batch = PackedBatch(Sieve.samples)
    for set in InstructionSet.supported where set.panelWidth != nil {
      let still = try Sieve.compiled(set).executor(exit: "never-exit", prune: "keep-all").run(batch)
      let dense = try Sieve.compiled(set, exit: nil, prune: nil).executor().run(batch)
      #expect(still.map { $0.logits.map(\.bitPattern) } == dense.map { $0.logits.map(\.bitPattern) })
    }
  }

  @Test(arguments: [
    RefusedOverride(
      compiledExit: nil, exit: "entropy(threshold=0.2)",
      message:
        "'entropy(threshold=0.2)' can't be used: the model was compiled without an exit policy; compile it again with "
        + "--exit 'entropy(threshold=0.2)'"),
    RefusedOverride(
      compiledPrune: nil, prune: "keep-all",
      message: "'keep-all' can't be used: the model was compiled without a prune policy; compile it again with "
        + "--prune 'keep-all'"),
    RefusedOverride(
      compiledPrune: "cls-attention", prune: "keep-all",
      message: "'keep-all' prunes after the layer's attention, the compiled model before the layer; "
        + "compile the model again with --prune 'keep-all'"),
    RefusedOverride(
      compiledExit: "patience", exit: "entropy(threshold=0.2)",
      message: "'entropy(threshold=0.2)' reads probabilities, which the compiled model does not compute; "
        + "compile the model again with --exit 'entropy(threshold=0.2)'"),
    RefusedOverride(
      compiledExit: "fixed-layer(layer=2)", exit: "fixed-layer(layer=1)",
      message: "'fixed-layer(layer=1)' decides after layer 1, where the compiled model does not; "
        + "compile the model again with --exit 'fixed-layer(layer=1)'"),
    RefusedOverride(
      compiledPrune: "keep-all", prune: "top-k(fraction=0.5)",
      message: "'top-k(keep=[], fraction=[0.5])' reads received-attention, which the compiled model does not compute; "
        + "compile the model again with --prune 'top-k(keep=[], fraction=[0.5])'"),
  ])
  func `an override that wants more is told what to compile`(refused: RefusedOverride) throws {
    let compiled = try Sieve.compiled(.portable, exit: refused.compiledExit, prune: refused.compiledPrune)
    #expect(throws: RuntimeError(refused.message)) {
      try compiled.policies(exit: refused.exit, prune: refused.prune)
    }
  }

  @Test(arguments: ["top-k", "no-such-policy", "entropy(threshold=2)", "entropy(limit=1)", "fixed-layer(layer=5)"])
  func `an exit that is none, or has wrong parameters, is a policy error`(exit: String) throws {
    let compiled = try Sieve.compiled(.portable)
    #expect(throws: PolicyError.self) { try compiled.policies(exit: exit) }
  }
}
