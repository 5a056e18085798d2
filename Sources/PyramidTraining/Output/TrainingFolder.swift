// The output folder while a training runs: whose it is, what may be replaced in it, and what is there to go on from.
// `training.json` marks it: what was asked for, and the checksums of what was read. Files of others are
// never removed, but for those of a tokenizer that the result does not have.

import Glibc
import PyramidFormats

/// How a training starts.
public enum TrainingStart: Sendable {
  /// In a folder that is new or empty.
  case new
  /// In a folder that may hold anything; only files of a training are replaced.
  case overwriting
  /// Where the training in the folder stopped.
  case resuming
}

/// The output folder of one training.
public final class TrainingFolder {
  /// The path as it was given.
  public let path: String
  /// SHA-256 of what was asked for, which ties the state to it.
  public let arguments: String
  private var lock: Int32 = -1

  private static let marker = "training.json"
  private static let stateName = "training-state.safetensors"

  /// Where the state is.
  var statePath: String { file(Self.stateName) }
  /// The log, a JSON object a line.
  public var logPath: String { file("training-log.jsonl") }
  /// Whether the training in the folder is finished.
  public var isFinished: Bool { has("training-report.json") && !has(Self.stateName) }
  /// Whether there is a state to go on from.
  var hasState: Bool { has(Self.stateName) }

  /// The path of something in the folder.
  public func file(_ name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }
  private func has(_ name: String) -> Bool { FileKind(at: file(name)) != .missing }

  /// Takes the folder, which is made if it is missing. `arguments` is what the result depends on, `source` the folder of
  /// the checkpoint that is read.
  ///
  /// Throws `TrainingError` when the folder holds something else, or a training and it is not said what to do with it;
  /// when a training is resumed with other arguments or data, which it names; when another process trains there.
  public init(path: String, _ start: TrainingStart, arguments: JSONObject, source: String) throws {
    let text = JSONWriter.string(.object(arguments), style: .pretty) + "\n"
    (self.path, self.arguments) = (path, Checksum.sha256(of: text))
    switch FileKind(at: path) {
    case .missing where start == .resuming: throw TrainingError("\(path): no such folder, so nothing to resume")
    case .missing:
      guard mkdir(path, 0o777) == 0 else {
        throw OutputError(file: path, problem: "cannot be made: \(String(cString: strerror(errno)))")
      }
    case .folder: break
    case .regular, .other: throw TrainingError("\(path): is a file, expected a folder for the result")
    }
    guard !Self.isSame(path, source) else {
      throw TrainingError("\(path): is the checkpoint that is read; give another --output")
    }
    try takeLock()
    let isOurs = has(Self.marker)
    switch start {
    case .resuming:
      guard isOurs else { throw TrainingError("\(path): holds no training to resume") }
      try compare(arguments)
    case .new where isOurs:
      throw TrainingError(
        "\(path): holds a training that is \(isFinished ? "finished" : "unfinished"); "
          + "\(isFinished ? "" : "--resume goes on with it, ")--overwrite starts anew")
    case .new where Self.entries(of: path).count > 0:
      throw TrainingError("\(path): is not empty; choose another folder, or --overwrite to write into this one")
    case .new, .overwriting:
      // The old state goes first: were it to outlive its marker, it would be of no use to anybody.
      for name in [Self.stateName, "training-report.json", "training-log.jsonl"] { unlink(file(name)) }
      FeatureFiles.remove(from: path)
      try OutputFile.write(text, to: file(Self.marker))
    }
    // What a process that was killed while it wrote left behind.
    for name in Self.entries(of: path) where name.hasPrefix(".mp-") && name.hasSuffix(".tmp") { unlink(file(name)) }
  }

  /// The precision of the training that the folder at `path` holds; nil where it says none.
  public static func precision(at path: String) -> TrainingPrecision? {
    let begun = try? JSONField(path: Folder(path: path).path(of: marker)).required("precision").string()
    return begun.flatMap(TrainingPrecision.init(rawValue:))
  }

  /// Removes the state of a training that is finished.
  func removeState() {
    unlink(statePath)
    FeatureFiles.remove(from: path)
  }

  deinit { if lock >= 0 { close(lock) } }

  /// Holds the folder itself, since files in it are replaced, so that no second process writes here; the system lets go of
  /// it however this one ends.
  private func takeLock() throws {
    lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else {
      throw OutputError(file: path, problem: "cannot be opened: \(String(cString: strerror(errno)))")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw TrainingError("\(path): another process trains into this folder")
    }
  }

  private func compare(_ arguments: JSONObject) throws {
    let before = try JSONField(path: file(Self.marker)).object()
    func text(_ value: JSONValue?) -> String { value.map { JSONWriter.string($0).printable(limit: 100) } ?? "nothing" }
    let keys = arguments.members.map(\.key) + before.members.map(\.key).filter { arguments[$0] == nil }
    let changes = keys.filter { arguments[$0] != before[$0] }.map {
      "\($0) was \(text(before[$0])), is \(text(arguments[$0]))"
    }
    guard changes.isEmpty else {
      throw TrainingError("\(path): was started otherwise, so it can't be resumed: \(changes.joined(separator: "; "))")
    }
  }

  private static func isSame(_ first: String, _ second: String) -> Bool {
    var (one, other) = (stat(), stat())
    return stat(first, &one) == 0 && stat(second, &other) == 0 && one.st_ino == other.st_ino
      && one.st_dev == other.st_dev
  }

  /// Names of what is in a folder.
  static func entries(of path: String) -> [String] { Folder.names(in: path) ?? [] }
}
