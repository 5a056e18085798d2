// Texts as the engine takes them: token ids end to end, no padding.

import PyramidIR

/// Samples packed end to end.
public struct PackedBatch: Sendable {
  /// Vocabulary ids of all samples, [T].
  public private(set) var tokenIDs: [Int32] = []
  /// 0 for the first text of a sample, 1 for the second, [T].
  public private(set) var typeIDs: [Int32] = []
  /// Place of each token in its sample, [T].
  public private(set) var positions: [Int32] = []
  /// Offsets of the samples and the number of tokens, [B + 1].
  public private(set) var segments: [Int32] = [0]

  /// Samples of the group that begins with a sample, 0 for one that a group before goes on with, [B].
  public private(set) var groups: [Int32] = []
  private var groupStart = 0

  /// An empty batch.
  public init() {}

  /// Samples in the batch.
  public var sampleCount: Int { segments.count - 1 }
  /// Tokens in the batch.
  public var tokenCount: Int { tokenIDs.count }

  /// Appends a sample; `typeIDs` has as many elements as `tokenIDs`, and there is at least one. One that joins the group of
  /// the sample before is computed together with it.
  public mutating func append(
    tokenIDs ids: some Collection<Int32>, typeIDs types: some Collection<Int32>, joinsGroup: Bool = false
  ) {
    if joinsGroup, !groups.isEmpty {
      groups.append(0)
      groups[groupStart] += 1
    } else {
      groupStart = groups.count
      groups.append(1)
    }
    precondition(!ids.isEmpty && ids.count == types.count, "a sample has at least one token, and a type for each")
    tokenIDs.append(contentsOf: ids)
    typeIDs.append(contentsOf: types)
    positions.append(contentsOf: 0..<Int32(ids.count))
    segments.append(Int32(tokenIDs.count))
  }

  /// Tokens of a sample.
  func length(of sample: Int) -> Int { Int(segments[sample + 1] - segments[sample]) }

  /// Samples and tokens of the group that begins with a sample; of one within a group its own.
  func rows(ofGroupAt sample: Int) -> WaveRows {
    let count = max(Int(groups[sample]), 1)
    return WaveRows(samples: count, tokens: Int(segments[sample + count] - segments[sample]))
  }

  /// Copies the tokens of a sample.
  func copy(_ sample: Int, to inputs: TokenInputs) {
    let tokens = Int(segments[sample])..<Int(segments[sample + 1])
    func copy(_ values: [Int32], _ destination: UnsafeMutablePointer<Int32>) {
      values.withUnsafeBufferPointer {
        destination.update(from: $0.baseAddress! + tokens.lowerBound, count: tokens.count)
      }
    }
    copy(tokenIDs, inputs.tokenIDs)
    copy(typeIDs, inputs.typeIDs)
    copy(positions, inputs.positions)
  }

  /// Copies all tokens, and the offsets of the samples.
  func copyAll(to inputs: TokenInputs, segments offsets: UnsafeMutablePointer<Int32>) {
    for (values, place) in [
      (tokenIDs, inputs.tokenIDs), (typeIDs, inputs.typeIDs), (positions, inputs.positions), (segments, offsets),
    ] {
      values.withUnsafeBufferPointer { if let base = $0.baseAddress { place.update(from: base, count: $0.count) } }
    }
  }

  /// Empties the batch and keeps its memory.
  public mutating func removeAll() {
    tokenIDs.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    groups.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
    segments.append(0)
  }
}
