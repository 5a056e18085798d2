// A folder that a test writes into and that disappears with the test.

import PyramidFormats
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

final class TemporaryFolder {
  let path: String

  init() throws {
    let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    path = "\(root)/pyramid-formats-\(getpid())-\(UInt64.random(in: .min ... .max))"
    try #require(mkdir(path, 0o700) == 0)
  }

  /// The names of all that is in the folder, sorted.
  var names: [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// The path of a file in the folder.
  func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = try OutputFile(path: path(name))
    try file.write(bytes)
    try file.commit()
    return path(name)
  }

  /// Writes a text file and returns its path.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  deinit {
    for name in names { unlink(path(name)) }
    rmdir(path)
  }
}

/// A valid checkpoint of one tiny layer, written into a folder; files can be replaced.
func writeCheckpoint(in folder: TemporaryFolder, replacing files: [String: String] = [:]) throws {
  let contents = [
    "config.json": """
    {"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
     "intermediate_size": 8, "vocab_size": 8, "id2label": {"1": "yes", "0": "no"}}
    """,
    "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n",
  ].merging(files) { $1 }
  for (name, text) in contents { try folder.write(name, text) }
  var writer = try SafetensorsWriter(
    path: folder.path("model.safetensors"), tensors: [TensorDeclaration("bert.pooler.dense.bias", .F32, [4])])
  try writer.append([1, 2, 3, 4] as [Float], to: "bert.pooler.dense.bias")
  try writer.finish()
}
