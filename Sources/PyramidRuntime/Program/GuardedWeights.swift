// For tests: copies of weights that end at a page that traps, as the buffers of a debug build do. In the mapped file a weight
// is followed by the next one, and a kernel that reads past its end reads numbers.

import Glibc

/// Copies of weights, made once each. Debug builds make them when MP_GUARD is `weights`.
final class GuardedWeights: @unchecked Sendable {
  private let lock = Lock()
  private let arena = Arena()
  private var copies: [String: UnsafePointer<Float>] = [:]

  /// Nil unless weights are to be guarded.
  init?() {
    guard Arena.isGuarded, let wish = getenv("MP_GUARD"), String(cString: wish) == "weights" else { return nil }
  }

  /// A copy of the bytes of the weight of a name.
  func copy(of name: String, _ bytes: UnsafeRawBufferPointer) throws -> UnsafePointer<Float> {
    lock.lock()
    defer { lock.unlock() }
    if let known = copies[name] { return known }
    let copy = UnsafeMutableRawPointer(try arena.take(UInt8.self, bytes.count))
    copy.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    let start = UnsafePointer(copy.assumingMemoryBound(to: Float.self))
    copies[name] = start
    return start
  }
}
