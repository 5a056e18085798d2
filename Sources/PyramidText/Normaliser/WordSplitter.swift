// Normalises a text and cuts it into words in one pass, scalar by scalar, with the results of the Hugging Face
// sequence clean -> isolate CJK -> decompose and strip marks -> lower case -> split at whitespace -> isolate
// punctuation. Each of those steps looks at one scalar, but for the canonical reordering of marks; so one pass gives
// the same words, if marks that survive the stripping wait until the next starter.

/// Takes words as they are found.
protocol WordSink {
  /// Takes one word: its normalised UTF-8, valid during the call only, and its number of scalars. Of a word of more
  /// scalars than the splitter's limit, the bytes are a prefix.
  mutating func take(_ word: UnsafeBufferPointer<UInt8>, scalars: Int)
}

/// The BERT normaliser and pre-tokenizer under given rules. A class, because each pass refers to its tables.
final class WordSplitter: Sendable {
  fileprivate enum ASCIIAction: UInt8, Sendable { case drop, space, punctuation, letter }

  fileprivate let rules: BertNormaliser
  fileprivate let stripAccents: Bool
  /// Scalars of a word that are kept; further ones are only counted.
  fileprivate let wordLimit: Int
  fileprivate let unicode = UnicodeFacts.shared
  /// What to do with each ASCII byte, and the byte that a letter becomes.
  fileprivate let ascii: [(action: ASCIIAction, byte: UInt8)]

  init(_ rules: BertNormaliser, wordLimit: Int) {
    (self.rules, self.wordLimit) = (rules, wordLimit)
    stripAccents = rules.stripAccents ?? rules.lowercase
    let unicode = unicode
    ascii = (UInt32(0)..<128).map { byte in
      let facts = unicode.facts[byte]
      if rules.cleanText, facts.contains(.removed) { return (.drop, 0) }
      if facts.contains(.whitespace) { return (.space, 0) }
      if facts.contains(.punctuation) { return (.punctuation, UInt8(byte)) }
      let lowers = rules.lowercase && facts.contains(.lowercases)
      return (.letter, UInt8(lowers ? unicode.lowercase[byte] : byte))
    }
  }

  /// Calls `sink` with the words of `text`, which is valid UTF-8.
  func split(_ text: UnsafeBufferPointer<UInt8>, into sink: inout some WordSink) {
    var pass = SplittingPass(splitter: self)
    pass.run(text, &sink)
  }
}

/// The state of one pass over one text.
private struct SplittingPass {
  let splitter: WordSplitter
  /// The word under construction.
  var word: [UInt8] = []
  var scalars = 0
  /// Surviving marks since the last starter, in text order.
  var pendingMarks: [(combiningClass: UInt32, scalar: UInt32)] = []

  init(splitter: WordSplitter) {
    self.splitter = splitter
    word.reserveCapacity(64)
  }

  mutating func run(_ text: UnsafeBufferPointer<UInt8>, _ sink: inout some WordSink) {
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte < 0x80 {
        position += 1
        takeASCII(byte, &sink)
      } else {
        takeScalar(decodeScalar(text, &position), &sink)
      }
    }
    endWord(&sink)
  }

  @inline(__always)
  private mutating func takeASCII(_ byte: UInt8, _ sink: inout some WordSink) {
    let (action, letter) = splitter.ascii[Int(byte)]
    if action == .drop { return }
    if !pendingMarks.isEmpty { flushMarks(&sink) }
    switch action {
    case .letter: appendToWord(ascii: letter)
    case .space: endWord(&sink)
    case .punctuation: takeAlone(UInt32(byte), &sink)
    case .drop: break
    }
  }

  /// All steps for a scalar beyond ASCII.
  private mutating func takeScalar(_ scalar: UInt32, _ sink: inout some WordSink) {
    let facts = splitter.unicode.facts[scalar]
    if splitter.rules.cleanText, facts.contains(.removed) { return }
    if splitter.rules.splitCJK, UnicodeFacts.isCJK(scalar) {
      endWord(&sink)
      decompose(scalar, facts, &sink)
      endWord(&sink)
    } else if splitter.stripAccents {
      decompose(scalar, facts, &sink)
    } else {
      lowerAndClassify(scalar, facts, &sink)
    }
  }

  /// Decomposes a scalar, drops marks and keeps surviving ones waiting, where the rules strip accents.
  private mutating func decompose(_ scalar: UInt32, _ facts: ScalarFacts, _ sink: inout some WordSink) {
    guard splitter.stripAccents else { return lowerAndClassify(scalar, facts, &sink) }
    let unicode = splitter.unicode
    if facts.contains(.mark) {
      if facts.contains(.barrier) { flushMarks(&sink) }
    } else if facts.contains(.reordered) {
      pendingMarks.append((unicode.combiningClasses[scalar], scalar))
    } else if facts.contains(.decomposes) {
      let target = unicode.decompositions[scalar]
      if target <= 0x10FFFF { return decompose(target, unicode.facts[target], &sink) }
      for part in unicode.sequences[Int(~target)] { decompose(part, unicode.facts[part], &sink) }
    } else {
      flushMarks(&sink)
      if let jamo = UnicodeFacts.jamo(of: scalar) {
        appendToWord(jamo.leading)
        appendToWord(jamo.vowel)
        if let trailing = jamo.trailing { appendToWord(trailing) }
      } else {
        lowerAndClassify(scalar, facts, &sink)
      }
    }
  }

  /// Sends waiting marks on in canonical order: by class, those of one class in text order. Their number is not
  /// bounded, so they are sorted and not inserted.
  private mutating func flushMarks(_ sink: inout some WordSink) {
    guard !pendingMarks.isEmpty else { return }
    let order = pendingMarks.indices.sorted {
      (pendingMarks[$0].combiningClass, $0) < (pendingMarks[$1].combiningClass, $1)
    }
    for index in order {
      let scalar = pendingMarks[index].scalar
      lowerAndClassify(scalar, splitter.unicode.facts[scalar], &sink)
    }
    pendingMarks.removeAll(keepingCapacity: true)
  }

  /// The last two steps: lower case, then whitespace, punctuation or a part of a word.
  private mutating func lowerAndClassify(_ scalar: UInt32, _ facts: ScalarFacts, _ sink: inout some WordSink) {
    if facts.contains(.whitespace) {
      endWord(&sink)
    } else if facts.contains(.punctuation) {
      takeAlone(scalar, &sink)
    } else if splitter.rules.lowercase, facts.contains(.lowercases) {
      if scalar == 0x130 {
        appendToWord(0x69)
        appendToWord(0x307)
      } else {
        appendToWord(splitter.unicode.lowercase[scalar])
      }
    } else {
      appendToWord(scalar)
    }
  }

  private mutating func takeAlone(_ scalar: UInt32, _ sink: inout some WordSink) {
    endWord(&sink)
    appendToWord(scalar)
    endWord(&sink)
  }

  private mutating func endWord(_ sink: inout some WordSink) {
    if !pendingMarks.isEmpty { flushMarks(&sink) }
    guard scalars > 0 else { return }
    let scalars = scalars
    word.withUnsafeBufferPointer { sink.take($0, scalars: scalars) }
    word.removeAll(keepingCapacity: true)
    self.scalars = 0
  }

  @inline(__always)
  private mutating func appendToWord(ascii byte: UInt8) {
    if scalars < splitter.wordLimit { word.append(byte) }
    scalars += 1
  }

  private mutating func appendToWord(_ scalar: UInt32) {
    if scalars < splitter.wordLimit { encodeScalar(scalar, onto: &word) }
    scalars += 1
  }
}
