// Each way in which a file fails to be a plugin gives its own error, and each error is one line that names the file.

import Glibc
import PyramidPolicy
import Testing

@testable import PyramidPlugins

extension PluginTests {
  @Suite(.serialized) struct Errors {
    /// The error of loading a file, which must fail.
    private func error(loading path: String) -> PluginError? {
      do {
        _ = try PluginLoader.load(path: path)
        return nil
      } catch {
        return error
      }
    }

    @Test("a missing file, a directory and a device are told apart")
    func wrongPlaces() {
      let missing = "\(PluginWorkshop.folder)/missing.swift"
      #expect(error(loading: missing) == .notFound(file: missing))
      #expect(error(loading: "") == .notFound(file: ""))
      #expect(error(loading: PluginWorkshop.folder) == .isDirectory(file: PluginWorkshop.folder))
      #expect(error(loading: "/dev/null") == .notAPlugin(file: "/dev/null", reason: "it is not a regular file"))
    }

    @Test("a text file, an executable and a truncated library are not plugins")
    func wrongFiles() throws {
      let text = try PluginWorkshop.write("notes.txt", "public let policies = 1")
      let reason = "it is neither a .swift file nor a shared library"
      #expect(error(loading: text) == .notAPlugin(file: text, reason: reason))
      let short = try PluginWorkshop.write("short.so", "\u{7F}ELF")
      #expect(error(loading: short) == .notAPlugin(file: short, reason: "it is an ELF file, but not a shared library"))
      let damaged = try PluginWorkshop.write("damaged.so", "\u{7F}ELF")
      let file = try #require(fopen(damaged, "w"))
      let header: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0, 1, 0, 0, 0]
      fwrite(header, 1, header.count, file)
      fclose(file)
      #expect(
        error(loading: damaged) == .notAPlugin(file: damaged, reason: "it is an ELF file, but not a shared library"))
      try cutLibrary()
    }

    /// A whole library is no plugin for want of an entry, one that is cut anywhere is told from it before it is loaded.
    private func cutLibrary() throws {
      let source = try PluginWorkshop.write("whole.c", "int data[70000] = {1}; int answer(void) { return data[1]; }")
      let whole = "\(PluginWorkshop.folder)/whole.so"
      try #require(PluginWorkshop.shell("clang -shared -fPIC -o \(whole) \(source)") == 0)
      guard case .missingEntry? = error(loading: whole) else {
        Issue.record("a library without an entry: \(error(loading: whole).map { "\($0)" } ?? "loaded")")
        return
      }
      for length in [64, 400, 5000, 100_000, 250_000] {
        let cut = "\(PluginWorkshop.folder)/cut-\(length).so"
        try #require(PluginWorkshop.shell("head -c \(length) \(whole) > \(cut)") == 0)
        guard case .notAPlugin(cut, let reason)? = error(loading: cut) else {
          Issue.record("a library cut at \(length) bytes was taken for a plugin")
          continue
        }
        #expect(reason.contains("the library is cut: it has \(length) bytes"), "\(reason)")
      }
    }

    @Test("a source that does not compile shows the compiler's message at the user's own file name")
    func doesNotCompile() throws {
      let path = try PluginWorkshop.write("broken.swift", PluginWorkshop.margin(extra: "let x: Int = \"text\""))
      guard case .doesNotCompile(path, let diagnostics)? = error(loading: path) else {
        Issue.record("a broken source was not refused as such")
        return
      }
      #expect(diagnostics.contains("\(path):14:18: error: cannot convert value of type 'String'"))
      #expect(!diagnostics.contains(PluginWorkshop.cache))
    }

    @Test("a source without a list and without a policy of the file's name is refused with the names looked for")
    func missingEntryInSource() throws {
      let list = "or a line `public let policies: [any Policy.Type] = [...]`"
      func expectRefusal(_ name: String, _ source: String, _ words: String...) throws {
        let path = try PluginWorkshop.write(name, source)
        guard case .missingEntry(path, let expected)? = error(loading: path) else {
          Issue.record("\(name) was not refused as a source without an entry")
          return
        }
        for word in words + [list] { #expect(expected.contains(word), "\(expected)") }
      }
      try expectRefusal("with-out.swift", "", "('with-out' in any case, without '-' and '_')")
      let margin = PluginWorkshop.margin(list: "")
      try expectRefusal("other.swift", margin, "('other' in any case", "; it declares Margin")
      let nested = "import PyramidPolicy\nenum Inside {\n\(margin.dropFirst("import PyramidPolicy".count))\n}"
      try expectRefusal("margin.swift", nested, "('Margin')", "(the compiler: cannot find 'Margin' in scope)")
      let local = "struct Local { func f() { let policies = 1; _ = policies } }"
      try expectRefusal("list.swift", local, "('list' in any case", "; it declares Local", "cannot find 'policies'")
      try expectRefusal(
        "Plain.swift", "struct Plain {}", "('Plain')", "(the compiler: cannot convert value of type 'Plain.Type'")
      try expectRefusal("Margin.swift", PluginWorkshop.margin(list: "let policies = 1"), "value of type 'Int'")
    }

    @Test("a source with an empty list lacks its entry")
    func emptyList() throws {
      let empty = try PluginWorkshop.write(
        "empty.swift", "import PyramidPolicy\npublic let policies: [any Policy.Type] = []")
      #expect(error(loading: empty) == .missingEntry(file: empty, expected: "at least one policy in `policies`"))
    }

    @Test("a policy listed twice, and a policy declared wrongly, are refused")
    func badPolicies() throws {
      let list = "public let policies: [any Policy.Type] = [Margin.self, Margin.self]"
      let twice = try PluginWorkshop.write("twice.swift", PluginWorkshop.margin(named: "twice", list: list))
      #expect(error(loading: twice) == .duplicatePolicy(file: twice, name: "twice"))

      let shouting = try PluginWorkshop.write("shouting.swift", PluginWorkshop.margin(named: "Margin"))
      let reason = PolicyError.badDeclaration(policy: "Margin", reason: "its name is not in kebab-case")
      #expect(error(loading: shouting) == .badPolicy(file: shouting, error: reason))
    }

    @Test("a library without the C symbols, of another version, and without a table are three errors")
    func wrongLibraries() throws {
      let plain = try library("plain", "public func nothing() {}")
      #expect(
        error(loading: plain)
          == .missingEntry(file: plain, expected: "the C symbol 'magic_pyramid_plugin_version' of PyramidPolicy"))

      let old = try library("old", version("0.0 5.9"))
      #expect(error(loading: old) == .otherVersion(file: old, plugin: "0.0 5.9", host: PolicySDK.versionText))

      let otherCompiler = try library("compiler", version("\(PolicySDK.version) 6.1"))
      guard case .otherVersion? = error(loading: otherCompiler) else {
        Issue.record("a library of another compiler was not refused as such")
        return
      }

      let half = try library("half", version(PolicySDK.versionText))
      guard case .missingEntry(half, _)? = error(loading: half) else {
        Issue.record("a library without a table was not refused as such")
        return
      }

      let nothing = try library(
        "nothing",
        version(PolicySDK.versionText)
          + "\n@_cdecl(\"magic_pyramid_plugin\") public func entry() -> UnsafeRawPointer? { nil }")
      #expect(
        error(loading: nothing) == .missingEntry(file: nothing, expected: "a table from 'magic_pyramid_plugin'"))
    }

    @Test("without a compiler, or without the SDK's sources, the error says what to install or to set")
    func missingTools() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      // In processes of their own, because the environment belongs to all tests of a process.
      await #expect(processExitsWith: .exitCode(7)) {
        let path = try PluginWorkshop.write("tools.swift", PluginWorkshop.margin(named: "tools"))
        setenv("PATH", PluginWorkshop.folder, 1)
        do { _ = try PluginLoader.load(path: path) } catch PluginError.compilerNotFound(file: path) { exit(7) }
      }
      await #expect(processExitsWith: .exitCode(8)) {
        let path = try PluginWorkshop.write("tools.swift", PluginWorkshop.margin(named: "tools"))
        setenv("MP_SDK_PATH", PluginWorkshop.folder, 1)
        do { _ = try PluginLoader.load(path: path) } catch PluginError.sdkNotFound(file: path) { exit(8) }
      }
    }

    @Test("a home that does not exist is not made: what is built lies in a private folder")
    func noHome() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      await #expect(processExitsWith: .exitCode(9)) {
        let home = PluginWorkshop.folder + "/nobody"
        setenv("HOME", home, 1)
        unsetenv("XDG_CACHE_HOME")
        setenv("TMPDIR", PluginWorkshop.folder, 1)
        let prefix = PluginWorkshop.folder + "/magic-pyramid-"
        // One that an earlier process left.
        mkdir(prefix + "killed", 0o700)
        makeOld(prefix + "killed")
        let cache = try #require(BuildCache.open())
        let isSwept = access(prefix + "killed", F_OK) != 0
        if cache.isTemporary, cache.root.utf8.starts(with: prefix.utf8), access(home, F_OK) != 0, isSwept { exit(9) }
      }
    }

    @Test("what builds that were killed left in the cache goes after an hour")
    func killedBuilds() throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      let root = try #require(BuildCache.open()).root
      #expect(root == PluginWorkshop.cache)
      let left = [".work-killed", ".old-killed"]
      let entries = [".work-builds", "plugin-killed", ".work-longer-killed"]
      for name in left + entries {
        try #require(mkdir("\(root)/\(name)", 0o700) == 0 && mkdir("\(root)/\(name)/entry", 0o700) == 0)
        try PluginWorkshop.write("cache/magic-pyramid/\(name)/entry/file", "of a build")
        if name != ".work-builds" { makeOld("\(root)/\(name)") }
      }
      defer { for name in left + entries { FileAccess.removeDirectory("\(root)/\(name)") } }
      #expect(BuildCache.open()?.root == root)
      #expect(left.allSatisfy { access("\(root)/\($0)", F_OK) != 0 })
      #expect(entries.allSatisfy { access("\(root)/\($0)/entry/file", F_OK) == 0 })
    }

    @Test("a cache that others may write to is passed over, and it is said")
    func openCache() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      let result = await #expect(processExitsWith: .exitCode(10), observing: [\.standardErrorContent]) {
        let cache = PluginWorkshop.folder + "/open"
        for folder in [cache, cache + "/magic-pyramid"] { mkdir(folder, 0o700) }
        chmod(cache + "/magic-pyramid", 0o777)
        setenv("XDG_CACHE_HOME", cache, 1)
        setenv("HOME", cache + "/nobody", 1)
        setenv("TMPDIR", PluginWorkshop.folder, 1)
        if BuildCache.open()?.isTemporary == true { exit(10) }
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains("/open/magic-pyramid: is another user's, or others may write to it"), "\(text)")
    }

    @Test("each error begins with the file on one line")
    func oneLine() {
      let errors: [PluginError] = [
        .notFound(file: "F"), .isDirectory(file: "F"), .notAPlugin(file: "F", reason: "r"),
        .missingEntry(file: "F", expected: "e"), .otherVersion(file: "F", plugin: "1 6.2", host: "2 6.3"),
        .compilerNotFound(file: "F"), .sdkNotFound(file: "F"), .buildFailed(file: "F", reason: "r"),
        .duplicatePolicy(file: "F", name: "n"), .badPolicy(file: "F", error: .rejected("r")),
      ]
      for error in errors {
        #expect(error.description.utf8.starts(with: "plugin 'F': ".utf8))
        #expect(!error.description.utf8.contains(UInt8(ascii: "\n")))
      }
      #expect(
        PluginError.otherVersion(file: "F", plugin: "1 6.2", host: "2 6.3").description
          == "plugin 'F': built for SDK 1 and Swift 6.2, but this program has SDK 2 and Swift 6.3; build it again")
    }

    /// A library compiled from Swift that is not written against the SDK.
    private func library(_ name: String, _ source: String) throws -> String {
      let file = try PluginWorkshop.write("\(name)-source.swift", source)
      let library = "\(PluginWorkshop.folder)/\(name).so"
      let command = "swiftc -parse-as-library -emit-library -module-name \(name) '\(file)' -o '\(library)'"
      try #require(PluginWorkshop.shell(command) == 0)
      return library
    }

    private func version(_ text: String) -> String {
      """
      private let text: StaticString = "\(text)"
      @_cdecl("magic_pyramid_plugin_version")
      public func version() -> UnsafeRawPointer { UnsafeRawPointer(text.utf8Start) }
      """
    }
  }
}

/// Makes a folder look as if nothing had been made in it for two hours.
private func makeOld(_ path: String) {
  let then = timeval(tv_sec: time(nil) - 7200, tv_usec: 0)
  _ = utimes(path, [then, then])
}
