// Finds the members of a large object by key. A file may hold millions of keys: each is hashed once, where a dictionary
// hashes it to look, to insert, and again whenever it grows.

/// Places of keys in a list that the table does not hold.
struct KeyTable: Sendable {
  private var hashes: [Int] = []
  /// Places + 1, 0 for a free one; a power of two of them, at most half in use.
  private var slots: [Int32] = []

  /// The hash of a key, seeded by the process: nobody can choose keys that collide.
  static func hash(of key: String) -> Int { ExactString(key).hashValue }

  /// The place of a key of this hash; `isKey` compares the key at a place.
  func place(hash: Int, where isKey: (Int) -> Bool) -> Int? {
    guard !slots.isEmpty else { return nil }
    var slot = hash & (slots.count - 1)
    while slots[slot] != 0 {
      let place = Int(slots[slot]) - 1
      if hashes[place] == hash, isKey(place) { return place }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Adds a key that is at the end of the list.
  mutating func append(hash: Int) {
    hashes.append(hash)
    if 2 * hashes.count > slots.count {
      slots = [Int32](repeating: 0, count: max(32, 2 * slots.count))
      for place in hashes.indices.dropLast() { enter(place) }
    }
    enter(hashes.count - 1)
  }

  private mutating func enter(_ place: Int) {
    var slot = hashes[place] & (slots.count - 1)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = Int32(place + 1)
  }
}
