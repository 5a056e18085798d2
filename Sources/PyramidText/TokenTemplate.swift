// What stands around the texts of an encoding: `[CLS] a [SEP] b [SEP]`, `<s> a </s> </s> b </s>` and the like, with the
// type id of each part. Apart from the tokenizer because heads and trainers ask it which ids are not words.

/// The special tokens of an encoding and the types of its parts.
public struct TokenTemplate: Sendable, Equatable {
  /// A part of an encoding.
  public enum Piece: Sendable, Equatable {
    /// The first (0) or the second (1) text, with the type of its tokens.
    case text(Int, type: Int32)
    /// A special token.
    case token(Int32, type: Int32)
  }

  /// The parts of an encoding of one text.
  public var single: [Piece]
  /// The parts of an encoding of two.
  public var pair: [Piece]

  /// Parts as they are listed.
  public init(single: [Piece], pair: [Piece]) { (self.single, self.pair) = (single, pair) }

  /// BERT's: `first a separator`, and with a second text `b separator` of type 1.
  public static func bert(first: Int32, separator: Int32) -> TokenTemplate {
    let single: [Piece] = [.token(first, type: 0), .text(0, type: 0), .token(separator, type: 0)]
    return TokenTemplate(single: single, pair: single + [.text(1, type: 1), .token(separator, type: 1)])
  }

  /// RoBERTa's: `first a separator`, and with a second text `separator b separator`, all of type 0.
  public static func roberta(first: Int32, separator: Int32) -> TokenTemplate {
    let single: [Piece] = [.token(first, type: 0), .text(0, type: 0), .token(separator, type: 0)]
    return TokenTemplate(
      single: single, pair: single + [.token(separator, type: 0), .text(1, type: 0), .token(separator, type: 0)])
  }

  /// The id that opens an encoding, whose row classifiers read.
  public var firstID: Int32 {
    if case .token(let id, _)? = single.first { id } else { -1 }
  }

  /// The id that ends the first text.
  public var separatorID: Int32 {
    for (index, piece) in pair.enumerated().dropFirst() {
      if case .token(let id, _) = piece, case .text(0, _) = pair[index - 1] { return id }
    }
    return firstID
  }

  /// The largest type of a part of a pair.
  public var largestType: Int {
    let types = pair.map { piece in
      switch piece {
      case .text(_, let type), .token(_, let type): Int(type)
      }
    }
    return types.max() ?? 0
  }

  /// Every special token's id, ascending.
  public var ids: [Int32] {
    Set((single + pair).compactMap { if case .token(let id, _) = $0 { id } else { nil } }).sorted()
  }

  /// Special tokens of an encoding of one text or of two.
  func addedCount(isPair: Bool) -> Int {
    (isPair ? pair : single).count { if case .token = $0 { true } else { false } }
  }

  /// The same with type 0 throughout.
  public var withoutTypes: TokenTemplate {
    func flat(_ pieces: [Piece]) -> [Piece] {
      pieces.map {
        switch $0 {
        case .text(let index, _): .text(index, type: 0)
        case .token(let id, _): .token(id, type: 0)
        }
      }
    }
    return TokenTemplate(single: flat(single), pair: flat(pair))
  }

  /// What keeps these parts from being a template; nil when nothing does.
  var problem: String? {
    func texts(_ pieces: [Piece]) -> [Int] {
      pieces.compactMap { if case .text(let index, _) = $0 { index } else { nil } }
    }
    guard texts(single) == [0] else { return "an encoding of one text must hold A once and not B" }
    guard texts(pair) == [0, 1] else { return "an encoding of a pair must hold A once, then B once" }
    guard case .token? = single.first, case .token? = pair.first else {
      return "an encoding must start with a special token, whose row a classifier reads"
    }
    return nil
  }
}
