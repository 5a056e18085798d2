// Where a number was measured: without it a wall-clock time says nothing. Read from the kernel's own text files.

import PyramidFormats

/// The machine and the share of it that a measurement used.
public struct MachineDescription: Sendable, Equatable {
  /// The CPU's model name.
  public var cpu: String
  /// CPUs that the process may run on.
  public var cores: Int
  /// Threads that computed.
  public var threads: Int
  /// Kernels that ran, such as `avx512`.
  public var instructionSet: String

  /// This machine; what the kernel doesn't tell is `unknown CPU` and as many cores as threads.
  public static func current(threads: Int, instructionSet: String) -> MachineDescription {
    let cpu = value(of: "model name", in: "/proc/cpuinfo").map { $0.printable(limit: 100) }
    let cores = value(of: "Cpus_allowed_list", in: "/proc/self/status").flatMap(count(ofList:))
    return MachineDescription(
      cpu: cpu ?? "unknown CPU", cores: cores ?? threads, threads: threads, instructionSet: instructionSet)
  }

  /// The text after the first `key:` of a file of such lines, without spaces around it; nil when there is none.
  static func value(of key: String, in path: String) -> String? {
    guard let reader = try? LineReader(path: path, limit: 1 << 16) else { return nil }
    while let line = try? reader.next() {
      guard case .bytes(let bytes) = line else { continue }
      let parts = bytes.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, parts[0].trimmed == key { return parts[1].trimmed.isEmpty ? nil : parts[1].trimmed }
    }
    return nil
  }

  /// The number of CPUs in a list such as `0-3,8`; nil when it is none.
  static func count(ofList list: String) -> Int? {
    var count = 0
    for range in list.split(separator: ",") {
      let ends = range.split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, 0 <= first, first <= last,
        last < 1 << 20
      else { return nil }
      count += last - first + 1
    }
    return count == 0 ? nil : count
  }
}

extension UInt8 {
  /// Whether it is white space of ASCII.
  package var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

extension ArraySlice<UInt8> {
  /// The text without white space around it.
  package var trimmed: String {
    let kept = drop(while: \.isSpace)
    return String(decoding: kept[..<(kept.lastIndex { !$0.isSpace }.map { $0 + 1 } ?? kept.startIndex)], as: UTF8.self)
  }
}
