// All tensors of a checkpoint, whether they lie in one file or in many.
//
// Separate because a compiler asks for a tensor by name and does not care which shard holds it.

/// The tensors of one or many safetensors files.
public struct TensorCollection: Sendable {
  /// The files, in the order of their names.
  public let files: [SafetensorsFile]
  /// All names as they are in the files, sorted.
  public let names: [String]
  private let places: [String: (file: SafetensorsFile, entry: TensorEntry)]

  /// Gathers the tensors; throws when two have the same name.
  public init(files: [SafetensorsFile]) throws(FormatError) {
    var places: [String: (file: SafetensorsFile, entry: TensorEntry)] = [:]
    for file in files {
      for entry in file.tensors {
        guard let other = places.updateValue((file, entry), forKey: entry.name) else { continue }
        throw FormatError(
          file: file.path, place: entry.name.printable(limit: 80),
          problem: "the tensor is in \(other.file.path) as well")
      }
    }
    (self.files, self.places, names) = (files, places, places.keys.sorted())
  }

  /// The path of the file that a tensor is in; of the first file when there is no such tensor.
  public func path(of name: String) -> String { (places[name]?.file ?? files[0]).path }

  /// How many bytes a tensor takes in its file; 0 when there is none.
  public func byteCount(of name: String) -> Int { places[name]?.entry.byteRange.count ?? 0 }

  /// The extents of a tensor.
  public func shape(of name: String) -> [Int]? { places[name]?.entry.shape }

  /// The elements of an F64, F32, F16 or BF16 tensor. Throws when there is no such tensor or it is of another type.
  public func floats(of name: String) throws(FormatError) -> [Float] {
    guard let place = places[name] else {
      let file = files.count == 1 ? files[0].path : "\(files.count) files"
      throw FormatError(file: file, place: name.printable(limit: 80), problem: "no such tensor")
    }
    return try place.file.floats(of: place.entry)
  }
}
