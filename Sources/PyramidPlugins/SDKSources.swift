// Where the sources of PyramidPolicy are. A plugin is compiled against sources and not against a built module, because
// a module works with one compiler and one set of flags only.

struct SDKSources {
  /// Absolute paths of the `.swift` files, sorted.
  let files: [String]
  /// Their names and the checksums of their contents.
  let checksums: String

  /// Looks in `MP_SDK_PATH`, then beside an installed executable (`../share/magic-pyramid/PyramidPolicy`), then in the
  /// folders above the executable for `Sources/PyramidPolicy`, as in a build folder, then beside this file as it was
  /// when it was compiled, as in the build of a package that depends on this one.
  static func find() -> SDKSources? {
    if let path = FileAccess.environment("MP_SDK_PATH") { return SDKSources(folder: path) }
    guard let executable = FileAccess.resolve("/proc/self/exe") else { return nil }
    var folder = FileAccess.parent(of: executable)
    if let folder, let installed = SDKSources(folder: "\(folder)/../share/magic-pyramid/PyramidPolicy") {
      return installed
    }
    while let above = folder {
      if let sources = SDKSources(folder: "\(above)/Sources/PyramidPolicy") { return sources }
      folder = FileAccess.parent(of: above)
    }
    return FileAccess.parent(of: #filePath).flatMap { SDKSources(folder: "\($0)/../PyramidPolicy") }
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
    files = names.map { "\(folder)/\($0)" }
    self.checksums = checksums
  }
}
