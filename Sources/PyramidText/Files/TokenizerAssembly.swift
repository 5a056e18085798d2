// Puts a vocabulary together: the model's tokens, then added ones. Which id an added token gets does not follow from
// what a file says but from what is there before it, as in the Hugging Face library; this is decided here once.

import PyramidFormats

/// A vocabulary being completed by added tokens.
struct TokenizerAssembly {
  private(set) var tokens: [String?]
  let modelCount: Int
  /// How many tokens the library counts in the model, which is where it begins to number added ones.
  private let modelSize: Int
  private var ids: [ExactString: Int32] = [:]
  private var added: [Int32: AddedToken] = [:]
  private(set) var notes: [String] = []

  /// Starts from the model's tokens, nil for an id that has none; of two equal ones the later counts. `isList` says
  /// that repeated ones count for the size all the same, as in a unigram model.
  init(_ tokens: [String?], isList: Bool = false) {
    (self.tokens, modelCount) = (tokens, tokens.count)
    ids.reserveCapacity(tokens.count)
    var repeated: [String] = []
    for (id, token) in tokens.enumerated() {
      guard let token else { continue }
      if ids.updateValue(Int32(id), forKey: ExactString(token)) != nil { repeated.append(token) }
    }
    modelSize = isList ? tokens.count : ids.count
    if let first = repeated.first {
      notes.append(
        "\(repeated.count) tokens are in the vocabulary twice, such as \(first.quoted); the last one counts")
    }
  }

  /// The id of a token; nil when there is none.
  func id(of content: String) -> Int32? { ids[ExactString(content)] }

  /// Whether there is an added token of this text.
  func hasAdded(_ content: String) -> Bool {
    id(of: content).map { added[$0]?.content.hasSameBytes(as: content) ?? false } ?? false
  }

  /// Adds tokens: one that is known keeps its id and takes the new flags, another gets the next free id.
  mutating func add(_ list: [StatedToken]) {
    let largest = added.keys.max().map { Int($0) }
    var next = largest.map { $0 >= modelSize || modelSize == 0 ? $0 + 1 : modelSize } ?? modelSize
    for stated in list where !stated.content.isEmpty {
      var id = id(of: stated.content)
      if id == nil {
        id = Int32(next)
        next += 1
      }
      guard let id else { continue }
      added[id] = stated.token(id: id)
      ids[ExactString(stated.content)] = id
      while tokens.count <= Int(id) { tokens.append(nil) }
      if tokens[Int(id)] == nil { tokens[Int(id)] = stated.content }
    }
  }

  /// A note for each added token whose id is not the one that a file states.
  mutating func compare(_ stated: [(id: Int, token: StatedToken)], file: String) {
    for (id, token) in stated {
      guard let found = self.id(of: token.content), Int(found) != id else { continue }
      notes.append("\(file): token \(token.content.quoted) is said to have id \(id); it gets \(found)")
    }
  }

  /// The whole vocabulary.
  var vocabulary: Vocabulary { Vocabulary(tokens, modelCount: modelCount) }
  /// The added tokens in id order.
  var addedTokens: [AddedToken] { added.values.sorted { $0.id < $1.id } }
}
