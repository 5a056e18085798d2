// The vocabulary as a hash table over byte slices: a look-up makes no String and hashes each byte once, also for all
// prefixes of a word, because the hash of a prefix is a step on the way to the hash of the whole.

/// An open-addressing table from byte strings to ids.
struct PieceTable: Sendable {
  private struct Slot: Sendable {
    var hash: UInt32
    var offset: UInt32
    var length: UInt32
    /// -1 in an empty slot.
    var id: Int32
  }

  /// The hash of no bytes; `extend` adds one byte.
  static var emptyHash: UInt64 { 0xCBF2_9CE4_8422_2325 }

  @inline(__always)
  func extend(_ hash: UInt64, by byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* factor }

  private let factor = HashPlaces.factor
  private var slots: [Slot]
  private let mask: Int
  private let bytes: [UInt8]
  /// Bytes of the longest entry; a longer slice need not be looked up.
  private(set) var longest = 0

  /// An empty table for up to `capacity` entries, all of which are slices of `bytes`, at most `UInt32.max` of them.
  init(capacity: Int, bytes: [UInt8]) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: Slot(hash: 0, offset: 0, length: 0, id: -1), count: size)
    mask = size - 1
    self.bytes = bytes
  }

  /// Adds a slice of the table's bytes; an equal entry that was there before gets the new id, as the last of two lines
  /// of a `vocab.txt` wins. Callers keep to the capacity.
  mutating func insert(_ range: Range<Int>, id: Int32) {
    let (hash, place) = bytes.withUnsafeBufferPointer { bytes in
      let entry = UnsafeBufferPointer(rebasing: bytes[range])
      let hash = entry.reduce(Self.emptyHash) { extend($0, by: $1) }
      return (hash, find(entry, hash, bytes: bytes))
    }
    slots[place] = Slot(
      hash: UInt32(truncatingIfNeeded: hash >> 32), offset: UInt32(range.lowerBound), length: UInt32(range.count),
      id: id)
    longest = max(longest, range.count)
  }

  /// The id of a slice whose hash is known, or -1.
  @inline(__always)
  func id(of slice: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int32 {
    bytes.withUnsafeBufferPointer { slots[find(slice, hash, bytes: $0)].id }
  }

  /// The id of some bytes, or -1.
  func id(of slice: UnsafeBufferPointer<UInt8>) -> Int32 {
    id(of: slice, hash: slice.reduce(Self.emptyHash) { extend($0, by: $1) })
  }

  /// The id of some bytes, or -1.
  func id(of bytes: [UInt8]) -> Int32 { bytes.withUnsafeBufferPointer(id(of:)) }

  /// The slot that holds the slice or would take it. The table is at most half full, so the search ends.
  @inline(__always)
  private func find(_ slice: UnsafeBufferPointer<UInt8>, _ hash: UInt64, bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let tag = UInt32(truncatingIfNeeded: hash >> 32)
    var place = Int(truncatingIfNeeded: hash >> 40) & mask
    while slots[place].id >= 0 {
      let slot = slots[place]
      if slot.hash == tag, Int(slot.length) == slice.count,
        slice.elementsEqual(UnsafeBufferPointer(rebasing: bytes[Int(slot.offset)..<Int(slot.offset) + slice.count]))
      {
        return place
      }
      place = (place + 1) & mask
    }
    return place
  }
}
