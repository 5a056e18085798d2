// A checkpoint's folder, as the readers of its files see it.

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

  /// The folder's last component.
  public var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// The path of something in the folder.
  public func path(of name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

  /// Whether there is something of that name in the folder.
  public func has(_ name: String) -> Bool { FileKind(at: path(of: name)) != .missing }
}
