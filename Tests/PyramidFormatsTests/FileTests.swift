// Which paths are opened for reading, and what is left of files that were being written.

import Glibc
import PyramidFormats
import Testing

@Suite struct `Mapped file` {
  @Test func `Only regular files are opened, and a pipe does not block`() throws {
    let folder = try TemporaryFolder()
    try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
    for (path, problem) in [
      (folder.path("pipe"), "is not a regular file"), ("/dev/null", "is not a regular file"),
      (folder.path, "is a folder, expected a file"),
      (folder.path("absent"), "cannot be opened: no such file or folder"),
      ("", "is not a path"), ("a\u{0}b", "is not a path"),
    ] {
      let error = #expect(throws: FormatError.self) { try MappedFile(path: path) }
      #expect(error?.problem == problem)
    }
  }
}

@Suite struct `Checksum of files` {
  /// KiB of a mapped file that are resident, by what the kernel says of this process.
  private func resident(_ name: String) throws -> Int {
    let reader = try LineReader(path: "/proc/self/smaps")
    var isMapping = false
    while case .bytes(let bytes)? = try reader.next() {
      let line = String(decoding: bytes, as: UTF8.self)
      if line.hasSuffix(name) { isMapping = true }
      guard isMapping, line.hasPrefix("Rss:") else { continue }
      return try #require(Int(line.split(separator: " ")[1]))
    }
    throw FormatError(file: name, problem: "is not mapped")
  }

  @Test func `What is only summed does not stay in memory`() throws {
    let folder = try TemporaryFolder()
    let name = "hole-\(UInt64.random(in: .min ... .max))"
    // Two pieces, the second a short one.
    let size = 17 << 20 + 1
    let header = Array(#"{"hog":{"dtype":"U8","shape":[\#(size)],"data_offsets":[0,\#(size)]}}"#.utf8)
    try folder.write(name, withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header)
    try #require(truncate(folder.path(name), 8 + header.count + size) == 0)
    let file = try SafetensorsFile(path: folder.path(name))
    let sum = Checksum.sha256(ofFiles: [file])
    #expect(try resident(name) < 1 << 10)
    #expect(sum == file.file.withBytes { Checksum.sha256(of: $0) })
    #expect(try resident(name) > 16 << 10)
    #expect(try sum == Checksum.sha256(ofFiles: [SafetensorsFile(path: file.path, copying: true)]))
  }
}

@Suite struct `Output file` {
  /// Between its link and its rename a file has a temporary name wherever it lies: who is killed there leaves it.
  @Test func `The next in a folder removes what killed processes left, and nothing that is still written`() throws {
    let folder = try TemporaryFolder()
    let hourAgo = timeval(tv_sec: time(nil) - 3600, tv_usec: 0)
    var held: Int32 = -1
    for name in [".mp-1-left.tmp", ".mp-1-held.tmp", ".mp-1-other.txt"] {
      let file = open(folder.path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
      try #require(file >= 0 && utimes(folder.path(name), [hourAgo, hourAgo]) == 0)
      if name.contains("held") { held = file } else { close(file) }
    }
    defer { close(held) }
    try #require(flock(held, LOCK_EX | LOCK_NB) == 0)
    try OutputFile.write("text", to: folder.path("a"))
    #expect(folder.names == [".mp-1-held.tmp", ".mp-1-other.txt", "a"])
  }

  @Test func `One is locked until it has its name`() throws {
    let folder = try TemporaryFolder()
    let file = try OutputFile(path: folder.path("a"))
    let other = open(file.temporaryPath, O_RDONLY | O_CLOEXEC)
    try #require(other >= 0)
    defer { close(other) }
    #expect(flock(other, LOCK_EX | LOCK_NB) != 0)
    try file.commit()
    #expect(flock(other, LOCK_EX | LOCK_NB) == 0)
  }
}
