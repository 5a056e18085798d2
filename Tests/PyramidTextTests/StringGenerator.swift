// Draws the strings of the digests. It repeats the Generator of Scripts/make-tokenizer-digest branch by branch, so
// that hundreds of thousands of test strings need no file.

/// A 64-bit linear congruential generator (Knuth's MMIX constants); the upper 31 bits are used.
struct Draw {
  private var state: UInt64

  init(index: Int) {
    state = UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
    _ = below(1)
  }

  mutating func below(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % count
  }
}

/// Makes texts of all scripts, marks, emoji, controls, special tokens and long words.
struct StringGenerator: Sendable {
  /// A text, a second text or nil, and the limit of the encoding.
  typealias Sample = (text: String, pair: String?, limit: Int)

  /// The scalars from `first` on, `count` of them to choose from; or, where it is not empty, a whole sequence. (An
  /// enum would tag the array's pointer, which a leak checker takes for a leak.)
  private struct Item: Sendable {
    var first: UInt32 = 0
    var count = 0
    var sequence: [UInt32] = []
  }

  private static let limits = [512, 512, 512, 512, 64, 16, 8, 5, 4, 3]

  private var items: [String: [Item]] = [:]
  private var tokens: [[UInt8]] = []
  private let words: [[UInt8]]

  init() {
    words = (0..<Golden.vocabulary.count).map { id in
      let token = Golden.vocabulary[id]
      // By bytes: a mark after "##" would make one Character with the second "#".
      return Array(token.utf8.starts(with: "##".utf8) ? token.utf8.dropFirst(2) : token.utf8[...])
    }
    for line in Golden.goldenLines("generator.txt") {
      let fields = line.split(separator: " ")
      let name = String(fields[0].dropLast())
      if name == "tokens" {
        tokens += fields.dropFirst().map { Array($0.utf8) }
      } else {
        items[name, default: []] += fields.dropFirst().map { Self.parse($0) }
      }
    }
  }

  private static func parse(_ text: Substring) -> Item {
    func number(_ text: Substring) -> UInt32 { UInt32(text, radix: 16)! }
    let parts = text.split(separator: "+")
    guard parts.count == 1 else { return Item(sequence: parts.map(number)) }
    let bounds = text.split(separator: "-").map(number)
    return Item(first: bounds[0], count: Int(bounds[bounds.count - 1] - bounds[0]) + 1)
  }

  /// The sample of a number.
  func sample(_ index: Int) -> Sample {
    var draw = Draw(index: index)
    let text = text(&draw)
    let pair = draw.below(6) == 0 ? self.text(&draw) : nil
    return (text, pair, Self.limits[draw.below(Self.limits.count)])
  }

  private func text(_ draw: inout Draw) -> String {
    var bytes: [UInt8] = []
    for _ in 0..<draw.below(16) {
      addItem(&draw, to: &bytes)
      if draw.below(3) != 0 { addSequence("spaces", &draw, to: &bytes) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func addItem(_ draw: inout Draw, to bytes: inout [UInt8]) {
    switch draw.below(16) {
    case 0..<5: addWord(&draw, to: &bytes)
    case 5: addScalars("scripts", 1 + draw.below(8), &draw, to: &bytes)
    case 6:
      addScalars("bases", 1, &draw, to: &bytes)
      addScalars("marks", 1 + draw.below(5), &draw, to: &bytes)
    case 7: addSequence("emoji", &draw, to: &bytes)
    case 8: addScalars("cjk", 1 + draw.below(6), &draw, to: &bytes)
    case 9: addScalars("hangul", 1 + draw.below(5), &draw, to: &bytes)
    case 10: addScalars("specials", 1 + draw.below(3), &draw, to: &bytes)
    case 11: bytes += tokens[draw.below(tokens.count)]
    case 12: addScalars("punctuation", 1, &draw, to: &bytes)
    case 13: addAnyScalars(1 + draw.below(4), &draw, to: &bytes)
    case 14: addLongWord(&draw, to: &bytes)
    default: addScalars("survivors", 2 + draw.below(6), &draw, to: &bytes)
    }
  }

  private func addWord(_ draw: inout Draw, to bytes: inout [UInt8]) {
    let word = words[draw.below(words.count)]
    let isUpper = draw.below(3) == 0
    bytes += isUpper ? word.map { (0x61...0x7A).contains($0) ? $0 - 32 : $0 } : word
  }

  private func addLongWord(_ draw: inout Draw, to bytes: inout [UInt8]) {
    guard draw.below(6) == 0 else { return addWord(&draw, to: &bytes) }
    let long = items["long"]!
    let scalar = long[draw.below(long.count)].first
    // The range of one scalar draws once, as every range does.
    _ = draw.below(1)
    for _ in 0..<98 + draw.below(5) { Self.add(scalar, to: &bytes) }
  }

  private func addScalars(_ name: String, _ count: Int, _ draw: inout Draw, to bytes: inout [UInt8]) {
    let choices = items[name]!
    for _ in 0..<count {
      let item = choices[draw.below(choices.count)]
      Self.add(item.first + UInt32(draw.below(item.count)), to: &bytes)
    }
  }

  private func addSequence(_ name: String, _ draw: inout Draw, to bytes: inout [UInt8]) {
    let choices = items[name]!
    let item = choices[draw.below(choices.count)]
    for scalar in item.sequence.isEmpty ? [item.first] : item.sequence { Self.add(scalar, to: &bytes) }
  }

  private func addAnyScalars(_ count: Int, _ draw: inout Draw, to bytes: inout [UInt8]) {
    for _ in 0..<count {
      let value = UInt32(draw.below(0x110000 - 0x800))
      Self.add(value < 0xD800 ? value : value + 0x800, to: &bytes)
    }
  }

  private static func add(_ scalar: UInt32, to bytes: inout [UInt8]) {
    bytes += UTF8.encode(Unicode.Scalar(scalar)!)!
  }
}
