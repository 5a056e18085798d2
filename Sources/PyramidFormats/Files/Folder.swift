// A checkpoint's folder, as the readers of its files see it.

import Glibc

/// A folder that exists.
public struct Folder: Sendable {
  /// The path as it was given.
  public let path: String

  /// Looks at a path; throws when it leads to no folder.
  public init(path: String) throws(FormatError) {
    switch FileKind(at: path) {
    case .folder: self.path = path
    case .missing: throw FormatError(file: path.printable(limit: 200), problem: "no such folder")
    case .regular, .other: throw FormatError(file: path, problem: "expected a checkpoint folder, found a file")
    }
  }

  /// The folder's last component; of a snapshot in the hub's cache (`models--ORG--NAME/snapshots/HASH`) the model's name.
  public var name: String {
    // The path may end in "/." and the like, which name nothing.
    let parts = path.split(separator: "/").filter { $0 != "." && $0 != ".." }
    guard parts.count >= 3, parts[parts.count - 2] == "snapshots" else { return parts.last.map(String.init) ?? path }
    let model = parts[parts.count - 3].split(separator: "--", omittingEmptySubsequences: false)
    return model.count > 1 && model[0] == "models" ? String(model[model.count - 1]) : String(parts[parts.count - 1])
  }

  /// The names of what is in the folder, sorted, without those that begin with a dot.
  public var entries: [String] {
    get throws(FormatError) {
      guard let names = Self.names(in: path) else {
        throw FormatError(file: path, problem: systemProblem("cannot be listed"))
      }
      return names.filter { !$0.hasPrefix(".") }.sorted()
    }
  }

  /// The names of all that is in a folder but `.` and `..`, in any order; nil where it can't be listed.
  package static func names(in path: String) -> [String]? {
    guard let stream = opendir(path) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// The path of something in the folder.
  public func path(of name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

  /// Whether there is something of that name in the folder.
  public func has(_ name: String) -> Bool { FileKind(at: path(of: name)) != .missing }
}
