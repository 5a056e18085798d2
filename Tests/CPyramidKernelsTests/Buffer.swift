// Test memory that shows what a kernel should not have touched: 64 marked floats on either side of the values, and
// marks in the values themselves until something is written. A mark is a NaN, so reading one by mistake shows too.
import CPyramidKernels
import Testing

final class Buffer {
  static let margin = 64
  static let mark = Float(bitPattern: 0x7fc0_beef)

  let count: Int
  let start: UnsafeMutablePointer<Float>
  private let memory: UnsafeMutableRawPointer
  private let whole: UnsafeMutableBufferPointer<Float>

  /// `count` marks, `shift` floats off a cache line.
  init(count: Int, shift: Int = 0) {
    self.count = count
    let total = count + 2 * Self.margin + shift
    memory = .allocate(byteCount: total * 4, alignment: 64)
    whole = .init(start: memory.bindMemory(to: Float.self, capacity: total), count: total)
    whole.initialize(repeating: Self.mark)
    start = whole.baseAddress! + Self.margin + shift
  }

  convenience init(_ values: [Float], shift: Int = 0) {
    self.init(count: values.count, shift: shift)
    values.withUnsafeBufferPointer { if let base = $0.baseAddress { start.update(from: base, count: $0.count) } }
  }

  deinit { memory.deallocate() }

  var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }
  var bits: [UInt32] { values.map(\.bitPattern) }

  /// Fails the test when a float outside the values was written.
  func expectMarginsIntact(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let first = whole.baseAddress!.distance(to: start)
    let outside = [whole[0..<first], whole[(first + count)...]]
    let written = outside.contains { $0.contains { $0.bitPattern != Self.mark.bitPattern } }
    #expect(!written, "\(what) wrote outside its output", sourceLocation: sourceLocation)
  }
}

/// Repeatable numbers in -1 ..< 1 (SplitMix64).
struct Numbers {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 }

  mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func next(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in Float(Int32(truncatingIfNeeded: bits() >> 40) - (1 << 23)) / Float(1 << 23) * scale }
  }

  mutating func indices(_ count: Int, below bound: Int) -> [Int32] {
    (0..<count).map { _ in Int32(bits() % UInt64(bound)) }
  }
}
