// All pieces that a text begins with, in one walk: a trie whose edges are in one hash table. Unlike WordPiece's table it
// stops where no piece goes on, and unlike a double array it is built in one pass over the vocabulary.

/// A trie over the bytes of a vocabulary's pieces.
struct PieceTrie: Sendable {
  private struct Slot: Sendable {
    /// The parent's number and the byte, or `empty`.
    var edge: UInt32
    var child: UInt32
    /// The piece that ends here, or -1.
    var id: Int32
  }

  private static let empty = UInt32.max
  /// Nodes whose numbers leave room for a byte in an edge.
  private static let maximumNodes = 1 << 24

  private var slots: [Slot]
  private var places: HashPlaces
  private var nodes: UInt32 = 1
  /// Bytes of the longest piece.
  private(set) var longest = 0

  /// Throws when the pieces have too many different beginnings. Of two equal pieces the later one counts.
  init(_ vocabulary: Vocabulary) throws(TokenizerError) {
    slots = Array(repeating: Slot(edge: Self.empty, child: 0, id: -1), count: 1 << 12)
    places = HashPlaces(size: slots.count)
    for id in vocabulary.modelIDs {
      longest = max(longest, vocabulary.range(of: id).count)
      var (node, last) = (UInt32(0), -1)
      for byte in vocabulary.bytes[vocabulary.range(of: id)] {
        let edge = node << 8 | UInt32(byte)
        var place = self.place(of: edge)
        if slots[place].edge == Self.empty {
          guard Int(nodes) < Self.maximumNodes - 1 else { throw .vocabularyTooLarge(entries: vocabulary.count) }
          slots[place] = Slot(edge: edge, child: nodes, id: -1)
          nodes += 1
          if Int(nodes) * 2 > slots.count {
            grow()
            place = self.place(of: edge)
          }
        }
        (node, last) = (slots[place].child, place)
      }
      if last >= 0 { slots[last].id = Int32(id) }
    }
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: Slot(edge: Self.empty, child: 0, id: -1), count: old.count * 2)
    places = HashPlaces(size: slots.count)
    for slot in old where slot.edge != Self.empty { slots[place(of: slot.edge)] = slot }
  }

  /// The place of an edge or, where there is none, the empty one that it would take.
  @inline(__always)
  private func place(of edge: UInt32) -> Int {
    var place = places.first(UInt64(edge))
    while slots[place].edge != edge, slots[place].edge != Self.empty { place = places.after(place) }
    return place
  }

  /// Calls `body` with each piece that the text from `start` on begins with, shortest first, and where it ends.
  @inline(__always)
  func forEachPrefix(of text: UnsafeBufferPointer<UInt8>, from start: Int, _ body: (_ id: Int32, _ end: Int) -> Void) {
    var (node, position) = (UInt32(0), start)
    slots.withUnsafeBufferPointer { slots in
      while position < text.count {
        let edge = node << 8 | UInt32(text[position])
        var place = places.first(UInt64(edge))
        while slots[place].edge != edge {
          if slots[place].edge == Self.empty { return }
          place = places.after(place)
        }
        position += 1
        if slots[place].id >= 0 { body(slots[place].id, position) }
        node = slots[place].child
      }
    }
  }

  /// The id of a whole piece, or -1.
  func id(of piece: some Sequence<UInt8>) -> Int32 {
    var (node, id) = (UInt32(0), Int32(-1))
    for byte in piece {
      let slot = slots[place(of: node << 8 | UInt32(byte))]
      guard slot.edge != Self.empty else { return -1 }
      (node, id) = (slot.child, slot.id)
    }
    return id
  }
}
