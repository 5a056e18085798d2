// Which instruction set this machine runs: by CPU features, or as the environment variable MP_ISA says, so that every
// path can be tested on one machine.

import CPyramidKernels
import Glibc
import PyramidIR

extension InstructionSet {
  /// The kernels' number for it: of the AVX-512 variants, which read the same weights, the best that this CPU has.
  var kernels: mp_isa {
    switch self {
    case .portable: MP_ISA_PORTABLE
    case .avx2: MP_ISA_AVX2
    case .avx512: mp_isa_best().rawValue > MP_ISA_AVX512.rawValue ? mp_isa_best() : MP_ISA_AVX512
    }
  }

  /// Whether this CPU and operating system run it.
  public var isSupported: Bool { mp_isa_supported(kernels) != 0 }

  /// Whether it may be run here: by the CPU, and by MP_ISA, which is an upper bound for artefacts.
  public var isAllowed: Bool {
    guard let native = try? Self.native() else { return false }
    return isSupported && rank <= native.rank
  }

  /// Place in the order of paths, slowest first.
  var rank: Int { Self.allCases.firstIndex(of: self)! }

  /// The paths that this machine runs, slowest first.
  public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

  /// MP_ISA if it is set, else the best that the CPU has. Throws when MP_ISA names none, or one that the CPU lacks.
  public static func native() throws(RuntimeError) -> InstructionSet {
    guard let forced = getenv("MP_ISA").map({ String(cString: $0) }), !forced.isEmpty else {
      return supported.last ?? .portable
    }
    guard let choice = InstructionSet(rawValue: forced) else {
      throw RuntimeError("MP_ISA is '\(forced)', expected \(allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard choice.isSupported else { throw RuntimeError("MP_ISA is '\(forced)', which this CPU does not run") }
    return choice
  }
}

extension Precision {
  /// The kernels' number for it.
  var kernels: mp_precision {
    switch self {
    case .f32: MP_PRECISION_F32
    case .bf16: MP_PRECISION_BF16
    case .int8: MP_PRECISION_INT8
    }
  }
}
