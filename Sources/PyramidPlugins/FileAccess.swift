// The few file operations that compiling and caching a plugin need, on plain C calls and the formats' files: Foundation
// would cost each tool several milliseconds of start-up. Everything reports failure as a value; callers know which file
// they name.

import Glibc
import PyramidFormats

enum FileAccess {
  /// The first `limit` bytes of a regular file, `nil` when it cannot be read.
  static func read(_ path: String, first limit: Int = .max) -> [UInt8]? {
    if let file = try? MappedFile(path: path) { return file.withBytes { Array($0.prefix(limit)) } }
    // Nothing of an empty file can be mapped.
    return FileKind(at: path) == .regular && access(path, R_OK) == 0 ? [] : nil
  }

  /// A line "SHA-256 name" for each of the files `names` of a folder; `nil` when one is empty or cannot be read.
  static func checksums(of names: [String], in folder: String) -> String? {
    var lines = ""
    for name in names {
      guard let file = try? MappedFile(path: "\(folder)/\(name)") else { return nil }
      lines += "\(file.withBytes { Checksum.sha256(of: $0) }) \(name)\n"
    }
    return lines
  }

  /// Writes a file; `false` when that fails, in which case there is none.
  static func write(_ bytes: [UInt8], to path: String) -> Bool {
    do {
      let file = try OutputFile(path: path)
      try file.write(bytes)
      try file.commit()
      return true
    } catch {
      return false
    }
  }

  /// Names in a directory, sorted, without `.` and `..`.
  static func names(in directory: String) -> [String] { (Folder.names(in: directory) ?? []).sorted() }

  /// Makes a directory and those above it; `false` when one cannot be made.
  static func makeDirectories(_ path: String) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    if errno == EEXIST { return FileKind(at: path) == .folder }
    guard errno == ENOENT, let parent = parent(of: path), makeDirectories(parent) else { return false }
    return mkdir(path, 0o700) == 0 || errno == EEXIST
  }

  /// A new private directory beside or in others: `prefix` and six random characters.
  static func makePrivateDirectory(_ prefix: String) -> String? {
    var template = Array("\(prefix)XXXXXX".utf8CString)
    return template.withUnsafeMutableBufferPointer { buffer in
      mkdtemp(buffer.baseAddress!).map { String(cString: $0) }
    }
  }

  /// Removes a directory with everything in it; links are removed, not followed.
  static func removeDirectory(_ path: String) {
    for name in names(in: path) where unlink("\(path)/\(name)") != 0 && errno == EISDIR {
      removeDirectory("\(path)/\(name)")
    }
    rmdir(path)
  }

  /// Whether a path belongs to this user, or to root, and nobody else may write to it.
  static func isOursOrSystem(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0)
      && status.st_mode & 0o022 == 0
  }

  /// Whether the file system of a path has no room left.
  static func isFull(_ path: String) -> Bool {
    var status = statvfs()
    return statvfs(path, &status) == 0 && (status.f_bavail == 0 || status.f_files > 0 && status.f_favail == 0)
  }

  /// The absolute path with links resolved; `nil` when there is no such file.
  static func resolve(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The folder of a path; `nil` at the root.
  static func parent(of path: String) -> String? {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), path.utf8.count > 1 else { return nil }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
  }

  /// The value of an environment variable; `nil` when unset or empty.
  static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }
}
