// From a tokenizer as its files describe it to the tokenizer that cuts texts: the formats module knows no text rules,
// the text module no file formats.

import PyramidFormats
import PyramidText

extension Tokenizer {
  /// The tokenizer of a description. Throws when an added token asks for what BERT tokenizers don't do.
  public convenience init(_ description: TokenizerDescription) throws {
    for token in description.addedTokens
    where token.singleWord || token.stripsLeft || token.stripsRight || token.normalized {
      throw FormatError(
        file: "tokenizer.json", place: "added_tokens",
        problem: "'\(token.content)' asks for single_word, lstrip, rstrip or normalized, which is not supported")
    }
    let rules = TokenizerRules(
      lowercase: description.lowercase, stripAccents: description.stripAccents, splitCJK: description.splitCJK,
      cleanText: description.cleanText, unknownID: Int32(description.unknownToken.id),
      clsID: Int32(description.clsToken.id), sepID: Int32(description.sepToken.id),
      padID: Int32(description.padToken.id),
      maskID: description.maskToken.map { Int32($0.id) }, continuingPrefix: description.continuingPrefix,
      maxWordScalars: description.maxWordScalars,
      specialTokens: description.addedTokens.map { .init(text: $0.content, id: Int32($0.id)) })
    try self.init(vocabulary: Array(description.vocabulary[..<description.wordPieceCount]), rules: rules)
  }
}
