// What the BERT normaliser needs to know of each Unicode scalar. The facts are those of the Hugging Face tokenizers
// library, which mixes three versions of Unicode (categories, decompositions and case each come from another crate),
// so no table of a Swift runtime can stand in: ids would change with the toolchain. `Scripts/make-unicode-tables`
// asks the library about all scalars and writes the `UnicodeTables` files, which this file unpacks once.

/// Facts of one scalar, as far as a table holds them; CJK blocks and Hangul syllables are arithmetic.
struct ScalarFacts: OptionSet, Sendable {
  let rawValue: UInt8
  /// Dropped by text cleaning: control, format, private use, NUL and U+FFFD, but not tab, line feed, return.
  static let removed = ScalarFacts(rawValue: 1 << 0)
  /// Separates words.
  static let whitespace = ScalarFacts(rawValue: 1 << 1)
  /// Is a word of its own.
  static let punctuation = ScalarFacts(rawValue: 1 << 2)
  /// Vanishes when accents are stripped: a nonspacing mark, or a composition of nothing else.
  static let mark = ScalarFacts(rawValue: 1 << 3)
  /// A `mark` of combining class 0: it stops the canonical reordering although it vanishes.
  static let barrier = ScalarFacts(rawValue: 1 << 4)
  /// Has a nonzero combining class and survives the stripping, so its place must be found.
  static let reordered = ScalarFacts(rawValue: 1 << 5)
  /// Becomes other scalars when decomposed and stripped.
  static let decomposes = ScalarFacts(rawValue: 1 << 6)
  /// Has another lower case.
  static let lowercases = ScalarFacts(rawValue: 1 << 7)
}

/// The tables of all facts, unpacked. A class, so that handing it on costs one reference and not one per table.
final class UnicodeFacts: Sendable {
  static let shared = UnicodeFacts()

  /// The facts of each scalar.
  let facts: ScalarTable<ScalarFacts>
  /// For a scalar that `decomposes`: the scalar it becomes, or the complement (`~`) of an index of `sequences`.
  let decompositions: ScalarTable<UInt32>
  /// Decompositions of more than one scalar, marks left out.
  let sequences: [[UInt32]]
  /// For a scalar that `lowercases`: its lower case. U+0130, whose lower case is two scalars, is not in the table.
  let lowercase: ScalarTable<UInt32>
  /// Canonical combining classes of the scalars that are `reordered`.
  let combiningClasses: ScalarTable<UInt32>

  private init() {
    var facts = ScalarTable<ScalarFacts>(default: [])
    let sets: [(ranges: StaticString, fact: ScalarFacts)] = [
      (UnicodeTables.removed, .removed), (UnicodeTables.whitespace, .whitespace),
      (UnicodeTables.punctuation, .punctuation), (UnicodeTables.marks, .mark),
      (UnicodeTables.barrierMarks, .barrier),
    ]
    for (ranges, fact) in sets {
      UnicodeTables.forEachRun(ranges) { run in facts.update(run[0]...run[run.count - 1]) { $0.formUnion(fact) } }
    }
    var decompositions = Self.unpack(UnicodeTables.decompositions, as: .decomposes, into: &facts)
    var sequences: [[UInt32]] = []
    UnicodeTables.forEachRun(UnicodeTables.sequences) { run in
      decompositions.update(run[0]...run[0]) { $0 = ~UInt32(sequences.count) }
      facts.update(run[0]...run[0]) { $0.insert(.decomposes) }
      sequences.append(Array(run.dropFirst()))
    }
    var lowercase = ScalarTable<UInt32>(default: 0)
    UnicodeTables.forEachProgression(UnicodeTables.lowercase) { scalar, lower in
      lowercase.update(scalar...scalar) { $0 = lower }
      facts.update(scalar...scalar) { $0.insert(.lowercases) }
    }
    facts.update(0x130...0x130) { $0.insert(.lowercases) }
    combiningClasses = Self.unpack(UnicodeTables.combiningClasses, as: .reordered, into: &facts)
    (self.facts, self.lowercase) = (facts, lowercase)
    (self.decompositions, self.sequences) = (decompositions, sequences)
  }

  /// Unpacks runs whose first number is a scalar and whose others are the values of it and its successors.
  private static func unpack(
    _ text: StaticString, as fact: ScalarFacts, into facts: inout ScalarTable<ScalarFacts>
  ) -> ScalarTable<UInt32> {
    var table = ScalarTable<UInt32>(default: 0)
    UnicodeTables.forEachRun(text) { run in
      for index in 1..<run.count {
        let scalar = run[0] + UInt32(index - 1)
        table.update(scalar...scalar) { $0 = run[index] }
        facts.update(scalar...scalar) { $0.insert(fact) }
      }
    }
    return table
  }
}

extension UnicodeFacts {
  /// Whether BERT counts the scalar among the CJK ideographs: the blocks named by its first tokenizer, as they were.
  @inline(__always)
  static func isCJK(_ scalar: UInt32) -> Bool {
    guard scalar >= 0x3400 else { return false }
    switch scalar {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0xF900...0xFAFF: return true
    case 0x20000...0x2A6DF, 0x2A700...0x2B81F, 0x2B920...0x2CEAF, 0x2F800...0x2FA1F: return true
    default: return false
    }
  }

  /// The jamo of a precomposed Hangul syllable (Unicode, section 3.12), or nil for another scalar. `trailing` is nil
  /// for a syllable without a final consonant.
  static func jamo(of scalar: UInt32) -> (leading: UInt32, vowel: UInt32, trailing: UInt32?)? {
    guard (0xAC00...0xD7A3).contains(scalar) else { return nil }
    let index = scalar - 0xAC00
    let trailing = index % 28
    return (0x1100 + index / 588, 0x1161 + index % 588 / 28, trailing == 0 ? nil : 0x11A7 + trailing)
  }
}

/// The packed tables. Every number is hexadecimal; numbers are separated by one space, runs by `;` or a line end.
enum UnicodeTables {
  /// Calls `body` with the numbers of each run.
  static func forEachRun(_ text: StaticString, _ body: ([UInt32]) -> Void) {
    var run: [UInt32] = []
    var number: UInt32 = 0
    for byte in UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) {
      switch byte {
      case 0x30...0x39: number = number << 4 | UInt32(byte - 0x30)
      case 0x41...0x46: number = number << 4 | UInt32(byte - 0x41 + 10)
      default:
        run.append(number)
        number = 0
        guard byte != UInt8(ascii: " ") else { continue }
        body(run)
        run.removeAll(keepingCapacity: true)
      }
    }
    run.append(number)
    body(run)
  }

  /// Calls `body` with each scalar of runs and its value: a first scalar, its value; then how many scalars at which step
  /// go on so, unless 1.
  static func forEachProgression(_ text: StaticString, _ body: (_ scalar: UInt32, _ value: UInt32) -> Void) {
    forEachRun(text) { run in
      let step = run.count > 3 ? run[3] : 1
      for index in 0..<(run.count > 2 ? run[2] : 1) { body(run[0] + index * step, run[1] + index * step) }
    }
  }
}
