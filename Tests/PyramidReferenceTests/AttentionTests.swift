// Attention and its signals: two tokens by hand, heads, scale, and the wall between samples.

import PyramidIR
import PyramidReference
import Testing

struct AttentionTests {
  private let three = Float(1.0986123)  // ln 3: odds of three to one

  private func attention(
    _ qkv: [[Float]], lengths: [Int], heads: Int, joined: Bool = false
  ) throws -> (context: [Float], received: [Float], fromFirst: [Float], fromOthers: [Float]) {
    var scene = try Scene(lengths: lengths)
    let width = qkv[0].count / 3
    let emits: [Emission] = Emission.allCases
    let names = ["context", "received", "first", "others"]
    let results: [ValueID]
    if joined {
      let x = try scene.rows("x", qkv)
      results = try scene.builder.addAll(.attentionQKV(heads: heads, emits: emits), [x, scene.segments], names: names)
    } else {
      let parts = try (0..<3).map { part in
        try scene.rows("part\(part)", qkv.map { Array($0[part * width..<(part + 1) * width]) })
      }
      results = try scene.builder.addAll(
        .attention(heads: heads, emits: emits), parts + [scene.segments], names: names)
    }
    let values = try scene.values(answering: results[0])
    return try (
      values["context"]!.floats, values["received"]!.floats, values["first"]!.floats, values["others"]!.floats
    )
  }

  @Test func `two tokens and one head by hand`() throws {
    // Token 0 asks 0: uniform. Token 1 asks ln 3 of keys 0 and 1: a quarter and three quarters.
    let result = try attention([[0, 0, 4], [three, 1, 8]], lengths: [2], heads: 1)
    #expect(isClose(result.context, [6, 7]))
    // Columns of [[1/2, 1/2], [1/4, 3/4]] summed, and its first row times two.
    #expect(isClose(result.received, [0.75, 1.25]))
    #expect(isClose(result.fromOthers, [0.25, 0.5]))
    #expect(isClose(result.fromFirst, [1, 1]))
  }

  @Test func `from-first is the attention of the first token only`() throws {
    let result = try attention([[three, 0, 4], [0, 1, 8]], lengths: [2], heads: 1)
    #expect(isClose(result.context, [7, 6]))
    #expect(isClose(result.fromFirst, [0.5, 1.5]))
  }

  @Test func `signals are means over heads, and each head mixes its own columns`() throws {
    // q, k and v have two columns: head 0 as above, head 1 uniform.
    let rows: [[Float]] = [[0, 0, 0, 5, 4, 10], [three, 0, 1, 7, 8, 30]]
    let result = try attention(rows, lengths: [2], heads: 2)
    #expect(isClose(result.context, [6, 20, 7, 20]))
    #expect(isClose(result.received, [0.875, 1.125]))
    #expect(isClose(result.fromFirst, [1, 1]))
  }

  @Test func `scores are divided by the root of the head's width`() throws {
    // Width 4 and one head: q k = 2 ln 3, divided by 2.
    let rows: [[Float]] = [
      [0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0], [2 * three, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0],
    ]
    let result = try attention(rows, lengths: [2], heads: 1)
    #expect(isClose(result.context, [6, 0, 0, 0, 7, 0, 0, 0]))
  }

  @Test func `samples do not see each other, and uniform attention is 1 at any length`() throws {
    let rows: [[Float]] = (0..<6).map { [0, Float($0), Float($0)] }
    let result = try attention(rows, lengths: [1, 2, 3], heads: 1)
    #expect(isClose(result.context, [0, 1.5, 1.5, 4, 4, 4]))
    #expect(isClose(result.received, [1, 1, 1, 1, 1, 1]))
    #expect(isClose(result.fromFirst, [1, 1, 1, 1, 1, 1]))
  }

  @Test func `attention_qkv equals attention bit for bit`() throws {
    var random = SeededValues(name: "qkv")
    let rows = (0..<7).map { _ in (0..<24).map { _ in random.next() } }
    let apart = try attention(rows, lengths: [4, 3], heads: 2)
    let joined = try attention(rows, lengths: [4, 3], heads: 2, joined: true)
    #expect(apart == joined)
  }

  @Test func `received attention of a sample sums to its length`() throws {
    var random = SeededValues(name: "received")
    let rows = (0..<9).map { _ in (0..<12).map { _ in 3 * random.next() } }
    let result = try attention(rows, lengths: [9], heads: 4)
    #expect(abs(result.received.reduce(0, +) - 9) < 1e-5)
    #expect(abs(result.fromFirst.reduce(0, +) - 9) < 1e-5)
  }
}
