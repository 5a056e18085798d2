// Answers as the executor writes them: flat, in storage that a caller keeps from request to request, so that serving
// one allocates nothing once the table has grown to its size. `Answer` is the same for those who want a value.

import PyramidIR

/// The answers to one batch, in the order of its samples.
public final class AnswerTable {
  /// Answers in the table.
  public private(set) var count = 0
  private var classes = 0
  private var layers = 0
  private var recordsPositions = false
  private var allLogits: [Float] = []
  private var exitLayers: [Int32] = []
  private var allTokens: [Int32] = []
  private var allOperations: [OperationCount] = []
  /// Where a sample's positions start in `positions`, its first token's number times boundaries; and boundaries noted.
  private var starts: [Int] = []
  private var noted: [Int32] = []
  private var keptCounts: [Int32] = []
  private var positions: [Int32] = []

  /// An empty table.
  public init() {}

  /// Logits of the head that answered, [C].
  public func logits(of sample: Int) -> ArraySlice<Float> { allLogits[sample * classes..<(sample + 1) * classes] }
  /// The layer behind which the sample left, from 1.
  public func exitLayer(of sample: Int) -> Int { Int(exitLayers[sample]) }
  /// Tokens alive when each layer started, for the layers that the sample went through.
  public func tokensAlive(of sample: Int) -> ArraySlice<Int32> {
    allTokens[sample * layers..<sample * layers + exitLayer(of: sample)]
  }
  /// Operations of the sample.
  public func operations(of sample: Int) -> OperationCount { allOperations[sample] }

  /// A copy of one answer.
  public subscript(sample: Int) -> Answer {
    Answer(
      logits: Array(logits(of: sample)), exitLayer: exitLayer(of: sample),
      tokensAlive: tokensAlive(of: sample).map { Int($0) },
      keptPositions: recordsPositions ? (0..<Int(noted[sample])).map { Array(kept(sample, $0)) } : nil,
      operations: operations(of: sample))
  }

  /// Copies of all answers.
  public var answers: [Answer] { (0..<count).map { self[$0] } }

  /// Makes room for the answers to a batch; allocates only when the table was never as large.
  func prepare(for batch: PackedBatch, shape: ModelShape, recordsPositions: Bool) {
    (count, classes, layers) = (batch.sampleCount, shape.classes, shape.layers)
    self.recordsPositions = recordsPositions
    Self.grow(&allLogits, to: count * classes, filler: 0)
    Self.grow(&exitLayers, to: count, filler: 0)
    Self.grow(&allTokens, to: count * layers, filler: 0)
    Self.grow(&allOperations, to: count, filler: OperationCount())
    guard recordsPositions else { return }
    Self.grow(&starts, to: count, filler: 0)
    Self.grow(&noted, to: count, filler: 0)
    Self.grow(&keptCounts, to: count * boundaries, filler: 0)
    Self.grow(&positions, to: batch.tokenCount * boundaries, filler: 0)
    for sample in 0..<count {
      starts[sample] = Int(batch.segments[sample]) * boundaries
      noted[sample] = 0
    }
  }

  private var boundaries: Int { max(layers - 1, 0) }

  private static func grow<Element>(_ array: inout [Element], to count: Int, filler: Element) {
    if array.count < count { array = Array(repeating: filler, count: count) }
  }

  /// Notes an answer. `tokens` gives the tokens alive when a layer (from 0) started.
  func answer(
    _ sample: Int, logits: UnsafePointer<Float>, exitLayer: Int, operations: OperationCount, tokens: (Int) -> Int32
  ) {
    for index in 0..<classes { allLogits[sample * classes + index] = logits[index] }
    exitLayers[sample] = Int32(exitLayer)
    for layer in 0..<exitLayer { allTokens[sample * layers + layer] = tokens(layer) }
    allOperations[sample] = operations
  }

  /// Notes the tokens kept behind layer `layer` (from 0) of a sample of `length` tokens.
  func keep(_ sample: Int, length: Int, behind layer: Int, _ kept: UnsafePointer<Int32>, count: Int) {
    keepAll(sample, length: length, before: layer)
    let start = starts[sample] + Int(noted[sample]) * length
    for index in 0..<count { positions[start + index] = kept[index] }
    keptCounts[sample * boundaries + Int(noted[sample])] = Int32(count)
    noted[sample] += 1
  }

  /// Fills in the boundaries before `layer` at which nothing was decided: the tokens alive there are those from before.
  func keepAll(_ sample: Int, length: Int, before layer: Int) {
    while Int(noted[sample]) < layer {
      let boundary = Int(noted[sample])
      let start = starts[sample] + boundary * length
      let count = boundary == 0 ? length : Int(keptCounts[sample * boundaries + boundary - 1])
      for index in 0..<count {
        positions[start + index] = boundary == 0 ? Int32(index) : positions[start - length + index]
      }
      keptCounts[sample * boundaries + boundary] = Int32(count)
      noted[sample] += 1
    }
  }

  private func kept(_ sample: Int, _ boundary: Int) -> ArraySlice<Int32> {
    // A sample's tokens when it was admitted, which is what its part is laid out by.
    let start = starts[sample] + boundary * Int(allTokens[sample * layers])
    return positions[start..<start + Int(keptCounts[sample * boundaries + boundary])]
  }
}
