// From mnemonic and attributes to an `Op`: the reading half of OpAttribute.swift, exhaustive over the mnemonics, so that an
// operation that can be written but not read does not compile. Attributes are read by name, each once, and one that is
// left over is an error that names the nearest known word.

import PyramidPolicy

/// An operation with its operands, as one node spells it.
struct ParsedOperation {
  let op: Op
  let mnemonic: String
  let inputs: [ValueID]
  let weights: [WeightID]
}

extension Parser {
  /// By their words, which an initialiser by raw value would compare one by one.
  private static let mnemonics = Dictionary(uniqueKeysWithValues: Mnemonic.allCases.map { ($0.rawValue, $0) })

  mutating func parseOperation() throws(ParseError) -> ParsedOperation {
    let start = token
    let word = try takeWord("an operation")
    let spelled = Self.mnemonics[word]
    if spelled == nil, let mnemonic = GradientMnemonic(rawValue: word) {
      return try parseGradientOperation(mnemonic, at: start)
    }
    let mnemonic: Mnemonic =
      if let spelled { spelled } else { try known(word, at: start, else: "`\(word)` is not an operation") }
    let input = mnemonic == .input ? try parseInputKind() : .tokenIDs
    var policy = ""
    if mnemonic == .decideExit || mnemonic == .decidePrune {
      policy = try take(.policy, "`@` and the policy's name").name
    }
    let operands = try parseOperands()
    var attributes = try parseAttributes(of: word, at: start)
    let op = try makeOp(mnemonic, input, policy, &attributes)
    try attributes.finish(self)
    return ParsedOperation(op: op, mnemonic: word, inputs: operands.inputs, weights: operands.weights)
  }

  private mutating func parseInputKind() throws(ParseError) -> InputKind {
    let start = token
    let word = try takeWord("what to bring in")
    return try known(word, at: start, else: "`\(word)` is not an input")
  }

  private func makeOp(
    _ mnemonic: Mnemonic, _ input: InputKind, _ policy: String, _ attributes: inout AttributeReader
  ) throws(ParseError) -> Op {
    func heads() throws(ParseError) -> Int { try attributes.integer("heads", self) }
    func emits() throws(ParseError) -> [Emission] { try attributes.words("emit", self) }
    func boundary() throws(ParseError) -> Boundary {
      try attributes.flag("at", Boundary.entryWord, self) ? .entry : .after(try attributes.integer("layer", self))
    }
    func epsilon() throws(ParseError) -> Float { try attributes.float("epsilon", self) }
    switch mnemonic {
    case .input: return .input(input)
    case .embed: return .embed
    case .linear: return .linear(attributes.has("activation") ? try attributes.word("activation", self) : .none)
    case .linearAddNorm: return .linearAddNorm(epsilon: try epsilon())
    case .activate: return .activate(try attributes.word("activation", self))
    case .gate: return .gate(try attributes.word("activation", self))
    case .rotate:
      return .rotate(
        Rotation(
          size: try attributes.integer("size", self), columns: try attributes.integer("columns", self),
          base: try attributes.float("base", self)))
    case .add: return .add
    case .layerNorm: return .layerNorm(epsilon: try epsilon())
    case .attention: return .attention(heads: try heads(), emits: try emits())
    case .attentionQKV: return .attentionQKV(heads: try heads(), emits: try emits())
    case .firstAttention: return .firstAttention(heads: try heads(), emits: try emits())
    case .relativeAttention: return .relativeAttention(try relative(&attributes), emits: try emits())
    case .firstRows: return .firstRows
    case .segmentMean: return .segmentMean
    case .concat: return .concat
    case .bagLogits:
      return .bagLogits(skip: try attributes.ids("skip", self), separator: try attributes.id("separator", self))
    case .softmax: return .softmax
    case .rowNorm:
      return .rowNorm(first: try attributes.integer("first", self), count: try attributes.integer("count", self))
    case .headMean:
      return .headMean(
        first: try attributes.integer("first", self), count: try attributes.integer("count", self), heads: try heads())
    case .decideExit:
      return .decideExit(
        policy: policy, at: try boundary(),
        reads: try attributes.words("reads", self, of: "a signal of an exit policy"))
    case .decidePrune:
      return .decidePrune(
        policy: policy, at: try boundary(),
        reads: try attributes.words("reads", self, of: "a signal of a pruning policy"),
        afterExit: try attributes.flag("after", "exit", self),
        rest: attributes.has("rest") ? try attributes.word("rest", self) : .dropped)
    case .pool: return .pool
    case .keepSamples: return .keepSamples
    case .compact: return .compact
    case .compactSegments: return .compactSegments
    case .classify: return .classify
    }
  }

  private func relative(_ attributes: inout AttributeReader) throws(ParseError) -> RelativeAttention {
    let terms: [RelativeAttention.Term] = try attributes.words("add", self)
    var buckets: DistanceBuckets?
    if !terms.isEmpty || attributes.has("buckets") {
      buckets = DistanceBuckets(
        try attributes.word("buckets", self), count: try attributes.integer("count", self),
        reach: try attributes.integer("reach", self))
    }
    return RelativeAttention(
      heads: try attributes.integer("heads", self),
      form: attributes.has("form") ? try attributes.word("form", self) : .separate,
      window: attributes.has("window") ? try attributes.integer("window", self) : nil, terms: terms, buckets: buckets)
  }

  /// `{key word..., ...}`, or nothing.
  mutating func parseAttributes(of owner: String, at start: Token) throws(ParseError) -> AttributeReader {
    var reader = AttributeReader(owner: owner, end: start)
    guard try skip("{") else { return reader }
    repeat {
      let key = token
      let word = try takeWord("an attribute of \(owner)")
      guard !reader.has(word) else { throw error("a second `\(word)`", at: key) }
      guard reader.entries.count < 16 else { throw error("more than 16 attributes", at: key) }
      var values: [Token] = []
      while kind == .word || kind == .integer || kind == .number {
        values.append(token)
        try advance()
      }
      guard !values.isEmpty else { throw unexpected("the value of `\(word)`") }
      reader.entries.append((key: word, at: key, values: values))
    } while try skip(",")
    reader.end = try take("}", "`,` or `}`")
    return reader
  }

  /// Most names that a suggestion is looked for among.
  static let mostCandidates = 1024

  /// ` (did you mean ...?)` when one of the known words is within two edits.
  func suggestion(for word: String, among known: some Sequence<String>, _ sigil: String = "") -> String {
    guard word.utf8.count <= 64 else { return "" }
    var best: (distance: Int, word: String)?
    for candidate in known where abs(candidate.utf8.count - word.utf8.count) <= 2 {
      let distance = editDistance(Array(word.utf8), Array(candidate.utf8))
      if distance <= 2, (distance, candidate) < (best?.distance ?? 3, best?.word ?? "") { best = (distance, candidate) }
    }
    return best.map { " (did you mean `\(sigil)\($0.word)`?)" } ?? ""
  }

  private func editDistance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var row = Array(0...second.count)
    for (line, byte) in first.enumerated() {
      var diagonal = row[0]
      row[0] = line + 1
      for column in second.indices {
        let replaced = diagonal + (byte == second[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
      }
    }
    return row[second.count]
  }
}

/// The attributes of one operation, taken by name.
struct AttributeReader {
  typealias Entry = (key: String, at: Token, values: [Token])

  let owner: String
  /// Where a missing attribute is reported: the closing brace, or the owner's name when there are no braces.
  var end: Token
  var entries: [Entry] = []
  fileprivate var known: [String] = []

  func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  mutating func integer(_ key: String, _ parser: Parser) throws(ParseError) -> Int {
    let token = try one(key, parser)
    guard token.kind == .integer, let value = parser.integer(token.start..<token.end) else {
      throw parser.error("`\(key)` is \(parser.text(of: token)), expected an integer of 64 bits", at: token)
    }
    return value
  }

  mutating func float(_ key: String, _ parser: Parser) throws(ParseError) -> Float {
    let token = try one(key, parser)
    let text = parser.text(of: token)
    guard token.kind != .word, let value = Float(text), value.isFinite else {
      throw parser.error("`\(key)` is \(text), expected a number", at: token)
    }
    return value
  }

  mutating func word<Word: RawRepresentable<String> & CaseIterable>(
    _ key: String, _ parser: Parser
  ) throws(ParseError) -> Word { try word(try one(key, parser), key, parser) }

  /// A list; empty when the attribute is left out. `kind` says in errors what its words are.
  mutating func words<Word: RawRepresentable<String> & CaseIterable>(
    _ key: String, _ parser: Parser, of kind: String? = nil
  ) throws(ParseError) -> [Word] {
    let values = take(key)?.values ?? []
    return try values.map { token throws(ParseError) in try word(token, key, parser, of: kind) }
  }

  /// A set of boundaries; empty when the attribute is left out.
  mutating func boundaries(_ key: String, _ parser: Parser) throws(ParseError) -> Set<Boundary> {
    var boundaries: Set<Boundary> = []
    for token in take(key)?.values ?? [] {
      let text = parser.text(of: token)
      let boundary = text == Boundary.entryWord ? .entry : Int(text).map { Boundary.after($0) }
      guard token.kind != .number, let boundary, boundaries.insert(boundary).inserted else {
        throw parser.error("`\(key)` names \(text), expected `entry` or integers, each once", at: token)
      }
    }
    return boundaries
  }

  /// A vocabulary id.
  mutating func id(_ key: String, _ parser: Parser) throws(ParseError) -> Int32 {
    try id(try one(key, parser), key, parser)
  }

  /// A list of vocabulary ids; empty when the attribute is left out.
  mutating func ids(_ key: String, _ parser: Parser) throws(ParseError) -> [Int32] {
    try (take(key)?.values ?? []).map { token throws(ParseError) in try id(token, key, parser) }
  }

  private func id(_ token: Token, _ key: String, _ parser: Parser) throws(ParseError) -> Int32 {
    let text = parser.text(of: token)
    if token.kind == .integer, let id = Int32(text) { return id }
    throw parser.error("`\(key)` names \(text), expected an integer of 32 bits", at: token)
  }

  /// Whether `key value` is there; any other value is an error.
  mutating func flag(_ key: String, _ value: String, _ parser: Parser) throws(ParseError) -> Bool {
    guard has(key) else {
      known.append(key)
      return false
    }
    let token = try one(key, parser)
    guard parser.text(of: token) == value else {
      throw parser.error("`\(key)` is \(parser.text(of: token)), expected `\(value)`", at: token)
    }
    return true
  }

  /// Throws when an attribute is left over.
  func finish(_ parser: Parser) throws(ParseError) {
    guard let entry = entries.first else { return }
    let hint = parser.suggestion(for: entry.key, among: known)
    throw parser.error("\(owner) has no attribute `\(entry.key)`\(hint)", at: entry.at)
  }

  private func word<Word: RawRepresentable<String> & CaseIterable>(
    _ token: Token, _ key: String, _ parser: Parser, of kind: String? = nil
  ) throws(ParseError) -> Word {
    let text = parser.text(of: token)
    return try parser.known(
      text, at: token, else: kind.map { "`\(text)` is not \($0)" } ?? "`\(key)` has no value `\(text)`")
  }

  private mutating func take(_ key: String) -> Entry? {
    let entry = entries.firstIndex { $0.key == key }.map { entries.remove(at: $0) }
    // Only an entry that is left over is compared with what is known.
    if !entries.isEmpty { known.append(key) }
    return entry
  }

  private mutating func one(_ key: String, _ parser: Parser) throws(ParseError) -> Token {
    guard let entry = take(key) else { throw parser.error("\(owner) lacks the attribute `\(key)`", at: end) }
    guard entry.values.count == 1 else { throw parser.error("`\(key)` takes one value", at: entry.at) }
    return entry.values[0]
  }
}
