// The few file operations that compiling and caching a plugin need, on plain C calls: Foundation would cost each tool
// several milliseconds of start-up. Everything reports failure as a value; callers know which file they name.

import Glibc

enum FileAccess {
  enum Kind: Equatable {
    case file(size: Int)
    case directory
    case other
  }

  /// What a path leads to, links followed; `nil` when nothing is there.
  static func kind(of path: String) -> Kind? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file(size: Int(status.st_size))
    case S_IFDIR: return .directory
    default: return .other
    }
  }

  /// The bytes of a regular file, `nil` when it cannot be read or has more than `limit` bytes.
  static func read(_ path: String, limit: Int) -> [UInt8]? {
    guard case .file(let size)? = kind(of: path), size <= limit else { return nil }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
      let count = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress! + filled, size - filled)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return nil }
      filled += count
    }
    return bytes
  }

  /// Writes a new file; `false` when that fails, in which case a part of it may be left.
  static func write(_ bytes: [UInt8], to path: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      written += count
    }
    return close(descriptor) == 0 && written == bytes.count
  }

  /// Names in a directory, sorted, without `.` and `..`.
  static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a directory and those above it; `false` when one cannot be made.
  static func makeDirectories(_ path: String) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    if errno == EEXIST { return kind(of: path) == .directory }
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
