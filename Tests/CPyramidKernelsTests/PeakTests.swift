// The yardstick's loops: they run where the machine has the instructions, and are refused elsewhere.

import CPyramidKernels
import Testing

@Suite("Peak rates")
struct PeakTests {
  @Test(
    "An instruction has a rate where it has a name",
    arguments: [MP_PEAK_F32_FMA, MP_PEAK_BF16_DOT, MP_PEAK_INT8_DOT].map(\.rawValue), [1, 2] as [Int32])
  func rates(kind: UInt32, threads: Int32) {
    let kind = mp_peak_kind(rawValue: kind)
    #expect((mp_peak_rate(kind, threads) > 0) == (mp_peak_instruction(kind) != nil))
  }

  @Test("Floats can be multiplied wherever the kernels have vectors")
  func floats() {
    #expect((mp_peak_instruction(MP_PEAK_F32_FMA) != nil) == (mp_isa_supported(MP_ISA_AVX2) == 1))
  }
}
