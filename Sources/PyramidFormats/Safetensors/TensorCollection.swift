// All tensors of a checkpoint, whether they lie in one file or in many.
//
// Separate because a compiler asks for a tensor by name and does not care which shard holds it.

/// The tensors of one or many safetensors files.
public struct TensorCollection: Sendable {
  /// The files, in the order of their names.
  public let files: [SafetensorsFile]
  /// All names as they are in the files, sorted.
  public let names: [String]
  private let positions: [String: Position]

  private struct Position {
    let file: Int
    let entry: TensorEntry
  }

  /// Gathers the tensors; throws when two have the same name.
  public init(files: [SafetensorsFile]) throws(FormatError) {
    var positions: [String: Position] = [:]
    for (index, file) in files.enumerated() {
      for entry in file.tensors {
        if let other = positions.updateValue(Position(file: index, entry: entry), forKey: entry.name) {
          throw FormatError(
            file: file.path, place: entry.name.printable(limit: 80),
            problem: "the tensor is in \(files[other.file].path) as well")
        }
      }
    }
    self.files = files
    self.positions = positions
    names = positions.keys.sorted()
  }

  /// The tensor of that name as it is in the file.
  public func entry(named name: String) -> TensorEntry? { positions[name]?.entry }

  /// The path of the file that a tensor is in; of the first file when there is no such tensor.
  public func path(of name: String) -> String { files[positions[name]?.file ?? 0].path }

  /// The extents of a tensor.
  public func shape(of name: String) -> [Int]? { positions[name]?.entry.shape }

  /// The bytes of a tensor as they are in the file; valid while `files` are alive. Throws when there is no such tensor.
  public func bytes(of name: String) throws(FormatError) -> UnsafeRawBufferPointer {
    let (file, entry) = try find(name)
    return file.bytes(of: entry)
  }

  /// The elements of an F32, F16 or BF16 tensor. Throws when there is no such tensor or it is of another type.
  public func floats(of name: String) throws(FormatError) -> [Float] {
    let (file, entry) = try find(name)
    return try file.floats(of: entry)
  }

  /// Writes the elements of a tensor as Float; `destination` has room for exactly as many.
  public func copyFloats(
    of name: String, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(FormatError) {
    let (file, entry) = try find(name)
    try file.copyFloats(of: entry, into: destination)
  }

  private func find(_ name: String) throws(FormatError) -> (SafetensorsFile, TensorEntry) {
    guard let position = positions[name] else {
      let file = files.count == 1 ? files[0].path : "\(files.count) files"
      throw FormatError(file: file, place: name.printable(limit: 80), problem: "no such tensor")
    }
    return (files[position.file], position.entry)
  }
}
