// Changes inputs by chance: bits and ranges, as in any fuzzer, and what text formats are sensitive to: numbers at the ends of
// their ranges, words of the corpus in other places, names in each other's, lines twice and in another order.

import PyramidTestSupport

/// Makes new inputs of a corpus; the same ones for the same seed.
public struct Mutator {
  private var random: SeededValues
  private let corpus: [[UInt8]]
  private let words: [[UInt8]]
  private static let longest = 1 << 18
  private static let numbers = [
    "0", "1", "-1", "2", "127", "128", "255", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296",
    "4611686018427387904", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "18446744073709551615", "1e308", "1e999", "-0.0", "0.1", "1e-400", "NaN", "99999999999999999999999",
  ].map { Array($0.utf8) }

  /// A mutator of a corpus, which is not empty.
  public init(_ corpus: [[UInt8]], seed: String) {
    random = SeededValues(seed)
    self.corpus = corpus
    let found = corpus.prefix(64).flatMap { input in Self.words(of: input).prefix(400).map { Array(input[$0]) } }
    words = Set(found).sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Another input.
  public mutating func next() -> [UInt8] {
    var input = corpus[below(corpus.count)]
    // Most inputs are almost right, some are far from it.
    for _ in 0...(below(4) == 0 ? below(24) : below(4)) { change(&input) }
    return Array(input.prefix(Self.longest))
  }

  private mutating func change(_ input: inout [UInt8]) {
    if input.isEmpty { input = corpus[below(corpus.count)] }
    guard !input.isEmpty else { return input = [UInt8(below(256))] }
    let place = below(input.count)
    switch below(12) {
    case 0: input[place] ^= 1 << UInt8(below(8))
    case 1: input[place] = [0, 0x0A, 0x22, 0x2C, 0x7B, 0x7D, 0x80, 0xC3, 0xED, 0xFF, UInt8(below(256))][below(11)]
    case 2: input.removeSubrange(place..<min(input.count, place + 1 + below(below(8) == 0 ? 512 : 12)))
    case 3: input.insert(contentsOf: input[place..<min(input.count, place + 1 + below(64))], at: below(input.count))
    case 4: input.insert(contentsOf: (0...below(8)).map { _ in UInt8(below(256)) }, at: place)
    case 5, 6: replace(&input, Self.numbers) { $0.first.map { (0x30...0x39).contains($0) } == true }
    case 7, 8: replace(&input, words) { _ in true }
    case 9: swapWords(&input)
    case 10: repeatLine(&input, below(8) == 0 ? 1 + below(300) : 1)
    default:
      let other = corpus[below(corpus.count)]
      guard !other.isEmpty else { return }
      let start = below(other.count)
      input.replaceSubrange(
        place..<min(input.count, place + below(256)), with: other[start..<min(other.count, start + below(256))])
    }
  }

  private mutating func replace(_ input: inout [UInt8], _ choices: [[UInt8]], where fits: (ArraySlice<UInt8>) -> Bool) {
    let places = Self.words(of: input).filter { fits(input[$0]) }
    guard !places.isEmpty, !choices.isEmpty else { return }
    input.replaceSubrange(places[below(places.count)], with: choices[below(choices.count)])
  }

  private mutating func swapWords(_ input: inout [UInt8]) {
    let places = Self.words(of: input)
    guard places.count > 1 else { return }
    let (one, two) = (places[below(places.count)], places[below(places.count)])
    // The same sign before both: %value for %value, #weight for #weight.
    func sign(_ range: Range<Int>) -> UInt8 { range.lowerBound > 0 ? input[range.lowerBound - 1] : 0 }
    guard sign(one) == sign(two) else { return }
    input.replaceSubrange(one, with: Array(input[two]))
  }

  private mutating func repeatLine(_ input: inout [UInt8], _ times: Int) {
    let lines = input.split(separator: 0x0A, omittingEmptySubsequences: false)
    let line = lines[below(lines.count)]
    guard line.count * times <= Self.longest else { return }
    let at = lines[below(lines.count)].startIndex
    input.insert(contentsOf: (0..<times).flatMap { _ in Array(line) + [0x0A] }, at: at)
  }

  /// Runs of letters, digits and what numbers and names have.
  private static func words(of input: [UInt8]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start: Int?
    for (index, byte) in input.enumerated() {
      let isPart =
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      if isPart, start == nil { start = index }
      if !isPart, let from = start {
        ranges.append(from..<index)
        start = nil
      }
    }
    if let start { ranges.append(start..<input.count) }
    return ranges
  }

  private mutating func below(_ count: Int) -> Int { random.integer(in: 0...count - 1) }
}
