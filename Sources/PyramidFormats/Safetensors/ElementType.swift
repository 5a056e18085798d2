// The element types a safetensors file may declare, and the exact conversions to and from Float.
//
// All of the format's whole-byte types are known, so that any tensor can be listed and its size checked; only F64, F32, F16
// and BF16 convert to Float, F64 to the nearest. No conversion computes with subnormal floats or needs an instruction that a CPU may lack,
// so results do not depend on the machine, nor on whether the thread flushes subnormals to zero.

/// The type of a tensor's elements; cases are spelled as in the file.
// swift-format-ignore: AlwaysUseLowerCamelCase
public enum ElementType: String, Sendable, CaseIterable {
  case BOOL, U8, I8, F8_E5M2, F8_E4M3
  case U16, I16, F16, BF16
  case U32, I32, F32
  case U64, I64, F64

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .BOOL, .U8, .I8, .F8_E5M2, .F8_E4M3: 1
    case .U16, .I16, .F16, .BF16: 2
    case .U32, .I32, .F32: 4
    case .U64, .I64, .F64: 8
    }
  }
}

extension Float {
  /// The exact value of an IEEE 754 binary16; infinities and NaN (with payload) stay what they are.
  @inlinable
  public init(float16Bits half: UInt16) {
    let sign = UInt32(half & 0x8000) << 16
    let magnitude = UInt32(half & 0x7FFF)
    if magnitude >= 0x7C00 {
      self.init(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13)
    } else if magnitude >= 0x400 {
      self.init(bitPattern: sign | (magnitude << 13 &+ 112 << 23))
    } else {
      // A subnormal is its mantissa times 2^-24: a small integer times a power of two, exact.
      let value = Float(magnitude) * 0x1p-24
      self.init(bitPattern: sign | value.bitPattern)
    }
  }

  /// The exact value of a bfloat16, which is the upper half of a float.
  @inlinable
  public init(bfloat16Bits half: UInt16) { self.init(bitPattern: UInt32(half) << 16) }

  /// The nearest binary16, ties to even; too large becomes infinite, NaN stays NaN.
  @inlinable
  public var float16Bits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let magnitude = bitPattern & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3FF }
    if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
    if magnitude < 0x3880_0000 {
      // Below 2^-14 the result counts units of 2^-24.
      let units = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
      return sign | UInt16(units)
    }
    let rebased = magnitude &- 112 << 23
    return sign | UInt16(truncatingIfNeeded: (rebased &+ 0xFFF &+ (rebased >> 13 & 1)) >> 13)
  }

  /// The nearest bfloat16, ties to even; too large becomes infinite, NaN stays NaN.
  @inlinable
  public var bfloat16Bits: UInt16 {
    let bits = bitPattern
    if isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }
}
