// A small checkpoint with heads and an entry, texts of all lengths, and what is compared on them.

import PyramidFormats
import PyramidTestSupport

@testable import PyramidPolicyTesting

/// A checkpoint folder with a file of texts beside it.
struct Scene {
  let folder: TemporaryFolder
  let checkpoint: String
  let data: String
  let source: ModelSource
  static let labels = ["class 0", "class 1", "class 2"]

  init(texts: Int = 40, entry: Bool = true, precision: Precision? = nil) throws {
    var recipe = CheckpointRecipe()
    recipe.layers = 4
    recipe.entry = entry ? .tokens : nil
    recipe.salienceThreshold = entry ? 0.3 : nil
    recipe.thresholds = [0.8, 0.9, 1]
    folder = try TemporaryFolder()
    checkpoint = try recipe.write(in: folder)
    var random = SeededValues("texts of a scene")
    let rows = (0..<texts).map { index in
      let words = (0..<(1 + index * 7 % 60)).map { _ in recipe.words[random.integer(in: 5...recipe.vocabulary - 1)] }
      return "class \(random.integer(in: 0...2))\t\(words.joined(separator: " "))\n"
    }
    data = folder.path("data.tsv")
    try OutputFile.write(rows.joined(), to: data)
    source = try ModelSource(
      path: checkpoint, precision: precision, registry: CompiledCheckpoint.registry.get(), options: ClassifierOptions())
  }

  func contenders(_ policies: [String]) throws -> [Contender] {
    try source.contenders(policies.flatMap { try PolicySweep($0).options })
  }

  func workload(_ contenders: [Contender], batch: Int = 8) throws -> Workload {
    try Workload(LabelledDataSet(path: data, labels: Self.labels), classifier: contenders[0].classifier, batch: batch)
  }
}
