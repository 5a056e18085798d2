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

/// The measured peak of the instruction that a precision's products are made of.
public struct PeakRate: Sendable {
  /// The precision of the factors.
  public let precision: Precision
  /// The instruction and its vector width.
  public let instruction: String
  private let kind: mp_peak_kind

  /// nil when this machine lacks the instruction.
  public init?(_ precision: Precision) {
    self.precision = precision
    kind =
      switch precision {
      case .f32: MP_PEAK_F32_FMA
      case .bf16: MP_PEAK_BF16_DOT
      case .int8: MP_PEAK_INT8_DOT
      }
    guard let name = mp_peak_instruction(kind) else { return nil }
    instruction = String(cString: name)
  }

  /// Operations per second, a multiply-add counted as two, of `threads` threads together.
  public func measure(threads: Int) -> Double { mp_peak_rate(kind, Int32(threads)) }
}
