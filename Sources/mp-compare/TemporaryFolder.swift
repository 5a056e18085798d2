// A private folder for files that need a name only for a moment.

import Glibc
import MagicPyramid

/// A folder that lives as long as a closure runs.
enum TemporaryFolder {
  /// Runs `body` with the path of a new folder, which only this user can read, in TMPDIR or else /tmp; removes the
  /// folder and its files when `body` returns or throws.
  static func with<Result>(_ body: (_ path: String) throws -> Result) throws -> Result {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    var template = Array(((parent.isEmpty ? "/tmp" : parent) + "/mp-compare-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      let reason = String(cString: strerror(errno))
      throw OutputError(file: "no temporary folder in \(parent.isEmpty ? "/tmp" : parent)", problem: reason)
    }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { remove(path) }
    return try body(path)
  }

  private static func remove(_ path: String) {
    if let stream = opendir(path) {
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(stream)
    }
    rmdir(path)
  }
}
