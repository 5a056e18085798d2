// UTF-8 of single scalars, without String: the splitter reads and writes bytes.

/// Decodes the scalar at `position` of valid UTF-8 and moves the position past it.
@inline(__always)
func decodeScalar(_ text: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> UInt32 {
  let first = UInt32(text[position])
  let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  var scalar = length == 1 ? first : first & (0x7F >> UInt32(length))
  for offset in 1..<length { scalar = scalar << 6 | UInt32(text[position + offset] & 0x3F) }
  position += length
  return scalar
}

/// Appends the UTF-8 of a scalar value.
@inline(__always)
func encodeScalar(_ scalar: UInt32, onto bytes: inout [UInt8]) {
  func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift) & 0x3F) }
  switch scalar {
  case ..<0x80: bytes.append(UInt8(scalar))
  case ..<0x800:
    bytes.append(UInt8(0xC0 | scalar >> 6))
    bytes.append(continuation(0))
  case ..<0x10000:
    bytes.append(UInt8(0xE0 | scalar >> 12))
    bytes.append(continuation(6))
    bytes.append(continuation(0))
  default:
    bytes.append(UInt8(0xF0 | scalar >> 18))
    bytes.append(continuation(12))
    bytes.append(continuation(6))
    bytes.append(continuation(0))
  }
}

/// Where the scalar that ends at `end`, which is above 0, starts in valid UTF-8.
@inline(__always)
func startOfScalar(in text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
  var start = end - 1
  while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
  return start
}
