// Counts what answers tell about each layer: what `mp-run --write-profile` writes and `place-policies` reads.

import PyramidFormats
import PyramidIR
import PyramidRuntime

/// Gathers a profile, answer by answer.
public struct ProfileRecorder: Sendable {
  /// The counts so far.
  public private(set) var profile: PolicyProfile

  /// Starts a profile of a model under the policies in force.
  public init(of classifier: Classifier) {
    let graph = classifier.model.graph
    let decisions = graph.decisions
    profile = PolicyProfile(
      model: graph.name, checkpoint: classifier.model.header.checkpoint,
      exit: classifier.policies.exit?.spec.description, prune: classifier.policies.prune?.spec.description,
      layers: (0..<graph.shape.layers).map {
        PolicyProfile.Layer(decidesExit: decisions.exits.contains($0), decidesPrune: decisions.prunes.contains($0))
      })
  }

  /// Counts one answer of the classifier that the profile is of.
  public mutating func count(_ answer: Answer) {
    for (layer, tokens) in answer.tokensAlive.enumerated() {
      profile.layers[layer].samplesEntered += 1
      profile.layers[layer].tokensEntered += tokens
      if layer + 1 == answer.exitLayer {
        profile.layers[layer].samplesLeft += 1
        profile.layers[layer].tokensLeft += tokens
      } else {
        profile.layers[layer].tokensKept += answer.tokensAlive[layer + 1]
      }
    }
  }
}
