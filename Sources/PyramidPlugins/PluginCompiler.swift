// From a policy's source file to a library: `swiftc` on the user's file and one generated line, linked with the SDK,
// which is compiled once per compiler. Results are cached by content, so the second run of a tool compiles nothing.

import Glibc
import PyramidFormats

struct PluginCompiler {
  /// The file as the user named it, for messages.
  private let file: String
  private let compiler: String
  private let compilerVersion: String
  private let sdk: SDKSources
  private let cache: BuildCache

  /// Whatever the compiler prints beyond this is cut off.
  private static let diagnosticsLimit = 1 << 16

  /// - Throws: `PluginError` when the compiler, the SDK or a place for the result is missing.
  init(for file: String) throws(PluginError) {
    guard let compiler = Subprocess.find("swiftc") else { throw .compilerNotFound(file: file) }
    guard let sdk = try SDKSources.find(for: file) else { throw .sdkNotFound(file: file) }
    guard let cache = BuildCache.open() else {
      throw .buildFailed(file: file, reason: "no folder for built plugins; set XDG_CACHE_HOME")
    }
    self.file = file
    self.compiler = compiler
    self.sdk = sdk
    self.cache = cache
    compilerVersion = try Self.version(of: compiler, in: cache, file: file)
  }

  /// The path of the library built from `source`.
  ///
  /// - Throws: `PluginError.doesNotCompile` with the compiler's output, `missingEntry`, or `buildFailed`.
  func library(from source: [UInt8]) throws(PluginError) -> String {
    let plugin = PluginEntry(source: source, file: file)
    let sdkHash = Checksum.sha256(of: compilerVersion + sdk.checksums)
    let sourceHash = source.withUnsafeBytes { Checksum.sha256(of: $0) }
    let hash = Checksum.sha256(of: "\(sdkHash) \(sourceHash) \(plugin.candidates)")
    let entry = try cache.entry("plugin-\(hash)", files: ["plugin.so"]) { folder throws(PluginError) in
      guard !plugin.candidates.isEmpty else { throw .missingEntry(file: file, expected: plugin.expected) }
      try compile(source, plugin, module: "Plugin_\(hash)", sdk: try compiledSDK("sdk-\(sdkHash)"), in: folder)
    }
    guard let entry else { throw cacheFailure }
    return "\(entry)/plugin.so"
  }

  /// Removes the cache if it exists for this process only.
  func discardTemporaryCache() {
    if cache.isTemporary { FileAccess.removeDirectory(cache.root) }
  }

  /// The folder with the SDK's module and object file.
  private func compiledSDK(_ name: String) throws(PluginError) -> String {
    let files = ["PyramidPolicy.o", "PyramidPolicy.swiftmodule"]
    let entry = try cache.entry(name, files: files) { folder throws(PluginError) in
      let arguments = [
        "-c", "-module-name", "PyramidPolicy", "-enable-experimental-feature", "Lifetimes", "-o",
        "\(folder)/PyramidPolicy.o", "-emit-module-path", "\(folder)/PyramidPolicy.swiftmodule",
      ]
      let (status, text) = try runCompiler(arguments + sdk.files, in: folder)
      if status != 0, FileAccess.isFull(folder) { throw cacheFailure }
      guard status == 0 else { throw .buildFailed(file: file, reason: "PyramidPolicy does not compile:\n\(text)") }
    }
    guard let entry else { throw cacheFailure }
    return entry
  }

  /// Compiles a copy of the source, so that what was hashed is what is compiled even if the user saves meanwhile.
  private func compile(
    _ source: [UInt8], _ plugin: PluginEntry, module: String, sdk: String, in folder: String
  ) throws(PluginError) {
    let copy = "\(folder)/Source.swift"
    let entry = "\(folder)/Entry.swift"
    defer {
      unlink(copy)
      unlink(entry)
    }
    let arguments = [
      "-emit-library", "-module-name", module, "-I", sdk, "-o", "\(folder)/plugin.so",
      copy, entry, "\(sdk)/PyramidPolicy.o", "-lm", "-Xlinker", "-Bsymbolic",
    ]
    var reason = ""
    for candidate in plugin.candidates {
      let entryText = """
        import PyramidPolicy
        @_cdecl("magic_pyramid_plugin") public func entry_\(module)() -> UnsafeRawPointer { exportPlugin(\(candidate)) }
        """
      guard FileAccess.write(source, to: copy), FileAccess.write(Array(entryText.utf8), to: entry) else {
        throw cacheFailure
      }
      let (status, text) = try runCompiler(arguments, in: folder)
      if status == 0 { return }
      // A compiler without room says many things, of the user's source as well.
      if FileAccess.isFull(folder) { throw cacheFailure }
      guard errors(in: copy, text).isEmpty, let broken = errors(in: entry, text).first else {
        let diagnostics = Array(text.utf8).replacing(copy.utf8, with: file.utf8)
        throw .doesNotCompile(file: file, diagnostics: String(decoding: diagnostics, as: UTF8.self))
      }
      reason = broken
      // A list that is there but wrong is not passed over for a type.
      guard broken.utf8.starts(with: "cannot find".utf8) else { break }
    }
    throw .missingEntry(file: file, expected: "\(plugin.expected) (the compiler: \(reason))")
  }

  /// The messages of errors that `output` reports in a file.
  private func errors(in file: String, _ output: String) -> [String] {
    output.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard line.starts(with: "\(file):".utf8), let marker = line.firstRange(of: ": error: ".utf8) else { return nil }
      return String(Substring(line[marker.upperBound...]))
    }
  }

  private func runCompiler(_ arguments: [String], in folder: String) throws(PluginError) -> (Int32, String) {
    let common = [
      "-O", "-wmo", "-parse-as-library", "-swift-version", "6", "-module-cache-path", "\(cache.root)/modules",
    ]
    let output = "\(folder)/output.txt"
    guard let status = Subprocess.run(compiler, common + arguments, output: output) else {
      throw .buildFailed(file: file, reason: "'\(compiler)' could not be run, or was ended by a signal")
    }
    let bytes = FileAccess.read(output, first: Self.diagnosticsLimit) ?? []
    unlink(output)
    return (status, String(decoding: bytes, as: UTF8.self))
  }

  private static func version(of compiler: String, in cache: BuildCache, file: String) throws(PluginError) -> String {
    guard let folder = FileAccess.makePrivateDirectory("\(cache.root)/.work-") else {
      throw cacheFailure(cache, file)
    }
    defer { FileAccess.removeDirectory(folder) }
    let output = "\(folder)/version.txt"
    guard Subprocess.run(compiler, ["--version"], output: output) == 0,
      let version = FileAccess.read(output, first: 1 << 16), !version.isEmpty
    else {
      if FileAccess.isFull(folder) { throw cacheFailure(cache, file) }
      throw .buildFailed(file: file, reason: "'\(compiler) --version' failed")
    }
    return String(decoding: version, as: UTF8.self)
  }

  private var cacheFailure: PluginError { Self.cacheFailure(cache, file) }

  private static func cacheFailure(_ cache: BuildCache, _ file: String) -> PluginError {
    let reason = FileAccess.isFull(cache.root) ? "there is no room left on its disk" : "it cannot be written"
    return .buildFailed(file: file, reason: "the folder '\(cache.root)': \(reason); or set XDG_CACHE_HOME to another")
  }
}
