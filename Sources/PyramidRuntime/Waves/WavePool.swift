// Samples that wait before a section: copies of everything that the section and later ones read of them, since the
// slots of the memory plan belong to whichever wave runs. Waves that are joined are appended, rows after rows.

import PyramidIR

/// What waits before one section. Its memory is the arena's.
struct WavePool {
  /// Rows that wait.
  private var rows: DimRows
  private let section: ProgramSection
  private let storage: [UnsafeMutablePointer<Int32>]
  private let places: UnsafeMutablePointer<Int32>?

  /// Takes memory for `room` from the arena, for the tokens' places too when they are recorded.
  init(_ section: ProgramSection, room: WaveRows, recordsPositions: Bool, rows: DimRows, arena: Arena) throws {
    (self.section, self.rows) = (section, rows)
    storage = try section.carried.map { value in
      let rows = value.rows.dim?.family == .tokens ? room.tokens : room.samples + 1
      return try arena.take(Int32.self, value.words * rows)
    }
    places = recordsPositions ? try arena.take(Int32.self, room.tokens) : nil
  }

  /// The most rows of a dim that wait.
  var waveRows: WaveRows { section.waveRows(rows) }

  /// Appends the wave in the runner's buffers, whose tokens have `wavePlaces`, to what waits.
  mutating func park(_ runner: StepRunner, places wavePlaces: UnsafeMutablePointer<Int32>) {
    for (index, value) in section.carried.enumerated() {
      Self.append(value, from: runner.integers(value.location), runner.alive, to: storage[index], rows)
    }
    if let places {
      let count = rows.isEmpty ? 0 : rows[section.tokens]
      (places + count).update(from: wavePlaces, count: runner.alive[section.tokens])
    }
    rows.add(runner.alive)
  }

  /// Appends what waits to the wave in the runner's buffers, which may be empty.
  mutating func join(_ runner: StepRunner, places wavePlaces: UnsafeMutablePointer<Int32>) {
    for (index, value) in section.carried.enumerated() {
      Self.append(value, from: storage[index], rows, to: runner.integers(value.location), runner.alive)
    }
    if let places {
      let count = runner.alive.isEmpty ? 0 : runner.alive[section.tokens]
      (wavePlaces + count).update(from: places, count: rows[section.tokens])
    }
    runner.alive.add(rows)
    rows.clear()
  }

  /// Writes `source` after the rows that `destination` holds already.
  private static func append(
    _ value: CarriedValue, from source: UnsafeMutablePointer<Int32>, _ sourceRows: borrowing DimRows,
    to destination: UnsafeMutablePointer<Int32>, _ destinationRows: borrowing DimRows
  ) {
    var (first, place) = (0, 0)
    if !destinationRows.isEmpty {
      place = destinationRows.rows(value.rows)
      // The last offset of the rows before is the first of those after.
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
