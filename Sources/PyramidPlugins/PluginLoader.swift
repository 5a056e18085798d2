// `--plugin PATH`: tells source from library, gets the library, and takes its policies over. The version is compared
// before anything else in the library is called, because another version's table has another meaning.

import Glibc
import PyramidFormats
import PyramidPolicy

/// Loads policies that live outside this program.
public enum PluginLoader {
  private static let sourceLimit = 1 << 22

  /// The policies of a plugin: a `.swift` file, which is compiled if the cache does not hold it, or a built library.
  ///
  /// The library stays loaded for the life of the process.
  ///
  /// - Throws: `PluginError`, one line that names the file.
  public static func load(path: String) throws(PluginError) -> [PolicyType] {
    let types = try policies(in: path)
    var names: Set<String> = []
    for type in types where !names.insert(type.name).inserted {
      throw .duplicatePolicy(file: path, name: type.name)
    }
    guard !types.isEmpty else { throw .missingEntry(file: path, expected: "at least one policy in `policies`") }
    return types
  }

  private static func policies(in path: String) throws(PluginError) -> [PolicyType] {
    guard let resolved = FileAccess.resolve(path) else { throw .notFound(file: path) }
    switch FileKind(at: resolved) {
    case .regular: break
    case .folder: throw .isDirectory(file: path)
    case .other: throw .notAPlugin(file: path, reason: "it is not a regular file")
    case .missing: throw .notFound(file: path)
    }
    if try isLibrary(resolved, named: path) { return try open(resolved, named: path) }
    guard resolved.utf8.reversed().starts(with: ".swift".utf8.reversed()) else {
      throw .notAPlugin(file: path, reason: "it is neither a .swift file nor a shared library")
    }
    guard let source = FileAccess.read(resolved, first: sourceLimit + 1) else { throw .notFound(file: path) }
    guard source.count <= sourceLimit else { throw .notAPlugin(file: path, reason: "it is larger than 4 MiB") }
    let compiler = try PluginCompiler(for: path)
    defer { compiler.discardTemporaryCache() }
    return try open(try compiler.library(from: source), named: path)
  }

  /// Whether the file is an ELF shared library; an ELF file of another sort, or one that is cut, is an error.
  private static func isLibrary(_ path: String, named file: String) throws(PluginError) -> Bool {
    guard let start = FileAccess.read(path, first: 4) else { throw .notFound(file: file) }
    guard start == [0x7F, 0x45, 0x4C, 0x46] else { return false }
    guard let mapped = try? MappedFile(path: path), let library = mapped.withBytes({ SharedLibrary($0) }) else {
      throw .notAPlugin(file: file, reason: "it is an ELF file, but not a shared library")
    }
    guard library.extent <= mapped.count else {
      throw .notAPlugin(
        file: file,
        reason:
          "the library is cut: it has \(mapped.count) bytes, and its segments end at \(library.extent); copy it again")
    }
    return true
  }

  private static func open(_ library: String, named file: String) throws(PluginError) -> [PolicyType] {
    loadingPlugin = strdup(file.printable(limit: 200))
    defer {
      free(loadingPlugin)
      loadingPlugin = nil
    }
    guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
      throw .notAPlugin(file: file, reason: "the library cannot be loaded: \(reason)")
    }
    guard let versionSymbol = dlsym(handle, "magic_pyramid_plugin_version") else {
      throw .missingEntry(file: file, expected: "the C symbol 'magic_pyramid_plugin_version' of PyramidPolicy")
    }
    let version = text(unsafeBitCast(versionSymbol, to: (@convention(c) () -> UnsafePointer<CChar>?).self)())
    guard version == PolicySDK.versionText else {
      throw .otherVersion(file: file, plugin: version, host: PolicySDK.versionText)
    }
    guard let entrySymbol = dlsym(handle, "magic_pyramid_plugin") else {
      throw .missingEntry(
        file: file, expected: "the C symbol 'magic_pyramid_plugin', which calls exportPlugin(policies)")
    }
    guard let table = unsafeBitCast(entrySymbol, to: (@convention(c) () -> UnsafeRawPointer?).self)() else {
      throw .missingEntry(file: file, expected: "a table from 'magic_pyramid_plugin'")
    }
    do {
      return try PolicyType.load(pluginTable: table, file: file)
    } catch {
      throw .badPolicy(file: file, error: error)
    }
  }

  /// A C string of at most 256 bytes.
  private static func text(_ pointer: UnsafePointer<CChar>?) -> String {
    guard let pointer else { return "" }
    let bytes = UnsafeRawBufferPointer(start: pointer, count: strnlen(pointer, 256))
    return String(decoding: bytes, as: UTF8.self)
  }
}
