// Puts a tokenizer together: word pieces, then added tokens, then the roles.
//
// Separate because tokenizer.json and vocab.txt differ only in where the parts come from; which id a token has, and
// that each role's token exists, is decided here once.

/// A vocabulary being completed by added tokens.
struct TokenizerAssembly {
  /// The file that holds the vocabulary, for errors.
  let file: String
  /// Where in that file the vocabulary is.
  let place: String
  private(set) var vocabulary: [String]
  let wordPieceCount: Int
  private var ids: [ExactString: Int] = [:]
  private var added: [AddedToken] = []
  private var addedIDs: Set<Int> = []

  /// Starts from the word pieces; throws when one occurs twice.
  init(wordPieces: [String], file: String, place: String) throws(FormatError) {
    self.file = file
    self.place = place
    vocabulary = wordPieces
    wordPieceCount = wordPieces.count
    ids.reserveCapacity(wordPieces.count)
    for (id, token) in wordPieces.enumerated() {
      if let first = ids.updateValue(id, forKey: ExactString(token)) {
        throw FormatError(
          file: file, place: place, problem: "token \(token.quoted) has two ids, \(first) and \(id)")
      }
    }
  }

  /// Adds a token whose id is given: it is the one the vocabulary has, or the next free one.
  mutating func add(_ token: AddedToken, from source: (file: String, place: String)) throws(FormatError) {
    let id = ids[ExactString(token.content)] ?? vocabulary.count
    guard id == token.id else {
      throw FormatError(
        file: source.file, place: source.place,
        problem: "token \(token.content.quoted) has id \(token.id), expected \(id)")
    }
    insert(token)
  }

  /// Adds a token by its content: with the id that the vocabulary has for it, or else the next free one.
  mutating func add(_ token: AddedToken) {
    var token = token
    token.id = ids[ExactString(token.content)] ?? vocabulary.count
    insert(token)
  }

  private mutating func insert(_ token: AddedToken) {
    if token.id == vocabulary.count {
      vocabulary.append(token.content)
      ids[ExactString(token.content)] = token.id
    }
    if addedIDs.insert(token.id).inserted { added.append(token) }
  }

  /// The id of a token, if it has one.
  func id(of content: String) -> Int? { ids[ExactString(content)] }

  /// The token of a role, which must exist.
  func special(_ content: String) throws(FormatError) -> SpecialToken {
    guard let id = id(of: content) else {
      throw FormatError(file: file, place: place, problem: "special token \(content.quoted) is missing")
    }
    return SpecialToken(content: content, id: id)
  }

  /// The description with every switch at its default. The five roles are looked for in raw text like other added
  /// tokens.
  mutating func finish(
    unknown: String, cls: String, sep: String, pad: String, mask: AddedToken?
  ) throws(FormatError) -> TokenizerDescription {
    let (unknown, cls) = (try special(unknown), try special(cls))
    let (sep, pad) = (try special(sep), try special(pad))
    // A role that a file names must exist; [MASK], which no classifier needs, may be missing when none is named.
    let maskToken: SpecialToken? =
      if let mask { try special(mask.content) } else {
        id(of: "[MASK]").map { SpecialToken(content: "[MASK]", id: $0) }
      }
    for token in [unknown, cls, sep, pad, maskToken].compactMap({ $0 }) {
      add(AddedToken(content: token.content, id: token.id))
    }
    return TokenizerDescription(
      vocabulary: vocabulary, wordPieceCount: wordPieceCount, unknownToken: unknown, clsToken: cls, sepToken: sep,
      padToken: pad, maskToken: maskToken, addedTokens: added.sorted { $0.id < $1.id })
  }
}
