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
  static func extend(_ hash: UInt64, by byte: UInt8) -> UInt64 {
    (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15
  }

  private var slots: [Slot]
  private let mask: Int
  private var bytes: [UInt8] = []
  /// Bytes of the longest entry; a longer slice need not be looked up.
  private(set) var longest = 0

  /// Makes an empty table for up to `capacity` entries of `byteCount` bytes in all, at most `UInt32.max`.
  init(capacity: Int, byteCount: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: Slot(hash: 0, offset: 0, length: 0, id: -1), count: size)
    mask = size - 1
    bytes.reserveCapacity(byteCount)
  }

  /// Adds an entry; an equal one that was there before gets the new id, as the last of two lines of a `vocab.txt`
  /// wins. Callers keep to the capacity.
  mutating func insert(_ entry: UnsafeBufferPointer<UInt8>, id: Int32) {
    var hash = Self.emptyHash
    for byte in entry { hash = Self.extend(hash, by: byte) }
    let place = bytes.withUnsafeBufferPointer { find(entry, hash, bytes: $0) }
    if slots[place].id < 0 {
      slots[place] = Slot(
        hash: UInt32(truncatingIfNeeded: hash >> 32), offset: UInt32(bytes.count), length: UInt32(entry.count), id: id)
      bytes.append(contentsOf: entry)
      longest = max(longest, entry.count)
    } else {
      slots[place].id = id
    }
  }

  /// The id of a slice whose hash is known, or -1.
  @inline(__always)
  func id(of slice: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int32 {
    bytes.withUnsafeBufferPointer { slots[find(slice, hash, bytes: $0)].id }
  }

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
