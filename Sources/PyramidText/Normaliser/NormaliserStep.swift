// What a tokenizer may do to a text before it is cut into words: a closed set of steps, one after the other. The names
// and the results are those of the Hugging Face tokenizers library. BERT's own steps over a WordPiece vocabulary don't
// come here, unless added words are looked for in normalised text: `WordSplitter` does them in one pass.

/// The switches of BERT's normaliser, named as in `tokenizer_config.json`.
public struct BertNormaliser: Sendable, Equatable {
  /// Maps every scalar to its lower case (`do_lower_case`), scalar by scalar: no final-sigma rule, no locale.
  public var lowercase = true
  /// Decomposes the text (NFD) and drops nonspacing marks (`strip_accents`); nil means that it follows `lowercase`.
  public var stripAccents: Bool?
  /// Makes each CJK ideograph a word of its own (`tokenize_chinese_chars`).
  public var splitCJK = true
  /// Drops control, format and private-use scalars and U+FFFD before anything else (`clean_text`).
  public var cleanText = true

  /// The switches of an uncased BERT.
  public init(
    lowercase: Bool = true, stripAccents: Bool? = nil, splitCJK: Bool = true, cleanText: Bool = true
  ) {
    (self.lowercase, self.stripAccents, self.splitCJK) = (lowercase, stripAccents, splitCJK)
    self.cleanText = cleanText
  }
}

/// One step of a normaliser.
public enum NormaliserStep: Sendable, Equatable {
  /// BERT's normaliser.
  case bert(BertNormaliser)
  /// What transformers' BertJapaneseTokenizer does before it looks for words: clean, NFC, lower case without accents.
  case japanese(lowercase: Bool)
  /// A normal form of Unicode.
  case form(NormalForm)
  /// Maps every scalar to its lower case.
  case lowercase
  /// Drops combining marks.
  case stripAccents
  /// Drops white space at the ends.
  case strip(left: Bool, right: Bool)
  /// Replaces each match of a pattern.
  case replace(TextPattern, with: String)
  /// Puts a text before one that is not empty.
  case prepend(String)
  /// Drops controls and makes other white space a blank, as neural machine translation had it.
  case nmt
  /// SentencePiece's compiled map of characters, the bytes of `precompiled_charsmap`.
  case precompiled([UInt8])
}

/// The steps of a tokenizer with their tables.
final class Normaliser: Sendable {
  private enum Compiled: Sendable {
    case plain(NormaliserStep)
    case replace(CompiledPattern, with: [UInt8])
    case precompiled(PrecompiledMap)
  }

  private let steps: [Compiled]
  /// How many bytes a byte of a text may become, as a bound.
  let growth: Int
  private let facts = UnicodeFacts.shared

  init(_ steps: [NormaliserStep]) throws(TokenizerError) {
    // How many bytes a byte may become: growths multiply. Those of Unicode's tables, of which the largest is `counted`,
    // count anew after each step that writes what a file says, ASCII left out.
    var (compiled, growth, counted) = ([Compiled](), 1, Int.max)
    for step in steps {
      switch step {
      case .replace(let stated, let text):
        let pattern = try CompiledPattern(stated)
        compiled.append(.replace(pattern, with: Array(text.utf8)))
        growth *= max(1, (text.utf8.count + pattern.leastBytes - 1) / pattern.leastBytes)
        if text.utf8.contains(where: { $0 >= 0x80 }) { counted = 1 }
      case .precompiled(let bytes):
        let map = try PrecompiledMap(bytes)
        compiled.append(.precompiled(map))
        (growth, counted) = (growth * map.growth, 1)
      case .prepend(let text):
        compiled.append(.plain(step))
        (growth, counted) = (growth * (1 + text.utf8.count), 1)
      default:
        compiled.append(.plain(step))
        let own =
          switch step {
          case .form(.nfkc), .form(.nfkd): 11
          case .form, .bert, .japanese: 3
          case .lowercase: 2
          default: 1
          }
        if own > counted { (growth, counted) = (growth / counted * own, own) }
      }
      guard growth <= 256 else { throw .beyondLimit("the normaliser may make a text more than 256 times as long") }
    }
    (self.steps, self.growth) = (compiled, growth)
  }

  /// Normalises a text of valid UTF-8 in place; `spare` is memory to work in.
  func normalise(_ text: inout [UInt8], _ spare: inout [UInt8]) {
    for step in steps where !text.isEmpty {
      switch step {
      case .plain(let step): apply(step, &text, &spare)
      case .precompiled(let map): map.apply(to: &text, &spare)
      case .replace(let pattern, let replacement):
        Self.rewrite(&text, &spare) { text, spare in
          var position = 0
          pattern.forEachMatch(in: text) { match in
            spare.append(contentsOf: text[position..<match.lowerBound])
            spare += replacement
            position = match.upperBound
          }
          spare.append(contentsOf: text[position...])
        }
      }
    }
  }

  private func apply(_ step: NormaliserStep, _ text: inout [UInt8], _ spare: inout [UInt8]) {
    switch step {
    case .bert(let switches): bert(switches, &text, &spare)
    case .japanese(let lowercase):
      // Python's tables are newer than the library's, and what is not assigned goes, too.
      mapScalars(&text, &spare) { scalar, text in
        switch scalar < 0x80 ? nil : Unicode.Scalar(scalar)?.properties.generalCategory {
        case .control, .format, .privateUse, .unassigned: return
        default: encodeScalar(scalar, onto: &text)
        }
      }
      clean(&text, &spare)
      UnicodeForms.shared.normalise(&text, to: .nfc)
      if lowercase {
        self.lowercase(&text, &spare)
        UnicodeForms.shared.normalise(&text, to: .nfd)
        dropMarks(&text, &spare)
      }
    case .form(let form): UnicodeForms.shared.normalise(&text, to: form)
    case .lowercase: lowercase(&text, &spare)
    case .stripAccents:
      guard text.contains(where: { $0 >= 0x80 }) else { return }
      let traits = UnicodeForms.shared.traits
      mapScalars(&text, &spare) { scalar, text in
        if !traits[scalar].contains(.combiningMark) { encodeScalar(scalar, onto: &text) }
      }
    case .strip(let left, let right): strip(&text, left: left, right: right)
    case .prepend(let prefix): text.insert(contentsOf: prefix.utf8, at: 0)
    case .nmt: nmt(&text, &spare)
    case .replace, .precompiled: break
    }
  }

  /// Fills `spare` from `text` and lets it take its place.
  private static func rewrite(
    _ text: inout [UInt8], _ spare: inout [UInt8], _ body: (UnsafeBufferPointer<UInt8>, inout [UInt8]) -> Void
  ) {
    spare.removeAll(keepingCapacity: true)
    text.withUnsafeBufferPointer { body($0, &spare) }
    swap(&text, &spare)
  }

  @inline(__always)
  private func mapScalars(
    _ text: inout [UInt8], _ spare: inout [UInt8], _ body: (UInt32, inout [UInt8]) -> Void
  ) {
    Self.rewrite(&text, &spare) { text, spare in
      var position = 0
      while position < text.count { body(decodeScalar(text, &position), &spare) }
    }
  }
}

// MARK: - BERT's steps and others that map scalars

extension Normaliser {
  private func bert(_ switches: BertNormaliser, _ text: inout [UInt8], _ spare: inout [UInt8]) {
    if switches.cleanText { clean(&text, &spare) }
    if switches.splitCJK, text.contains(where: { $0 >= 0xE3 }) {
      mapScalars(&text, &spare) { scalar, text in
        let isCJK = UnicodeFacts.isCJK(scalar)
        if isCJK { text.append(0x20) }
        encodeScalar(scalar, onto: &text)
        if isCJK { text.append(0x20) }
      }
    }
    if switches.stripAccents ?? switches.lowercase {
      UnicodeForms.shared.normalise(&text, to: .nfd)
      dropMarks(&text, &spare)
    }
    if switches.lowercase { lowercase(&text, &spare) }
  }

  private func clean(_ text: inout [UInt8], _ spare: inout [UInt8]) {
    mapScalars(&text, &spare) { scalar, text in
      let facts = facts.facts[scalar]
      if facts.contains(.removed) { return }
      encodeScalar(facts.contains(.whitespace) ? 0x20 : scalar, onto: &text)
    }
  }

  /// Drops the nonspacing marks of a decomposed text.
  private func dropMarks(_ text: inout [UInt8], _ spare: inout [UInt8]) {
    guard text.contains(where: { $0 >= 0xCC }) else { return }
    mapScalars(&text, &spare) { scalar, text in
      if !facts.facts[scalar].contains(.mark) { encodeScalar(scalar, onto: &text) }
    }
  }

  private func lowercase(_ text: inout [UInt8], _ spare: inout [UInt8]) {
    mapScalars(&text, &spare) { scalar, text in
      guard facts.facts[scalar].contains(.lowercases) else { return encodeScalar(scalar, onto: &text) }
      // The one scalar whose lower case is two, an i and a dot.
      encodeScalar(scalar == 0x130 ? 0x69 : facts.lowercase[scalar], onto: &text)
      if scalar == 0x130 { encodeScalar(0x307, onto: &text) }
    }
  }

  private func strip(_ text: inout [UInt8], left: Bool, right: Bool) {
    let range = text.withUnsafeBufferPointer { text in
      let start = left ? facts.endOfWhitespace(in: text, from: 0) : 0
      return start..<(right ? max(start, facts.startOfWhitespace(in: text, before: text.count)) : text.count)
    }
    text.removeSubrange(range.upperBound...)
    text.removeSubrange(..<range.lowerBound)
  }

  private func nmt(_ text: inout [UInt8], _ spare: inout [UInt8]) {
    mapScalars(&text, &spare) { scalar, text in
      switch scalar {
      case 0x1...0x8, 0xB, 0xE...0x1F, 0x7F, 0x8F, 0x9F: return
      case 0x9, 0xA, 0xC, 0xD, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: text.append(0x20)
      default: encodeScalar(scalar, onto: &text)
      }
    }
  }
}

extension UnicodeFacts {
  /// Where white space that starts at a position ends.
  func endOfWhitespace(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var position = start
    while position < text.count {
      var next = position
      guard facts[decodeScalar(text, &next)].contains(.whitespace) else { break }
      position = next
    }
    return position
  }

  /// Where white space that ends at a position starts; what is before `least` is not looked at.
  func startOfWhitespace(in text: UnsafeBufferPointer<UInt8>, before end: Int, notBefore least: Int = 0) -> Int {
    var position = end
    while position > least {
      let start = startOfScalar(in: text, before: position)
      var next = start
      guard facts[decodeScalar(text, &next)].contains(.whitespace) else { break }
      position = start
    }
    return position
  }
}
