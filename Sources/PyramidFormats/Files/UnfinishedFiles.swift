// Files with temporary names: where a file system has no files without names, a process that ends half-way leaves one of
// the model's size, elsewhere if it ends between a file's link and its rename. A process that is asked to end removes its
// own; one that is killed can't, and the next writer in the folder does. A file that is still written is locked, which
// holds between containers, where process ids mean nothing.

import Glibc

/// The temporary files and folders of this process.
public enum UnfinishedFiles {
  private struct Slot {
    /// Ends with a NUL.
    var path: UnsafeMutablePointer<CChar>?
    /// Of a folder, what lists it; nobody else reads it.
    var listing: OpaquePointer?
  }
  private static let slotCount = 64
  /// A fixed table, and folders opened beforehand, as a signal handler may neither lock nor allocate.
  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Slot> = {
    let slots = UnsafeMutablePointer<Slot>.allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
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

  /// Removes all files of the process that are not finished, and its folders with the files in them. Async-signal-safe once
  /// `removeAtSignals` was called.
  public static func removeAll() {
    // Twice: a folder goes after those in it.
    for index in 0..<2 * slotCount {
      let slot = slots[index % slotCount]
      if let listing = slot.listing { empty(listing) }
      if let path = slot.path, unlink(path) != 0 { rmdir(path) }
    }
  }

  /// Reading an open stream that is nobody else's allocates nothing.
  private static func empty(_ listing: OpaquePointer) {
    rewinddir(listing)
    while let entry = readdir(listing) {
      withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlinkat(dirfd(listing), $0, 0) }
      }
    }
  }

  /// From now on a signal removes a file, or a folder, of which the files go, too, if it says so.
  package static func add(_ path: String, withFiles: Bool = false) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    // With more files than slots the last ones are left to the next writer.
    guard let index = (0..<slotCount).first(where: { slots[$0].path == nil }) else { return }
    slots[index] = Slot(path: strdup(path), listing: withFiles ? opendir(path) : nil)
  }

  /// From now on a signal leaves it.
  package static func remove(_ path: String) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    for index in 0..<slotCount {
      let slot = slots[index]
      guard let known = slot.path, strcmp(known, path) == 0 else { continue }
      slots[index] = Slot()
      free(known)
      if let listing = slot.listing { closedir(listing) }
      return
    }
  }

  static let prefix = ".mp-", suffix = ".tmp"

  /// Removes what killed processes left in a folder: files with such names that nobody has locked, a minute after they were
  /// written to, since a new one is locked only just after it is made.
  static func sweep(_ folder: String) {
    for name in Folder.names(in: folder) ?? [] where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      if wasLeft("\(folder)/\(name)", S_IFREG, after: 60) { unlink("\(folder)/\(name)") }
    }
  }

  /// Whether a file or a folder, as `kind` says, is one that a process of this user left: nobody has locked it, so many
  /// seconds after it was changed.
  package static func wasLeft(_ path: String, _ kind: mode_t, after seconds: Int) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == kind && status.st_uid == geteuid()
      && status.st_mtim.tv_sec < time(nil) - seconds && flock(descriptor, LOCK_EX | LOCK_NB) == 0
  }
}
