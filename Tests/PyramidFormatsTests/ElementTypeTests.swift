// F16 and BF16 against their definitions, over every bit pattern there is.

import PyramidFormats
import Testing

@Suite struct `Reduced precision` {
  /// (-1)^s * 2^(e - bias) * (1 + m / 2^bits), or its subnormal form, computed in double.
  private func value(_ bits: UInt16, mantissaBits: Int, bias: Int) -> Double {
    let exponentMask = (1 << (15 - mantissaBits)) - 1
    let exponent = Int(bits & 0x7FFF) >> mantissaBits
    let mantissa = Double(Int(bits) & ((1 << mantissaBits) - 1)) / Double(1 << mantissaBits)
    let sign: Double = bits & 0x8000 == 0 ? 1 : -1
    if exponent == exponentMask { return mantissa == 0 ? sign * .infinity : .nan }
    let power = Double(sign: .plus, exponent: max(exponent, 1) - bias, significand: 1)
    return sign * power * (exponent == 0 ? mantissa : 1 + mantissa)
  }

  @Test func `Every F16 pattern has the value of its formula and rounds back to itself`() {
    var wrong = 0
    for bits in UInt16.min...UInt16.max {
      let float = Float(float16Bits: bits)
      let expected = value(bits, mantissaBits: 10, bias: 15)
      let same = expected.isNaN ? float.isNaN : Double(float).bitPattern == expected.bitPattern
      let back = expected.isNaN ? Float(float16Bits: float.float16Bits).isNaN : float.float16Bits == bits
      if !same || !back { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  @Test func `Every BF16 pattern has the value of its formula and rounds back to itself`() {
    var wrong = 0
    for bits in UInt16.min...UInt16.max {
      let float = Float(bfloat16Bits: bits)
      let expected = value(bits, mantissaBits: 7, bias: 127)
      let same = expected.isNaN ? float.isNaN : Double(float).bitPattern == expected.bitPattern
      let back = expected.isNaN ? Float(bfloat16Bits: float.bfloat16Bits).isNaN : float.bfloat16Bits == bits
      if !same || !back { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  @Test func `Rounding to F16 goes to the nearest and from a tie to the even neighbour`() {
    var wrong = 0
    // Between each two neighbours: just below the middle, the middle, just above.
    for bits in UInt16.min..<0x7BFF {
      let (low, high) = (Float(float16Bits: bits), Float(float16Bits: bits + 1))
      let middle = low + (high - low) / 2
      let even = bits & 1 == 0 ? bits : bits + 1
      if middle.nextDown.float16Bits != bits || middle.nextUp.float16Bits != bits + 1 { wrong += 1 }
      if middle.float16Bits != even || (-middle).float16Bits != even | 0x8000 { wrong += 1 }
    }
    #expect(wrong == 0)
    #expect(Float(65519.996).float16Bits == 0x7BFF)
    #expect(Float(65520).float16Bits == 0x7C00)
    #expect(Float.infinity.float16Bits == 0x7C00)
    #expect(Float.leastNonzeroMagnitude.float16Bits == 0)
  }

  @Test func `Rounding to BF16 goes to the nearest and from a tie to the even neighbour`() {
    for upper in [UInt32(0x3F80), 0x3F81, 0x0000, 0x7F7F, 0x8001] {
      let even = UInt16(upper + (upper & 1))
      #expect(Float(bitPattern: upper << 16 | 0x7FFF).bfloat16Bits == UInt16(upper))
      #expect(Float(bitPattern: upper << 16 | 0x8000).bfloat16Bits == even)
      #expect(Float(bitPattern: upper << 16 | 0x8001).bfloat16Bits == UInt16(upper + 1))
    }
    #expect(Float(bitPattern: 0x7F80_0001).bfloat16Bits == 0x7FC0)
  }
}
