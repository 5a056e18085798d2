// What a choice between placements is made by: operations, and the time that weights take to be read. At batch 1 a peek
// is few operations over all weights of a layer, so that operations alone would call it nearly free.

/// Weighs operations against bytes of weights.
struct CostModel {
  /// Operations that take as long as reading a byte of weights. From README's table of dense models by text length, a
  /// line through the times at 8 and 64 tokens: 4.5 where the weights stay in the cache (MiniLM-L6), 9 where they
  /// don't (BERT-base).
  var operationsPerByte: Double
  /// Samples that share one reading of a weight.
  var samplesPerReading: Double

  /// Batch 1, the case in which a decision is most easily worth less than it costs.
  static let batchOfOne = CostModel(operationsPerByte: 6, samplesPerReading: 1)
}

/// How many samples and tokens meet the nodes of one layer.
struct LayerFlow {
  /// What a dim of the layer counts.
  enum Population: Hashable { case samplesEntering, samplesStaying, tokensEntering, tokensStaying, tokensKept }

  var samplesEntering = 0.0, samplesStaying = 0.0
  var tokensEntering = 0.0, tokensStaying = 0.0, tokensKept = 0.0

  /// The sum over samples of their rows, or of the squares of them as if all were of one length.
  func rows(_ population: Population, squared: Bool) -> Double {
    let (rows, samples): (Double, Double) =
      switch population {
      case .samplesEntering: (samplesEntering, samplesEntering)
      case .samplesStaying: (samplesStaying, samplesStaying)
      case .tokensEntering: (tokensEntering, samplesEntering)
      case .tokensStaying: (tokensStaying, samplesStaying)
      case .tokensKept: (tokensKept, samplesStaying)
      }
    return squared ? rows * rows / max(samples, 1e-9) : rows
  }
}
