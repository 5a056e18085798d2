// SentencePiece's compiled map of characters (`precompiled_charsmap`): a double-array trie over UTF-8 (Aoe 1989, in the
// layout of Darts-clone) from strings to places in a run of NUL-terminated replacements. What the Hugging Face library
// looks up are grapheme clusters of under six bytes, by their *shortest* prefix in the trie, and the scalars of others;
// its answers are what models have seen, so the same is done here.

/// A compiled map, checked once when it is made.
final class PrecompiledMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]
  private let traits = UnicodeForms.shared.traits
  /// Whether the map has a replacement for each ASCII byte.
  private let mapsASCII: [Bool]
  /// How many bytes a byte of a text may become, as a bound.
  let growth: Int

  /// Reads the map's bytes: the trie's size in bytes, the trie in units of 4 bytes, then the replacements. Throws when
  /// a size does not fit, when a value is outside the trie or the replacements, or when these are not UTF-8.
  init(_ bytes: [UInt8]) throws(TokenizerError) {
    func unit(_ index: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) } }
    guard bytes.count >= 4, case let size = Int(unit(0)), size >= 4, size % 4 == 0, size <= bytes.count - 4 else {
      throw .damagedCharacterMap("its trie's size does not fit")
    }
    let units = stride(from: 4, to: 4 + size, by: 4).map(unit)
    let replacements = Array(bytes[(4 + size)...])
    guard replacements.withUnsafeBufferPointer(isValidUTF8), replacements.isEmpty || replacements.last == 0 else {
      throw .damagedCharacterMap("its replacements are not UTF-8 with a NUL after each")
    }
    (self.units, self.replacements) = (units, replacements)
    try Self.check(units, replacements.count)
    let starts = (0..<128).map { byte in
      [UInt8(byte)].withUnsafeBufferPointer { Self.replacement(for: $0, units) }
    }
    mapsASCII = starts.map { $0 != nil }
    // What is replaced is an ASCII character, or two bytes and more. A length above 1000 need not be known.
    let longest = replacements.reduce((0, 0)) { $1 == 0 ? (0, $0.1) : ($0.0 + 1, max($0.1, $0.0 + 1)) }.1
    let ofASCII = starts.compactMap { $0 }.map { replacements[$0...].prefix(1000).prefix { $0 != 0 }.count }
    growth = max(1, ofASCII.max() ?? 0, (longest + 1) / 2)
  }

  /// Wherever a look-up can end there must be a value, which must lie within the replacements. Where it can go on it
  /// asks for the trie's end at every byte.
  private static func check(_ units: [UInt32], _ replacementCount: Int) throws(TokenizerError) {
    for (place, unit) in units.enumerated() where unit & 0x8000_0100 == 0x100 {
      let leaf = place ^ offset(of: unit)
      guard leaf < units.count, Int(units[leaf] & 0x7FFF_FFFF) < replacementCount else {
        throw .damagedCharacterMap("its trie leads out of it")
      }
    }
  }

  private static func offset(of unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }

  /// Where the replacement for the shortest prefix that has one starts; nil without one.
  @inline(__always)
  private static func replacement(for text: UnsafeBufferPointer<UInt8>, _ units: [UInt32]) -> Int? {
    var place = offset(of: units[0])
    for byte in text {
      if byte == 0 { return nil }
      place ^= Int(byte)
      guard place < units.count else { return nil }
      let unit = units[place]
      guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
      place ^= offset(of: unit)
      if unit & 0x100 != 0 { return Int(units[place] & 0x7FFF_FFFF) }
    }
    return nil
  }

  /// Replaces what the map knows.
  func apply(to text: inout [UInt8], _ spare: inout [UInt8]) {
    spare.removeAll(keepingCapacity: true)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let byte = text[position]
        // A cluster of one ASCII byte: the next one is ASCII, too, or there is none. CR LF is one cluster.
        if byte < 0x80, position + 1 == text.count || text[position + 1] < 0x80, byte != 0x0D {
          if mapsASCII[Int(byte)] {
            append(UnsafeBufferPointer(rebasing: text[position..<position + 1]), to: &spare)
          } else {
            spare.append(byte)
          }
          position += 1
        } else {
          let end = endOfCluster(in: text, from: position)
          take(UnsafeBufferPointer(rebasing: text[position..<end]), &spare)
          position = end
        }
      }
    }
    swap(&text, &spare)
  }

  private func take(_ cluster: UnsafeBufferPointer<UInt8>, _ result: inout [UInt8]) {
    if cluster.count < 6, let start = Self.replacement(for: cluster, units) { return append(start, to: &result) }
    var position = 0
    while position < cluster.count {
      let start = position
      _ = decodeScalar(cluster, &position)
      append(UnsafeBufferPointer(rebasing: cluster[start..<position]), to: &result)
    }
  }

  /// Appends a scalar's replacement, or the scalar.
  private func append(_ scalar: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) {
    if let start = Self.replacement(for: scalar, units) {
      append(start, to: &result)
    } else {
      result.append(contentsOf: scalar)
    }
  }

  private func append(_ start: Int, to result: inout [UInt8]) {
    result += replacements[start...].prefix { $0 != 0 }
  }

  /// Where the extended grapheme cluster (Unicode, annex 29) that starts at a position ends. Regional indicators and
  /// Indic conjuncts are left out: they make clusters of six bytes and more, of which every scalar is taken alone.
  private func endOfCluster(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var position = start
    var previous = decodeScalar(text, &position)
    if previous == 0x0D { return position < text.count && text[position] == 0x0A ? position + 1 : position }
    var trait = traits[previous]
    if trait.contains(.control) { return position }
    // A pictograph and what extends it, waiting for a joiner.
    var isPictograph = trait.contains(.pictograph)
    while position < text.count {
      var next = position
      let scalar = decodeScalar(text, &next)
      let nextTrait = traits[scalar]
      if nextTrait.contains(.control) { break }
      if nextTrait.contains(.extender) {
        // Whatever extends a cluster belongs to it.
      } else if trait.contains(.prepended) || Self.isSyllable(previous, scalar)
        || previous == 0x200D && isPictograph && nextTrait.contains(.pictograph)
      {
        isPictograph = nextTrait.contains(.pictograph)
      } else {
        break
      }
      (previous, trait, position) = (scalar, nextTrait, next)
    }
    return position
  }

  /// Whether two scalars are parts of one Hangul syllable.
  private static func isSyllable(_ first: UInt32, _ second: UInt32) -> Bool {
    func isLeading(_ scalar: UInt32) -> Bool {
      (0x1100...0x115F).contains(scalar) || (0xA960...0xA97C).contains(scalar)
    }
    func isVowel(_ scalar: UInt32) -> Bool { (0x1160...0x11A7).contains(scalar) || (0xD7B0...0xD7C6).contains(scalar) }
    func isTrailing(_ scalar: UInt32) -> Bool {
      (0x11A8...0x11FF).contains(scalar) || (0xD7CB...0xD7FB).contains(scalar)
    }
    let isWhole = (0xAC00...0xD7A3).contains(first)
    if isLeading(first) { return isLeading(second) || isVowel(second) || (0xAC00...0xD7A3).contains(second) }
    if isVowel(first) || isWhole && (first - 0xAC00) % 28 == 0 { return isVowel(second) || isTrailing(second) }
    return (isTrailing(first) || isWhole) && isTrailing(second)
  }
}
