// Everything that can go wrong between `--plugin PATH` and a usable policy. One enum with one line of text per case,
// each naming the file and what to do, so that all tools report alike.

import PyramidPolicy

/// Why a plugin could not be loaded.
public enum PluginError: Error, Equatable, Sendable {
  /// There is no file of this name, or it cannot be opened.
  case notFound(file: String)
  /// A directory where a file is meant.
  case isDirectory(file: String)
  /// Neither Swift source nor a loadable library of this machine.
  case notAPlugin(file: String, reason: String)
  /// The library lacks the C symbols, or the source lacks a policy of its own name and `public let policies`.
  case missingEntry(file: String, expected: String)
  /// Built with another SDK or compiler; both as "<SDK version> <compiler version>".
  case otherVersion(file: String, plugin: String, host: String)
  /// The compiler refused the source; `diagnostics` is what it printed.
  case doesNotCompile(file: String, diagnostics: String)
  /// There is no `swiftc` in the search path.
  case compilerNotFound(file: String)
  /// The sources of the SDK, which a plugin is compiled against, were not found.
  case sdkNotFound(file: String)
  /// The sources of the SDK lie where others may change them.
  case sdkUntrusted(file: String, path: String)
  /// Something around the compiler failed: the cache, a process, or the SDK itself.
  case buildFailed(file: String, reason: String)
  /// Two policies of the plugin share a name.
  case duplicatePolicy(file: String, name: String)
  /// A policy of the plugin is declared wrongly.
  case badPolicy(file: String, error: PolicyError)
}

extension PluginError: CustomStringConvertible {
  /// One line; the compiler's diagnostics follow on lines of their own.
  public var description: String {
    switch self {
    case .notFound(let file): "plugin '\(file)': no such file, or it cannot be read"
    case .isDirectory(let file): "plugin '\(file)': is a directory; give a .swift file or a built library"
    case .notAPlugin(let file, let reason): "plugin '\(file)': not a plugin: \(reason)"
    case .missingEntry(let file, let expected): "plugin '\(file)': has no entry: expected \(expected)"
    case .otherVersion(let file, let plugin, let host):
      "plugin '\(file)': built for \(versions(plugin)), but this program has \(versions(host)); build it again"
    case .doesNotCompile(let file, let diagnostics): "plugin '\(file)': does not compile:\n\(diagnostics)"
    case .compilerNotFound(let file):
      "plugin '\(file)': needs 'swiftc' in PATH; install a Swift toolchain (swift.org/install), or give a built library"
    case .sdkNotFound(let file):
      "plugin '\(file)': the sources of PyramidPolicy were not found; set MP_SDK_PATH to magic-pyramid's folder Sources/PyramidPolicy"
    case .sdkUntrusted(let file, let path):
      "plugin '\(file)': the sources of PyramidPolicy could be changed by other users: '\(path)' is theirs, or they may "
        + "write to it; take that away (chmod go-w), or set MP_SDK_PATH to a folder Sources/PyramidPolicy that you trust"
    case .buildFailed(let file, let reason): "plugin '\(file)': could not be built: \(reason)"
    case .duplicatePolicy(let file, let name): "plugin '\(file)': policy '\(name)' is listed twice; rename one"
    case .badPolicy(let file, let error): "plugin '\(file)': \(error)"
    }
  }

  /// "0.1 6.3" as "SDK 0.1 and Swift 6.3".
  private func versions(_ text: String) -> String {
    let parts = text.split(separator: " ", maxSplits: 1)
    return parts.count == 2 ? "SDK \(parts[0]) and Swift \(parts[1])" : "an unknown version ('\(text)')"
  }
}
