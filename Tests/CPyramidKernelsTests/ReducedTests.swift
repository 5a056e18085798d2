// Linear layers in bf16 and int8: against the reference on operands that were rounded here, once more, by the rule in
// the header; the same bits in any company and on every AVX-512 variant; a NaN stays visible.
import CPyramidKernels
import Testing

private struct Layer {
  let rows: Int, depth: Int, columns: Int
  let x: [Float], weight: [Float], bias: [Float]

  init(_ rows: Int, _ depth: Int, _ columns: Int, seed: Int = 0) {
    (self.rows, self.depth, self.columns) = (rows, depth, columns)
    var numbers = Numbers(seed &+ rows &* 31 &+ depth &* 17 &+ columns)
    x = numbers.next(rows * depth)
    weight = numbers.next(columns * depth)
    bias = numbers.next(columns)
  }

  /// The same layer with other weights, and no bias.
  init(_ layer: Layer, weight: [Float]) {
    (rows, depth, columns, x) = (layer.rows, layer.depth, layer.columns, layer.x)
    self.weight = weight
    bias = [Float](repeating: 0, count: layer.columns)
  }

  struct Norm { let residual: [Float], gamma: [Float], beta: [Float] }

  func run(
    _ setting: Setting, _ precision: mp_precision, rows range: Range<Int>? = nil,
    _ activation: mp_activation = MP_ACTIVATION_NONE,
    norm: Norm? = nil, shift: Int = 0, x: [Float]? = nil
  ) -> Buffer {
    let range = range ?? 0..<rows, x = x ?? self.x
    let weights = packed(weight, columns: columns, depth: depth, for: setting.isa, precision)
    let input = Buffer(Array(x[range.lowerBound * depth..<range.upperBound * depth]), shift: shift)
    let y = Buffer(count: range.count * columns, shift: shift)
    let bytes = mp_linear_scratch_bytes(setting.threads, Int32(range.count), Int32(depth))
    let scratch = Buffer(count: bytes / 4, shift: shift)
    linear(
      setting.isa, setting.threads, in: precision, input.start, rows: range.count, depth: depth, weight: weights,
      bias: bias,
      columns: columns, activation, residual: norm?.residual, gamma: norm?.gamma, beta: norm?.beta, epsilon: 1e-5, y: y,
      scratch: scratch)
    for buffer in [y, scratch, weights] {
      buffer.expectMarginsIntact("reduced linear \(range.count)x\(depth)x\(columns)")
    }
    return y
  }
}

extension Kernels {
  @Suite struct Reduced {
    init() { mp_set_team(3) }

    static let precisions = [MP_PRECISION_BF16, MP_PRECISION_INT8]

    /// Every size in each place.
    private static let layers: [Layer] = {
      let sizes = Kernels.sizes
      return sizes.indices.flatMap { i in
        [
          Layer(sizes[i], sizes[(i * 5 + 3) % 16], sizes[(i * 7 + 1) % 16]),
          Layer(sizes[(i * 3 + 2) % 16], sizes[i], sizes[(i * 11 + 5) % 16]),
          Layer(7, 33, sizes[i]), Layer(sizes[i], 20, 65),
        ]
      }.filter { $0.rows * $0.depth * $0.columns <= 1_000_000 } + [Layer(29, 384, 140), Layer(3, 1536, 64)]
    }()

    @Test(arguments: precisions)
    func `the layer equals the reference on rounded operands at every size, path and thread count`(
      _ precision: mp_precision
    ) {
      for (index, layer) in Self.layers.enumerated() {
        let expected = Rounded.linear(
          precision, layer.x, layer.weight, layer.bias, rows: layer.rows, depth: layer.depth, columns: layer.columns)
        for setting in Setting.all {
          let actual = layer.run(setting, precision, shift: index % 4)
          expectClose(
            actual.values, expected, within: 2e-5,
            "\(setting.testDescription), \(layer.rows)x\(layer.depth)x\(layer.columns)")
        }
      }
    }

    @Test(arguments: precisions) func `activation, or residual and norm, follow`(_ precision: mp_precision) {
      let layer = Layer(37, 70, 129)
      var numbers = Numbers(5)
      let norm = Layer.Norm(
        residual: numbers.next(37 * 129), gamma: numbers.next(129), beta: numbers.next(129))
      let plain = Rounded.linear(
        precision, layer.x, layer.weight, layer.bias, rows: 37, depth: 70, columns: 129)
      let normed = Reference.layerNorm(
        zip(plain, norm.residual).map { $0 + Double($1) }, columns: 129, gamma: norm.gamma, beta: norm.beta,
        epsilon: 1e-5)
      for setting in Setting.all {
        for raw in 0...4 {
          let activation = mp_activation(UInt32(raw))
          expectClose(
            layer.run(setting, precision, activation).values, plain.map { Reference.activate($0, activation) },
            within: 2e-4, "\(setting.testDescription), activation \(raw)")
        }
        expectClose(layer.run(setting, precision, norm: norm).values, normed, within: 1e-4, setting.testDescription)
      }
    }

    @Test(arguments: precisions, Path.invariant)
    func `a row has the same bits alone, in any batch and on any threads`(_ precision: mp_precision, _ path: Path) {
      for layer in [Layer(23, 129, 100), Layer(40, 384, 384)] {
        let whole = layer.run(Setting(path: path, threads: 1), precision, MP_ACTIVATION_GELU).bits
        for threads: Int32 in [2, 3] {
          #expect(layer.run(Setting(path: path, threads: threads), precision, MP_ACTIVATION_GELU).bits == whole)
        }
        for start in stride(from: 0, to: layer.rows, by: 3) {
          for count in [1, 2, 5, 7, 13] where start + count <= layer.rows {
            let part = layer.run(
              Setting(path: path, threads: 2), precision, rows: start..<start + count, MP_ACTIVATION_GELU)
            #expect(part.bits == Array(whole[start * layer.columns..<(start + count) * layer.columns]))
          }
        }
      }
    }

    @Test(arguments: precisions, Path.invariant)
    func `from 1 to 64 rows, sums have one order`(_ precision: mp_precision, _ path: Path) {
      for layer in [Layer(64, 70, 80), Layer(64, 32, 33)] {
        let whole = layer.run(Setting(path: path, threads: 1), precision).bits
        for rows in 1...64 {
          let fewer = layer.run(Setting(path: path, threads: 1 + Int32(rows % 3)), precision, rows: 0..<rows)
          #expect(fewer.bits == Array(whole[..<(rows * layer.columns)]), "\(rows) rows")
        }
      }
    }

    @Test(arguments: [MP_ACTIVATION_NONE, MP_ACTIVATION_GELU])
    func `all paths in vectors give the same int8 bits`(_ activation: mp_activation) {
      for layer in [Layer(31, 130, 129), Layer(1, 384, 64), Layer(64, 7, 33), Layer(17, 64, 100)] {
        let results = Path.invariant.map {
          layer.run(Setting(path: $0, threads: 1), MP_PRECISION_INT8, activation).bits
        }
        #expect(results.allSatisfy { $0 == results.first })
      }
    }

    /// Products of bytes are added in pairs of 16 bits on some paths: the largest that there can be are these.
    @Test(arguments: [1, -1] as [Float])
    func `the largest weights meet the largest inputs without a sum that overflows`(_ sign: Float) {
      let layer = Layer(9, 66, 33)
      let largest = [Float](repeating: sign, count: 33 * 66), inputs = [Float](repeating: 3, count: 9 * 66)
      let spiked = largest.indices.map { $0 % 66 == 4 ? sign * 1.6 : largest[$0] }
      for weight in [largest, spiked, largest.indices.map { $0 % 2 == 0 ? sign : sign * 0.02 }] {
        let expected = Rounded.linear(MP_PRECISION_INT8, inputs, weight, nil, rows: 9, depth: 66, columns: 33)
        for setting in Setting.all {
          let actual = Layer(layer, weight: weight).run(setting, MP_PRECISION_INT8, x: inputs)
          expectClose(actual.values, expected, within: 1e-6, setting.testDescription)
        }
      }
    }

    @Test(arguments: precisions, Setting.all)
    func `a NaN makes its row NaN and no other`(_ precision: mp_precision, _ setting: Setting) {
      let layer = Layer(20, 37, 65)
      let poisons: [Float] =
        precision == MP_PRECISION_INT8 ? [.nan, .infinity, -.infinity] : [.nan, Float(bitPattern: 0x7f80_0001)]
      for poison in poisons {
        var x = layer.x
        x[4 * 37 + 36] = poison
        let y = layer.run(setting, precision, x: x).values
        #expect(y.enumerated().allSatisfy { $1.isNaN == ($0 / 65 == 4) }, "\(poison)")
      }
    }

    @Test(arguments: precisions, Setting.all)
    func `rows of zeros and of tiny numbers give the bias`(_ precision: mp_precision, _ setting: Setting) {
      let layer = Layer(2, 20, 17)
      let x = [Float](repeating: 0, count: 20) + [Float](repeating: 1e-38, count: 20)
      expectClose(
        layer.run(setting, precision, x: x).values, (layer.bias + layer.bias).map(Double.init), within: 1e-6, "")
    }
  }
}
