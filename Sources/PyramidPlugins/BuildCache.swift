// Built plugins are kept under the hash of everything they were built from. An entry is a folder that is made under
// another name and renamed when complete, so that two processes never see half an entry; it carries a seal with the
// hash of each file, so that a damaged one is noticed and built again.

import Glibc
import PyramidFormats

struct BuildCache {
  /// The folder of all entries.
  let root: String
  /// Whether `root` is a temporary folder of this process, which is not read again.
  let isTemporary: Bool

  /// The user's cache: `$XDG_CACHE_HOME/magic-pyramid`, else `~/.cache/magic-pyramid`, else a private temporary folder.
  /// A folder that others may write to is passed over with a word, as its content would be run. What killed builds left goes.
  static func open() -> BuildCache? {
    let temporary = FileAccess.environment("TMPDIR") ?? "/tmp"
    sweep(temporary, for: ["magic-pyramid-"])
    // A home that is not there is nobody's: daemons have such names in place of one.
    let home = FileAccess.environment("HOME").flatMap { FileKind(at: $0) == .folder ? "\($0)/.cache" : nil }
    for base in [FileAccess.environment("XDG_CACHE_HOME"), home] {
      guard let base, base.utf8.first == UInt8(ascii: "/") else { continue }
      let root = "\(base)/magic-pyramid"
      guard FileAccess.makeDirectories(root) else { continue }
      guard isOurs(root) else {
        let problem = "is another user's, or others may write to it, or you may not: plugins are not kept there"
        var note = "\(root.printable(limit: 200)): \(problem); chmod 700, or set XDG_CACHE_HOME to another folder\n"
        note.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        continue
      }
      sweep(root, for: [".work-", ".old-"])
      return BuildCache(root: root, isTemporary: false)
    }
    return FileAccess.makePrivateDirectory("\(temporary)/magic-pyramid-").map {
      BuildCache(root: $0, isTemporary: true)
    }
  }

  /// The folder of the entry `name`, which holds `files`; `build` makes them in an empty folder when there is no intact
  /// entry.
  ///
  /// - Returns: `nil` when the cache cannot be written. Errors of `build` pass through.
  func entry<Failure: Error>(
    _ name: String, files: [String], build: (_ folder: String) throws(Failure) -> Void
  ) throws(Failure) -> String? {
    let entry = "\(root)/\(name)"
    if isIntact(entry, files) { return entry }
    guard let work = FileAccess.makePrivateDirectory("\(root)/.work-") else { return nil }
    defer { FileAccess.removeDirectory(work) }
    try build(work)
    guard let seal = FileAccess.checksums(of: files, in: work),
      FileAccess.write(Array(seal.utf8), to: "\(work)/seal"), publish(work, as: entry, files)
    else { return nil }
    return entry
  }

  /// Renames a complete folder into place. If another process was first, its entry stands; a damaged one makes way.
  private func publish(_ work: String, as entry: String, _ files: [String]) -> Bool {
    for _ in 0..<4 {
      if rename(work, entry) == 0 { return true }
      guard errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR else { return false }
      if isIntact(entry, files) { return true }
      guard let aside = FileAccess.makePrivateDirectory("\(root)/.old-") else { return false }
      _ = rename(entry, "\(aside)/entry")
      FileAccess.removeDirectory(aside)
    }
    return false
  }

  private func isIntact(_ entry: String, _ files: [String]) -> Bool {
    guard let seal = FileAccess.read("\(entry)/seal") else { return false }
    return FileAccess.checksums(of: files, in: entry).map { Array($0.utf8) } == seal
  }

  /// Removes this user's folders of such names, each with six characters more, an hour after anything was made in them: no
  /// build takes that long.
  private static func sweep(_ folder: String, for prefixes: [String]) {
    for name in FileAccess.names(in: folder) where prefixes.contains(String(name.dropLast(6))) {
      let path = "\(folder)/\(name)"
      if UnfinishedFiles.wasLeft(path, S_IFDIR, after: 3600) { FileAccess.removeDirectory(path) }
    }
  }

  private static func isOurs(_ folder: String) -> Bool {
    var status = stat()
    return stat(folder, &status) == 0 && status.st_uid == geteuid() && status.st_mode & 0o022 == 0
      && access(folder, W_OK | X_OK) == 0
  }
}
