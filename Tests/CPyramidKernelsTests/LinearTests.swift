// Linear layers against the Double reference: every size class in each of rows, depth and columns, every path and
// thread count, off-line addresses, and the fused forms.
import CPyramidKernels
import Testing

extension Kernels {
  @Suite struct Linear {
    init() { mp_set_team(3) }

    struct Shape { let rows: Int, depth: Int, columns: Int }

    /// Every size in every place, in different company; 3 million multiply-adds at most, for the reference is slow.
    static let shapes: [Shape] = {
      let sizes = Kernels.sizes
      let mixed = sizes.indices.flatMap { i in
        [(5, 3, 7, 1), (3, 11, 9, 6), (7, 14, 5, 4)].map { step in
          Shape(rows: sizes[i], depth: sizes[(i * step.0 + step.1) % 16], columns: sizes[(i * step.2 + step.3) % 16])
        }
      }
      let classifier = [1, 4, 33].map { Shape(rows: $0, depth: 64, columns: 14) }
      return classifier + mixed.filter { $0.rows * $0.depth * $0.columns <= 3_000_000 }
        + sizes.flatMap { [Shape(rows: $0, depth: 7, columns: 17), Shape(rows: 5, depth: $0, columns: 31)] }
        + sizes.map { Shape(rows: 7, depth: 16, columns: $0) } + [Shape(rows: 511, depth: 33, columns: 129)]
    }()

    @Test func `the layer equals the reference at every size, path and thread count`() {
      for (index, shape) in Self.shapes.enumerated() {
        var numbers = Numbers(index)
        let x = numbers.next(shape.rows * shape.depth), weight = numbers.next(shape.columns * shape.depth)
        let bias = index % 3 == 0 ? nil : numbers.next(shape.columns)
        let expected = Reference.linear(x, weight, bias, rows: shape.rows, depth: shape.depth, columns: shape.columns)
        for setting in Setting.all {
          let actual = Self.run(setting, shape, x, weight, bias, MP_ACTIVATION_NONE, shift: index % 4)
          expectClose(actual.values, expected, within: 1e-5, "\(setting.testDescription), \(shape)")
        }
      }
    }

    @Test(arguments: Setting.all) func `activations are applied after the bias`(_ setting: Setting) {
      let shape = Shape(rows: 13, depth: 31, columns: 77)
      var numbers = Numbers(1)
      let x = numbers.next(shape.rows * shape.depth), weight = numbers.next(shape.columns * shape.depth)
      let bias = numbers.next(shape.columns)
      let plain = Reference.linear(x, weight, bias, rows: shape.rows, depth: shape.depth, columns: shape.columns)
      for raw in 0...4 {
        let activation = mp_activation(UInt32(raw))
        let actual = Self.run(setting, shape, x, weight, bias, activation, shift: 0)
        expectClose(actual.values, plain.map { Reference.activate($0, activation) }, within: 1e-5, "\(activation)")
      }
    }

    @Test(arguments: Setting.all) func `residual and norm follow the product, also in place`(_ setting: Setting) {
      for (rows, depth, columns) in [(1, 3, 1), (2, 17, 5), (7, 33, 64), (31, 64, 100), (129, 16, 129)] {
        var numbers = Numbers(rows)
        let x = numbers.next(rows * depth), weight = numbers.next(columns * depth), bias = numbers.next(columns)
        let residual = numbers.next(rows * columns), gamma = numbers.next(columns), beta = numbers.next(columns)
        let sum = zip(Reference.linear(x, weight, bias, rows: rows, depth: depth, columns: columns), residual)
        let expected = Reference.layerNorm(
          sum.map { $0 + Double($1) }, columns: columns, gamma: gamma, beta: beta, epsilon: 1e-5)
        let weights = packed(weight, columns: columns, depth: depth, for: setting.isa)
        for inPlace in [false, true] {
          let y = inPlace ? Buffer(residual, shift: 1) : Buffer(count: rows * columns, shift: 1)
          let other = Buffer(residual, shift: 3)
          linear(
            setting.isa, setting.threads, x, rows: rows, depth: depth, weight: weights, bias: bias, columns: columns,
            residual: inPlace ? y.start : other.start, gamma: gamma, beta: beta, epsilon: 1e-5, y: y)
          y.expectMarginsIntact("linear_add_norm")
          expectClose(y.values, expected, within: 2e-5, "\(rows)x\(depth)x\(columns), in place \(inPlace)")
        }
      }
    }

    @Test(arguments: Setting.all) func `many rows and few columns are both covered`(_ setting: Setting) {
      for shape in [Shape(rows: 1000, depth: 2, columns: 3), Shape(rows: 2, depth: 3, columns: 2000)] {
        var numbers = Numbers(9)
        let x = numbers.next(shape.rows * shape.depth), weight = numbers.next(shape.columns * shape.depth)
        let expected = Reference.linear(x, weight, nil, rows: shape.rows, depth: shape.depth, columns: shape.columns)
        let actual = Self.run(setting, shape, x, weight, nil, MP_ACTIVATION_NONE, shift: 0)
        expectClose(actual.values, expected, within: 1e-6, "\(shape)")
      }
    }

    @Test(arguments: Path.all) func `no rows write nothing`(_ path: Path) {
      let weights = packed([1, 2], columns: 2, depth: 1, for: path.isa), y = Buffer(count: 2)
      linear(path.isa, 2, [0], rows: 0, depth: 1, weight: weights, bias: nil, columns: 2, y: y)
      linear(
        path.isa, 2, [0], rows: 0, depth: 1, weight: weights, bias: nil, columns: 2, residual: y.start, gamma: [1, 1],
        beta: [0, 0], y: y)
      #expect(y.bits == Buffer(count: 2).bits)
    }

    @Test func `panels are as wide as documented and packing fills the whole count`() {
      #expect(mp_panel_width(MP_ISA_PORTABLE) == 0)
      #expect(mp_panel_width(MP_ISA_AVX2) == 16)
      #expect(mp_panel_width(MP_ISA_AVX512) == 64)
      #expect(mp_panel_width(MP_ISA_NEON) == 16)
      #expect(mp_linear_packed_bytes(MP_ISA_NEON, MP_PRECISION_F32, 17, 10) == 4 * 20 * 10)
      #expect(mp_linear_packed_bytes(MP_ISA_AVX512, MP_PRECISION_F32, 14, 384) == 4 * 16 * 384)
      #expect(mp_linear_packed_bytes(MP_ISA_AVX2, MP_PRECISION_F32, 17, 10) == 4 * 24 * 10)
      #expect(mp_linear_packed_bytes(MP_ISA_PORTABLE, MP_PRECISION_F32, 17, 10) == 4 * 170)
      let weights = packed([Float](repeating: 1, count: 67 * 3), columns: 67, depth: 3, for: MP_ISA_AVX512)
      #expect(weights.values.allSatisfy { $0 == 0 || $0 == 1 })
      #expect(weights.values.reduce(0, +) == 67 * 3)
    }

    static func run(
      _ setting: Setting, _ shape: Shape, _ x: [Float], _ weight: [Float], _ bias: [Float]?,
      _ activation: mp_activation, shift: Int
    ) -> Buffer {
      let weights = packed(weight, columns: shape.columns, depth: shape.depth, for: setting.isa, shift: shift)
      let input = Buffer(x, shift: (shift + 1) % 4), y = Buffer(count: shape.rows * shape.columns, shift: shift)
      let biases = bias.map { Buffer($0, shift: shift) }
      linear(
        setting.isa, setting.threads, input.start, rows: shape.rows, depth: shape.depth, weight: weights,
        bias: biases?.start, columns: shape.columns, activation, y: y)
      y.expectMarginsIntact("linear \(shape)")
      return y
    }
  }
}
