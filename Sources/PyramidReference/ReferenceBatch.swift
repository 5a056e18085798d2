// What goes into the interpreter and what comes out of it, by sample. Nothing here is packed or padded: packing is the
// interpreter's first step, so that a test states its texts and not a layout.

/// Samples to classify, as token ids.
public struct ReferenceBatch: Sendable, Equatable {
  /// Vocabulary ids, one array for each sample, `[CLS]` first.
  public var tokenIDs: [[Int32]]
  /// 0 for the first text and 1 for the second, shaped as `tokenIDs`.
  public var typeIDs: [[Int32]]
  /// The group of each sample, by any number; without, each is alone in its own.
  public var groups: [Int]?

  /// A batch; without type ids every token belongs to the first text.
  public init(tokenIDs: [[Int32]], typeIDs: [[Int32]]? = nil) {
    self.tokenIDs = tokenIDs
    self.typeIDs = typeIDs ?? tokenIDs.map { [Int32](repeating: 0, count: $0.count) }
  }
}

/// What one of several tasks is answered.
public struct ReferenceTaskAnswer: Sendable, Equatable {
  /// Logits of the head that answered.
  public let logits: [Float]
  /// Its layer, counted from 1; 0 is the entry.
  public let exitLayer: Int
  /// The class of the largest logit, the lower index on ties.
  public var label: Int { Arithmetic.argmax(logits) }
}

/// What became of one sample.
public struct ReferenceAnswer: Sendable, Equatable {
  /// Logits of the head that answered.
  public internal(set) var logits: [Float] = []
  /// Their softmax.
  public internal(set) var probabilities: [Float] = []
  /// The class of the largest logit, the lower index on ties.
  public internal(set) var label = 0
  /// The layer that answered, counted from 1; 0 is the entry.
  public internal(set) var exitLayer = 0
  /// Tokens alive on entering layer `i + 1`, for every layer that the sample entered; at the entry, all.
  public internal(set) var tokensAlive: [Int] = []
  /// The original positions of these tokens.
  public internal(set) var alivePositions: [[Int32]] = []
  /// Of a graph of several tasks, what each is answered, in their order.
  public internal(set) var tasks: [ReferenceTaskAnswer] = []
  /// Logits of every head evaluated for the sample, by layer counted from 1, the last one included; 0 is the entry's.
  public internal(set) var headLogits: [Int: [Float]] = [:]
  /// Operations of the matrix products and attention products done for the sample: two for each multiplication, which
  /// were counted one by one as they were done.
  public internal(set) var executedMatrixOperations = 0
}
