// Words spelled character by character, as transformers' BertJapaneseTokenizer does with
// `"subword_tokenizer_type": "character"`: each scalar of the word in its compatible normal form is a token or unknown.

/// The model of single characters.
final class Characters: Sendable {
  private let pieces: PieceTable
  private let unknownID: Int32

  init(_ vocabulary: Vocabulary, unknownID: Int32) throws(TokenizerError) {
    try vocabulary.checkSize()
    var pieces = PieceTable(capacity: vocabulary.modelCount, bytes: vocabulary.bytes)
    for id in vocabulary.modelIDs { pieces.insert(vocabulary.range(of: id), id: Int32(id)) }
    (self.pieces, self.unknownID) = (pieces, unknownID)
  }

  /// Appends the ids of one word.
  func encode(_ word: UnsafeBufferPointer<UInt8>, into tokens: inout TokenSink) {
    var text = Array(word)
    UnicodeForms.shared.normalise(&text, to: .nfkc)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let start = position
        _ = decodeScalar(text, &position)
        let id = pieces.id(of: UnsafeBufferPointer(rebasing: text[start..<position]))
        tokens.append(id >= 0 ? id : unknownID)
      }
    }
  }
}
