// The files of a training. Test data is never looked for: a folder's test file could only be read by mistake.

import PyramidEvaluation
import PyramidFormats

/// Rows to learn from and rows that decide what is kept, with their classes.
public struct TrainingData: Sendable {
  /// Class names in order.
  public let labels: [String]
  /// Whether LABELS.txt says which class is which number.
  let hasLabelFile: Bool
  /// Rows to learn from.
  public let train: [LabelledDataSet.Row]
  /// Rows that are not learned from.
  public let dev: [LabelledDataSet.Row]
  /// Places in the training file, from 1, of the rows that `dev` took from it; empty where dev has a file of its own.
  public let heldOutRows: [Int]
  /// SHA-256 of each file that was read, by its role.
  public let checksums: JSONObject

  /// Of the training rows, the share that is held out where there is no dev, and at most how many.
  public static let heldOut = (share: 0.05, rows: 2000)

  /// Reads `path`, a file or a folder with `train.*`, perhaps `dev.*`; LABELS.txt beside the rows names the classes.
  /// Without a dev file a random 5% of the rows, at most 2,000, whatever their classes, are held out by `seed`.
  ///
  /// Throws for a row that can't be read, no rows, an unknown label in dev, a class without rows, and for labels that look
  /// like texts: more than 50 of them, of more than half of the rows.
  ///
  /// - Parameters:
  ///   - checkpoint: class names of the checkpoint, empty when it names none.
  ///   - layout: says how a file at a path lies.
  public init(
    path: String, dev: String?, checkpoint: [String], seed: UInt64, layout: (String) -> TextLayout
  ) throws {
    let trainFile = try Self.trainFile(of: path)
    var (devFile, labelFile): (String?, String?) = (dev, nil)
    if trainFile != path, let folder = try? Folder(path: path) { devFile = try dev ?? Self.file("dev", in: folder) }
    if let folder = try? Folder(path: OutputFile.folder(of: trainFile)), folder.has("LABELS.txt") {
      labelFile = try Self.regular(folder.path(of: "LABELS.txt"))
    }
    if path == "-" || dev == "-" {
      throw TrainingError("training reads files, not standard input: a resumed one reads them again")
    }
    let records = try LabelledRecords(path: trainFile, layout: layout(trainFile))
    let names = try LabelNames(train: records, layout: layout(trainFile), file: labelFile, checkpoint: checkpoint)
    (labels, hasLabelFile) = (names.names, labelFile != nil)
    let rows = try names.rows(of: records)
    var checksums = JSONObject()
    checksums["train"] = .string(try Self.checksum(trainFile))
    if let devFile {
      self.dev = try names.rows(of: LabelledRecords(path: devFile, layout: layout(devFile)))
      checksums["dev"] = .string(try Self.checksum(devFile))
      train = rows
      heldOutRows = []
    } else {
      let count = min(Int(Double(rows.count) * Self.heldOut.share), Self.heldOut.rows)
      let held = Self.heldOut(count, of: rows, seed: seed)
      guard !held.isEmpty else {
        throw FormatError(file: trainFile, problem: "\(rows.count) rows are too few to hold some out; give --dev")
      }
      heldOutRows = held.sorted().map { $0 + 1 }
      self.dev = heldOutRows.map { rows[$0 - 1] }
      train = rows.indices.filter { !held.contains($0) }.map { rows[$0] }
    }
    self.checksums = checksums
  }

  /// The file of training rows that a path means: `train.*` of a folder, or the path itself. Throws when a folder has
  /// none, or several.
  public static func trainFile(of path: String) throws -> String {
    guard let folder = try? Folder(path: path) else { return path }
    guard let file = try file("train", in: folder) else {
      throw FormatError(file: path, problem: "has no train.tsv, train.csv or train.jsonl")
    }
    return file
  }

  /// Random rows, but no class's last one.
  private static func heldOut(_ count: Int, of rows: [LabelledDataSet.Row], seed: UInt64) -> Set<Int> {
    var random = SeededRandom(seed: seed, stream: "held out")
    var left: [Int: Int] = [:]
    for row in rows { left[row.label, default: 0] += 1 }
    var held: Set<Int> = []
    for place in random.permutation(rows.count) where held.count < count && left[rows[place].label]! > 1 {
      left[rows[place].label]! -= 1
      held.insert(place)
    }
    return held
  }

  private static func file(_ name: String, in folder: Folder) throws -> String? {
    let found = ["tsv", "csv", "jsonl", "ndjson"].map { "\(name).\($0)" }.filter(folder.has)
    guard found.count < 2 else {
      throw FormatError(file: folder.path, problem: "has both \(found[0]) and \(found[1]); give --data one file")
    }
    return try found.first.map { try regular(folder.path(of: $0)) }
  }

  /// A path that was found and that nobody named: a pipe there would be waited for without an end.
  private static func regular(_ path: String) throws(FormatError) -> String {
    guard FileKind(at: path) == .regular else { throw FormatError(file: path, problem: "is not a regular file") }
    return path
  }

  private static func checksum(_ path: String) throws(FormatError) -> String {
    try MappedFile(path: path).withBytes { Checksum.sha256(of: $0) }
  }
}
