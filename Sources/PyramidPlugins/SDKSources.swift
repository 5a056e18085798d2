// Where the sources of PyramidPolicy are. A plugin is compiled against sources and not against a built module, because
// a module works with one compiler and one set of flags only.

import PyramidFormats

struct SDKSources {
  /// Absolute paths of the `.swift` files, sorted.
  let files: [String]
  private let folder: String
  /// Their names and the checksums of their contents.
  let checksums: String

  /// Looks in `MP_SDK_PATH`, then beside an installed executable (`../share/magic-pyramid/PyramidPolicy`), then in the
  /// package that the executable was built in, if that is this one, then beside this file as it was when it was compiled,
  /// as in the build of a package that depends on this one. What is compiled is run: sources that others may write to
  /// are not taken unless MP_SDK_PATH names them.
  ///
  /// - Throws: `PluginError.sdkUntrusted` when all that there are can be changed by others.
  static func find(for file: String) throws(PluginError) -> SDKSources? {
    if let path = FileAccess.environment("MP_SDK_PATH") { return SDKSources(folder: path) }
    guard let executable = FileAccess.resolve("/proc/self/exe") else { return nil }
    let folder = FileAccess.parent(of: executable)
    let places = [
      folder.map { "\($0)/../share/magic-pyramid/PyramidPolicy" },
      folder.flatMap(package(around:)).map { "\($0)/Sources/PyramidPolicy" },
      FileAccess.parent(of: #filePath).map { "\($0)/../PyramidPolicy" },
    ]
    var untrusted: String?
    for place in places.compactMap(\.self) {
      guard let sources = SDKSources(folder: place) else { continue }
      guard let open = sources.changeableByOthers else { return sources }
      untrusted = untrusted ?? open
    }
    if let untrusted { throw .sdkUntrusted(file: file, path: untrusted) }
    return nil
  }

  /// The folder of the package that a folder lies in; nil when it lies in none.
  private static func package(around folder: String) -> String? {
    var above: String? = folder
    while let candidate = above {
      if FileKind(at: "\(candidate)/Package.swift") == .regular { return candidate }
      above = FileAccess.parent(of: candidate)
    }
    return nil
  }

  /// The first file, or folder of files, that somebody else than this user and root may write to; nil when there is none.
  private var changeableByOthers: String? {
    let folders = Set(files.compactMap(FileAccess.parent(of:)) + [folder])
    return (folders.sorted() + files).first { !FileAccess.isOursOrSystem($0) }
  }

  /// The sources in a folder and in its folders; `nil` when there is no `Contract/Policy.swift` or a file cannot be
  /// read.
  private init?(folder: String) {
    guard let folder = FileAccess.resolve(folder) else { return nil }
    let names = FileAccess.names(in: folder).flatMap { name in
      [name] + FileAccess.names(in: "\(folder)/\(name)").map { "\(name)/\($0)" }
    }.filter { $0.utf8.reversed().starts(with: ".swift".utf8.reversed()) }.sorted()
    guard names.contains("Contract/Policy.swift"), let checksums = FileAccess.checksums(of: names, in: folder) else {
      return nil
    }
    self.folder = folder
    files = names.map { "\(folder)/\($0)" }
    self.checksums = checksums
  }
}
