// How a normalised text is cut into the words that the model spells: a closed set of steps (the Hugging Face library's
// pre-tokenizers), each of which cuts the pieces of the one before it. BERT's is done by `WordSplitter` in one pass
// where nothing stands in the way.

/// What becomes of the matches by which a text is cut.
public enum SplitBehaviour: String, Sendable, CaseIterable {
  /// Matches are dropped.
  case removed = "Removed"
  /// Each match is a piece.
  case isolated = "Isolated"
  /// A match belongs to the piece before it.
  case mergedWithPrevious = "MergedWithPrevious"
  /// A match belongs to the piece after it.
  case mergedWithNext = "MergedWithNext"
  /// Neighbouring matches are one piece.
  case contiguous = "Contiguous"
}

/// Which pieces get Metaspace's mark before them.
public enum PrependScheme: String, Sendable, CaseIterable {
  case always, first, never
}

/// One step of cutting a text into words.
public enum SplitterStep: Sendable, Equatable {
  /// At white space, and around each punctuation mark.
  case bert
  /// GPT-2's: optionally puts a blank before each piece, then cuts by GPT-2's pattern; the model spells bytes.
  case byteLevel(addsBlank: Bool, cuts: Bool)
  /// SentencePiece's: a mark stands for each blank and, by the scheme, before pieces; cuts before each mark.
  case metaspace(mark: Unicode.Scalar, PrependScheme, cuts: Bool)
  /// Runs of `\w`, and runs of neither `\w` nor white space.
  case whitespace
  /// At white space.
  case whitespaceSplit
  /// At punctuation.
  case punctuation(SplitBehaviour)
  /// At digits, each alone or in runs.
  case digits(individual: Bool)
  /// At the matches of a pattern, or at what is between them.
  case pattern(TextPattern, SplitBehaviour, isInverted: Bool)
}

/// Pieces of a text in a buffer: what a splitter takes and leaves.
struct TextPieces {
  /// The pieces' bytes; a step may write them anew.
  var bytes: [UInt8] = []
  /// Where each piece is, in order, none of them empty.
  var ranges: [Range<Int>] = []
  /// Memory to work in.
  var spare: [UInt8] = []
  fileprivate var spareRanges: [Range<Int>] = []
}

/// The steps of a tokenizer with their tables.
final class Splitter: Sendable {
  private let steps: [(step: SplitterStep, pattern: CompiledPattern?)]
  private let facts = UnicodeFacts.shared.facts
  private let byteLevel = ByteLevelPattern.shared
  /// Whether `forEachByteLevelWord` gives the words.
  let isByteLevelAlone: Bool

  init(_ steps: [SplitterStep]) throws(TokenizerError) {
    var (compiled, growth) = ([(SplitterStep, CompiledPattern?)](), 1)
    for step in steps {
      var pattern: CompiledPattern?
      if case .pattern(let stated, _, _) = step { pattern = try CompiledPattern(stated) }
      compiled.append((step, pattern))
      // A piece may be one byte, and gets a mark.
      if case .metaspace(let mark, _, _) = step { growth *= 1 + String(mark).utf8.count }
      guard growth <= 64 else { throw .beyondLimit("the splitter may make a text more than 64 times as long") }
    }
    self.steps = compiled
    isByteLevelAlone = steps == [.byteLevel(addsBlank: false, cuts: true)]
  }

  /// Calls `body` with the words of a text, where all that is done is to cut by GPT-2's pattern.
  @inline(__always)
  func forEachByteLevelWord(
    of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var position = 0
    while position < text.count {
      let end = byteLevel.endOfWord(in: text, from: position)
      body(UnsafeBufferPointer(rebasing: text[position..<end]))
      position = end
    }
  }

  /// Cuts the pieces; `startsText` says whether the first of them starts the whole text.
  func split(_ pieces: inout TextPieces, startsText: Bool) {
    for (step, pattern) in steps {
      switch step {
      case .bert:
        cut(&pieces, .removed) { self.facts[$0].contains(.whitespace) }
        cut(&pieces, .isolated) { self.facts[$0].contains(.punctuation) }
      case .byteLevel(let addsBlank, let cuts):
        if addsBlank { addBlanks(&pieces) }
        if cuts {
          cut(&pieces, .isolated) { text, cutter in
            var position = 0
            while position < text.count {
              let end = self.byteLevel.endOfWord(in: text, from: position)
              cutter.take(position..<end, isMatch: true)
              position = end
            }
          }
        }
      case .metaspace(let mark, let scheme, let cuts):
        Metaspace(mark, scheme, cuts).apply(to: &pieces, startsText: startsText)
      case .whitespace: cut(&pieces, .removed, self.cutWords)
      case .whitespaceSplit: cut(&pieces, .removed) { self.facts[$0].contains(.whitespace) }
      case .punctuation(let behaviour): cut(&pieces, behaviour) { self.facts[$0].contains(.punctuation) }
      case .digits(let individual):
        let traits = UnicodeForms.shared.traits
        cut(&pieces, individual ? .isolated : .contiguous) { traits[$0].contains(.numeric) }
      case .pattern(_, let behaviour, let isInverted):
        guard let pattern else { continue }
        cut(&pieces, behaviour) { text, cutter in
          var position = 0
          pattern.forEachMatch(in: text) { match in
            cutter.take(position..<match.lowerBound, isMatch: isInverted)
            cutter.take(match, isMatch: !isInverted)
            position = match.upperBound
          }
          cutter.take(position..<text.count, isMatch: isInverted)
        }
      }
    }
  }

  /// Cuts by scalars: each one for which `isMatch` holds is a match.
  private func cut(_ pieces: inout TextPieces, _ behaviour: SplitBehaviour, at isMatch: (UInt32) -> Bool) {
    cut(&pieces, behaviour) { text, cutter in
      var (start, position) = (0, 0)
      while position < text.count {
        let place = position
        guard isMatch(decodeScalar(text, &position)) else { continue }
        cutter.take(start..<place, isMatch: false)
        cutter.take(place..<position, isMatch: true)
        start = position
      }
      cutter.take(start..<text.count, isMatch: false)
    }
  }

  private func cutWords(_ text: UnsafeBufferPointer<UInt8>, _ cutter: inout PieceCutter) {
    /// 0 for white space, 1 for `\w`, 2 for the rest.
    func kind(_ scalar: UInt32) -> Int {
      if facts[scalar].contains(.whitespace) { return 0 }
      return UnicodeForms.shared.traits[scalar].contains(.word) ? 1 : 2
    }
    var (start, position, current) = (0, 0, 0)
    while position < text.count {
      let place = position
      let next = kind(decodeScalar(text, &position))
      if next != current {
        cutter.take(start..<place, isMatch: current == 0)
        (start, current) = (place, next)
      }
    }
    cutter.take(start..<text.count, isMatch: current == 0)
  }

  /// Cuts each piece at matches, which `find` gives with what is between them, in order.
  private func cut(
    _ pieces: inout TextPieces, _ behaviour: SplitBehaviour,
    _ find: (UnsafeBufferPointer<UInt8>, inout PieceCutter) -> Void
  ) {
    var cutter = PieceCutter(behaviour: behaviour)
    swap(&cutter.pieces, &pieces.spareRanges)
    cutter.pieces.removeAll(keepingCapacity: true)
    let bytes = pieces.bytes
    for range in pieces.ranges {
      (cutter.start, cutter.first, cutter.wasMatch) = (range.lowerBound, cutter.pieces.count, false)
      bytes.withUnsafeBufferPointer { find(UnsafeBufferPointer(rebasing: $0[range]), &cutter) }
    }
    swap(&pieces.spareRanges, &cutter.pieces)
    swap(&pieces.ranges, &pieces.spareRanges)
  }

  private func addBlanks(_ pieces: inout TextPieces) {
    pieces.spare.removeAll(keepingCapacity: true)
    for (index, range) in pieces.ranges.enumerated() {
      let start = pieces.spare.count
      if pieces.bytes[range.lowerBound] != 0x20 { pieces.spare.append(0x20) }
      pieces.spare += pieces.bytes[range]
      pieces.ranges[index] = start..<pieces.spare.count
    }
    swap(&pieces.bytes, &pieces.spare)
  }
}

/// Makes pieces of matches and what is between them, as these come: a list of them would be larger than the text.
private struct PieceCutter {
  let behaviour: SplitBehaviour
  var pieces: [Range<Int>] = []
  /// Where the text that is cut starts, and how many pieces are of texts before it.
  var start = 0
  var first = 0
  var wasMatch = false

  /// Takes the next part of the text, which may be empty when it is none.
  mutating func take(_ range: Range<Int>, isMatch: Bool) {
    guard !range.isEmpty else { return }
    let joins =
      switch behaviour {
      case .removed, .isolated: false
      case .contiguous: isMatch == wasMatch
      case .mergedWithPrevious: isMatch && !wasMatch
      case .mergedWithNext: !isMatch && wasMatch
      }
    wasMatch = isMatch
    if joins, pieces.count > first {
      pieces[pieces.count - 1] = pieces[pieces.count - 1].lowerBound..<start + range.upperBound
    } else if behaviour != .removed || !isMatch {
      pieces.append(start + range.lowerBound..<start + range.upperBound)
    }
  }
}

/// The Metaspace step: marks for blanks, and cuts before marks.
private struct Metaspace {
  private let mark: [UInt8]
  private let scheme: PrependScheme
  private let cuts: Bool

  init(_ mark: Unicode.Scalar, _ scheme: PrependScheme, _ cuts: Bool) {
    (self.mark, self.scheme, self.cuts) = (Array(String(mark).utf8), scheme, cuts)
  }

  func apply(to pieces: inout TextPieces, startsText: Bool) {
    pieces.spare.removeAll(keepingCapacity: true)
    pieces.spareRanges.removeAll(keepingCapacity: true)
    pieces.bytes.withUnsafeBufferPointer { bytes in
      for range in pieces.ranges {
        var start = pieces.spare.count
        let isFirst = startsText && range.lowerBound == 0
        if scheme == .always || scheme == .first && isFirst, bytes[range.lowerBound] != 0x20,
          !bytes[range].starts(with: mark)
        {
          pieces.spare += mark
        }
        var position = range.lowerBound
        while position < range.upperBound {
          let isBlank = bytes[position] == 0x20
          let isMark = isBlank || bytes[position] == mark[0] && bytes[position..<range.upperBound].starts(with: mark)
          if isMark, cuts, start < pieces.spare.count {
            pieces.spareRanges.append(start..<pieces.spare.count)
            start = pieces.spare.count
          }
          if isMark {
            pieces.spare += mark
            position += isBlank ? 1 : mark.count
          } else {
            pieces.spare.append(bytes[position])
            position += 1
          }
        }
        pieces.spareRanges.append(start..<pieces.spare.count)
      }
    }
    swap(&pieces.bytes, &pieces.spare)
    swap(&pieces.ranges, &pieces.spareRanges)
  }
}
