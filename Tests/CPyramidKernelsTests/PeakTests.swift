// The yardstick's loops: they run where the machine has the instructions, and are refused elsewhere.

import CPyramidKernels
import Testing

@Suite struct Peaks {
  static let features = [
    MP_FEATURE_VNNI, MP_FEATURE_AVX_VNNI, MP_FEATURE_AVX512_BF16, MP_FEATURE_AVX512_FP16, MP_FEATURE_AMX_INT8,
    MP_FEATURE_AMX_BF16, MP_FEATURE_DOTPROD, MP_FEATURE_I8MM, MP_FEATURE_BF16,
  ].map(\.rawValue)

  @Test(arguments: features, [1, 2] as [Int32])
  func `an instruction has a name and a rate where the machine has it`(feature: UInt32, threads: Int32) {
    let isPresent = mp_features_present().rawValue & feature != 0
    #expect((mp_peak_instruction(mp_isa(feature)) != nil) == isPresent)
    #expect((mp_peak_rate(mp_isa(feature), threads) > 0) == isPresent)
  }

  @Test func `floats can be multiplied wherever the kernels have vectors`() {
    let hasVectors = mp_isa_best().rawValue & MP_ISA_BASES.rawValue != MP_ISA_PORTABLE.rawValue
    #expect((mp_peak_instruction(MP_ISA_PORTABLE) != nil) == hasVectors)
    #expect((mp_peak_rate(MP_ISA_PORTABLE, 2) > 0) == hasVectors)
  }
}
