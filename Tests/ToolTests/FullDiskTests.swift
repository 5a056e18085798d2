// What the tools do where there is no room and no file without a name, and where nobody takes what is written. A file
// system of a test's own takes the right to mount one; where a machine does not give it (most containers do not), those
// tests are skipped.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct FullDiskTests {
  /// What gives a process mounts of its own: as root, else as root of a namespace.
  private static let namespaces: [String]? = [["-m"], ["-rm"]].first { options in
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["unshare"] + options + ["mount", "-t", "tmpfs", "none", "/mnt"]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    guard (try? process.runLimited()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  static var mayMount: Bool { namespaces != nil }

  /// What a shell says that has mounts of its own.
  private func shell(_ script: String, _ arguments: [String], mounts: Bool = true) throws -> ToolResult {
    let scratch = try Scratch()
    let (output, notes) = (try scratch.write("output", ""), try scratch.write("notes", ""))
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let shell = ["bash", "-c", script, "bash"] + arguments
    process.arguments = mounts ? ["unshare"] + (try #require(Self.namespaces)) + shell : shell
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: notes)
    try process.runLimited()
    process.waitUntilExit()
    return ToolResult(
      output: try String(contentsOfFile: output, encoding: .utf8),
      notes: try String(contentsOfFile: notes, encoding: .utf8), code: process.terminationStatus)
  }

  @Test func `Answers that nobody takes are an error, in one line`() throws {
    let model = try Models.entry.get()
    for format in ["jsonl", "csv", "pretty"] {
      let result = try shell(
        #"exec "$1" "$2" --quiet --format "$3" "A text." >/dev/full"#, [Tool.run.url.path, model, format], mounts: false
      )
      #expect(result.code == 1 && result.notes.contains("No space left"), "\(format): \(result.notes)")
      #expect(result.notes.split(separator: "\n").count == 1, "\(format): \(result.notes)")
    }
  }

  @Test(.enabled(if: mayMount, "a file system of one's own takes the right to mount one"))
  func `A full disk is an error that names the file, and nothing is left on it`() throws {
    let scratch = try Scratch()
    let model = try Models.entry.get()
    // 64 KiB hold no model; the second disk is full to the last page.
    let compiled = try shell(
      #"mount -t tmpfs -o size=64k none "$1" && "$2" "$3" -o "$1/m.mpc" --quiet; echo $?; ls -A "$1""#,
      [scratch.folder, Tool.compile.url.path, Models.checkpoint])
    #expect(compiled.output == "1\n", "\(compiled.notes)")
    #expect(compiled.notes.contains("m.mpc: cannot be written: No space left"), "\(compiled.notes)")
    let full = #"mount -t tmpfs -o size=8k none "$1" && { head -c 100000 /dev/zero >"$1/all" 2>/dev/null; "#
    for (option, name) in [("--write-profile", "p.json"), ("--pyramid", "p.svg")] {
      let result = try shell(
        full + #""$2" "$3" --quiet "A text." "$4" "$1/$5" >/dev/null; echo $?; ls -A "$1"; }"#,
        [scratch.folder, Tool.run.url.path, model, option, name])
      #expect(result.output == "1\nall\n", "\(result.notes)")
      #expect(result.notes.contains("\(name): cannot be "), "\(result.notes)")
      #expect(result.notes.contains("No space left"), "\(result.notes)")
    }
  }

  @Test(.enabled(if: mayMount, "a file system of one's own takes the right to mount one"))
  func `Where all sources of the SDK can be changed by others, no plugin is compiled`() throws {
    let scratch = try Scratch()
    let (plugin, sources) = (try scratch.write("lead.swift", PluginTests.lead), scratch.path("sources"))
    let result = try shell(
      #"cp -r "$1" "$2" && chmod go+w "$2" && mount --bind "$2" "$1" && exec "$3" "$4" --emit ir --plugin "$5""#,
      [Models.root + "/Sources/PyramidPolicy", sources, Tool.compile.url.path, Models.checkpoint, plugin])
    #expect(result.code == 1 && result.output.isEmpty, "\(result.notes)")
    #expect(result.notes.contains("the sources of PyramidPolicy could be changed by other users"), "\(result.notes)")
    #expect(result.notes.contains("chmod go-w"), "\(result.notes)")
  }

  /// Without /proc/self/fd a file without a name can't be given one, and the way is taken that a file system takes which has no
  /// such files.
  @Test(.enabled(if: mayMount, "a file system of one's own takes the right to mount one"))
  func `Without files that have no name, one has a temporary name, and what a killed process left goes`() throws {
    let scratch = try Scratch()
    let reference = scratch.path("reference.mpc")
    #expect(try Tool.compile(Models.entryCheckpoint, "-o", reference, "--quiet").code == 0)
    let folder = scratch.path("models")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let (old, new, other) = (".mp-1-old.tmp", ".mp-1-new.tmp", ".mp-1-other.txt")
    for name in [old, new, other] { _ = try scratch.write("models/" + name, "left") }
    for name in [old, other] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: folder + "/" + name)
    }
    let result = try shell(
      #"mount -t tmpfs none /proc/$$/fd && exec "$1" "$2" -o "$3/m.mpc" --quiet --skip-check"#,
      [Tool.compile.url.path, Models.entryCheckpoint, folder])
    #expect(result.code == 0, "\(result.notes)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [new, other, "m.mpc"].sorted())
    #expect(
      FileManager.default.contentsEqual(atPath: folder + "/m.mpc", andPath: reference),
      "the artefact depends on how it is written")
    // And on a full disk that way, too, nothing is left.
    let full = try shell(
      #"mount -t tmpfs -o size=64k none "$3"; "#
        + #"bash -c 'mount -t tmpfs none /proc/$$/fd && exec "$@"' bash "$1" "$2" -o "$3/m.mpc" --quiet; "#
        + #"echo $?; ls -A "$3""#,
      [Tool.compile.url.path, Models.checkpoint, folder])
    #expect(full.output == "1\n" && full.notes.contains("No space left"), "\(full.notes)")
  }
}
