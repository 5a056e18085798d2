// Samples that wait before a section: copies of everything that the section and later ones read of them, since the
// slots of the memory plan belong to whichever wave runs. Waves that meet are appended, rows behind rows.

import PyramidIR

/// The waiting room before one section. Its memory is the arena's.
struct WavePool {
  /// Rows of those who wait.
  var rows: DimRows
  private let storage: [UnsafeMutablePointer<Int32>]
  private let origins: UnsafeMutablePointer<Int32>?

  /// Takes memory for `room` from the arena, for original positions too when they are recorded.
  init(_ section: ProgramSection, room: WaveRows, recordsPositions: Bool, rows: DimRows, arena: Arena) {
    self.rows = rows
    storage = section.carried.map { arena.take(Int32.self, Self.capacity($0, room)) }
    origins = recordsPositions ? arena.take(Int32.self, room.tokens) : nil
  }

  /// Bytes that `init` takes.
  static func bytes(_ section: ProgramSection, room: WaveRows) -> Int {
    section.carried.reduce(Arena.bytes(Int32.self, room.tokens)) {
      // Sizes come from a file; a sum that leaves 62 bits is as good as any that can't be mapped.
      min($0 + Arena.bytes(Int32.self, capacity($1, room)), 1 << 62)
    }
  }

  private static func capacity(_ value: CarriedValue, _ room: WaveRows) -> Int {
    value.words * (value.rows.dim?.family == .tokens ? room.tokens : room.samples + 1)
  }

  /// Appends the wave in the executor's buffers to those who wait.
  mutating func park(_ wave: borrowing DimRows, _ section: ProgramSection, _ buffers: ExecutorBuffers) {
    for (index, value) in section.carried.enumerated() {
      let source = buffers.address(value.location).assumingMemoryBound(to: Int32.self)
      Self.append(value, from: source, wave, to: storage[index], rows)
    }
    if let origins {
      let count = rows.isEmpty ? 0 : rows[section.tokens]
      (origins + count).update(from: buffers.origins, count: wave[section.tokens])
    }
    rows.add(wave)
  }

  /// Appends those who wait to the wave in the executor's buffers, which may be empty.
  mutating func join(_ wave: inout DimRows, _ section: ProgramSection, _ buffers: ExecutorBuffers) {
    for (index, value) in section.carried.enumerated() {
      let destination = buffers.address(value.location).assumingMemoryBound(to: Int32.self)
      Self.append(value, from: storage[index], rows, to: destination, wave)
    }
    if let origins {
      let count = wave.isEmpty ? 0 : wave[section.tokens]
      (buffers.origins + count).update(from: origins, count: rows[section.tokens])
    }
    wave.add(rows)
    rows.clear()
  }

  /// Writes `source` behind the rows that `destination` holds already.
  private static func append(
    _ value: CarriedValue, from source: UnsafeMutablePointer<Int32>, _ sourceRows: borrowing DimRows,
    to destination: UnsafeMutablePointer<Int32>, _ destinationRows: borrowing DimRows
  ) {
    var (first, place) = (0, 0)
    if !destinationRows.isEmpty {
      place = destinationRows.rows(value.rows)
      // The last offset of those before is the first of those behind.
      if case .dimPlusOne = value.rows { first = 1 }
    }
    let words = (sourceRows.rows(value.rows) - first) * value.words
    let target = destination + place * value.words
    target.update(from: source + first * value.words, count: words)
    guard let dim = value.indexes, !destinationRows.isEmpty else { return }
    let shift = Int32(destinationRows[dim])
    for index in 0..<words { target[index] += shift }
  }
}
