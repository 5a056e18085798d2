// Memory that is taken when an executor is made and given back when it goes: anonymous mappings, touched only as far as
// a batch needs, so that a large bound costs address space and not memory.

import Glibc

/// Pieces of memory that live as long as the arena. They start zeroed and at a page.
final class Arena {
  private var pieces: [UnsafeMutableRawBufferPointer] = []

  /// A new piece of `count` elements. Sizes come from a file: one that can't be mapped is an error, not a trap.
  func take<T>(_ type: T.Type, _ count: Int) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    let length = isTooMuch ? .max : max(bytes, 1)
    let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw RuntimeError("can't map \(length) bytes for buffers: \(String(cString: strerror(errno)))")
    }
    pieces.append(UnsafeMutableRawBufferPointer(start: mapped, count: length))
    return mapped.bindMemory(to: T.self, capacity: count)
  }

  deinit { for piece in pieces { munmap(piece.baseAddress, piece.count) } }
}
