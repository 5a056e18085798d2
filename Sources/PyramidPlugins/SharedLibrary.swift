// What an ELF file says of its own size. The dynamic loader maps what the program headers name and reads there: in a
// library that was cut by a full disk or a broken copy that ends the program by a signal, so it is looked at before.

/// The program headers of a 64-bit little-endian shared library, as far as they tell how long the file is.
struct SharedLibrary {
  /// Where the last segment, or the table of segments itself, ends; `Int.max` when that is beyond all numbers.
  let extent: Int

  /// Reads the headers; nil when the bytes are no shared library.
  init?(_ bytes: UnsafeRawBufferPointer) {
    func number<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> Int? {
      guard offset >= 0, bytes.count >= MemoryLayout<T>.size, offset <= bytes.count - MemoryLayout<T>.size else {
        return nil
      }
      return Int(clamping: T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self)))
    }
    // ELFCLASS64, ELFDATA2LSB, ET_DYN.
    guard bytes.count >= 64, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]), number(UInt16.self, at: 16) == 3,
      let table = number(UInt64.self, at: 32), let size = number(UInt16.self, at: 54), size >= 56,
      let count = number(UInt16.self, at: 56), count > 0
    else { return nil }
    func sum(_ one: Int, _ two: Int) -> Int {
      let (sum, isTooMuch) = one.addingReportingOverflow(two)
      return isTooMuch ? .max : sum
    }
    var extent = sum(table, size * count)
    for index in 0..<count {
      let place = sum(table, index * size)
      guard let offset = number(UInt64.self, at: sum(place, 8)), let length = number(UInt64.self, at: sum(place, 32))
      else { break }
      extent = max(extent, sum(offset, length))
    }
    self.extent = extent
  }
}
