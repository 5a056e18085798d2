// Where a model's tokens come from: the model of a tokenizer.json, a vocab.txt, or vocab.json with merges.txt. Apart
// from the classes because each of them takes its vocabulary out of whichever of these files there is.

import PyramidFormats

/// The tokens of a model, before it is known what spells them.
struct VocabularySource {
  /// The tokens in id order; nil for an id without one.
  var tokens: [String?]
  /// A unigram model's scores, by id.
  var scores: [Double]?
  /// A byte-pair model's merges as pairs of tokens, with where they stand.
  var merges: [(left: String, right: String)]?
  /// The file that the tokens are from.
  let file: String
  /// The file that the merges are from.
  var mergesFile = ""

  /// The vocabulary of a tokenizer.json's model.
  init(tokenizer root: JSONField) throws(FormatError) {
    (file, mergesFile) = (root.file, root.file)
    let model = try root.required("model")
    let field = try model.required("vocab")
    if case .array(let elements) = field.value {
      (tokens, scores) = ([], [])
      guard elements.count <= Vocabulary.maximumCount else {
        throw field.failure("more than \(Vocabulary.maximumCount) tokens")
      }
      for (index, element) in elements.enumerated() {
        // A list may hold pairs of a token and its score, or tokens alone.
        if case .array(let parts) = element, parts.count == 2, case .string(let token) = parts[0],
          case .number(let number) = parts[1], let score = number.double
        {
          tokens.append(token)
          scores?.append(score)
        } else if case .string(let token) = element {
          tokens.append(token)
        } else {
          throw field.failure("entry \(index): expected a token and its score")
        }
      }
      if scores?.count != tokens.count { scores = nil }
    } else {
      tokens = try Self.tokens(of: field)
    }
    if let field = try model.optional("merges") { merges = try Self.merges(field) }
  }

  /// A vocab.txt, one token per line; LF or CRLF ends a line. White space at a token's end is dropped, as the library
  /// does, unless `keepsSpaces`.
  init(lines bytes: UnsafeRawBufferPointer, file: String, keepsSpaces: Bool) throws(FormatError) {
    (self.file, tokens) = (file, [])
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      let hasReturn = end > start && bytes[end - 1] == 0x0D && (end < bytes.count || keepsSpaces)
      func failure(_ problem: String) -> FormatError {
        FormatError(file: file, place: "line \(tokens.count + 1)", problem: problem)
      }
      guard tokens.count < Vocabulary.maximumCount else { throw failure("more than \(Vocabulary.maximumCount) tokens") }
      guard var token = String(validating: bytes[start..<(hasReturn ? end - 1 : end)], as: UTF8.self) else {
        throw failure("invalid UTF-8")
      }
      if !keepsSpaces { Self.trimEnd(of: &token) }
      guard !keepsSpaces || !token.utf8.contains(0x0D) else { throw failure("carriage return inside a token") }
      tokens.append(token)
      start = end + 1
    }
  }

  /// A vocab.json and the lines of a merges.txt.
  init(vocabulary: JSONField, merges bytes: UnsafeRawBufferPointer, file mergesFile: String) throws(FormatError) {
    (file, self.mergesFile) = (vocabulary.file, mergesFile)
    tokens = try Self.tokens(of: vocabulary)
    var merges: [(left: String, right: String)] = []
    var (start, number) = (0, 0)
    while start < bytes.count {
      number += 1
      func failure(_ problem: String) -> FormatError {
        FormatError(file: mergesFile, place: "line \(number)", problem: problem)
      }
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      let hasReturn = end > start && bytes[end - 1] == 0x0D
      guard let text = String(validating: bytes[start..<(hasReturn ? end - 1 : end)], as: UTF8.self) else {
        throw failure("invalid UTF-8")
      }
      start = end + 1
      if text.utf8.starts(with: "#version".utf8) { continue }
      guard merges.count < Vocabulary.maximumCount else { throw failure("more than \(Vocabulary.maximumCount) merges") }
      guard let merge = Self.merge(text) else { throw failure("expected two tokens and one blank between them") }
      merges.append(merge)
    }
    self.merges = merges
  }

  private static func trimEnd(of token: inout String) {
    let facts = UnicodeFacts.shared.facts
    while let last = token.unicodeScalars.last, facts[last.value].contains(.whitespace) {
      token.unicodeScalars.removeLast()
    }
  }

  /// The tokens of an object from tokens to ids, each id at most once.
  private static func tokens(of field: JSONField) throws(FormatError) -> [String?] {
    let members = try field.object().members
    guard members.count <= Vocabulary.maximumCount else {
      throw field.failure("more than \(Vocabulary.maximumCount) tokens")
    }
    // Ids may leave holes, but not so many that a few bytes of a file ask for memory without end.
    let limit = min(Vocabulary.maximumCount, 2 * members.count + 1_000_000)
    var tokens = [String?](repeating: nil, count: members.count)
    for member in members {
      guard case .number(let number) = member.value, let id = number.int, (0..<limit).contains(id) else {
        throw field.failure(
          "token \(member.key.quoted): expected an id from 0 to \(limit - 1), found "
            + JSONField(member.value, file: field.file).found)
      }
      if id >= tokens.count { tokens += repeatElement(nil, count: id + 1 - tokens.count) }
      if let other = tokens[id] {
        throw field.failure("the tokens \(other.quoted) and \(member.key.quoted) have one id, \(id)")
      }
      tokens[id] = member.key
    }
    while let last = tokens.last, last == nil { tokens.removeLast() }
    return tokens
  }

  private static func merges(_ field: JSONField) throws(FormatError) -> [(left: String, right: String)] {
    guard case .array(let elements) = field.value else {
      throw field.failure("expected an array, found \(field.found)")
    }
    guard elements.count <= Vocabulary.maximumCount else {
      throw field.failure("more than \(Vocabulary.maximumCount) merges")
    }
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      switch element {
      case .array(let parts):
        guard parts.count == 2, case .string(let left) = parts[0], case .string(let right) = parts[1] else {
          throw field.failure("merge \(index): expected two tokens")
        }
        merges.append((left, right))
      case .string(let text):
        if text.utf8.starts(with: "#version".utf8) { continue }
        guard let merge = merge(text) else {
          throw field.failure("merge \(index): expected two tokens and one blank between them, found \(text.quoted)")
        }
        merges.append(merge)
      default: throw field.failure("merge \(index): expected two tokens")
      }
    }
    return merges
  }

  private static func merge(_ text: String) -> (left: String, right: String)? {
    let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, let left = String(parts[0]), let right = String(parts[1]) else { return nil }
    return (left, right)
  }
}
