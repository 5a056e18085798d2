// An artefact that says something else than mp-compile would, with its integrity record made right again: by the record's
// description and not by the code that writes it, so that a change to the one is noticed in the other.

import PyramidFormats

/// The header and data of an artefact, to be changed and sealed.
public struct ForgedFile: Sendable {
  /// Everything in the header, tensors and `__metadata__`.
  public var header: JSONObject
  /// The bytes after it.
  public var data: [UInt8]

  /// Takes a whole artefact apart. Throws when its header can't be read.
  public init(_ bytes: [UInt8]) throws {
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let json = try JSONReader.read(Array(bytes[8..<8 + length]), file: "artefact")
    guard case .object(let header) = json else { throw FormatError(file: "artefact", problem: "no object") }
    (self.header, data) = (header, Array(bytes[(8 + length)...]))
  }

  /// The strings of the metadata.
  public var metadata: JSONObject {
    get { if case .object(let object)? = header["__metadata__"] { object } else { JSONObject() } }
    set { header["__metadata__"] = .object(newValue) }
  }

  /// One of them.
  public subscript(key: String) -> String {
    get { if case .string(let text)? = metadata[key] { text } else { "" } }
    set { metadata[key] = .string(newValue) }
  }

  /// Declares an F32 tensor of so many elements after the data, whose bytes the file need not have.
  public mutating func declare(_ name: String, count: Int) {
    let start = data.count
    header[name] = [
      "dtype": "F32", "shape": [JSONValue(count)], "data_offsets": [JSONValue(start), JSONValue(start + 4 * count)],
    ]
  }

  /// Gives a tensor another name.
  public mutating func rename(_ old: String, to new: String) {
    var renamed = JSONObject()
    for member in header.members { renamed.append(member.key == old ? new : member.key, member.value) }
    header = renamed
  }

  /// Moves all tensors by the four bytes of a new one in front of them.
  public mutating func misalign() {
    var moved = JSONObject()
    for (key, value) in header.members.map({ ($0.key, $0.value) }) {
      guard case .object(var tensor) = value, key != "__metadata__" else {
        moved.append(key, value)
        continue
      }
      tensor["data_offsets"] = .array(numbers(value["data_offsets"]).map { JSONValue($0 + 4) })
      moved.append(key, .object(tensor))
    }
    moved.append("in front", ["dtype": "U8", "shape": [4], "data_offsets": [0, 4]])
    (header, data) = (moved, [0, 0, 0, 0] + data)
  }

  /// The file, its integrity record that of what it says now.
  public var sealed: [UInt8] {
    var copy = self
    copy["integrity"] = integrity
    var json = Array(JSONWriter.string(.object(copy.header)).utf8)
    json += repeatElement(0x20, count: (64 - (8 + json.count) % 64) % 64)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json + data
  }

  private var integrity: String {
    var text = ""
    let strings = metadata.members.compactMap { member -> (key: String, value: String)? in
      if case .string(let value) = member.value, member.key != "integrity" { (member.key, value) } else { nil }
    }
    for (key, value) in strings.sorted(by: { $0.key < $1.key }) {
      text += "\(key.utf8.count) \(key) \(value.utf8.count) \(value)\n"
    }
    for tensor in header.members.sorted(by: { $0.key < $1.key })
    where tensor.key != "__metadata__" && !tensor.key.hasPrefix("__padding__.") {
      let type = if case .string(let type)? = tensor.value["dtype"] { type } else { "" }
      text += "\(tensor.key.utf8.count) \(tensor.key) \(type) \(numbers(tensor.value["shape"]))\n"
    }
    let range = numbers(header["vocabulary"]?["data_offsets"])
    guard range.count == 2, range[0] >= 0, range[0] <= range[1], range[1] <= data.count else { return "" }
    let vocabulary = data[range[0]..<range[1]].withUnsafeBytes { Checksum.sha256(of: $0) }
    return Checksum.sha256(of: text + vocabulary)
  }

  private func numbers(_ value: JSONValue?) -> [Int] {
    guard case .array(let elements)? = value else { return [] }
    return elements.map { if case .number(let number) = $0 { number.int ?? 0 } else { 0 } }
  }
}
