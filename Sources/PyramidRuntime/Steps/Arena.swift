// Memory that is taken when an executor is made and given back when it goes: anonymous mappings, touched only as far as
// a batch needs, so that a large bound costs address space and not memory.
//
// In a debug build every piece ends at a page that traps, so that all tests of the engine are tests for writes and reads past
// a buffer's end, by Swift and C alike; only the padding to 64 bytes, which kernels ask for, is not seen.

import Glibc

/// Pieces of memory that live as long as the arena. They start zeroed, at a multiple of 64 bytes.
final class Arena {
  private var pieces: [UnsafeMutableRawBufferPointer] = []

  /// Whether pieces end at a page that traps: in debug builds, unless MP_GUARD is 0.
  static let isGuarded: Bool = {
    #if DEBUG
      return getenv("MP_GUARD").map { String(cString: $0) } != "0"
    #else
      return false
    #endif
  }()
  private static let page = 4096

  /// A new piece of `count` elements. Sizes come from a file: one that can't be mapped is an error, not a trap.
  func take<T>(_ type: T.Type, _ count: Int) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    let length = isTooMuch || bytes > .max / 2 ? .max : max(bytes, 1)
    // Whole pages, and one more for the guard.
    let mappedLength = Self.isGuarded && length < .max ? (length + 2 * Self.page - 1) / Self.page * Self.page : length
    let mapped = mmap(nil, mappedLength, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw RuntimeError("can't map \(length) bytes for buffers: \(String(cString: strerror(errno)))")
    }
    pieces.append(UnsafeMutableRawBufferPointer(start: mapped, count: mappedLength))
    guard Self.isGuarded else { return mapped.bindMemory(to: T.self, capacity: count) }
    let end = mappedLength - Self.page
    guard mprotect(mapped + end, Self.page, PROT_NONE) == 0 else {
      throw RuntimeError("can't guard \(length) bytes: \(String(cString: strerror(errno)))")
    }
    return (mapped + (end - (length + 63) / 64 * 64)).bindMemory(to: T.self, capacity: count)
  }

  deinit { for piece in pieces { munmap(piece.baseAddress, piece.count) } }
}
