// The seam between the wave loop and what has texts to classify. The loop knows no request, caller or queue: it asks
// for the next sample when there is room, and hands back each answer as soon as the sample leaves. A server's bounds,
// priorities and deadlines belong on the other side of this protocol; `RequestQueue` is the implementation, in
// which requests take turns.

/// Gives samples to a wave loop and takes their answers. All calls come from the one thread that drives the loop,
/// between and in its turns; they must not wait for anything, since the whole engine would wait with them.
protocol SampleSource: AnyObject {
  /// Whether `next` may have a sample. The loop ends when there is none and all that were taken are answered.
  var hasNext: Bool { get }

  /// Copies the next sample to `inputs` and gives it up, if there is one and its whole group fits in `room`. Its ids were checked against the embedding tables, its length against the room of the loop.
  func next(room: WaveRows, into inputs: TokenInputs) -> AdmittedSample?

  /// Takes the answer to a sample, once for each sample that `next` gave. What the answer points to is valid during the
  /// call.
  func deliver(_ answer: SampleAnswer, to sample: SampleID)
}

/// What a source calls a sample; the loop only hands it back.
struct SampleID {
  /// The request that the sample belongs to; nil where a source has no requests. The source keeps it alive.
  var request: Unmanaged<Request>?
  /// Number of the sample in its request.
  var index: Int
}

/// A sample that the loop took.
struct AdmittedSample {
  let id: SampleID
  let tokens: Int
  /// Whether its request waits for nothing but samples taken already: from now on, they must not wait for long.
  let isLast: Bool
  /// Whether it is of the group of the sample before.
  var joinsGroup = false
}

/// Where the tokens of a sample go: one element per token.
struct TokenInputs {
  let tokenIDs: UnsafeMutablePointer<Int32>
  let typeIDs: UnsafeMutablePointer<Int32>
  let positions: UnsafeMutablePointer<Int32>

  /// The place after `tokens` tokens.
  func advanced(by tokens: Int) -> TokenInputs {
    TokenInputs(tokenIDs: tokenIDs + tokens, typeIDs: typeIDs + tokens, positions: positions + tokens)
  }
}

/// The answer to one sample, in the loop's own memory.
struct SampleAnswer {
  /// Logits of the head that answered, [C].
  let logits: UnsafePointer<Float>
  /// The layer after which it left, from 1; 0 for the entry.
  let exitLayer: Int
  /// The layer whose head answered each task; nil for one task.
  let taskLayers: UnsafeMutableBufferPointer<Int32>?
  /// Tokens alive when each layer started, for the layers that the sample went through; at the entry, those admitted.
  let tokensAlive: UnsafeBufferPointer<Int32>
  /// What pruning did to its tokens; nil unless positions are recorded.
  let record: TokenRecord?
  let operations: OperationCount
  /// What made it leave before its policy did.
  let limit: AnswerLimit?
}
