// Texts as tokens, once for the whole training: epochs must not pay for tokenising again, and an array a text would cost
// more memory than its tokens.

import PyramidFormats
import PyramidRuntime
import PyramidText

/// Encoded texts with their classes.
public final class EncodedTexts: Sendable {
  /// The classes, [samples].
  public let labels: [Int]
  /// Texts that were cut to the limit.
  public let truncated: Int
  private let ids: [Int32]
  private let types: [UInt8]
  private let starts: [Int]

  /// Encodes rows; no text has more than `limit` tokens.
  public init(_ rows: [LabelledDataSet.Row], tokenizer: Tokenizer, limit: Int) {
    var (ids, types, starts, truncated): ([Int32], [UInt8], [Int], Int) = ([], [], [0], 0)
    for row in rows {
      let encoding = tokenizer.encode(row.text, pair: row.pair, limit: limit)
      ids += encoding.ids
      types += encoding.typeIDs.lazy.map { UInt8($0) }
      starts.append(ids.count)
      if encoding.isTruncated { truncated += 1 }
    }
    (self.ids, self.types, self.starts, self.truncated) = (ids, types, starts, truncated)
    labels = rows.map(\.label)
  }

  /// Samples.
  public var count: Int { labels.count }
  /// Tokens of all samples.
  public var tokenCount: Int { ids.count }
  /// The tokens of each sample, [samples].
  public var lengths: [Int] { labels.indices.map { starts[$0 + 1] - starts[$0] } }
  /// The token ids of a sample.
  public func tokens(of sample: Int) -> ArraySlice<Int32> { ids[starts[sample]..<starts[sample + 1]] }

  /// Packs samples; `number` is that of the batch in the training.
  public func batch(_ samples: [Int], number: Int = 0) -> TrainingBatch {
    var packed = PackedBatch()
    for sample in samples {
      packed.append(
        tokenIDs: tokens(of: sample), typeIDs: types[starts[sample]..<starts[sample + 1]].lazy.map { Int32($0) })
    }
    return TrainingBatch(texts: self, samples: samples, tokens: packed, number: number)
  }
}
