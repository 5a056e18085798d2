// Which paths are opened for reading.

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
