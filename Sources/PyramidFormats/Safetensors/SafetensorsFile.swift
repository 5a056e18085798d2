// A mapped safetensors file: names to bytes, and bytes to Float.
//
// Separate from the header because the header is pure checking of what a file claims; here the claims are trusted, and
// every access is in bounds by what the header established.

/// A safetensors file, mapped and checked; tensors are read where they lie.
public final class SafetensorsFile: Sendable {
  /// The file itself; pointers handed out are valid while it, or this object, is alive.
  public let file: MappedFile
  /// The strings under `__metadata__`.
  public let metadata: [String: String]
  /// The tensors in the order of their data.
  public let tensors: [TensorEntry]
  private let entries: [String: TensorEntry]

  /// Maps the file, or with `copying` reads it into memory, and checks all of its header; throws what `MappedFile` and
  /// `SafetensorsHeader` throw.
  public init(path: String, copying: Bool = false) throws(FormatError) {
    file = try MappedFile(path: path, copying: copying)
    let header = try SafetensorsHeader(reading: file.bytes, file: file.path)
    var entries: [String: TensorEntry] = [:]
    for tensor in header.tensors {
      guard entries.updateValue(tensor, forKey: tensor.name) == nil else {
        throw FormatError(
          file: file.path, place: tensor.name.printable(limit: 80),
          problem: "the same name as another tensor's but for Unicode normalisation")
      }
    }
    (metadata, tensors, self.entries) = (header.metadata, header.tensors, entries)
  }

  /// The path as it was given.
  public var path: String { file.path }

  /// The tensor of that name, if there is one.
  public func entry(named name: String) -> TensorEntry? { entries[name] }

  /// The tensor's bytes, little-endian, not aligned unless the writer saw to it; valid while this object is alive.
  public func bytes(of entry: TensorEntry) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[entry.byteRange])
  }

  /// The elements of an F64, F32, F16 or BF16 tensor as Float; any other type is an error.
  public func floats(of entry: TensorEntry) throws(FormatError) -> [Float] {
    guard [.F64, .F32, .F16, .BF16].contains(entry.type) else {
      throw FormatError(
        file: path, place: entry.name.printable(limit: 80),
        problem:
          "expected F64, F32, F16 or BF16, found \(entry.type.rawValue); quantised weights are not read, save the "
          + "checkpoint's original ones")
    }
    return [Float](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
      count = entry.elementCount
      convert(entry, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private func convert(_ entry: TensorEntry, into destination: UnsafeMutableBufferPointer<Float>) {
    let source = bytes(of: entry)
    switch entry.type {
    case .F64:
      for index in destination.indices {
        let bits = source.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self)
        destination.initializeElement(at: index, to: Float(Double(bitPattern: UInt64(littleEndian: bits))))
      }
    case .F16:
      for index in destination.indices {
        let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        destination.initializeElement(at: index, to: Float(float16Bits: UInt16(littleEndian: bits)))
      }
    case .BF16:
      for index in destination.indices {
        let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        destination.initializeElement(at: index, to: Float(bfloat16Bits: UInt16(littleEndian: bits)))
      }
    default:
      for index in destination.indices {
        let bits = source.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
        destination.initializeElement(at: index, to: Float(bitPattern: UInt32(littleEndian: bits)))
      }
    }
  }
}
