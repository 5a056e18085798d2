// The code paths under test, the sizes around every vector and block edge, and how results are compared.
import CPyramidKernels
import Testing

/// A code path that this machine can run.
struct Path: Sendable, CustomTestStringConvertible {
  let isa: mp_isa
  let testDescription: String

  init(isa: mp_isa, testDescription: String) { (self.isa, self.testDescription) = (isa, testDescription) }

  /// A base with features.
  init(_ base: mp_isa, _ features: mp_isa..., name: String) {
    self.init(isa: features.reduce(base) { mp_isa(rawValue: $0.rawValue | $1.rawValue) }, testDescription: name)
  }

  /// Whether attention in reduced precision multiplies bf16: by an instruction, or what stands in for it.
  var roundsAttention: Bool {
    let features = MP_FEATURE_AVX512_BF16.rawValue | MP_FEATURE_AMX_BF16.rawValue
    return isa.rawValue & features != 0
  }

  var base: mp_isa { mp_isa(rawValue: isa.rawValue & MP_ISA_BASES.rawValue) }

  /// Those that this machine can run.
  static let all = known.filter { mp_isa_supported($0.isa) == 1 }

  static let known: [Path] = [
    Path(isa: MP_ISA_PORTABLE, testDescription: "portable"),
    Path(isa: MP_ISA_AVX2, testDescription: "avx2"),
    Path(isa: MP_ISA_AVX512, testDescription: "avx512"),
    Path(MP_ISA_AVX2, MP_FEATURE_AVX_VNNI, name: "avx2 with AVX-VNNI"),
    Path(MP_ISA_AVX512, MP_FEATURE_VNNI, name: "avx512 with VNNI"),
    Path(MP_ISA_AVX512, MP_FEATURE_AVX512_BF16, name: "avx512 with BF16"),
    Path(MP_ISA_AVX512, MP_FEATURE_VNNI, MP_FEATURE_AMX_INT8, MP_FEATURE_AMX_BF16, name: "avx512 with AMX"),
    Path(MP_ISA_AVX2, MP_FEATURE_AVX_VNNI, MP_STAND_IN, name: "avx2 with AVX-VNNI, stood in for"),
    Path(MP_ISA_AVX512, MP_STAND_IN, name: "avx512, stood in for"),
    Path(
      MP_ISA_AVX512, MP_FEATURE_AMX_INT8, MP_FEATURE_AMX_BF16, MP_STAND_IN, name: "avx512 with AMX, stood in for"),
    Path(isa: MP_ISA_NEON, testDescription: "neon"),
    Path(MP_ISA_NEON, MP_FEATURE_DOTPROD, name: "neon with DOTPROD"),
    Path(MP_ISA_NEON, MP_FEATURE_I8MM, name: "neon with I8MM"),
    Path(MP_ISA_NEON, MP_FEATURE_BF16, name: "neon with BF16"),
  ]

  /// The paths that promise batch invariance.
  static let invariant = all.filter { $0.isa != MP_ISA_PORTABLE }
}

/// Everything that may differ without changing the result: path and thread count.
struct Setting: Sendable, CustomTestStringConvertible {
  let path: Path
  let threads: Int32
  var isa: mp_isa { path.isa }
  var testDescription: String { "\(path.testDescription), \(threads) threads" }

  static let all = Path.all.flatMap { path in [1, 2, 3].map { Setting(path: path, threads: $0) } }
}

/// All kernel suites: one after the other, since every thread that starts a region gets a team of its own.
@Suite(.serialized) struct Kernels {
  static let sizes = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 127, 128, 129, 511]
}

/// Weights packed for a path, in a guarded buffer.
func packed(
  _ weight: [Float], columns: Int, depth: Int, for isa: mp_isa, _ precision: mp_precision = MP_PRECISION_F32,
  shift: Int = 0
) -> Buffer {
  let bytes = mp_linear_packed_bytes(isa, precision, Int32(columns), Int32(depth))
  #expect(bytes % 4 == 0)
  let buffer = Buffer(count: bytes / 4, shift: shift)
  mp_linear_pack(isa, precision, weight, Int32(columns), Int32(depth), buffer.start)
  buffer.expectMarginsIntact("packing")
  return buffer
}

/// Runs a linear layer; a function, so that arrays serve as operands.
func linear(
  _ isa: mp_isa, _ threads: Int32, in precision: mp_precision = MP_PRECISION_F32, _ x: UnsafePointer<Float>,
  rows: Int, depth: Int, weight: Buffer, bias: UnsafePointer<Float>?, columns: Int,
  _ activation: mp_activation = MP_ACTIVATION_NONE, residual: UnsafePointer<Float>? = nil,
  gamma: UnsafePointer<Float>? = nil, beta: UnsafePointer<Float>? = nil, epsilon: Float = 0, y: Buffer,
  scratch: Buffer? = nil
) {
  var call = mp_linear_call(
    isa: isa, threads: threads, precision: precision, rows: Int32(rows), depth: Int32(depth), columns: Int32(columns),
    x: x, weight: weight.start, bias: bias, activation: activation, residual: residual, gamma: gamma, beta: beta,
    epsilon: epsilon, y: y.start, scratch: scratch?.start)
  mp_linear(&call)
}

/// Expects |actual - expected| <= tolerance * max(1, |expected|) everywhere, and reports the worst place once.
func expectClose(
  _ actual: [Float], _ expected: [Double], within tolerance: Double, _ what: @autoclosure () -> String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record("\(what()): \(actual.count) values, not \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  var worst = (index: -1, error: tolerance)
  for index in actual.indices {
    let error = abs(Double(actual[index]) - expected[index]) / max(1, abs(expected[index]))
    if !(error <= worst.error) { worst = (index, error.isNaN ? .infinity : error) }
  }
  if worst.index >= 0 {
    let values = "\(actual[worst.index]) instead of \(expected[worst.index])"
    Issue.record("\(what()): \(values) at \(worst.index), error \(worst.error)", sourceLocation: sourceLocation)
  }
}
