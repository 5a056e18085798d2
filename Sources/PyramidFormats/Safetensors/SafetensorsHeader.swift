// What a safetensors file says about itself, checked in full before a byte of data is used.
//
// Layout (https://github.com/huggingface/safetensors): an unsigned 64-bit little-endian length n, n bytes of JSON,
// then data. The JSON maps each tensor's name to dtype, shape and data_offsets; offsets count from the end of the
// JSON. The checks are those of the reference implementation (every byte of data belongs to exactly one tensor) and
// come before anything is allocated by a size that the file names.

/// One tensor of a safetensors file.
public struct TensorEntry: Sendable, Equatable {
  /// The name in the file.
  public let name: String
  /// The type of the elements.
  public let type: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The bytes of the data, counted from the start of the file.
  public let byteRange: Range<Int>
  /// The product of the extents.
  public let elementCount: Int
}

/// The header of a safetensors file.
struct SafetensorsHeader: Sendable {
  /// The strings under `__metadata__`.
  let metadata: [String: String]
  /// The tensors in the order of their data, alignment padding of `SafetensorsWriter` left out.
  let tensors: [TensorEntry]

  /// The names that `SafetensorsWriter` gives to the bytes between aligned tensors start like this.
  static let paddingPrefix = "__padding__."
  /// Bytes of a padding: nothing needs more to begin at a page.
  private static let longestPadding = 4096
  /// The reference implementation's bound on the header's length.
  static let maximumLength = 100_000_000
  /// Values of the JSON; a tensor has six or seven.
  private static let maximumValues = 1_000_000

  /// Reads and checks the header of a file of which `bytes` is the whole.
  init(reading bytes: UnsafeRawBufferPointer, file: String) throws(FormatError) {
    let json = try Self.json(bytes, file)
    let limits = JSONLimits(maximumBytes: Self.maximumLength, maximumValues: Self.maximumValues)
    let root = JSONField(try JSONReader.read(json, file: file, limits: limits), file: file)
    let data = 8 + json.count..<bytes.count
    var metadata: [String: String] = [:]
    var tensors: [TensorEntry] = []
    for (name, field) in try root.members() {
      if name == "__metadata__" {
        metadata = try Self.metadata(field)
      } else {
        tensors.append(try Self.tensor(name, field, data: data))
      }
    }
    // Stable for tensors of no bytes, which may share an offset with their neighbour.
    let order = tensors.indices.sorted {
      let (left, right) = (tensors[$0].byteRange, tensors[$1].byteRange)
      return (left.lowerBound, left.upperBound, $0) < (right.lowerBound, right.upperBound, $1)
    }
    tensors = order.map { tensors[$0] }
    try Self.checkCoverage(tensors, data: data, file: file)
    self.metadata = metadata
    self.tensors = tensors.filter { !$0.name.hasPrefix(Self.paddingPrefix) }
    let padding = tensors.lazy.filter { $0.name.hasPrefix(Self.paddingPrefix) }
    guard let long = padding.first(where: { $0.byteRange.count > Self.longestPadding }) else { return }
    throw FormatError(
      file: file, place: long.name.printable(limit: 80), problem: "is padding of \(long.byteRange.count) bytes")
  }

  /// The bytes of the JSON text, by the length in front of it.
  private static func json(_ bytes: UnsafeRawBufferPointer, _ file: String) throws(FormatError)
    -> UnsafeRawBufferPointer
  {
    func failure(_ problem: String) -> FormatError { FormatError(file: file, place: "header length", problem: problem) }
    guard bytes.count >= 8 else { throw failure("the file has \(bytes.count) bytes, expected at least 8") }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumLength) else {
      throw failure("\(length) bytes, expected at most \(maximumLength); is this a safetensors file?")
    }
    guard length <= UInt64(bytes.count - 8) else {
      throw failure("\(length) bytes, but only \(bytes.count - 8) follow")
    }
    guard length > 0, bytes[8] == UInt8(ascii: "{") else {
      throw FormatError(file: file, place: "header", problem: "expected a JSON object; is this a safetensors file?")
    }
    return UnsafeRawBufferPointer(rebasing: bytes[8..<8 + Int(length)])
  }

  private static func metadata(_ field: JSONField) throws(FormatError) -> [String: String] {
    var metadata: [String: String] = [:]
    for (key, value) in try field.members() {
      guard metadata.updateValue(try value.string(), forKey: key) == nil else {
        throw value.failure("the same key as another one but for Unicode normalisation")
      }
    }
    return metadata
  }

  private static func tensor(_ name: String, _ field: JSONField, data: Range<Int>) throws(FormatError) -> TensorEntry {
    for (key, member) in try field.members() where key != "dtype" && key != "shape" && key != "data_offsets" {
      throw member.failure("unknown key")
    }
    let typeField = try field.required("dtype")
    guard let type = ElementType(rawValue: try typeField.string()) else {
      let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      throw typeField.failure("expected one of \(known), found \(typeField.found)")
    }
    var shape: [Int] = []
    for extent in try field.required("shape").elements() { shape.append(try extent.integer(in: 0...Int.max)) }
    guard let size = type.size(of: shape) else {
      throw field.failure("shape \(shape) has more elements than can be counted")
    }
    let offsets = try field.required("data_offsets")
    let pair = try offsets.elements()
    guard pair.count == 2 else { throw offsets.failure("expected 2 integers, found \(pair.count)") }
    let start = try pair[0].integer(in: 0...Int.max)
    let end = try pair[1].integer(in: 0...Int.max)
    guard start <= end else { throw offsets.failure("starts at \(start), behind its end at \(end)") }
    guard end <= data.count else {
      throw offsets.failure("ends at \(end), but the file has \(data.count) bytes of data")
    }
    guard end - start == size.bytes else {
      throw offsets.failure("spans \(end - start) bytes, but shape \(shape) of \(type.rawValue) takes \(size.bytes)")
    }
    return TensorEntry(
      name: name, type: type, shape: shape, byteRange: data.lowerBound + start..<data.lowerBound + end,
      elementCount: size.elements)
  }

  private static func checkCoverage(_ tensors: [TensorEntry], data: Range<Int>, file: String) throws(FormatError) {
    var covered = data.lowerBound
    for (index, tensor) in tensors.enumerated() {
      let start = tensor.byteRange.lowerBound
      if start != covered {
        let previous = index == 0 ? "the header" : tensors[index - 1].name.quoted
        let problem =
          start < covered
          ? "data overlaps that of \(previous)"
          : "\(start - covered) bytes between \(previous) and it belong to no tensor"
        throw FormatError(file: file, place: tensor.name.printable(limit: 80), problem: problem)
      }
      covered = tensor.byteRange.upperBound
    }
    if covered < data.upperBound {
      throw FormatError(file: file, problem: "\(data.upperBound - covered) bytes at the end belong to no tensor")
    }
  }
}

extension ElementType {
  /// The elements of a shape and their bytes; nil on overflow or a negative extent.
  func size(of shape: [Int]) -> (elements: Int, bytes: Int)? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: byteCount)
    return overflow ? nil : (count, bytes)
  }
}
