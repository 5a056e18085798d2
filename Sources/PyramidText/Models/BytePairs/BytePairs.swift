// Byte-pair encoding (Sennrich et al. 2016): a word's symbols are merged pair by pair, the pair that was learned first
// first and the leftmost of equal ones. Symbols start as bytes, for GPT-2's byte-level vocabularies, or as characters.

/// What a byte-pair model is made of beside its vocabulary.
public struct BytePairRules: Sendable, Equatable {
  /// Two ids and the id that they become; the earlier one is applied first.
  public struct Merge: Sendable, Equatable {
    public var left: Int32
    public var right: Int32
    public var result: Int32
  }

  /// The merges, most important first; of two for one pair the later one counts.
  public var merges: [Merge] = []
  /// Stands for a symbol that the vocabulary does not have; without one such a symbol is dropped.
  public var unknownID: Int32?
  /// Whether neighbouring unknown symbols are one token.
  public var fusesUnknown = false
  /// Whether an unknown character is spelled in tokens for its bytes (`<0xE2>`) where all of them exist.
  public var fallsBackToBytes = false
  /// Whether a word that is a token needs no merges.
  public var takesWholeWords = false
  /// Stands before each symbol but the first of a word.
  public var continuingPrefix = ""
  /// Stands after the last symbol of a word.
  public var wordSuffix = ""
}

/// The model. Work per word of n symbols is O(n log n). A class, so that each text refers to the tables.
final class BytePairs: Sendable {
  private let rules: BytePairRules
  private let merges: MergeTable
  private let pieces: PieceTable
  /// Byte-level: the id of each byte's token, or -1.
  private let idOfByte: [Int32]?
  /// Whether every byte has a token, so that no symbol of a word is unknown.
  private let knowsAllBytes: Bool
  /// For a byte's fallback token, or -1.
  private let idOfFallback: [Int32]

  /// - Parameter isByteLevel: whether the vocabulary writes bytes in GPT-2's alphabet.
  init(_ vocabulary: Vocabulary, _ rules: BytePairRules, isByteLevel: Bool) throws(TokenizerError) {
    self.rules = rules
    try vocabulary.checkSize()
    merges = MergeTable(rules.merges)
    var (bytes, ranges) = ([UInt8](), [(Range<Int>, Int32)]())
    for id in vocabulary.modelIDs {
      let start = bytes.count
      let token = vocabulary.bytes[vocabulary.range(of: id)]
      if isByteLevel {
        guard let raw = ByteAlphabet.bytes(of: token) else { continue }
        bytes += raw
      } else {
        bytes += token
      }
      ranges.append((start..<bytes.count, Int32(id)))
    }
    var pieces = PieceTable(capacity: ranges.count, bytes: bytes)
    for (range, id) in ranges { pieces.insert(range, id: id) }
    self.pieces = pieces
    idOfByte = isByteLevel ? (0..<256).map { pieces.id(of: [UInt8($0)]) } : nil
    knowsAllBytes = idOfByte?.allSatisfy { $0 >= 0 } ?? false
    idOfFallback = (0..<256).map { rules.fallsBackToBytes ? pieces.id(of: ByteAlphabet.fallbackToken(UInt8($0))) : -1 }
  }

  /// Appends the ids of one word, which is not empty.
  func encode(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout BytePairScratch, into tokens: inout TokenSink) {
    if rules.takesWholeWords {
      let id = pieces.id(of: word)
      if id >= 0 { return tokens.append(id) }
    }
    if knowsAllBytes, let idOfByte, word.count <= MergeTable.scanned {
      return merges.merge(word, idOfByte, into: &tokens)
    }
    var speller = SymbolSpeller(unknownID: rules.unknownID, fusesUnknown: rules.fusesUnknown)
    swap(&speller.ids, &scratch.ids)
    speller.ids.removeAll(keepingCapacity: true)
    if let idOfByte {
      for byte in word { speller.take(idOfByte[Int(byte)]) }
    } else {
      spellCharacters(word, &speller)
    }
    speller.flush()
    swap(&speller.ids, &scratch.ids)
    merges.merge(&scratch)
    for id in scratch.ids { tokens.append(id) }
  }

  private func spellCharacters(_ word: UnsafeBufferPointer<UInt8>, _ speller: inout SymbolSpeller) {
    var position = 0
    while position < word.count {
      let start = position
      _ = decodeScalar(word, &position)
      let character = UnsafeBufferPointer(rebasing: word[start..<position])
      let (prefix, suffix) = (start > 0 ? rules.continuingPrefix : "", position == word.count ? rules.wordSuffix : "")
      if prefix.isEmpty, suffix.isEmpty {
        take(character, &speller)
      } else {
        (Array(prefix.utf8) + character + Array(suffix.utf8)).withUnsafeBufferPointer { take($0, &speller) }
      }
    }
  }

  private func take(_ symbol: UnsafeBufferPointer<UInt8>, _ speller: inout SymbolSpeller) {
    let id = pieces.id(of: symbol)
    if id < 0, rules.fallsBackToBytes, symbol.allSatisfy({ idOfFallback[Int($0)] >= 0 }) {
      for byte in symbol { speller.ids.append(idOfFallback[Int(byte)]) }
    } else {
      speller.take(id)
    }
  }
}

/// Collects symbols. An unknown one waits until it is known whether another is fused with it; tokens for bytes pass it.
private struct SymbolSpeller {
  let unknownID: Int32?
  let fusesUnknown: Bool
  var ids: [Int32] = []
  private var isWaiting = false

  init(unknownID: Int32?, fusesUnknown: Bool) { (self.unknownID, self.fusesUnknown) = (unknownID, fusesUnknown) }

  @inline(__always)
  mutating func take(_ id: Int32) {
    if id >= 0 {
      if isWaiting { flush() }
      ids.append(id)
    } else if unknownID != nil {
      if !fusesUnknown { flush() }
      isWaiting = true
    }
  }

  mutating func flush() {
    if isWaiting, let unknownID { ids.append(unknownID) }
    isWaiting = false
  }
}

/// Memory for the symbols of one word.
struct BytePairScratch {
  fileprivate(set) var ids: [Int32] = []
  fileprivate var ranks: [UInt32] = []
  fileprivate var next: [Int32] = []
  fileprivate var previous: [Int32] = []
  fileprivate var heap: [UInt64] = []
}

/// From pairs of ids to their merges.
struct MergeTable: Sendable {
  private struct Slot: Sendable {
    var key: UInt64
    var rank: UInt32
    var result: Int32
  }

  private static let empty = UInt64.max
  /// The rank of a pair that does not merge.
  private static let none = UInt32.max
  /// Words of at most this many symbols are merged by looking at all ranks, longer ones with a heap.
  fileprivate static let scanned = 32

  private var slots: [Slot]
  private let places: HashPlaces

  init(_ merges: [BytePairRules.Merge]) {
    var size = 16
    while size < merges.count * 2 { size *= 2 }
    slots = Array(repeating: Slot(key: Self.empty, rank: 0, result: 0), count: size)
    places = HashPlaces(size: size)
    for (rank, merge) in merges.enumerated() {
      let key = Self.key(merge.left, merge.right)
      slots[place(of: key)] = Slot(key: key, rank: UInt32(rank), result: merge.result)
    }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func place(of key: UInt64) -> Int {
    var place = places.first(key)
    while slots[place].key != key, slots[place].key != Self.empty { place = places.after(place) }
    return place
  }

  /// The merge of a pair; its rank is `none` where there is none.
  @inline(__always)
  private static func merge(
    _ left: Int32, _ right: Int32, _ slots: UnsafeBufferPointer<Slot>, _ places: HashPlaces
  ) -> (rank: UInt32, result: Int32) {
    let key = key(left, right)
    var place = places.first(key)
    while slots[place].key != key {
      if slots[place].key == empty { return (none, 0) }
      place = places.after(place)
    }
    return (slots[place].rank, slots[place].result)
  }

  private func merge(_ left: Int32, _ right: Int32) -> (rank: UInt32, result: Int32) {
    slots.withUnsafeBufferPointer { Self.merge(left, right, $0, places) }
  }

  /// Merges the symbols of a word until no pair merges.
  fileprivate func merge(_ scratch: inout BytePairScratch) {
    guard scratch.ids.count > 1 else { return }
    guard scratch.ids.count <= Self.scanned else { return mergeByHeap(&scratch) }
    let count = scratch.ids.withUnsafeMutableBufferPointer { scan($0) }
    scratch.ids.removeLast(scratch.ids.count - count)
  }

  /// Merges the bytes of a word of at most `scanned` bytes, all of which have a token.
  fileprivate func merge(_ word: UnsafeBufferPointer<UInt8>, _ idOfByte: [Int32], into tokens: inout TokenSink) {
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: Self.scanned) { ids in
      for (index, byte) in word.enumerated() { ids[index] = idOfByte[Int(byte)] }
      let count = scan(UnsafeMutableBufferPointer(rebasing: ids[..<word.count]))
      for index in 0..<count { tokens.append(ids[index]) }
    }
  }

  /// Merges at most `scanned` symbols in place and returns how many are left.
  private func scan(_ ids: UnsafeMutableBufferPointer<Int32>) -> Int {
    var count = ids.count
    withUnsafeTemporaryAllocation(of: (rank: UInt32, result: Int32).self, capacity: Self.scanned) { pairs in
      slots.withUnsafeBufferPointer { slots in
        for index in 0..<max(0, count - 1) { pairs[index] = Self.merge(ids[index], ids[index + 1], slots, places) }
        while count > 1 {
          var (best, place) = (Self.none, 0)
          for index in 0..<count - 1 where pairs[index].rank < best { (best, place) = (pairs[index].rank, index) }
          guard best != Self.none else { break }
          ids[place] = pairs[place].result
          for index in place + 1..<count - 1 { ids[index] = ids[index + 1] }
          for index in place + 1..<max(place + 1, count - 2) { pairs[index] = pairs[index + 1] }
          count -= 1
          if place > 0 { pairs[place - 1] = Self.merge(ids[place - 1], ids[place], slots, places) }
          if place + 1 < count { pairs[place] = Self.merge(ids[place], ids[place + 1], slots, places) }
        }
      }
    }
    return count
  }

  /// The same with a list of symbols and a heap of pairs; an entry whose pair has changed since is skipped.
  private func mergeByHeap(_ scratch: inout BytePairScratch) {
    let count = scratch.ids.count
    scratch.next = (1...Int32(count)).map { $0 }
    scratch.previous = (-1..<Int32(count) - 1).map { $0 }
    scratch.ranks = [UInt32](repeating: Self.none, count: count)
    scratch.heap.removeAll(keepingCapacity: true)
    func update(_ place: Int, _ scratch: inout BytePairScratch) {
      let next = Int(scratch.next[place])
      scratch.ranks[place] = next < count ? merge(scratch.ids[place], scratch.ids[next]).rank : Self.none
      if scratch.ranks[place] != Self.none {
        scratch.heap.push(UInt64(scratch.ranks[place]) << 32 | UInt64(place))
      }
    }
    for place in 0..<count { update(place, &scratch) }
    while let top = scratch.heap.popLeast() {
      let place = Int(top & 0xFFFF_FFFF)
      guard scratch.ranks[place] == UInt32(top >> 32) else { continue }
      let next = Int(scratch.next[place])
      scratch.ids[place] = merge(scratch.ids[place], scratch.ids[next]).result
      scratch.ranks[next] = Self.none
      scratch.next[place] = scratch.next[next]
      // -1 marks a symbol that is a part of another.
      scratch.ids[next] = -1
      if Int(scratch.next[place]) < count { scratch.previous[Int(scratch.next[place])] = Int32(place) }
      update(place, &scratch)
      if scratch.previous[place] >= 0 { update(Int(scratch.previous[place]), &scratch) }
    }
    scratch.ids.removeAll { $0 < 0 }
  }
}

extension [UInt64] {
  /// Adds an element to a binary heap.
  fileprivate mutating func push(_ element: UInt64) {
    append(element)
    var place = count - 1
    while place > 0, self[(place - 1) / 2] > self[place] {
      swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  /// Takes the least element out of a binary heap.
  fileprivate mutating func popLeast() -> UInt64? {
    guard let least = first, let last = popLast() else { return nil }
    guard !isEmpty else { return least }
    self[0] = last
    var place = 0
    while true {
      let left = 2 * place + 1
      guard left < count else { return least }
      let child = left + 1 < count && self[left + 1] < self[left] ? left + 1 : left
      guard self[child] < self[place] else { return least }
      swapAt(child, place)
      place = child
    }
  }
}
