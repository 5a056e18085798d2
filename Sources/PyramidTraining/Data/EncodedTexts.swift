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

  /// Encodes rows, called `name` in errors; no text has more than `limit` tokens. Throws when a token's id is not below
  /// `vocabulary`: it has no row in the tables that are looked up by it; and what `check` throws, which is called now and
  /// then.
  public init(
    _ rows: [LabelledDataSet.Row], name: String, tokenizer: Tokenizer, limit: Int, vocabulary: Int,
    check: () throws -> Void = Interruption.check
  ) throws {
    var (ids, types, starts, truncated): ([Int32], [UInt8], [Int], Int) = ([], [], [0], 0)
    for (number, row) in rows.enumerated() {
      if number % 1000 == 0 { try check() }
      let encoding = tokenizer.encode(row.text, pair: row.pair, limit: limit)
      if encoding.fullLength == .max { throw TrainingError("\(name): \(row.place): has \(Encoding.tooLong)") }
      if let id = encoding.ids.first(where: { $0 >= vocabulary }) {
        throw TrainingError(
          "\(name): \(row.place): token \(tokenizer.rules.vocabulary[Int(id)].quoted) has id \(id), but vocab_size in "
            + "config.json is \(vocabulary); leave the row out, or give the tokenizer that the model was trained with")
      }
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
  /// SHA-256 of tokens and labels.
  var checksum: String {
    let parts = [
      ids.withUnsafeBytes { Checksum.sha256(of: $0) }, types.withUnsafeBytes { Checksum.sha256(of: $0) },
      starts.withUnsafeBytes { Checksum.sha256(of: $0) }, labels.withUnsafeBytes { Checksum.sha256(of: $0) },
    ]
    return Checksum.sha256(of: parts.joined())
  }
  /// The token ids of a sample.
  public func tokens(of sample: Int) -> ArraySlice<Int32> { ids[starts[sample]..<starts[sample + 1]] }

  /// Packs samples; `number` and `update` are those of the batch in the training.
  public func batch(_ samples: [Int], number: Int = 0, update: Int = 0) -> TrainingBatch {
    var packed = PackedBatch()
    for sample in samples {
      packed.append(
        tokenIDs: tokens(of: sample), typeIDs: types[starts[sample]..<starts[sample + 1]].lazy.map { Int32($0) })
    }
    return TrainingBatch(texts: self, samples: samples, tokens: packed, number: number, update: update)
  }
}
