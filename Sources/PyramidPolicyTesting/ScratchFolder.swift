// A private folder for what a comparison makes on its way: compiled models, a checkpoint with a bag of words.

import Glibc

/// A new folder; it goes, with the files in it, when the last reference to it does.
package final class ScratchFolder {
  /// Its path.
  package let path: String

  /// Makes a folder in TMPDIR, or in /tmp.
  package init() throws(ComparisonError) {
    let given = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let parent = given.isEmpty ? "/tmp" : given
    var template = Array("\(parent)/magic-pyramid-XXXXXX".utf8CString)
    guard let path = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw ComparisonError("no temporary folder in \(parent): \(String(cString: strerror(errno)))") }
    self.path = path
  }

  deinit {
    if let entries = opendir(path) {
      while let entry = readdir(entries) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(entries)
    }
    rmdir(path)
  }
}
