// How a weight lies in an artefact: how much room it takes, and what is written there. Separate from the calls because
// the compiler, which packs, and the runtime, which checks sizes before anything is read, must not differ in it.

import CPyramidKernels
import PyramidIR

extension Weight {
  /// Elements that the weight takes in an artefact for an instruction set: floats, or bytes when it is reduced.
  public func storedCount(_ set: InstructionSet) -> Int {
    let (rows, columns) = matrix
    let bytes =
      switch layout {
      case .plain: mp_rows_packed_bytes(precision.number, rows, columns)
      case .panels: mp_linear_packed_bytes(set.packingSet, precision.number, rows, columns)
      }
    return precision == .f32 ? bytes / 4 : bytes
  }

  /// The weight's `values`, row-major, as the kernels of a set read them, in words of 4 bytes: stored sizes are
  /// multiples of that. In bf16 and int8 the values must be finite.
  public func packed(_ values: [Float], for set: InstructionSet) -> [Float] {
    if layout == .plain && precision == .f32 { return values }
    let (rows, columns) = matrix
    let count = storedCount(set) / (precision == .f32 ? 1 : 4)
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      let words = buffer.baseAddress!
      switch layout {
      case .plain: mp_rows_pack(precision.number, values, rows, columns, words)
      case .panels: mp_linear_pack(set.packingSet, precision.number, values, rows, columns, words)
      }
      initialized = count
    }
  }

  private var matrix: (rows: Int32, columns: Int32) {
    guard case .fixed(let rows) = type.rows else { return (0, Int32(type.columns)) }
    return (Int32(rows), Int32(type.columns))
  }
}
