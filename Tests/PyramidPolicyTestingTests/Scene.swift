// A small checkpoint with heads and an entry, texts of all lengths, and what is compared on them.

import MagicPyramid
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

  /// What the checkpoint's logits are, and its labels.
  enum Task { case classification, sets, ranking, regression }

  init(
    texts: Int = 40, entry: Bool = true, precision: Precision? = nil, task: Task = .classification,
    labelThreshold: Float = 0.5
  ) throws {
    var recipe = CheckpointRecipe()
    recipe.classes = task == .classification || task == .sets ? 3 : 1
    recipe.problemType = task == .sets ? "multi_label_classification" : task == .regression ? "regression" : nil
    recipe.layers = 4
    recipe.entry = entry ? .tokens : nil
    recipe.salienceThreshold = entry ? 0.3 : nil
    recipe.thresholds = [0.8, 0.9, 1]
    folder = try TemporaryFolder()
    checkpoint = try recipe.write(in: folder)
    var random = SeededValues("texts of a scene")
    let rows = (0..<texts).map { index in
      let words = (0..<(1 + index * 7 % 60)).map { _ in recipe.words[random.integer(in: 5...recipe.vocabulary - 1)] }
      let text = words.joined(separator: " ")
      switch task {
      case .classification: return "class \(random.integer(in: 0...2))\t\(text)\n"
      case .sets:
        let set = Self.labels.filter { _ in random.integer(in: 0...2) == 0 }
        return "\(set.joined(separator: ","))\t\(text)\n"
      case .regression: return "\(random.unit())\t\(text)\n"
      // Five texts to a question.
      case .ranking: return "\(random.integer(in: 0...2))\tw\(5 + index / 5)\t\(text)\n"
      }
    }
    data = folder.path("data.tsv")
    try OutputFile.write(rows.joined(), to: data)
    var options = ClassifierOptions()
    options.labelThreshold = labelThreshold
    source = try ModelSource(
      path: checkpoint, precision: precision, registry: CompiledCheckpoint.registry.get(), options: options)
  }

  func contenders(_ policies: [String]) throws -> [Contender] {
    try source.contenders(policies.flatMap { try PolicySweep($0).options })
  }

  func texts(groups: TextColumn? = nil) throws -> LabelledDataSet {
    // A group by its number: the others are numbers, too.
    var layout =
      groups == .number(1)
      ? TextLayout(.tsv, text: .number(2), label: .number(1), pair: .number(3)) : TextLayout(.tsv)
    layout.group = groups
    return try LabelledDataSet(path: data, labels: source.labels, kind: source.task.labelKind, layout: layout)
  }

  func workload(
    _ contenders: [Contender], batch: Int = 8, groups: TextColumn? = nil, plan: RecordPlan = .whole
  ) throws -> Workload {
    try Workload(texts(groups: groups), classifier: contenders[0].classifier, batch: batch, plan: plan)
  }
}
