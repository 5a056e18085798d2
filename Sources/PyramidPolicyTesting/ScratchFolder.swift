// A private folder for what a comparison makes on its way: compiled models, a checkpoint with a bag of words. A process that
// is killed can't remove its own; the next one does.

import Glibc

/// A new folder; it goes, with the files in it, when the last reference to it does.
package final class ScratchFolder {
  /// Its path.
  package let path: String

  /// Makes a folder in TMPDIR, or in /tmp.
  package init() throws(ComparisonError) {
    let given = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let parent = given.isEmpty ? "/tmp" : given
    Self.sweep(parent)
    var template = Array("\(parent)/\(Self.prefix)\(getpid())-XXXXXX".utf8CString)
    guard let path = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw ComparisonError("no temporary folder in \(parent): \(String(cString: strerror(errno)))") }
    self.path = path
  }

  deinit { Self.remove(path) }

  private static let prefix = "magic-pyramid-"

  /// Removes the folders of this user's processes that were killed.
  private static func sweep(_ parent: String) {
    for name in names(in: parent) where name.hasPrefix(prefix) {
      let rest = name.dropFirst(prefix.count).split(separator: "-")
      var status = stat()
      guard rest.count == 2, let process = pid_t(rest[0]), process > 0, kill(process, 0) != 0, errno == ESRCH,
        lstat("\(parent)/\(name)", &status) == 0, status.st_uid == getuid(), status.st_mode & S_IFMT == S_IFDIR
      else { continue }
      remove("\(parent)/\(name)")
    }
  }

  private static func remove(_ path: String) {
    for name in names(in: path) { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  private static func names(in path: String) -> [String] {
    guard let entries = opendir(path) else { return [] }
    defer { closedir(entries) }
    var names: [String] = []
    while let entry = readdir(entries) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
