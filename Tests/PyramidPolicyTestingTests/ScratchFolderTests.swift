// What is left of a comparison's temporary folders, however its process ends, and what is left alone.

import Glibc
import PyramidFormats
import PyramidPolicyTesting
import PyramidTestSupport
import Testing

@Suite struct `A scratch folder` {
  /// No process has such a number; one in another container that shares the folder may have any.
  @Test func `is made where those that killed processes left go, and those that are held stay`() throws {
    let parent = try TemporaryFolder()
    let (left, held) = ("magic-pyramid-4194305-killed", "magic-pyramid-4194305-inside")
    let minutesAgo = timeval(tv_sec: time(nil) - 600, tv_usec: 0)
    for name in [left, held] {
      try parent.makeFolder(name + "/files")
      try parent.write(name + "/files/model.mpc", "of a process")
      try #require(utimes(parent.path(name), [minutesAgo, minutesAgo]) == 0)
    }
    let holder = open(parent.path(held), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(holder) }
    try #require(flock(holder, LOCK_EX | LOCK_NB) == 0)
    do {
      let folder = try ScratchFolder(in: parent.path)
      #expect(access(parent.path(left), F_OK) != 0)
      // Who trains into it locks it.
      let trainer = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      defer { close(trainer) }
      try withExtendedLifetime(folder) { try #require(flock(trainer, LOCK_EX | LOCK_NB) == 0) }
    }
    #expect(access(parent.path(held + "/files/model.mpc"), F_OK) == 0)
    #expect(try Folder(path: parent.path).entries == [held])
  }

  @Test func `goes when a signal ends its process`() async throws {
    let parent = scratchParent(of: getpid())
    try #require(mkdir(parent, 0o700) == 0)
    await #expect(processExitsWith: .exitCode(7)) {
      let folder = try ScratchFolder(in: scratchParent(of: getppid()))
      try OutputFile.write("text", to: folder.path + "/model.mpc")
      // As the handler of a signal does.
      UnfinishedFiles.removeAll()
      withExtendedLifetime(folder) { _exit(7) }
    }
    #expect(rmdir(parent) == 0)
  }
}

/// A folder that a test and the process that it starts know by the test's process.
private func scratchParent(of process: pid_t) -> String { "/tmp/pyramid-scratch-\(process)" }
