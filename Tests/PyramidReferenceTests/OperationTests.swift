// Every operation that computes, on numbers small enough to check by hand.

import PyramidIR
import PyramidReference
import Testing

struct OperationTests {
  @Test func `the batch comes in packed, with places and offsets`() throws {
    var scene = try Scene(lengths: [2, 1])
    let x = try scene.rows("x", [[1, 0], [2, 0], [3, 0]])
    let values = try scene.values(answering: x)
    #expect(try values["ids"]?.integers == [0, 1, 2])
    #expect(try values["positions"]?.integers == [0, 1, 0])
    #expect(try values["types"]?.integers == [0, 0, 0])
    #expect(try values["segments"]?.integers == [0, 2, 3])
    #expect(try values["samples"]?.integers == [0, 1])
  }

  @Test func `embed adds one row of each table`() throws {
    var scene = try Scene(lengths: [2])
    let tables = [
      scene.matrix("words", [[1, 2], [3, 4]]), scene.matrix("places", [[10, 0], [0, 20]]),
      scene.matrix("kinds", [[100, 200]]),
    ]
    let sum = try scene.add(.embed, [scene.ids, scene.positions, scene.types], tables, name: "sum")
    #expect(try scene.values(answering: sum)["sum"]?.floats == [111, 202, 103, 224])
  }

  @Test func `bag_logits sums the rows of what is a word, and of pairs that no separator parts`() throws {
    // Tokens have ids 0, 1, 2 and so on; 0 and 3 are no words, and 3 ends a text.
    var scene = try Scene(lengths: [6, 1])
    let tables = [
      scene.matrix("table", [[9, 9], [1, 0], [2, 0], [9, 9], [4, 0], [5, 8], [9, 9]]),
      scene.matrix("bigrams", [[100, 0], [200, 0], [400, 0], [800, 0]]), scene.vector("bias", [0.5, 0.25]),
    ]
    let unigrams = Op.bagLogits(skip: [0, 3, 6], separator: 3)
    _ = try scene.add(unigrams, [scene.ids, scene.segments], [tables[0], tables[2]], name: "words")
    _ = try scene.add(unigrams, [scene.ids, scene.segments], tables, name: "pairs")
    let x = try scene.rows("x", (0..<7).map { _ in [0, 0] })
    let values = try scene.values(answering: x)
    // Words 1 2 | 4 5 of the first sample; the second has none.
    #expect(try values["words"]?.floats == [3.5, 2.25, 0.5, 0.25])
    // Pairs (1, 2) and (4, 5): 1000005 mod 4 = 1, 4000017 mod 4 = 1.
    #expect(try values["pairs"]?.floats == [103.5, 2.25, 0.5, 0.25])
  }

  @Test func `linear multiplies by the transposed matrix and adds the bias`() throws {
    var scene = try Scene(lengths: [2])
    let x = try scene.rows("x", [[1, 2], [3, 4]])
    let w = scene.matrix("w", [[1, 0], [0, 1], [1, 1]])
    let b = scene.vector("b", [10, 20, 30])
    let y = try scene.add(.linear(.none), [x], [w, b])
    let values = try scene.values(answering: y)
    #expect(try values["y"]?.floats == [11, 22, 33, 13, 24, 37])
    #expect(values["y"]?.extents == [2, 3])
  }

  @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
  func `a product of any width sums every column once`(width: Int) throws {
    var scene = try Scene()
    let x = try scene.rows("x", [(1...width).map { Float($0) }])
    let w = scene.matrix("w", [[Float](repeating: 1, count: width)])
    let y = try scene.add(.linear(.none), [x], [w, scene.vector("b", [0])])
    #expect(try scene.values(answering: y)["y"]?.floats == [Float(width * (width + 1) / 2)])
  }

  @Test func `sums run in double precision`() throws {
    var scene = try Scene()
    let x = try scene.rows("x", [[1e8, 1, -1e8, 0, 1]])
    let w = scene.matrix("w", [[1, 1, 1, 1, 1]])
    let y = try scene.add(.linear(.none), [x], [w, scene.vector("b", [0])])
    #expect(try scene.values(answering: y)["y"]?.floats == [2])
  }

  @Test(arguments: [
    (Activation.none, [-1, 0, 1] as [Float]), (.relu, [0, 0, 1]), (.tanh, [-0.7615942, 0, 0.7615942]),
    (.gelu, [-0.15865525, 0, 0.84134475]), (.geluTanh, [-0.158808, 0, 0.841192]),
  ])
  func `activations act on each element, alone or after a linear layer`(
    activation: Activation, expected: [Float]
  ) throws {
    var scene = try Scene()
    let x = try scene.rows("x", [[-1, 0, 1]])
    _ = try scene.add(.activate(activation), [x], name: "alone")
    let w = scene.matrix("w", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    let fused = try scene.add(.linear(activation), [x], [w, scene.vector("b", [0, 0, 0])], name: "after")
    let values = try scene.values(answering: fused)
    let alone = try #require(try values["alone"]?.floats)
    #expect(isClose(alone, expected, tolerance: activation == .geluTanh ? 1e-6 : 1e-7))
    #expect(try values["after"]?.floats == alone)
  }

  @Test func `add sums elements`() throws {
    var scene = try Scene()
    let a = try scene.rows("a", [[1, 2]])
    let b = try scene.rows("b", [[10, 20]])
    let y = try scene.add(.add, [a, b])
    #expect(try scene.values(answering: y)["y"]?.floats == [11, 22])
  }

  @Test func `layer_norm divides by the root of variance plus epsilon`() throws {
    var scene = try Scene()
    let x = try scene.rows("x", [[1, 3]])
    // Mean 2, variance 1; with epsilon 3 the divisor is 2.
    let y = try scene.add(.layerNorm(epsilon: 3), [x], [scene.vector("g", [1, 10]), scene.vector("b", [0, 100])])
    #expect(try scene.values(answering: y)["y"]?.floats == [-0.5, 105])
  }

  @Test func `linear_add_norm normalises product plus residual`() throws {
    var scene = try Scene()
    let x = try scene.rows("x", [[2]])
    let residual = try scene.rows("r", [[-1, 0]])
    // 2 w + b = [2, 3], with the residual [1, 3].
    let weights = [
      scene.matrix("w", [[1], [1]]), scene.vector("b", [0, 1]), scene.vector("g", [1, 10]),
      scene.vector("s", [0, 100]),
    ]
    let y = try scene.add(.linearAddNorm(epsilon: 3), [x, residual], weights)
    #expect(try scene.values(answering: y)["y"]?.floats == [-0.5, 105])
  }

  @Test func `softmax turns odds of one to three into quarters`() throws {
    var scene = try Scene(lengths: [2])
    let three = Float(1.0986123)
    let x = try scene.rows("x", [[0, three], [1000 + three, 1000]])
    let y = try scene.add(.softmax, [x])
    let result = try #require(try scene.values(answering: y)["y"]?.floats)
    #expect(isClose(result, [0.25, 0.75, 0.75, 0.25], tolerance: 1e-5))
  }

  @Test func `softmax of a row with NaN or plus infinity is NaN, other rows stay`() throws {
    var scene = try Scene(lengths: [3])
    let x = try scene.rows("x", [[0, .nan], [.infinity, 0], [0, -.infinity]])
    let y = try scene.add(.softmax, [x])
    let result = try #require(try scene.values(answering: y)["y"]?.floats)
    #expect(result[0..<4].allSatisfy { $0.isNaN })
    #expect(result[4...] == [1, 0])
  }

  @Test func `row_norm measures the columns asked for`() throws {
    var scene = try Scene(lengths: [2])
    let x = try scene.rows("x", [[9, 3, 4, 9], [9, 0, -2, 9]])
    _ = try scene.add(.rowNorm(first: 1, count: 2), [x])
    #expect(try scene.values(answering: x)["y"]?.floats == [5, 2])
  }

  @Test func `segment_mean averages the rows of each sample`() throws {
    var scene = try Scene(lengths: [2, 1, 3])
    let x = try scene.rows("x", [[1, 2], [3, 8], [5, -5], [1e8, 1], [1, 2], [-1e8, 6]])
    _ = try scene.add(.segmentMean, [x, scene.segments], name: "mean")
    #expect(try scene.values(answering: x)["mean"]?.floats == [2, 5, 5, -5, Float(1.0 / 3), 3])
  }

  @Test func `concat puts columns side by side, row by row`() throws {
    var scene = try Scene(lengths: [1, 1])
    let (a, b) = (try scene.rows("a", [[1, 2], [3, 4]]), try scene.rows("b", [[5, 5, 5], [6, 7, 8]]))
    _ = try scene.add(.concat, [a, b], name: "both")
    let both = try #require(try scene.values(answering: a)["both"])
    #expect(try both.floats == [1, 2, 5, 5, 5, 3, 4, 6, 7, 8])
    #expect(both.extents == [2, 5])
  }

  @Test func `first_rows takes the first token of each sample`() throws {
    var scene = try Scene(lengths: [2, 1, 3])
    let x = try scene.rows("x", (0..<6).map { [Float($0), 0] })
    #expect(try scene.values(answering: x)["logits"]?.floats == [0, 0, 2, 0, 3, 0])
  }
}
