// A file's bytes, mapped read-only: checkpoints are read where they lie, and a tensor that is never read is never paged
// in.
//
// It is separate because it is the only place that opens files for reading, and so the only one that has to refuse
// folders, pipes, devices and empty files.

import Glibc

/// A regular, non-empty file, mapped into memory for as long as the object lives.
///
/// The mapping is private and read-only. As with every mapping, a file that another process shortens meanwhile ends
/// the program with SIGBUS when a lost page is touched, and one that is written over has other bytes from then on
/// (`isChangedInPlace`); this project's own writers replace files by renaming, which is safe, and a copy in memory is safe
/// from everything.
public final class MappedFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The length in bytes, at least 1.
  public let count: Int
  // Sound to share: the pages are read-only and live exactly as long as this object.
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let stamp: FileStamp
  private let isCopy: Bool

  /// Maps the file, or with `copying` reads it into memory; throws when it is missing, unreadable, empty, or not a regular
  /// file.
  public init(path: String, copying: Bool = false) throws(FormatError) {
    func failure(_ problem: String) -> FormatError { FormatError(file: path, problem: problem) }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw FormatError(file: path.printable(limit: 200), problem: "is not a path")
    }
    // Without blocking: a named pipe without a writer would otherwise stop the program here for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(systemProblem("cannot be opened")) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(systemProblem("cannot be examined")) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw failure("is a folder, expected a file") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw failure("is not a regular file") }
    guard let size = Int(exactly: status.st_size), size > 0 else { throw failure("the file is empty") }
    let mapped =
      copying
      ? mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      : mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let base = mapped, base != MAP_FAILED else { throw failure(systemProblem("cannot be mapped")) }
    (self.path, self.count, self.base, isCopy) = (path, size, base, copying)
    stamp = FileStamp(status)
    if copying, !Self.read(descriptor, into: UnsafeMutableRawBufferPointer(start: base, count: size)) {
      throw failure("cannot be read to its end; is it being written?")
    }
    if bytes.starts(with: Self.pointer) {
      throw failure("is a Git LFS pointer, not the file itself; in its repository, run: git lfs pull")
    }
  }

  /// What stands in place of a large file that was not downloaded.
  private static let pointer = Array("version https://git-lfs.github.com/spec/".utf8)

  /// Fills a buffer from the start of a file; false when the file ends early or can't be read.
  private static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, done)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// Whether somebody has written to the very file that is mapped: its bytes may then be anything. False for a copy, and
  /// where the path leads to another file by now, since the old one lives on unseen.
  public var isChangedInPlace: Bool {
    var status = stat()
    guard !isCopy, stat(path, &status) == 0 else { return false }
    let now = FileStamp(status)
    return now.device == stamp.device && now.inode == stamp.inode && now != stamp
  }

  /// All bytes of the file. The pointer is valid while this object is alive, and does not keep it alive: for an object
  /// that nothing else holds, use `withBytes`.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Calls `body` with all bytes of the file; the pointer must not leave it.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  /// Calls `body` with all bytes, piece by piece. None stays resident for it: tensors that nothing reads are summed, too.
  func withPieces(_ body: (UnsafeRawBufferPointer) -> Void) {
    for start in stride(from: 0, to: count, by: 16 << 20) {
      let piece = UnsafeRawBufferPointer(start: base + start, count: min(16 << 20, count - start))
      body(piece)
      // Whoever reads it later gets it back from the file; a copy has none.
      if !isCopy { madvise(base + start, piece.count, MADV_DONTNEED) }
    }
  }

  deinit { munmap(base, count) }
}

/// What tells two states of a file apart.
private struct FileStamp: Equatable {
  let device: UInt
  let inode: UInt
  let size: Int
  let changed: [Int]

  init(_ status: stat) {
    (device, inode, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
    changed = [Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)]
  }
}

/// What a path leads to, symbolic links followed.
public enum FileKind: Sendable {
  /// Nothing, a regular file, a folder, or a pipe, device or socket.
  case missing, regular, folder, other

  /// Looks at the path; anything that cannot be examined counts as missing.
  public init(at path: String) {
    var status = stat()
    guard !path.utf8.contains(0), stat(path, &status) == 0 else {
      self = .missing
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}
