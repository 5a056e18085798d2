// The four normal forms of Unicode, and the sets of scalars that patterns, splitters and clusters ask for. Apart from
// UnicodeFacts because BERT's one-pass splitter needs none of it: these tables are unpacked only for tokenizers that
// have a step which reads them. They come from the Hugging Face tokenizers library, too, by the same script.

/// What is known of one scalar beside `ScalarFacts`.
struct ScalarTraits: OptionSet, Sendable {
  let rawValue: UInt16
  /// `\p{L}`.
  static let letter = ScalarTraits(rawValue: 1 << 0)
  /// `\p{N}`.
  static let number = ScalarTraits(rawValue: 1 << 1)
  /// What the Digits splitter takes for a digit.
  static let numeric = ScalarTraits(rawValue: 1 << 2)
  /// `\w`.
  static let word = ScalarTraits(rawValue: 1 << 3)
  /// What the StripAccents normaliser removes.
  static let combiningMark = ScalarTraits(rawValue: 1 << 4)
  /// Belongs to the grapheme cluster before it.
  static let extender = ScalarTraits(rawValue: 1 << 5)
  /// Belongs to the grapheme cluster after it.
  static let prepended = ScalarTraits(rawValue: 1 << 6)
  /// Is a grapheme cluster of its own.
  static let control = ScalarTraits(rawValue: 1 << 7)
  /// A zero-width joiner joins it to a pictograph before it.
  static let pictograph = ScalarTraits(rawValue: 1 << 8)
  /// Is the second part of some composite.
  static let composes = ScalarTraits(rawValue: 1 << 9)
}

/// One of the four normal forms.
public enum NormalForm: String, Sendable, CaseIterable {
  case nfc, nfd, nfkc, nfkd

  var isCompatible: Bool { self == .nfkc || self == .nfkd }
  var isComposed: Bool { self == .nfc || self == .nfkc }

  /// A text without a byte of at least this is in the form already.
  fileprivate var firstByteThatMayChange: UInt8 {
    switch self {
    case .nfc: 0xCC
    case .nfd: 0xC3
    case .nfkc, .nfkd: 0x80
    }
  }
}

/// The unpacked tables.
final class UnicodeForms: Sendable {
  static let shared = UnicodeForms()

  /// The traits of each scalar.
  let traits: ScalarTable<ScalarTraits>
  private let classes: ScalarTable<UInt8>
  /// Full decompositions as a place in `parts` and a length, packed as `place << 8 | length`; 0 for none.
  private let canonical: ScalarTable<UInt32>
  private let compatible: ScalarTable<UInt32>
  private let parts: [UInt32]
  /// Both parts of a composite, the first in the upper half, to the composite.
  private let composites: [UInt64: UInt32]

  private init() {
    var traits = Self.unpackTraits()
    var classes = ScalarTable<UInt8>(default: 0)
    UnicodeTables.forEachRun(UnicodeTables.allCombiningClasses) { run in
      for index in 1..<run.count {
        let scalar = run[0] + UInt32(index - 1)
        classes.update(scalar...scalar) { $0 = UInt8(run[index]) }
      }
    }
    var parts: [UInt32] = []
    func store(_ sequence: [UInt32], of scalar: UInt32, in table: inout ScalarTable<UInt32>) {
      let place = UInt32(parts.count) << 8 | UInt32(sequence.count)
      table.update(scalar...scalar) { $0 = place }
      parts += sequence
    }
    var (canonical, compatible) = (ScalarTable<UInt32>(default: 0), ScalarTable<UInt32>(default: 0))
    var composites: [UInt64: UInt32] = [:]
    var heads: [UInt32: (UInt32, UInt32)] = [:]
    UnicodeTables.forEachRun(UnicodeTables.composites) { run in
      composites[UInt64(run[1]) << 32 | UInt64(run[2])] = run[0]
      heads[run[0]] = (run[1], run[2])
      traits.update(run[2]...run[2]) { $0.insert(.composes) }
    }
    for scalar in heads.keys.sorted() {
      var (head, tail) = (scalar, [UInt32]())
      while let (first, second) = heads[head] {
        tail.append(second)
        head = first
      }
      store([head] + tail.reversed(), of: scalar, in: &canonical)
    }
    UnicodeTables.forEachRun(UnicodeTables.exclusions) { store(Array($0.dropFirst()), of: $0[0], in: &canonical) }
    UnicodeTables.forEachProgression(UnicodeTables.singletons) { store([$1], of: $0, in: &canonical) }
    UnicodeTables.forEachProgression(UnicodeTables.compatible) { store([$1], of: $0, in: &compatible) }
    UnicodeTables.forEachRun(UnicodeTables.compatibleSequences) {
      store(Array($0.dropFirst()), of: $0[0], in: &compatible)
    }
    (self.traits, self.classes, self.canonical, self.compatible) = (traits, classes, canonical, compatible)
    (self.parts, self.composites) = (parts, composites)
  }

  private static func unpackTraits() -> ScalarTable<ScalarTraits> {
    var traits = ScalarTable<ScalarTraits>(default: [])
    let sets: [(ranges: StaticString, trait: ScalarTraits)] = [
      (UnicodeTables.letters, .letter), (UnicodeTables.numbers, .number), (UnicodeTables.numerics, .numeric),
      (UnicodeTables.wordScalars, .word), (UnicodeTables.combiningMarks, .combiningMark),
      (UnicodeTables.extenders, .extender), (UnicodeTables.prepended, .prepended),
      (UnicodeTables.controls, .control), (UnicodeTables.pictographs, .pictograph),
    ]
    for (ranges, trait) in sets {
      UnicodeTables.forEachRun(ranges) { run in traits.update(run[0]...run[run.count - 1]) { $0.formUnion(trait) } }
    }
    return traits
  }
}

extension UnicodeForms {
  /// Brings a text into a normal form.
  func normalise(_ text: inout [UInt8], to form: NormalForm) {
    let limit = form.firstByteThatMayChange
    guard text.contains(where: { $0 >= limit }) else { return }
    var scalars: [(scalar: UInt32, combiningClass: UInt8)] = []
    scalars.reserveCapacity(text.count)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count { decompose(decodeScalar(text, &position), form.isCompatible, into: &scalars) }
    }
    reorder(&scalars)
    if form.isComposed { compose(&scalars) }
    text.removeAll(keepingCapacity: true)
    for (scalar, _) in scalars { encodeScalar(scalar, onto: &text) }
  }

  private func decompose(
    _ scalar: UInt32, _ isCompatible: Bool, into scalars: inout [(scalar: UInt32, combiningClass: UInt8)]
  ) {
    guard scalar >= 0xA0 else { return scalars.append((scalar, 0)) }
    if let jamo = UnicodeFacts.jamo(of: scalar) {
      scalars.append((jamo.leading, 0))
      scalars.append((jamo.vowel, 0))
      if let trailing = jamo.trailing { scalars.append((trailing, 0)) }
      return
    }
    var place = isCompatible ? compatible[scalar] : 0
    if place == 0 { place = canonical[scalar] }
    guard place != 0 else { return scalars.append((scalar, classes[scalar])) }
    for part in parts[Int(place >> 8)..<Int(place >> 8) + Int(place & 0xFF)] { scalars.append((part, classes[part])) }
  }

  /// Sorts each run of marks by class; those of one class keep their order.
  private func reorder(_ scalars: inout [(scalar: UInt32, combiningClass: UInt8)]) {
    var start = 0
    while start < scalars.count {
      guard scalars[start].combiningClass != 0 else {
        start += 1
        continue
      }
      var (end, isSorted) = (start + 1, true)
      while end < scalars.count, scalars[end].combiningClass != 0 {
        isSorted = isSorted && scalars[end - 1].combiningClass <= scalars[end].combiningClass
        end += 1
      }
      if !isSorted {
        let run = scalars[start..<end].enumerated().sorted {
          ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
        }
        for (offset, entry) in run.enumerated() { scalars[start + offset] = entry.element }
      }
      start = end
    }
  }

  /// Canonical composition (Unicode, section 3.11) in place.
  private func compose(_ scalars: inout [(scalar: UInt32, combiningClass: UInt8)]) {
    var (starter, last, count) = (-1, UInt8(0), 0)
    for index in scalars.indices {
      let (scalar, combiningClass) = scalars[index]
      // Between a starter and what composes with it there may be marks of lower classes only.
      if starter >= 0, count - starter == 1 || last < combiningClass,
        let composite = composite(of: scalars[starter].scalar, scalar)
      {
        scalars[starter].scalar = composite
        continue
      }
      scalars[count] = (scalar, combiningClass)
      if combiningClass == 0 { starter = count }
      last = combiningClass
      count += 1
    }
    scalars.removeLast(scalars.count - count)
  }

  private func composite(of first: UInt32, _ second: UInt32) -> UInt32? {
    if (0x1100..<0x1113).contains(first), (0x1161..<0x1176).contains(second) {
      return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
    }
    if (0xAC00...0xD7A3).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8..<0x11C3).contains(second) {
      return first + (second - 0x11A7)
    }
    guard traits[second].contains(.composes) else { return nil }
    return composites[UInt64(first) << 32 | UInt64(second)]
  }
}
