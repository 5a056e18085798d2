// Random small models with random policies and random ragged batches, and what the reference interpreter answers:
// drawn once from a seed, then compared with every instruction set and every set of passes.

import MagicPyramid
import PyramidReference
import PyramidTestSupport

/// One model, its policies, a batch, and the oracle's answers.
struct Scenario: Sendable, CustomStringConvertible {
  let recipe: CheckpointRecipe
  let exit: String?
  let prune: String?
  let samples: [[Int32]]
  let typeIDs: [[Int32]]
  let expected: [ReferenceAnswer]

  var description: String { "\(recipe), exit \(exit ?? "-"), prune \(prune ?? "-"), lengths \(samples.map(\.count))" }

  static let exits: [String?] = [
    "entropy(threshold=0.75)", "entropy(threshold=0.9)", "patience(patience=1)", "fixed-layer(layer=1)", "never-exit",
    nil,
  ]
  static let prunes: [String?] = [
    "received-attention(thresholds=0.8)", "received-attention", "top-k(keep=4)", "top-k(fraction=0.5)",
    "random-prune(fraction=0.6, seed=7)", "cls-attention(fraction=0.6)", "keep-all", "salience",
    "salience(threshold=0.2, attention=#prune.thresholds)", "column-sum(schedule=5)", "cascade(start=1, final=0.3)",
    "inverse-cdf(tokens=5)", "core-set(fraction=0.5)",
    "cls-fused(fraction=0.4)", "merge(rate=2)", "contribution(thresholds=0.6)", nil,
  ]

  /// Two dozen scenarios: every family, activation and policy occurs.
  static let all = Result { try (0..<24).map { try Scenario(number: $0) } }

  private init(number: Int) throws {
    var random = SeededValues("scenario \(number)")
    var recipe = CheckpointRecipe(CheckpointRecipe.Family.allCases[number % 5])
    recipe.seed = "scenario \(number)"
    recipe.layers = random.integer(in: 2...4)
    recipe.heads = random.integer(in: 1...3)
    recipe.hidden = recipe.heads * random.integer(in: 3...9)
    recipe.embedding = recipe.family == .electra && number % 2 == 0 ? random.integer(in: 3...12) : recipe.hidden
    recipe.intermediate = random.integer(in: 5...70)
    recipe.classes = random.integer(in: 2...5)
    recipe.activation = ["gelu", "gelu_new", "relu"][number / 3 % 3]
    // Training leaves thresholds below zero where everything should stay.
    recipe.thresholds = (1..<recipe.layers).map { $0 == 1 && number % 2 == 0 ? -0.1 : 0.6 + abs(random.unit()) / 2 }
    recipe.readsMean = number % 4 >= 2
    if number % 5 == 3 { recipe.temperatures = (1..<recipe.layers).map { 0.5 + Float($0) / 4 } }
    // Two of three have a head at the entry, half of these one that reads pairs.
    if number % 3 != number / 6 % 3 { recipe.entry = number % 2 == 0 ? .pairs(32) : .tokens }
    recipe.addsEntry = recipe.entry != nil && number % 4 != 0
    recipe.entryTemperature = number % 4 == 1 && recipe.entry != nil ? 1.5 : nil
    recipe.salienceThreshold = 0.3
    let lengths = (0..<random.integer(in: 1...7)).map { _ in random.integer(in: 1...18) }
    let samples = recipe.samples(lengths: lengths, seed: "batch")
    let typeIDs = samples.map { ids in
      let second = random.integer(in: 0...ids.count)
      return ids.indices.map { $0 >= second && recipe.family != .distilbert ? Int32(1) : 0 }
    }
    let exit = Self.exits[number % Self.exits.count]
    let prune = Self.prunes[(number * 3 + number / 6) % Self.prunes.count]
    let compiled = try CompiledCheckpoint(recipe, for: .portable, exit: exit, prune: prune)
    (self.recipe, self.exit, self.prune, self.samples, self.typeIDs) = (recipe, exit, prune, samples, typeIDs)
    expected = try compiled.oracle().run(ReferenceBatch(tokenIDs: samples, typeIDs: typeIDs))
  }
}

/// A model of ordinary depth whose samples leave at different layers and lose tokens on the way.
enum Sieve {
  static let exit = "entropy(threshold=0.8)"
  static let prune = "received-attention(thresholds=0.75)"

  static let recipe: CheckpointRecipe = {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.heads, recipe.intermediate) = (5, 48, 3, 96)
    recipe.seed = "sieve"
    return recipe
  }()

  static let samples = recipe.samples(lengths: [7, 1, 33, 12, 2, 19, 5, 28, 16, 3, 41, 9], seed: "sieve")

  static func compiled(
    _ set: InstructionSet, exit: String? = exit, prune: String? = prune, precision: Precision = .f32,
    readsMean: Bool = false
  ) throws -> CompiledCheckpoint {
    var recipe = recipe
    recipe.readsMean = readsMean
    return try CompiledCheckpoint(recipe, for: set, exit: exit, prune: prune, precision: precision)
  }
}
