// All buffers of an executor in one anonymous mapping: sized once from the memory plan and the admitted batch, touched
// only as far as a batch needs, so a large bound costs address space, not memory.

import Glibc
import PyramidIR

/// One mapping, handed out in 64-byte aligned pieces.
final class Arena: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let size: Int
  private var used = 0

  /// Maps `size` bytes.
  init(size: Int) throws(RuntimeError) {
    let length = max(size, 4096)
    let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw RuntimeError("can't map \(length) bytes for buffers: \(String(cString: strerror(errno)))")
    }
    base = mapped
    self.size = length
  }

  deinit { munmap(base, size) }

  /// Bytes that `count` elements take in the arena.
  static func bytes<T>(_ type: T.Type, _ count: Int) -> Int { (count * MemoryLayout<T>.stride + 63) / 64 * 64 }

  /// The next piece. Running out is a mistake in the executor's sum, not in its input.
  func take<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    let bytes = Self.bytes(type, count)
    precondition(used + bytes <= size, "arena of \(size) bytes is too small")
    defer { used += bytes }
    return (base + used).bindMemory(to: T.self, capacity: count)
  }
}
