// Puts the rules of a tokenizer together: word pieces, then added tokens, then the roles.
//
// Separate because tokenizer.json and vocab.txt differ only in where the parts come from; which id a token has, and
// that each role's token exists, is decided here once.

import PyramidFormats

/// A vocabulary being completed by added tokens.
struct TokenizerAssembly {
  /// The file that holds the vocabulary, for errors.
  let file: String
  /// Where in that file the vocabulary is.
  let place: String
  private var tokens: [String]
  private let modelCount: Int
  private var ids: [ExactString: Int32] = [:]
  private var added: [SpecialToken] = []
  private var addedIDs: Set<Int32> = []

  /// Starts from the word pieces; throws when one occurs twice.
  init(wordPieces: [String], file: String, place: String) throws(FormatError) {
    (self.file, self.place, tokens, modelCount) = (file, place, wordPieces, wordPieces.count)
    ids.reserveCapacity(wordPieces.count)
    for (id, token) in wordPieces.enumerated() {
      guard let first = ids.updateValue(Int32(id), forKey: ExactString(token)) else { continue }
      throw FormatError(file: file, place: place, problem: "token \(token.quoted) has two ids, \(first) and \(id)")
    }
  }

  /// Adds a token whose id is given: it is the one the vocabulary has, or the next free one.
  mutating func add(_ token: SpecialToken, from source: (file: String, place: String)) throws(FormatError) {
    let id = ids[ExactString(token.content)] ?? Int32(tokens.count)
    guard id == token.id else {
      throw FormatError(
        file: source.file, place: source.place,
        problem: "token \(token.content.quoted) has id \(token.id), expected \(id)")
    }
    insert(token)
  }

  /// Adds a token by its content: with the id that the vocabulary has for it, or else the next free one.
  mutating func add(_ token: SpecialToken) {
    var token = token
    token.id = ids[ExactString(token.content)] ?? Int32(tokens.count)
    insert(token)
  }

  private mutating func insert(_ token: SpecialToken) {
    if token.id == tokens.count {
      tokens.append(token.content)
      ids[ExactString(token.content)] = token.id
    }
    if addedIDs.insert(token.id).inserted { added.append(token) }
  }

  /// The id of a role's token, which must exist.
  func id(ofRole content: String) throws(FormatError) -> Int32 {
    guard let id = ids[ExactString(content)] else {
      throw FormatError(file: file, place: place, problem: "special token \(content.quoted) is missing")
    }
    return id
  }

  /// The rules with every switch at its default. The five roles are looked for in raw text like other added tokens.
  mutating func finish(
    unknown: String, cls: String, sep: String, pad: String, mask: String?
  ) throws(FormatError) -> TokenizerRules {
    let (unknownID, clsID) = (try id(ofRole: unknown), try id(ofRole: cls))
    let (sepID, padID) = (try id(ofRole: sep), try id(ofRole: pad))
    // A role that a file names must exist; [MASK], which no classifier needs, may be missing when none is named.
    let maskID = if let mask { try id(ofRole: mask) } else { ids[ExactString("[MASK]")] }
    for id in [unknownID, clsID, sepID, padID, maskID].compactMap({ $0 }) {
      insert(SpecialToken(content: tokens[Int(id)], id: id))
    }
    return TokenizerRules(
      vocabulary: Vocabulary(tokens, modelCount: modelCount), unknownID: unknownID, clsID: clsID, sepID: sepID,
      padID: padID, maskID: maskID, specialTokens: added.sorted { $0.id < $1.id })
  }
}
