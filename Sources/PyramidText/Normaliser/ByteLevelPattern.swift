// GPT-2's pattern for words, written out: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
// Every byte-level tokenizer runs it over every byte, so it is not left to the general matcher.

/// Finds the ends of words.
final class ByteLevelPattern: Sendable {
  static let shared = ByteLevelPattern()

  private enum Kind: UInt8, Sendable { case space, letter, number, other }

  private let ascii: [Kind]
  private let facts = UnicodeFacts.shared.facts
  private let traits = UnicodeForms.shared.traits

  private init() {
    var ascii = [Kind](repeating: .other, count: 128)
    for byte in 0..<128 {
      if facts[UInt32(byte)].contains(.whitespace) { ascii[byte] = .space }
      if traits[UInt32(byte)].contains(.letter) { ascii[byte] = .letter }
      if traits[UInt32(byte)].contains(.number) { ascii[byte] = .number }
    }
    self.ascii = ascii
  }

  /// The kind of the scalar at a position, which moves past it.
  @inline(__always)
  private func kind(_ text: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> Kind {
    let byte = text[position]
    if byte < 0x80 {
      position += 1
      return ascii[Int(byte)]
    }
    let scalar = decodeScalar(text, &position)
    let traits = traits[scalar]
    if traits.contains(.letter) { return .letter }
    if traits.contains(.number) { return .number }
    return facts[scalar].contains(.whitespace) ? .space : .other
  }

  /// Where the word that starts at `start` ends.
  func endOfWord(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    let first = text[start]
    if first == UInt8(ascii: "'"), let end = endOfContraction(in: text, from: start) { return end }
    var position = start
    if first == 0x20, start + 1 < text.count { position += 1 }
    let kind = kind(text, &position)
    guard kind != .space else { return endOfSpaces(in: text, from: start) }
    while position < text.count {
      var next = position
      guard self.kind(text, &next) == kind else { break }
      position = next
    }
    return position
  }

  private func endOfContraction(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start + 1 < text.count else { return nil }
    switch text[start + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < text.count && text[start + 2] == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      return start + 2 < text.count && text[start + 2] == UInt8(ascii: "l") ? start + 3 : nil
    default: return nil
    }
  }

  /// White space before a word leaves its last scalar to it, unless there is but one.
  private func endOfSpaces(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var (position, last) = (start, start)
    while position < text.count {
      var next = position
      guard kind(text, &next) == .space else { return last > start ? last : position }
      (last, position) = (position, next)
    }
    return position
  }
}
