// The gradients that PyTorch computed for tiny checkpoints (Scripts/make-gradient-golden), each with the graph that has
// the same losses.

import PyramidCompiler
import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidReference
import PyramidTraining

/// One golden: a case with its gradients still to be built, and what they are.
public struct GradientGolden: Sendable {
  /// The folders of Tests/Golden/gradients.
  public static let names = [
    "bert-plain", "distilbert-plain", "electra-plain", "bert-exits", "bert-soft", "roberta-plain", "albert-plain",
  ]

  /// The case, differentiated.
  public let training: TrainingCase
  /// The sum of all losses.
  public let loss: Double
  /// The gradient of each weight, by the symbol's name.
  public let gradients: [String: [Double]]

  /// Reads a golden.
  public init(_ name: String) throws {
    let folder = Repository.root + "/Tests/Golden/gradients/" + name
    let (compiler, file) = (
      try ModelCompiler(checkpoint: folder), try JSONField(path: folder + "/case.json")
    )
    let labels = try Self.integers(file.required("labels"))
    let classes = compiler.lowered.graph.shape.classes
    let targets = labels.map { label in (0..<classes).map { Int32($0) == label ? Float(1) : 0 } }
    let graph = try Self.graph(compiler.lowered.graph, file).differentiated()
    let expected = try Weights(TensorCollection(files: [SafetensorsFile(path: folder + "/gradients.safetensors")]))
    var (weights, gradients): ([String: [Float]], [String: [Double]]) = ([:], [:])
    for weight in graph.weights {
      weights[weight.name] = try compiler.weights.values(of: weight)
      gradients[weight.name] = try expected.values(of: weight).map { Double($0) }
    }
    let types = try file.optional("types")
    training = TrainingCase(
      graph, weights: weights,
      batch: ReferenceBatch(
        tokenIDs: try file.required("ids").elements().map(Self.integers),
        typeIDs: try types?.elements().map(Self.integers)),
      inputs: ReferenceTrainingInputs(targets: targets))
    loss = try file.required("loss").double()
    self.gradients = gradients
  }

  /// The graph of a kind of losses.
  private static func graph(_ plain: Graph, _ file: JSONField) throws -> Graph {
    switch try file.required("kind").string() {
    case "exits":
      let (graph, heads) = try plain.addingExitHeads(after: Array(0..<plain.shape.layers - 1))
      let last = graph.answeredLogits!
      return try graph.trainingGraph(
        losses: [HeadLoss(last)]
          + heads.logits.flatMap {
            [HeadLoss($0, scale: 0.5), HeadLoss($0, towards: .probabilities(of: last), scale: 0.25)]
          })
    case "soft":
      let last = plain.answeredLogits!
      let soft = try plain.softlyPruned(
        temperature: Float(file.required("temperature").double()), penalty: Float(file.required("penalty").double()))
      return try soft.trainingGraph(losses: [HeadLoss(last)])
    default: return try plain.trainingGraph()
    }
  }

  private static func integers(_ field: JSONField) throws -> [Int32] {
    try field.elements().map { Int32(try $0.integer(in: 0...1_000_000)) }
  }
}
