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

  /// This machine, of which the process may use `cores` CPUs; what the kernel doesn't tell is `unknown CPU`.
  public static func current(cores: Int, threads: Int, instructionSet: String) -> MachineDescription {
    let cpu = value(of: "model name", in: "/proc/cpuinfo").map { $0.printable(limit: 100) }
    return MachineDescription(
      cpu: cpu ?? "unknown CPU", cores: cores, threads: threads, instructionSet: instructionSet)
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
