// A folder that a test writes into and that disappears with the test.

import Glibc
import PyramidFormats

/// A fresh folder; it and what lies in it are removed when the last reference to it goes.
public final class TemporaryFolder: Sendable {
  /// Its path.
  public let path: String

  /// Makes a folder. Throws when it can't be made.
  public init() throws {
    let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    path = "\(root)/pyramid-tests-\(getpid())-\(UInt64.random(in: .min ... .max))"
    guard mkdir(path, 0o700) == 0 else { throw FormatError(file: path, problem: String(cString: strerror(errno))) }
  }

  /// The path of a file in the folder.
  public func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Makes a folder in the folder and returns its path; `name` may have several components.
  @discardableResult
  public func makeFolder(_ name: String) throws -> String {
    var current = path
    for part in name.split(separator: "/") {
      current += "/" + part
      guard mkdir(current, 0o700) == 0 || errno == EEXIST else {
        throw FormatError(file: current, problem: String(cString: strerror(errno)))
      }
    }
    return current
  }

  /// Writes a file and returns its path.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = try OutputFile(path: path(name))
    try file.write(bytes)
    try file.commit()
    return path(name)
  }

  /// Writes a text file and returns its path.
  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { remove("\(path)/\(name)") }
      }
      closedir(folder)
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}
