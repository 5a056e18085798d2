// The instruction sets that kernels exist for. It lives in the IR because compiler, artefact and runtime all name it;
// which of them the machine at hand can run is the runtime's question.

/// A kernel path, and with it the layout of packed weights.
public enum InstructionSet: String, Hashable, Sendable, CaseIterable {
  /// Plain C and OpenBLAS.
  case portable
  /// AVX2 and FMA.
  case avx2
  /// AVX-512 F, BW, VL, DQ.
  case avx512
  /// 64-bit ARM.
  case neon

  /// Output columns in one panel of a packed linear weight; nil when weights stay row-major.
  public var panelWidth: Int? {
    switch self {
    case .portable: nil
    case .avx2, .neon: 16
    case .avx512: 64
    }
  }
}
