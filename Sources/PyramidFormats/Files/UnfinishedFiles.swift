// Files with temporary names: where a file system has no files without names, a process that ends half-way leaves one of
// the model's size, elsewhere if it ends between a file's link and its rename. A process that is asked to end removes its
// own; one that is killed can't, and the next writer in the folder does. A file that is still written is locked, which
// holds between containers, where process ids mean nothing.

import Glibc

/// The temporary files of this process.
public enum UnfinishedFiles {
  private static let slotCount = 64
  /// Paths that end with a NUL. A fixed table, as a signal handler may neither lock nor allocate.
  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = {
    let slots = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: slotCount)
    slots.initialize(repeating: nil, count: slotCount)
    return slots
  }()
  nonisolated(unsafe) private static var lock = pthread_mutex_t()

  /// From now on SIGINT, SIGTERM and SIGHUP remove the files before they end the process, unless somebody else handles them.
  /// For programs: signals are not a library's.
  public static func removeAtSignals() {
    _ = slots
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      var current = sigaction()
      sigaction(signal, nil, &current)
      guard current.__sigaction_handler.sa_handler == nil else { continue }
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        UnfinishedFiles.removeAll()
        Glibc.signal(number, SIG_DFL)
        raise(number)
      }
      sigaction(signal, &action, nil)
    }
  }

  /// Removes all files of the process that are not finished. Async-signal-safe once `removeAtSignals` was called.
  public static func removeAll() {
    for index in 0..<slotCount { if let path = slots[index] { unlink(path) } }
  }

  static func add(_ path: String) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    // With more files than slots the last ones are left to the next writer.
    for index in 0..<slotCount where slots[index] == nil {
      slots[index] = strdup(path)
      return
    }
  }

  static func remove(_ path: String) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    for index in 0..<slotCount {
      guard let known = slots[index], strcmp(known, path) == 0 else { continue }
      slots[index] = nil
      free(known)
      return
    }
  }

  static let prefix = ".mp-", suffix = ".tmp"

  /// Removes what killed processes left in a folder: files with such names that nobody has locked, a minute after they were
  /// written to, since a new one is locked only just after it is made.
  static func sweep(_ folder: String) {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      // Before a string is made: other files may be many.
      guard entry.pointee.d_name.0 == CChar(UInt8(ascii: ".")) else { continue }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name.utf8.starts(with: prefix.utf8), name.utf8.reversed().starts(with: suffix.utf8.reversed()) else {
        continue
      }
      let path = "\(folder)/\(name)"
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
        status.st_mtim.tv_sec < time(nil) - 60, flock(descriptor, LOCK_EX | LOCK_NB) == 0
      else { continue }
      unlink(path)
    }
  }
}
