// Which instruction set this machine runs: by what the CPU has, or as the environment variable MP_ISA says, so that every
// path can be tested on one machine. And which of the C kernels' paths a set stands for, which has two answers: the
// path whose layout the weights have, and the path that runs, with the features of Features.swift.

import CPyramidKernels
import Glibc
import PyramidIR

extension InstructionSet {
  /// The path whose layout packed weights have: the set's own, whatever CPU packs them.
  var packingSet: mp_isa {
    switch self {
    case .portable: MP_ISA_PORTABLE
    case .avx2: MP_ISA_AVX2
    case .avx512: MP_ISA_AVX512
    case .neon: MP_ISA_NEON
    }
  }

  /// The path that runs on this CPU: the set's with the features that are used here.
  var runningSet: mp_isa { mp_isa(rawValue: packingSet.rawValue | ((try? Feature.active.get()) ?? 0)) }

  /// Whether this CPU and operating system run it.
  public var isSupported: Bool { mp_isa_supported(packingSet) != 0 }

  /// Whether it may be run here: by the CPU, and by MP_ISA, which is an upper bound for artefacts.
  public var isAllowed: Bool {
    guard let native = try? Self.native() else { return false }
    return isSupported && rank <= native.rank
  }

  /// Place in the order of paths, slowest first.
  public var rank: Int { Self.allCases.firstIndex(of: self)! }

  /// The paths that this machine runs, slowest first.
  public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

  /// Whether OpenBLAS, which the portable path multiplies with, can be loaded.
  public static var hasOpenBLAS: Bool { mp_blas_available() != 0 }

  /// Whether the set has instructions here that multiply bf16, and they are faster than f32's on CPUs of this kind.
  public var multipliesBF16Faster: Bool {
    let faster: UInt32 =
      switch self {
      case .portable, .avx2: 0
      case .avx512: MP_FEATURE_AVX512_BF16.rawValue | MP_FEATURE_AMX_BF16.rawValue
      case .neon: MP_FEATURE_BF16.rawValue
      }
    return runningSet.rawValue & mp_features_chosen().rawValue & faster != 0
  }

  /// MP_ISA if it is set, else the best that the CPU has. Throws when MP_ISA names none, or one that the CPU lacks, and
  /// when MP_FEATURES makes no sense.
  public static func native() throws(KernelError) -> InstructionSet {
    _ = try Feature.active.get()
    guard let forced = getenv("MP_ISA").map({ String(cString: $0) }), !forced.isEmpty else {
      return supported.last ?? .portable
    }
    guard let choice = InstructionSet(rawValue: forced) else {
      throw KernelError("MP_ISA is '\(forced)', expected \(allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard choice.isSupported else { throw KernelError("MP_ISA is '\(forced)', which this CPU does not run") }
    return choice
  }
}

/// Why kernels can't be chosen, in one line.
public struct KernelError: Error, Equatable, CustomStringConvertible {
  /// The text for the user.
  public let description: String
  init(_ description: String) { self.description = description }
}
