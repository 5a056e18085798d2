// model.safetensors.index.json: which shard holds which tensor.
//
// Separate because the file names in it can't be trusted: they are opened only when they are plain names in the same
// folder.

/// A checked shard index.
public struct ShardIndex: Sendable {
  /// The shards' names, sorted.
  public let shards: [String]
  private let tensors: [ExactString: String]
  private let file: String

  /// Reads the content of the file. Throws when a shard's name leads out of the folder.
  public init(_ root: JSONField) throws(FormatError) {
    let map = try root.required("weight_map")
    var tensors: [ExactString: String] = [:]
    for (name, field) in try map.members() {
      let shard = try field.string()
      guard ShardIndex.isPlain(shard) else {
        throw field.failure("expected the name of a .safetensors file in the same folder, found \(field.found)")
      }
      tensors[ExactString(name)] = shard
    }
    guard !tensors.isEmpty else { throw map.failure("names no tensors") }
    self.tensors = tensors
    file = root.file
    shards = Set(tensors.values).sorted()
  }

  /// Throws unless every tensor lies in the shard that the index names, and every tensor in a shard is named.
  public func check(_ files: [SafetensorsFile]) throws(FormatError) {
    var found = 0
    for (shard, file) in zip(shards, files) {
      for tensor in file.tensors {
        guard let expected = tensors[ExactString(tensor.name)] else {
          throw failure(tensor.name, "is in \(shard), but not in the index")
        }
        guard expected == shard else { throw failure(tensor.name, "expected in \(expected), found in \(shard)") }
        found += 1
      }
    }
    if found == tensors.count { return }
    let present = Set(files.flatMap { $0.tensors.map { ExactString($0.name) } })
    let missing = tensors.keys.filter { !present.contains($0) }.map(\.text).min() ?? ""
    throw failure(missing, "missing in \(tensors[ExactString(missing)] ?? "")")
  }

  private func failure(_ name: String, _ problem: String) -> FormatError {
    FormatError(file: file, place: "weight_map.\(name.printable(limit: 80))", problem: problem)
  }

  private static func isPlain(_ name: String) -> Bool {
    let bytes = name.utf8
    return name.hasSuffix(".safetensors") && !name.hasPrefix(".") && bytes.count <= 255
      && !bytes.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") || $0 < 0x20 }
  }
}
