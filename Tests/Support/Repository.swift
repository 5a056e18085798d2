// Where tests find what they read: this repository, and the folder of larger files that may lie beside it.

import Glibc

/// Paths of the repository that the tests were compiled from.
public enum Repository {
  /// The repository's root.
  public static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  /// The checkpoint that comes with the project.
  public static let defaultCheckpoint = root + "/Graphs/dbpedia14"

  /// The folder of larger models and goldens: MP_SHARED, or `shared` beside the repository; nil when there is none.
  public static let shared: String? = {
    let path = environment("MP_SHARED") ?? root + "/../shared"
    return access(path + "/golden", R_OK) == 0 ? path : nil
  }()

  /// Whether checks that take minutes are wanted.
  public static let runsLongTests = environment("MP_LONG_TESTS") == "1"

  /// Whether expectations are rewritten instead of checked.
  public static let isBlessing = environment("MP_BLESS") == "1"

  private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
