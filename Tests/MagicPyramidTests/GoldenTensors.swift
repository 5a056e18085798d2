// Weights of policies that a golden file brings along, and the checkpoint that a file was made from.

import Foundation
import MagicPyramid
import PyramidTestSupport
import Testing

enum GoldenTensors {
  /// Throws when a golden file was made from another checkpoint, and says how to make it anew.
  static func check(_ digest: String, of checkpoint: String, remake command: String) throws {
    let found = "sha256:" + Checksum.sha256(ofFiles: try Checkpoint(path: checkpoint).weights.tensors.files)
    try #require(digest == found, "the checkpoint is another one: \(command)")
  }

  /// The checkpoint with further tensors `policies.*`, as mp-train --fit-policy would write it.
  static func extended(
    _ checkpoint: String, _ members: [(key: String, field: JSONField)], in folder: TemporaryFolder
  ) throws -> String {
    let path = folder.path("checkpoint")
    try FileManager.default.copyItem(atPath: checkpoint, toPath: path)
    let file = try SafetensorsFile(path: checkpoint + "/model.safetensors")
    let added = try members.map { name, value in
      let scale = Float(try value.required("scale").double())
      let bytes = try #require(Data(base64Encoded: try value.required("int8").string()))
      let shape = try value.required("shape").elements().map { try $0.integer(in: 1...1 << 20) }
      return (name: "policies." + name, shape: shape, values: bytes.map { Float(Int8(bitPattern: $0)) * scale })
    }
    var writer = try SafetensorsWriter(
      path: path + "/model.safetensors",
      tensors: file.tensors.map { TensorDeclaration($0.name, $0.type, $0.shape) }
        + added.map { TensorDeclaration($0.name, .F32, $0.shape) }, alignment: 1)
    for entry in file.tensors { try writer.append(file.bytes(of: entry), to: entry.name) }
    for tensor in added { try writer.append(tensor.values, to: tensor.name) }
    try writer.finish()
    return path
  }
}
