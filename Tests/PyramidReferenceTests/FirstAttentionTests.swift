// The attention of first tokens alone is a row of the attention of all tokens.

import PyramidIR
import PyramidReference
import Testing

struct FirstAttentionTests {
  @Test func `equals the first rows of attention over projected keys and values`() throws {
    var scene = try Scene(lengths: [3, 1, 2])
    let x = try scene.rows(
      "x", [[1, -2, 0.5], [0, 3, -1], [2, 1, 1], [-1, 0.25, 2], [0.5, 0.5, -3], [1, 1, 0]])
    let weights = [
      [[0.5, 1, -1], [2, 0, 1], [-0.5, 1, 0], [1, -1, 1]], [[1, 0, 0.5], [-1, 1, 2], [0, 1, 1], [0.5, 0.5, 0]],
      [[-1, 2, 0], [1, 1, 1], [0.25, 0, -1], [3, 0, 1]],
    ].enumerated().map { scene.matrix("w\($0)", $1) }
    let biases = [[0.5, -1, 2, 0], [3, 1, -2, 4], [1, 2, 3, 4]].enumerated().map { scene.vector("b\($0)", $1) }
    let projected = try (0..<3).map { part in
      try scene.add(.linear(.none), [x], [weights[part], biases[part]], name: "p\(part)")
    }
    let context = try scene.add(
      .attention(heads: 2, emits: [.fromFirst]), projected + [scene.segments], name: "context", more: ["weights"])
    _ = try scene.add(.firstRows, [context, scene.segments], name: "expected")
    let first = try scene.add(.firstRows, [projected[0], scene.segments], name: "query")
    _ = try scene.add(
      .firstAttention(heads: 2, emits: [.fromFirst]), [first, x, scene.segments],
      [weights[1], weights[2], biases[2]], name: "actual", more: ["actual weights"])
    let values = try scene.values(answering: context)
    #expect(isClose(try values["actual"]!.floats, try values["expected"]!.floats))
    #expect(isClose(try values["actual weights"]!.floats, try values["weights"]!.floats))
  }
}
