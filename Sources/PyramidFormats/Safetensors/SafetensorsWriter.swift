// Writes a safetensors file tensor by tensor, so that no more than one of them need be in memory.
//
// Alignment: the format allows spaces after the header's JSON, which aligns the start of the data, but no bytes
// between tensors. Where a tensor's size is not a multiple of the alignment, the gap is therefore itself declared as a
// U8 tensor named `__padding__.<n>`. Any reader of the format accepts the file; `SafetensorsHeader` leaves those
// tensors out.

/// A tensor that is going to be written.
public struct TensorDeclaration: Sendable, Equatable {
  /// The name in the file.
  public let name: String
  /// The type of the elements.
  public let type: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]

  /// Declares a tensor; the shape is checked when the writer starts.
  public init(_ name: String, _ type: ElementType, _ shape: [Int]) {
    (self.name, self.type, self.shape) = (name, type, shape)
  }
}

/// A safetensors file being written: declare everything, append each tensor's bytes in order, finish.
///
/// The file takes its name in `finish`; when the writer is dropped before that, nothing is left behind.
public struct SafetensorsWriter: ~Copyable {
  private struct Slot {
    let name: String
    let type: ElementType
    let byteCount: Int
    var padding = 0
  }

  private let output: OutputFile
  private let slots: [Slot]
  // The tensor whose turn it is, and how many of its bytes are written.
  private var position = 0
  private var written = 0
  private var content = RunningChecksum()

  /// SHA-256 of the bytes of all tensors so far, one after the other.
  var checksum: String { content.digits }

  /// Starts the file and writes its header.
  ///
  /// - Parameters:
  ///   - tensors: in the order in which their bytes will come.
  ///   - metadata: written in the order given.
  ///   - alignment: a power of two from 1 to 4096. The data of every tensor starts at a multiple of it, counted from
  ///     the start of the file. With 1 there are no padding tensors: right for checkpoints that other programs load.
  public init(
    path: String, tensors: [TensorDeclaration], metadata: [(key: String, value: String)] = [], alignment: Int = 64
  ) throws(OutputError) {
    precondition(alignment > 0 && alignment <= 4096 && alignment & (alignment - 1) == 0)
    var slots: [Slot] = []
    var header = JSONObject()
    var strings = JSONObject()
    for (key, value) in metadata {
      guard strings.append(key, .string(value)) else {
        throw OutputError(file: path, place: key.printable(limit: 80), problem: "metadata key given twice")
      }
    }
    if !metadata.isEmpty { header["__metadata__"] = .object(strings) }
    try Self.layOut(tensors, alignment: alignment, path: path, header: &header, slots: &slots)
    let output = try Self.start(path, header: header, alignment: alignment)
    (self.output, self.slots) = (output, slots)
  }

  /// Appends bytes to a tensor: all of it or its next piece. `name` must be the tensor whose turn it is.
  public mutating func append(_ bytes: UnsafeRawBufferPointer, to name: String) throws(OutputError) {
    try skipFullSlots(until: name)
    guard position < slots.count, slots[position].name == name else {
      let expected = position < slots.count ? slots[position].name.quoted : "no more tensors"
      throw failure(name, "expected \(expected)")
    }
    guard bytes.count <= slots[position].byteCount - written else {
      throw failure(name, "\(written + bytes.count) bytes given, \(slots[position].byteCount) declared")
    }
    try output.write(bytes)
    content.update(bytes)
    written += bytes.count
  }

  /// Appends values to a tensor declared F32, F16 or BF16, rounded to its type (to nearest, ties to even).
  public mutating func append(_ values: [Float], to name: String) throws(OutputError) {
    try skipFullSlots(until: name)
    let type = position < slots.count ? slots[position].type : .F32
    switch type {
    case .F32: try appendElements(values.map(\.bitPattern.littleEndian), to: name)
    case .F16: try appendElements(values.map(\.float16Bits.littleEndian), to: name)
    case .BF16: try appendElements(values.map(\.bfloat16Bits.littleEndian), to: name)
    default: throw failure(name, "floats given, \(type.rawValue) declared")
    }
  }

  /// Checks that everything declared was written, flushes the file and gives it its name. Before that, `check` may look
  /// at the complete file at the path that it is handed; when it throws, the file never gets its name.
  public consuming func finish(checking check: (_ path: String) throws -> Void = { _ in }) throws {
    try skipFullSlots(until: nil)
    guard position == slots.count else {
      throw failure(slots[position].name, "\(written) bytes given, \(slots[position].byteCount) declared")
    }
    do { try check(output.temporaryPath) } catch let error as FormatError where error.file == output.temporaryPath {
      throw FormatError(file: output.path, place: error.place, problem: error.problem)
    }
    try output.commit()
  }

  private func failure(_ name: String, _ problem: String) -> OutputError {
    OutputError(file: output.path, place: name.printable(limit: 80), problem: problem)
  }

  private mutating func appendElements(_ elements: [some FixedWidthInteger], to name: String) throws(OutputError) {
    try elements.withUnsafeBufferPointer { (elements) throws(OutputError) in
      try append(UnsafeRawBufferPointer(elements), to: name)
    }
  }

  /// Moves on from tensors that are complete, writing the padding after each, up to the one of that name.
  private mutating func skipFullSlots(until name: String?) throws(OutputError) {
    while position < slots.count, slots[position].name != name, written == slots[position].byteCount {
      try output.write([UInt8](repeating: 0, count: slots[position].padding))
      position += 1
      written = 0
    }
  }

  /// Opens the file and writes the header, padded with spaces so that the data starts aligned.
  private static func start(_ path: String, header: JSONObject, alignment: Int) throws(OutputError) -> OutputFile {
    var json = Array(JSONWriter.string(.object(header)).utf8)
    // The reference implementation pads its headers to 8 bytes as well.
    let unit = max(alignment, 8)
    json.append(contentsOf: repeatElement(0x20, count: (unit - (8 + json.count) % unit) % unit))
    guard json.count <= SafetensorsHeader.maximumLength else {
      throw OutputError(file: path, place: "header", problem: "\(json.count) bytes are more than the format allows")
    }
    let output = try OutputFile(path: path)
    try output.write(withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) })
    try output.write(json)
    return output
  }

  /// Gives every tensor its offsets, and the gaps their padding tensors.
  private static func layOut(
    _ tensors: [TensorDeclaration], alignment: Int, path: String, header: inout JSONObject, slots: inout [Slot]
  ) throws(OutputError) {
    var offset = 0
    for (index, tensor) in tensors.enumerated() {
      let place = tensor.name.printable(limit: 80)
      guard tensor.name != "__metadata__", !tensor.name.hasPrefix(SafetensorsHeader.paddingPrefix) else {
        throw OutputError(file: path, place: place, problem: "the name is reserved")
      }
      guard let size = tensor.type.size(of: tensor.shape), size.bytes <= Int.max / 2 - offset else {
        throw OutputError(file: path, place: place, problem: "shape \(tensor.shape) is too large")
      }
      let end = offset + size.bytes
      guard header.append(tensor.name, entry(tensor.type, tensor.shape, offset..<end)) else {
        throw OutputError(file: path, place: place, problem: "tensor declared twice")
      }
      var slot = Slot(name: tensor.name, type: tensor.type, byteCount: size.bytes)
      offset = end
      let gap = (alignment - end % alignment) % alignment
      if gap > 0 && index + 1 < tensors.count {
        let name = SafetensorsHeader.paddingPrefix + String(index)
        header.append(name, entry(.U8, [gap], offset..<offset + gap))
        offset += gap
        slot.padding = gap
      }
      slots.append(slot)
    }
  }

  private static func entry(_ type: ElementType, _ shape: [Int], _ range: Range<Int>) -> JSONValue {
    [
      "dtype": .string(type.rawValue), "shape": .array(shape.map { JSONValue($0) }),
      "data_offsets": [JSONValue(range.lowerBound), JSONValue(range.upperBound)],
    ]
  }
}
