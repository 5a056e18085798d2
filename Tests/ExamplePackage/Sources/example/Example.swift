// Compiles a checkpoint with a policy of this package and classifies two texts.
//
//   example CHECKPOINT OUTPUT.mpc

import MagicPyramid

@main
enum Example {
  static func main() throws {
    let (checkpoint, output) = (CommandLine.arguments[1], CommandLine.arguments[2])
    let registry = try PolicyRegistry(PolicyCatalogue.registry().all + [PolicyType(Lead.self)])

    let choice = PolicyChoice(exit: try PolicySpec("lead(threshold=0.8)"), prune: try PolicySpec("received-attention"))
    _ = try Compilation(checkpoint: checkpoint, policies: choice, registry: registry).write(to: output)

    let classifier = try Classifier(path: output, registry: registry)
    let texts = [
      "The Bora River is a tributary of the Lotru River in Romania.",
      "Ceratomia igualana is a moth of the family Sphingidae, found from Mexico to Costa Rica.",
    ]
    for result in try classifier.classify(texts) {
      print("\(result.label) after \(result.answer.exitLayer) layers with \(result.answer.tokensAlive) tokens")
    }
  }
}
