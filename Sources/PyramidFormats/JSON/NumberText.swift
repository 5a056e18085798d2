// Numbers for people: fixed decimals and powers of ten, without Foundation, which would cost more start-up time than a
// text costs to run.

import Glibc

/// A number with a fixed count of decimals, 0 to 9, halves rounded away from zero; `-` for one that is not finite or
/// beyond 10^9.
public func decimal(_ value: Double, _ decimals: Int) -> String {
  guard value.isFinite, abs(value) < 1e9 else { return "-" }
  let scale = (0..<decimals).reduce(1) { scale, _ in scale * 10 }
  let scaled = Int((abs(value) * Double(scale)).rounded())
  let sign = value < 0 && scaled > 0 ? "-" : ""
  if decimals == 0 { return "\(sign)\(scaled)" }
  let fraction = String(scaled % scale)
  return "\(sign)\(scaled / scale)." + String(repeating: "0", count: decimals - fraction.utf8.count) + fraction
}

/// A number as `1.2e-07`; `-` for one that is not finite.
public func scientific(_ value: Double) -> String {
  guard value.isFinite else { return "-" }
  return withVaList([value]) { arguments in
    var buffer = [CChar](repeating: 0, count: 64)
    let count = vsnprintf(&buffer, buffer.count, "%.1e", arguments)
    return String(decoding: buffer.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
