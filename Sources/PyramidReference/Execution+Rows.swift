// Operations that move rows and compute nothing: the offsets of packed samples, and which rows are left after a
// decision. Their checks are what only a run can know: offsets ascend and end where the rows end, and every index hits
// a row.

import PyramidIR

extension Execution {
  /// Offsets of packed samples, checked to start at 0, not to fall, and to end at the number of rows if that is known.
  func offsets(_ segments: ReferenceTensor, over rows: Int? = nil) throws(ReferenceError) -> [Int] {
    let offsets = try segments.integers.map { Int($0) }
    guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      throw ReferenceError("segments \(offsets) do not ascend from 0")
    }
    if let rows, offsets.last != rows { throw ReferenceError("segments \(offsets) do not end at the \(rows) rows") }
    return offsets
  }

  /// Indices checked to ascend strictly within `count`.
  func ascending(_ tensor: ReferenceTensor, within count: Int) throws(ReferenceError) -> [Int] {
    let indices = try tensor.integers.map { Int($0) }
    guard zip(indices, indices.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw ReferenceError("indices \(indices) do not ascend")
    }
    guard (indices.first ?? 0) >= 0, (indices.last ?? -1) < count else {
      throw ReferenceError("indices \(indices) do not lie in \(count) rows")
    }
    return indices
  }

  func firstRows(_ x: ReferenceTensor, _ segments: ReferenceTensor) throws(ReferenceError) -> [Double] {
    let offsets = try offsets(segments, over: x.rows)
    let values = try x.doubles
    var rows: [Double] = []
    for (sample, start) in offsets.dropLast().enumerated() {
      guard start < offsets[sample + 1] else { throw ReferenceError("sample \(sample) of %segments has no token") }
      rows += values[start * x.columns..<(start + 1) * x.columns]
    }
    return rows
  }

  /// All tokens of the samples that stay.
  func tokens(ofSamples stay: ReferenceTensor, in segments: ReferenceTensor) throws(ReferenceError) -> [Int] {
    let offsets = try offsets(segments)
    return try ascending(stay, within: offsets.count - 1).flatMap { Array(offsets[$0]..<offsets[$0 + 1]) }
  }

  func compact(_ x: ReferenceTensor, _ index: ReferenceTensor) throws(ReferenceError) -> ReferenceTensor.Elements {
    let rows = try index.integers.map { Int($0) }
    // -1 stands for a row that others were fused to, which has neither position nor token.
    if case .integers(let values) = x.elements, rows.allSatisfy({ $0 >= -1 && $0 < x.rows }) {
      return .integers(rows.map { $0 < 0 ? -1 : values[$0] })
    }
    guard rows.allSatisfy({ $0 >= 0 && $0 < x.rows }) else {
      throw ReferenceError("indices \(rows) do not lie in \(x.rows) rows")
    }
    let elements = rows.flatMap { $0 * x.columns..<($0 + 1) * x.columns }
    return switch x.elements {
    case .floats(let values): .floats(elements.map { values[$0] })
    case .integers(let values): .integers(elements.map { values[$0] })
    case .doubles(let values): .doubles(elements.map { values[$0] })
    }
  }

  /// New offsets: how many tokens of each sample that stays are in `keep`.
  func compactSegments(
    _ segments: ReferenceTensor, keep: ReferenceTensor, stay: ReferenceTensor?
  ) throws(ReferenceError) -> [Int32] {
    let old = try offsets(segments)
    guard try !keep.integers.contains(-1) else { return try fusedSegments(segments, keep) }
    let kept = try ascending(keep, within: old.last!)
    let samples = try stay.map { tensor throws(ReferenceError) in try ascending(tensor, within: old.count - 1) }
    var offsets: [Int32] = [0]
    for sample in samples ?? Array(0..<old.count - 1) {
      let tokens = old[sample]..<old[sample + 1]
      offsets.append(offsets.last! + Int32(kept.count { tokens.contains($0) }))
    }
    guard Int(offsets.last!) == kept.count else {
      throw ReferenceError("%keep has \(kept.count) tokens, but the samples that stay have \(offsets.last!)")
    }
    return offsets
  }

  /// The same where rows were fused: a sample's rows follow each other, and stand for its tokens or for many of them.
  private func fusedSegments(_ segments: ReferenceTensor, _ keep: ReferenceTensor) throws(ReferenceError) -> [Int32] {
    guard let samples = segments.type.rows.dim, let tokens = keep.type.rows.dim else {
      throw ReferenceError("%segments or %keep has no dim")
    }
    let rows = try dims.rows(of: tokens).map(\.sample)
    var offsets: [Int32] = [0]
    for sample in try dims.rows(of: samples).map(\.sample) {
      guard rows[Int(offsets.last!)...].first == sample else { throw ReferenceError("sample \(sample) has no row") }
      offsets.append(offsets.last! + Int32(rows[Int(offsets.last!)...].prefix { $0 == sample }.count))
    }
    guard Int(offsets.last!) == rows.count else { throw ReferenceError("%keep has rows of other samples") }
    return offsets
  }
}
