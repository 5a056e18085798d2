// One random model, with random policies, passes, instruction set, room and batch: compiled and executed it must answer as the
// reference interpreter does, and to the last bit as with other room and threads. One in five is compiled in bf16 or int8 as well.
// All of it follows from a seed.

import MagicPyramid
import PyramidReference
import PyramidTestSupport

/// A case of the comparison with the oracle.
public struct DifferentialCase {
  /// What a case came to.
  public struct Outcome: Sendable {
    /// Samples compared, and those that left elsewhere or kept other tokens, as a score lay at its threshold.
    public var samples = 0, decidedOtherwise = 0
    /// Samples that left before the last layer, and that lost tokens.
    public var early = 0, pruned = 0
    /// Samples that bf16 or int8 decide as f32 does, and of these those with other probabilities than rounding explains.
    public var reduced = 0, far = 0
    /// The case, for each sample decided otherwise.
    public var names: [String] = []
    /// The instruction set.
    public var set = ""
    /// Nothing yet.
    public init() {}
  }

  private let recipe: CheckpointRecipe
  private let exit: String?
  private let prune: String?
  private let set: InstructionSet
  private let disabled: Set<String>
  /// Beside f32.
  private let precision: Precision?
  private let room: (samples: Int, tokens: Int)
  private let batch: [[Int32]]
  private let name: String

  /// The case of a seed and a number.
  public init(seed: String, number: Int) {
    var random = SeededValues("differential \(seed) \(number)")
    var recipe = CheckpointRecipe(CheckpointRecipe.Family.allCases.randomElement(using: &random)!)
    recipe.seed = "differential \(seed) \(number)"
    recipe.layers = random.integer(in: 2...5)
    recipe.heads = random.integer(in: 1...4)
    // Rows of two numbers are all (1, -1) once they are normalised: nothing but ties.
    recipe.hidden = recipe.heads * random.integer(in: recipe.heads == 1 ? 6...12 : 4...12)
    recipe.embedding = recipe.family == .electra ? random.integer(in: 6...20) : recipe.hidden
    recipe.intermediate = random.integer(in: 3...80)
    recipe.classes = random.integer(in: 2...6)
    recipe.activation = ["gelu", "gelu_new", "relu"].randomElement(using: &random)!
    recipe.thresholds = (1..<recipe.layers).map { _ in 0.5 + abs(random.unit()) / 2 }
    recipe.readsMean = random.integer(in: 0...1) == 1
    if random.integer(in: 0...2) == 0 {
      recipe.temperatures = (1..<recipe.layers).map { _ in 0.5 + abs(random.unit()) }
    }
    recipe.entry = [nil, .tokens, .pairs(32)].randomElement(using: &random)!
    recipe.addsEntry = recipe.entry != nil && random.integer(in: 0...1) == 1
    recipe.salienceThreshold = 0.3
    let count = [1, 2, 5, 17, 64, 65].randomElement(using: &random)!
    let lengths = (0..<count).map { _ in random.integer(in: 1...(random.integer(in: 0...5) == 0 ? 60 : 14)) }
    batch = recipe.samples(lengths: lengths, seed: "batch")
    self.recipe = recipe
    exit = Self.exits(recipe).randomElement(using: &random)!
    prune = Self.prunes(recipe).randomElement(using: &random)!
    set = InstructionSet.supported.randomElement(using: &random)!
    let optional = Pipeline.passes.filter { type(of: $0).isOptional }.map(\.name)
    disabled = Set(optional.filter { _ in random.integer(in: 0...5) == 0 })
    room = (random.integer(in: 1...64), random.integer(in: 60...400))
    precision = number % 5 < 4 ? nil : number % 2 == 0 ? .bf16 : .int8
    name =
      "differential seed \(seed) case \(number): \(recipe), \(set.rawValue), exit \(exit ?? "-"), prune \(prune ?? "-"), "
      + "without \(disabled.sorted()), \(count) samples, room \(room)"
      + (precision.map { ", in \($0.rawValue), too" } ?? "")
  }

  private static func exits(_ recipe: CheckpointRecipe) -> [String?] {
    [
      nil, "never-exit", "entropy(threshold=0.5)", "entropy(threshold=0.9)", "entropy(threshold=0.97)",
      "max-probability(threshold=0.4)", "margin(threshold=0.1)", "patience(patience=1)", "patience(patience=2)",
      "fixed-layer(layer=1)", "vote(votes=2)",
    ]
  }

  private static func prunes(_ recipe: CheckpointRecipe) -> [String?] {
    [
      nil, "keep-all", "received-attention", "received-attention(thresholds=0.9)", "top-k(keep=3)",
      "top-k(fraction=0.7)",
      "random-prune(fraction=0.5, seed=3)", "cls-attention(fraction=0.6)", "salience", "column-sum(schedule=6)",
      "cascade(start=1, final=0.3)", "inverse-cdf(tokens=5)", "core-set(fraction=0.5)", "cls-fused(fraction=0.4)",
      "merge(rate=2)", "contribution(thresholds=0.6)",
    ]
  }

  /// Compares; throws `FuzzTarget.Broken` where engine and oracle differ by more than rounding.
  public func run() throws -> Outcome {
    func broken(_ problem: String) -> FuzzTarget.Broken { FuzzTarget.Broken(description: "\(name): \(problem)") }
    let compiled: CompiledCheckpoint
    do { compiled = try CompiledCheckpoint(recipe, for: set, exit: exit, prune: prune, disabling: disabled) } catch let
      error
      as PolicyError
    {
      throw broken("\(error)")
    }
    let packed = PackedBatch(batch)
    let answers = try compiled.executor().run(packed)
    // The oracle takes no more than a graph admits at once.
    let oracle = try compiled.oracle()
    let expected = try stride(from: 0, to: batch.count, by: 64).flatMap { start in
      let part = Array(batch[start..<min(start + 64, batch.count)])
      return try oracle.run(ReferenceBatch(tokenIDs: part, typeIDs: part.map { $0.map { _ in 0 } }))
    }
    var outcome = Outcome()
    (outcome.samples, outcome.set) = (batch.count, set.rawValue)
    for (sample, (answer, expected)) in zip(answers, expected).enumerated() {
      outcome.early += answer.exitLayer < recipe.layers ? 1 : 0
      outcome.pruned += Set(answer.tokensAlive).count > 1 ? 1 : 0
      guard answer.exitLayer == expected.exitLayer, answer.alivePositions == expected.alivePositions else {
        outcome.decidedOtherwise += 1
        outcome.names.append(name)
        continue
      }
      let difference = answer.logits.largestDifference(to: expected.logits)
      if difference <= 1e-4 { continue }
      // Which of two equally near tokens another is merged with shows in no list of tokens.
      guard prune?.hasPrefix("merge") == true else { throw broken("sample \(sample) differs by \(difference)") }
      outcome.decidedOtherwise += 1
      outcome.names.append(name)
    }
    if set != .portable { try compareBits(compiled, packed, answers, broken) }
    if let precision { try compare(precision, packed, answers, &outcome, broken) }
    return outcome
  }

  /// The model in fewer bits: where it decides as f32 does its probabilities are near those of f32, which were compared with the
  /// oracle's; further off than tests of precision allow are few.
  private func compare(
    _ precision: Precision, _ packed: PackedBatch, _ exact: [Answer], _ outcome: inout Outcome,
    _ broken: (String) -> FuzzTarget.Broken
  ) throws {
    let compiled = try CompiledCheckpoint(
      recipe, for: set, exit: exit, prune: prune, disabling: disabled, precision: precision)
    let answers = try compiled.executor().run(packed)
    for (answer, exact) in zip(answers, exact)
    where answer.exitLayer == exact.exitLayer && answer.alivePositions == exact.alivePositions {
      outcome.reduced += 1
      let difference = answer.probabilities.largestDifference(to: exact.probabilities)
      if difference > (precision == .bf16 ? 0.04 : 0.08) { outcome.far += 1 }
    }
    if set != .portable { try compareBits(compiled, packed, answers, broken) }
  }

  /// With the project's own kernels a sample's bits depend on nothing but itself.
  private func compareBits(
    _ compiled: CompiledCheckpoint, _ packed: PackedBatch, _ answers: [Answer],
    _ broken: (String) -> FuzzTarget.Broken
  ) throws {
    let narrow = try compiled.executor(threads: 1, samples: room.samples, tokens: room.tokens).run(packed)
    for (sample, (one, other)) in zip(answers, narrow).enumerated() {
      guard one.logits.map(\.bitPattern) == other.logits.map(\.bitPattern), one.alivePositions == other.alivePositions,
        one.exitLayer == other.exitLayer
      else { throw broken("sample \(sample) has other bits in less room") }
    }
  }
}
