// Which tokens of a vocabulary stay when it is made smaller: those with a role, every single character, so that each
// word that could be spelt still can be, and of the rest those that texts use most. A checkpoint for one task needs a
// quarter of BERT's word embeddings, which are half of a small model's file.

import PyramidFormats
import PyramidModels
import PyramidText

/// A count of the tokens that texts use, and the choice that follows from it.
public struct VocabularyTrim {
  let checkpoint: Checkpoint
  private let tokenizer: Tokenizer
  private var counts: [Int]

  /// A count of nothing yet. Throws `TrainingError` when the tokenizer has what vocab.txt and tokenizer_config.json,
  /// the files that are written, can't say; `CheckpointError` or `FormatError` for tensors that could not be compiled.
  public init(of checkpoint: Checkpoint) throws {
    (self.checkpoint, tokenizer) = (checkpoint, checkpoint.tokenizer)
    counts = [Int](repeating: 0, count: tokenizer.rules.vocabulary.count)
    let rules = tokenizer.rules
    func refuse(_ what: String) -> TrainingError {
      TrainingError("\(checkpoint.path): its tokenizer \(what), which a trimmed checkpoint can't keep")
    }
    guard case .wordPiece("##", maxWordScalars: 100) = rules.model, let bert = rules.bert, !rules.truncatesLeft,
      rules.template.withoutTypes
        == TokenTemplate.bert(first: rules.firstID, separator: rules.separatorID).withoutTypes
    else { throw refuse("is no BERT's with a WordPiece of '##' and words of at most 100 characters") }
    if !bert.cleanText { throw refuse("keeps control characters") }
    let roles = Self.roles(of: rules)
    if let other = rules.addedTokens.first(where: { !roles.contains($0.id) || $0.normalized || !$0.special }) {
      throw refuse("has the added token \(other.content.quoted)")
    }
    try checkpoint.checkTensors()
  }

  /// Counts the tokens of a text or a pair.
  public mutating func count(_ text: String, pair: String? = nil) {
    for id in tokenizer.encode(text, pair: pair, limit: .max).ids { counts[Int(id)] += 1 }
  }

  /// The ids that stay, ascending; a token's new id is its place here. Placeholders for tokens of one's own
  /// (`[unused0]`) go first. Throws `TrainingError` when `size` is too small for what must stay, or no fewer than there
  /// are.
  public func kept(size: Int) throws(TrainingError) -> [Int32] {
    let vocabulary = tokenizer.rules.vocabulary
    guard size < vocabulary.count else {
      throw TrainingError("--size \(size): the vocabulary has \(vocabulary.count) tokens; say fewer")
    }
    let roles = Self.roles(of: tokenizer.rules)
    let tokens = (0..<vocabulary.count).map { vocabulary[$0] }
    var kept = roles.union(tokens.indices.lazy.filter { Self.isCharacter(tokens[$0]) }.map { Int32($0) })
    guard size >= kept.count else {
      throw TrainingError(
        "--size \(size): special tokens and single characters are \(kept.count) tokens already; say more than these")
    }
    let rest = tokens.indices.filter { !kept.contains(Int32($0)) && !tokens[$0].hasPrefix("[unused") }
      .sorted { (counts[$1], $0) < (counts[$0], $1) }
    kept.formUnion(rest.prefix(size - kept.count).map { Int32($0) })
    return kept.sorted()
  }

  private static func roles(of rules: TokenizerRules) -> Set<Int32> {
    Set([rules.unknownID, rules.firstID, rules.separatorID, rules.padID, rules.maskID].compactMap { $0 })
  }

  /// Whether a token is one character, at the start of a word or within it.
  private static func isCharacter(_ token: String) -> Bool {
    let scalars = token.unicodeScalars
    return scalars.count == 1 || scalars.count == 3 && scalars.starts(with: "##".unicodeScalars)
  }
}

extension Checkpoint {
  /// Lowers the checkpoint as mp-compile does, for what that says of its tensors; only a head may be missing, which a
  /// training adds.
  fileprivate func checkTensors() throws {
    let tasks = try ownTasks()
    guard tasks.isEmpty else {
      _ = try LoweredModel(trunk: self, tasks: tasks, name: "trimmed").numberNotes(of: joined(with: tasks))
      return
    }
    let labels = (0..<max(classes ?? configuration.labels.count, 1)).map(String.init)
    _ = try LoweredModel(self, name: "trimmed", training: labels).numberNotes(of: self)
  }
}
