// A file of a checkpoint that goes into a result as it is. What may lie there is whatever was downloaded: a LICENSE of 3 GB
// would be written for minutes, and again with every training.

import PyramidFormats

/// A text of a checkpoint, such as a tokenizer's file or its licence.
struct CopiedFile {
  /// A tokenizer.json of 250,000 tokens has 17 MB.
  private static let most = 64 << 20

  private let file: MappedFile

  /// Throws when the file can't be read, or is larger than any text that belongs to a checkpoint.
  init(path: String) throws(FormatError) {
    file = try MappedFile(path: path)
    guard file.count <= Self.most else {
      throw FormatError(
        file: path, problem: "has \(file.count) bytes, and texts of a checkpoint are copied up to \(Self.most)")
    }
  }

  /// Writes the same bytes to `path`.
  func write(to path: String) throws(OutputError) {
    let output = try OutputFile(path: path)
    try file.withBytes { (bytes) throws(OutputError) in try output.write(bytes) }
    try output.commit()
  }
}
