// A private folder for what a comparison makes on its way: compiled models, a checkpoint with a bag of words. A process that
// is asked to end removes its own; one that is killed can't, and the next one does. A folder that is in use is locked, which
// holds between containers, where process ids mean nothing.

import Glibc
import PyramidFormats

/// A new folder; it goes, with the files in it, when the last reference to it does.
package final class ScratchFolder {
  /// Its path.
  package let path: String
  /// The folder that it is in, which is locked: one that is trained into locks itself.
  private let frame: String
  private let lock: Int32

  /// Where folders are made: TMPDIR, or /tmp.
  package static var parent: String {
    let given = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    return given.isEmpty ? "/tmp" : given
  }

  /// Makes a folder in another one.
  package init(in parent: String = ScratchFolder.parent) throws(ComparisonError) {
    Self.sweep(parent)
    var template = Array("\(parent)/\(Self.prefix)\(getpid())-XXXXXX".utf8CString)
    guard let frame = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw ComparisonError("no temporary folder in \(parent): \(String(cString: strerror(errno)))") }
    (self.frame, path) = (frame, frame + "/files")
    lock = open(frame, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    flock(lock, LOCK_EX | LOCK_NB)
    guard mkdir(path, 0o700) == 0 else { throw ComparisonError("\(path): \(String(cString: strerror(errno)))") }
    UnfinishedFiles.add(path, withFiles: true)
    UnfinishedFiles.add(frame)
  }

  deinit {
    Self.remove(frame)
    for name in [path, frame] { UnfinishedFiles.remove(name) }
    if lock >= 0 { close(lock) }
  }

  private static let prefix = "magic-pyramid-"

  /// Removes the folders of this user's processes that were killed, a minute after they were made: a new one is locked only
  /// just after it is made.
  private static func sweep(_ parent: String) {
    for name in Folder.names(in: parent) ?? [] where name.hasPrefix(prefix) {
      let (path, rest) = ("\(parent)/\(name)", name.dropFirst(prefix.count).split(separator: "-"))
      if rest.count == 2, pid_t(rest[0]) != nil, UnfinishedFiles.wasLeft(path, S_IFDIR, after: 60) { remove(path) }
    }
  }

  private static func remove(_ path: String) {
    for name in Folder.names(in: path) ?? [] where unlink("\(path)/\(name)") != 0 && errno == EISDIR {
      remove("\(path)/\(name)")
    }
    rmdir(path)
  }
}
