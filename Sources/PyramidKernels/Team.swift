// The threads that kernels share, and what they can do at best. Separate from the calls because a process sets its team
// up once, and measures its peak for reports only.

import CPyramidKernels
import PyramidIR

/// The OpenMP team of the calling thread: OpenMP keeps one for each thread that calls kernels.
public enum Team {
  /// Makes the calling thread's team `threads` wide and places its threads, the caller included, on disjoint sets of
  /// processors, unless the user's OpenMP variables say where. Called once, before any kernel.
  public static func setUp(threads: Int) { mp_set_team(Int32(threads)) }

  /// Calls `work` with `argument` while the team, which was set up with as many `threads`, stands by: its kernels start
  /// sooner.
  public static func perform(
    threads: Int, _ work: @convention(c) (UnsafeMutableRawPointer?) -> Void, _ argument: UnsafeMutableRawPointer?
  ) { mp_with_team(Int32(threads), work, argument) }
}

/// The measured peak of one kind of multiply-add or dot product: of each that kernels use, and of f16, which none does.
public struct PeakRate: Sendable {
  /// The format of the factors: f32, f16, bf16 or int8.
  public let precision: String
  /// The instruction and its vector width.
  public let instruction: String
  private let feature: mp_isa

  /// nil when this machine lacks the instruction.
  private init?(_ precision: String, _ feature: mp_isa) {
    guard let name = mp_peak_instruction(feature) else { return nil }
    (self.precision, self.feature, instruction) = (precision, feature, String(cString: name))
  }

  /// Multiply-adds of floats, and what each feature of this CPU adds to them.
  public static var all: [PeakRate] {
    let features = Feature.allCases.map { feature in
      switch feature {
      case .vnni, .avxVNNI, .amxInt8, .dotprod, .i8mm: PeakRate("int8", feature.bit)
      case .avx512BF16, .amxBF16, .bf16: PeakRate("bf16", feature.bit)
      case .avx512FP16: PeakRate("f16", feature.bit)
      }
    }
    return ([PeakRate("f32", MP_ISA_PORTABLE)] + features).compactMap { $0 }
  }

  /// Operations per second, a multiply-add counted as two, of `threads` threads together.
  public func measure(threads: Int) -> Double { mp_peak_rate(feature, Int32(threads)) }
}
