// SHA-256 of what a file of a training holds, in its own metadata: a bit that flips on a disk would else end in the weights
// without a word. It finds damage, not malice: who can write the file can write the sum.

import PyramidFormats

/// The sum of the tensors and texts of a safetensors file.
struct ContentSum {
  /// The key of the metadata that it is under.
  static let key = "sha256"

  private var lines: [String] = []

  /// Takes in a tensor.
  mutating func add(_ name: String, _ shape: [Int], _ bytes: UnsafeRawBufferPointer) {
    lines.append("\(name) \(shape) \(Checksum.sha256(of: bytes))")
  }

  /// Of all tensors, in whatever order, and of these texts.
  func digits(with texts: [String]) -> String {
    Checksum.sha256(of: (lines.sorted() + texts).joined(separator: "\n"))
  }
}

extension SafetensorsFile {
  /// Whether tensors, and the metadata under `keys`, are those that the file was written with.
  func isWhole(with keys: [String]) -> Bool {
    var sum = ContentSum()
    for entry in tensors { sum.add(entry.name, entry.shape, bytes(of: entry)) }
    return metadata[ContentSum.key] == sum.digits(with: keys.map { metadata[$0] ?? "" })
  }
}
