// A file that appears whole or not at all: written without a name in the same folder, flushed, named and renamed, so that a
// process which is killed on the way leaves nothing behind. Where a file system has no files without names, it has a
// temporary one.
//
// It is separate because every writer of the project needs it: a program that is stopped half-way must leave neither a
// truncated model where a good one was nor a mapping of a file that changes under its reader.

import Glibc

/// A file being written; it takes its name on `commit`, and is removed when that is never called.
public final class OutputFile {
  /// The path that the file will have.
  public let path: String
  /// Where its content can be read until then.
  public var temporaryPath: String { isNamed ? temporaryName : "/proc/self/fd/\(descriptor)" }
  private let temporaryName: String
  private var isNamed = false
  private var descriptor: Int32

  /// Starts a file beside `path`. A symbolic link at `path` will be replaced by the file.
  /// Throws when `path` is a folder or a device, or its folder cannot be written.
  public init(path: String) throws(OutputError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw OutputError(file: path.printable(limit: 200), problem: "is not a path")
    }
    switch FileKind(at: path) {
    case .folder: throw OutputError(file: path, problem: "is a folder, expected a file")
    case .other: throw OutputError(file: path, problem: "is not a regular file")
    case .missing, .regular: break
    }
    self.path = path
    let folder = OutputFile.folder(of: path)
    let random = String(UInt64.random(in: .min ... .max), radix: 36)
    temporaryName = "\(folder)/\(UnfinishedFiles.prefix)\(getpid())-\(random)\(UnfinishedFiles.suffix)"
    // O_TMPFILE, whose macro Swift does not import.
    descriptor = open(folder, O_WRONLY | 0o20000000 | O_DIRECTORY | O_CLOEXEC, 0o666)
    if descriptor >= 0, access("/proc/self/fd/\(descriptor)", F_OK) != 0 {
      close(descriptor)
      descriptor = -1
    }
    UnfinishedFiles.sweep(folder)
    if descriptor < 0 {
      UnfinishedFiles.add(temporaryName)
      descriptor = open(temporaryName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      isNamed = descriptor >= 0
    }
    // A file without a name has one for a moment, too, between its link and its rename.
    if descriptor >= 0 { flock(descriptor, LOCK_EX | LOCK_NB) }
    guard descriptor >= 0 else {
      let problem = systemProblem("cannot be created")
      UnfinishedFiles.remove(temporaryName)
      throw OutputError(file: path, problem: problem)
    }
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(OutputError) {
    var rest = bytes
    while let base = rest.baseAddress, rest.count > 0 {
      let written = Glibc.write(descriptor, base, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw OutputError(file: path, problem: systemProblem("cannot be written")) }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Appends a string as UTF-8.
  public func write(_ text: String) throws(OutputError) { try write(Array(text.utf8)) }

  /// Appends an array of bytes.
  public func write(_ bytes: [UInt8]) throws(OutputError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(OutputError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Flushes the file to disk and gives it its name, replacing what was there.
  public func commit() throws(OutputError) {
    guard fsync(descriptor) == 0 else {
      throw OutputError(file: path, problem: systemProblem("cannot be flushed to disk"))
    }
    // A link can't replace a file, a rename can.
    if !isNamed { UnfinishedFiles.add(temporaryName) }
    isNamed = isNamed || linkat(AT_FDCWD, temporaryPath, AT_FDCWD, temporaryName, AT_SYMLINK_FOLLOW) == 0
    guard isNamed, rename(temporaryName, path) == 0 else {
      throw OutputError(file: path, problem: systemProblem("cannot be put in place"))
    }
    isNamed = false
    UnfinishedFiles.remove(temporaryName)
    close(descriptor)
    descriptor = -1
    // The name is durable only when the folder is; failing to flush it is not worth failing for.
    let folder = open(OutputFile.folder(of: path), O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// Writes a whole text file.
  public static func write(_ text: String, to path: String) throws(OutputError) {
    let file = try OutputFile(path: path)
    try file.write(text)
    try file.commit()
  }

  /// Opens what the process was started without of standard input, output and error, or a file that it opens would take
  /// the place, and notes would land in it. Reading there and writing stay errors. For programs, before anything else.
  public static func keepStandardDescriptors() {
    for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if isNamed { unlink(temporaryName) }
    UnfinishedFiles.remove(temporaryName)
  }

  /// The folder that a file lies in.
  package static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
