// Counts what answers tell about each layer: what `mp-run --write-profile` writes and `place-policies` reads.

import PyramidFormats
import PyramidIR
import PyramidRuntime

extension PolicyProfile {
  /// The profile of a model under the policies in force, with nothing counted yet.
  public init(of classifier: Classifier) {
    let graph = classifier.model.graph
    let decisions = graph.decisions
    self.init(
      model: graph.name, checkpoint: classifier.model.header.checkpoint,
      exit: classifier.policies.exit?.spec.description, prune: classifier.policies.prune?.spec.description,
      layers: (0..<graph.shape.layers).map { decisions.counts(at: .after($0)) })
    let entry = decisions.counts(at: .entry)
    if entry.decidesExit || entry.decidesPrune { self.entry = entry }
  }

  /// Counts one answer of the classifier that the profile is of, to a text of `tokens` tokens.
  public mutating func count(_ answer: Answer, tokens: Int) {
    entry?.samplesEntered += 1
    entry?.tokensEntered += tokens
    if answer.exitLayer == 0 {
      entry?.samplesLeft += 1
      entry?.tokensLeft += tokens
      return
    }
    entry?.tokensKept += answer.tokensAlive[0]
    for (layer, tokens) in answer.tokensAlive.enumerated() {
      layers[layer].samplesEntered += 1
      layers[layer].tokensEntered += tokens
      if layer + 1 == answer.exitLayer {
        layers[layer].samplesLeft += 1
        layers[layer].tokensLeft += tokens
      } else {
        layers[layer].tokensKept += answer.tokensAlive[layer + 1]
      }
    }
  }
}

extension PolicyPlacement {
  /// Nothing counted yet at a boundary.
  fileprivate func counts(at boundary: Boundary) -> PolicyProfile.Layer {
    PolicyProfile.Layer(decidesExit: exits.contains(boundary), decidesPrune: prunes.contains(boundary))
  }
}
