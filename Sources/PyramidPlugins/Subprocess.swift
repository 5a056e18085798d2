// Runs the compiler: one process, its output in a file (so that no pipe can fill up and block), waited for.

import Glibc
import PyramidFormats

enum Subprocess {
  /// The first executable file of a name in PATH.
  static func find(_ name: String) -> String? {
    let path = FileAccess.environment("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    for folder in path.split(separator: ":") {
      let candidate = "\(folder)/\(name)"
      if FileKind(at: candidate) == .regular, access(candidate, X_OK) == 0 { return candidate }
    }
    return nil
  }

  /// Runs a program to its end with both output streams in the file `output`.
  ///
  /// - Returns: the exit status, `nil` when the program could not be started or was ended by a signal.
  static func run(_ program: String, _ arguments: [String], output: String) -> Int32? {
    var actions = posix_spawn_file_actions_t()
    guard posix_spawn_file_actions_init(&actions) == 0 else { return nil }
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var child = pid_t()
    guard posix_spawn(&child, program, &actions, nil, words, environ) == 0 else { return nil }

    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { return nil }
    }
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : nil
  }
}
