// What a choice between placements is made by: operations, and the time that weights take to be read. At batch 1 a peek
// is few operations over all weights of a layer, so that operations alone would call it nearly free.

/// Weighs operations against weights that are read.
struct CostModel {
  /// Operations that take as long as reading a weight. Measured on MiniLM-L6 at batch 1: a peek takes as long as 8 operations a
  /// weight in f32 and 10 in int8 on 2 threads of a Zen 4, 29 and 14 to 18 on 1 or 2 threads of a Zen 3 that others use, too
  /// (`mp-run --trace --batch-tokens 1`: layers with a peek against those without).
  var operationsPerWeight: Double

  /// Batch 1, where each sample reads all weights: the case in which a decision is most easily worth less than it
  /// costs.
  static let batchOfOne = CostModel(operationsPerWeight: 16)

  /// Whether a layer is peeked that costs so much then, and so much whole. The samples that stay pay for a peek, and of
  /// others than the profile's more may stay, or all, where somebody means them to: it has to save a twentieth, and of
  /// what no sample of the profile comes to nothing is known.
  static func peeks(_ peeked: Double, _ whole: Double) -> Bool { peeked < 0.95 * whole }
}

/// What passes through a model: the entry, if anything is decided there, then layer by layer.
struct PolicyFlows {
  var entry: LayerFlow?
  var layers: [LayerFlow]
}

/// How many samples and tokens the nodes of one layer see.
struct LayerFlow {
  var samplesEntering = 0.0, samplesStaying = 0.0
  var tokensEntering = 0.0, tokensStaying = 0.0, tokensKept = 0.0
}
